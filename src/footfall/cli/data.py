"""The commands that make data: a load, and check-ins at random."""

import contextlib
import sys
from pathlib import Path
from typing import Annotated, Literal

import typer
from rich.console import Console

from footfall.cli.app import app
from footfall.cli.options import LOGS, SERVER, Yes, command
from footfall.cli.shared import client_of, confirmed, server
from footfall.errors import ExitCode, UsageError
from footfall.process.terminal import progress

# ruff: noqa: PLC0415 - as in services.py

_PANEL = "Data"

#: check-ins per second that can be asked for
_MOST_PER_S = 1_000_000


def _rate(value: float) -> float:
    if not 0 < value <= _MOST_PER_S:  # nor is it NaN
        raise typer.BadParameter(f"must be above 0, and {_MOST_PER_S} at most")
    return value


@command(
    app,
    "load",
    "bcrypt_cost",
    "unknown_ids",
    "retain",
    *SERVER,
    *LOGS,
    panel=_PANEL,
)
def load(
    context: typer.Context,
    what: Annotated[
        Literal["users", "locations", "checkins", "all"] | None, typer.Argument(help="What to load.")
    ] = None,
    source: Annotated[
        Path | None,
        typer.Option(
            "--from",
            metavar="FILE",
            help="File to load: JSON array, NDJSON or CSV with a header, UTF-8, maybe gzipped; - is standard input.",
        ),
    ] = None,
    sample: Annotated[bool, typer.Option("--sample", help="Load the sample instead of a file.")] = False,
    append: Annotated[
        bool, typer.Option("--append", help="Add check-ins that come after the newest one, and replace none.")
    ] = False,
    replace: Annotated[
        bool,
        typer.Option("--replace", help="Drop all check-ins that are there, and what they have counted, for these."),
    ] = False,
    reset: Annotated[
        bool,
        typer.Option(
            "--reset",
            help="As --replace; and the sample may take the place of other users, locations and check-ins.",
        ),
    ] = False,
    unknown_becomes_dead_letters: Annotated[
        bool,
        typer.Option(
            "--unknown-becomes-dead-letters",
            help="Load check-ins of users or locations that are not there, too: they become dead letters.",
        ),
    ] = False,
    abort: Annotated[
        bool, typer.Option("--abort", help="End a load of check-ins that was killed: all is as before it.")
    ] = False,
    yes: Yes = False,
) -> None:
    """Load users, locations or check-ins from a file (--from), or the sample (--sample, also `all`).

    Users and locations may be loaded while everything runs; loading one again moves its counters by the difference,
    so that no counted check-in is lost. Check-ins become the stream, and are then unprocessed. When there are some
    already, say what becomes of them: --append adds later ones, --replace drops what is there, and what it has counted,
    after a question. The sample takes the place of other data only with --reset. Bad rows are listed, and nothing is
    loaded then; rows of users and locations that were removed for good are skipped. A load that was killed is finished
    by running it again, or ended with --abort.
    """
    from footfall.operations import loader

    with server(context) as settings, client_of(settings) as client, progress() as bars:
        if abort:
            if what or source or sample:
                raise UsageError("--abort goes alone: it ends the load that was killed")
            print(loader.abort(settings, client, progress=bars))
            return
        if what is None:
            raise typer.BadParameter("say what to load: users, locations, checkins or all", context)
        options = loader.LoadOptions(
            source=source,
            sample=sample,
            append=append,
            replace=replace,
            reset=reset,
            unknown_becomes_dead_letters=unknown_becomes_dead_letters,
        )
        confirm = confirmed(bars, "reset" if reset else "replace", yes=yes)
        loaded = loader.load(what, options, settings, client, confirm=confirm, progress=bars)
    skipped = f" Skipped {' and '.join(loaded.skipped)}." if loaded.skipped else ""
    print(f"Loaded {loaded.users:,} users, {loaded.locations:,} locations and {loaded.checkins:,} check-ins.{skipped}")


@command(app, "generate", *SERVER, *LOGS, panel=_PANEL)
def generate(
    context: typer.Context,
    rate: Annotated[float, typer.Option("--rate", callback=_rate, help="Check-ins per second, on average.")] = 50.0,
    count: Annotated[
        int | None, typer.Option("--count", min=1, help="Stop after this many. Without it: at Ctrl-C.")
    ] = None,
    seed: Annotated[int | None, typer.Option("--seed", help="Seed of the random numbers, to repeat a run.")] = None,
    url: Annotated[
        str | None, typer.Option("--url", help="Receiver to post to. Without it: the one on this machine.")
    ] = None,
    token: Annotated[
        str | None,
        typer.Option(
            "--token",
            help="Token to post with. Without it: for this machine, the one in the data directory, if there is one.",
        ),
    ] = None,
    token_file: Annotated[
        Path | None,
        typer.Option(
            "--token-file",
            metavar="FILE",
            help="File whose first line is the token; `-`: standard input. Processes' arguments do not show it.",
        ),
    ] = None,
) -> None:
    """Post random check-ins of existing users to the receiver, the way real load looks, until Ctrl-C or --count.

    Popular places get more, arrivals are random at the given rate and do not wait for slow answers. The summary
    tells what was accepted and refused, and how long answers took from the moment they were due.
    """
    from footfall.generate import GenerateOptions, run
    from footfall.identity.credentials import is_token

    if token_file is not None:
        if token is not None:
            raise UsageError("--token and --token-file exclude each other")
        token = _first_line(token_file)
    if token is not None and not is_token(token):
        raise UsageError("--token or --token-file: that is no token; `footfall tokens create` prints one")
    options = GenerateOptions(rate=rate, count=count, url=url, token=token, seed=seed)
    with server(context) as settings, client_of(settings) as client:
        if not run(options, settings, client, Console()):
            raise typer.Exit(ExitCode.FAILURE)


def _first_line(path: Path) -> str:
    try:
        with contextlib.nullcontext(sys.stdin) if str(path) == "-" else path.open() as file:
            return file.readline().strip()
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"--token-file: cannot read {path}: {getattr(error, 'strerror', 'it is no text')}") from None
