"""The `footfall` command itself; each module beside it adds its subcommands."""

import sys
from typing import Annotated, NoReturn

import typer

from footfall import __version__, logs
from footfall.errors import ExitCode, FootfallError, OutputError
from footfall.process import signals, streams
from footfall.process.signals import Terminated

_EPILOG = "Exit codes: " + ", ".join(f"{code.value} {code.name.lower().replace('_', ' ')}" for code in ExitCode)

app = typer.Typer(
    name="footfall",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode="markdown",
    epilog=_EPILOG,
    help="Check-ins captured over HTTP, buffered in a Redis Stream, and counted exactly once.\n\n"
    "**footfall up** runs all of it on this machine. An option whose help names a variable can be set in the "
    "environment instead. Without --redis-url, commands use the embedded Valkey of the data "
    "directory, and start it for as long as they run when no other command has.",
    context_settings={"help_option_names": ["-h", "--help"]},
)


@app.callback(invoke_without_command=True)
def _footfall(version: Annotated[bool, typer.Option("--version", help="Show the version.")] = False) -> None:
    if version:
        print(__version__)
        raise typer.Exit


def main() -> NoReturn:
    """Run the command that the command line names; errors become one line and an exit code."""
    streams.prepare()
    signals.prepare()
    code: int | str | None = ExitCode.OK
    terminated = False
    try:
        app(standalone_mode=True)
    except OutputError:
        pass  # it comes again
    except FootfallError as error:
        logs.report_error(str(error))
        code = error.exit_code
    except Terminated:
        terminated = True
    except SystemExit as ended:
        code = ended.code
    try:
        streams.finish()
    except OutputError as error:
        logs.report_error(str(error))
        code = code or error.exit_code
    if terminated:
        signals.die_of_termination()
    sys.exit(code)
