"""The commands that look at the data, prove them and repair them."""

import contextlib
from typing import Annotated, Literal

import typer
from redis.exceptions import ResponseError
from rich.console import Console

from footfall.cli.app import app
from footfall.cli.options import ACTIVITY, LOGS, SERVER, Json, Yes, command
from footfall.cli.shared import client_of, confirmed, server
from footfall.domain.entries import Reason
from footfall.errors import ExitCode, reply_error
from footfall.keys import Keys
from footfall.process.signals import Terminated
from footfall.process.terminal import progress

# ruff: noqa: PLC0415 - as in services.py

_PANEL = "Data"


@command(app, "status", *SERVER, *LOGS, panel=_PANEL)
def status(
    context: typer.Context,
    as_json: Json = False,
    watch: Annotated[
        bool, typer.Option("--watch", help="Show it again every second, with rates, until Ctrl-C.")
    ] = False,
) -> None:
    """Show the stream, the checkpoint, the backlog, dead letters, users, locations and the server.

    With --watch again every second until Ctrl-C, with rates; with --json, too, one object per line.
    """
    from footfall.operations.status.show import show as show_once
    from footfall.operations.status.watch import watch as show_again

    with server(context) as settings:
        # to be told to stop is how --watch ends, also before it has begun
        how_it_ends = (KeyboardInterrupt, Terminated) if watch else ()
        with contextlib.suppress(*how_it_ends), client_of(settings) as client:
            show = show_again if watch else show_once
            show(client, settings, Console(), as_json=as_json)


@command(
    app,
    "dead-letters",
    "unknown_ids",
    *ACTIVITY,
    *SERVER,
    *LOGS,
    panel=_PANEL,
)
def dead_letters(
    context: typer.Context,
    action: Annotated[Literal["list", "retry", "discard"], typer.Argument(help="What to do with them.")],
    reason: Annotated[
        Reason | None, typer.Option("--reason", metavar="REASON", help="Only those with this reason.")
    ] = None,
    as_json: Json = False,
    yes: Yes = False,
) -> None:
    """List, retry or discard dead letters: entries that could not be applied.

    retry applies each exactly once, also when it is killed half way and run again, beside running processors; what
    still cannot be applied stays, and the exit code is 1 then. discard removes them for good, when confirmed.
    """
    from footfall.operations import dead_letters as work

    with server(context) as settings, client_of(settings) as client:
        if action == "list":
            for line in work.listed(client, settings, reason=reason, as_json=as_json):
                print(line)
            return
        with progress() as bars:
            if action == "retry":
                result = work.retry(client, settings, bars, reason=reason)
            else:
                confirm = confirmed(bars, "discard", yes=yes)
                result = work.discard(client, settings, bars, confirm, reason=reason)
        print(work.as_json(result) if as_json else work.as_text(action, result))
        if result.remaining:
            raise typer.Exit(ExitCode.FAILURE)


@command(app, "verify", *SERVER, *LOGS, panel=_PANEL)
def verify(
    context: typer.Context,
    as_json: Json = False,
    note_gone: Annotated[
        bool,
        typer.Option("--note-gone", help="Note what entries have counted that somebody removed from the stream."),
    ] = False,
    yes: Yes = False,
) -> None:
    """Prove that counters, indexes, loaded numbers and the stream agree; name each difference.

    Only reads, also beside running services. The exit code is 1 when there is a difference. It says whether each
    counter was compared with the stream, or, when that was trimmed, only the sums.

    Entries that somebody removed from the stream after they were processed are named with what they have counted, when
    all the rest agrees. --note-gone writes that down, when confirmed, and the rest is proven again from then on.
    """
    from footfall.operations.audit.reader import SnapshotReader
    from footfall.operations.audit.verify import verify as work
    from footfall.operations.audit.verify_report import as_json as json_of
    from footfall.operations.audit.verify_report import render

    with server(context) as settings, client_of(settings) as client:
        with progress() as bars:
            reader = SnapshotReader(client, Keys(settings.server.prefix))
            report = work(reader, bars, note_gone=note_gone, confirm=confirmed(bars, "note", yes=yes))
        if as_json:
            print(json_of(report))
        else:
            render(report, Console())
        if report.differences or report.gone:
            raise typer.Exit(ExitCode.FAILURE)


@command(app, "rebuild", *SERVER, *LOGS, panel=_PANEL)
def rebuild(
    context: typer.Context,
    without_gone: Annotated[
        bool,
        typer.Option(
            "--without-gone", help="What entries have counted that are gone and cannot be noted counts no more."
        ),
    ] = False,
    yes: Yes = False,
) -> None:
    """Rebuild counters and indexes from what was loaded and the stream, when confirmed.

    Everything may run meanwhile. It is refused when the stream was trimmed since the load. A rebuild that was killed
    is finished by running it again.
    """
    from footfall.operations.audit.reader import SnapshotReader
    from footfall.operations.audit.rebuild import rebuild as work
    from footfall.operations.audit.rebuild_report import render

    with server(context) as settings, client_of(settings) as client:
        with progress() as bars:
            reader = SnapshotReader(client, Keys(settings.server.prefix))
            confirm = confirmed(bars, "rebuild", yes=yes)
            done = work(reader, without_gone=without_gone, confirm=confirm, progress=bars)
        render(done, Console())


@command(
    app,
    "redis",
    "redis_url",
    "data_dir",
    panel=_PANEL,
    flags={"redis_url": "--redis-url"},
    context_settings={"ignore_unknown_options": True},
)
def redis(
    context: typer.Context,
    words: Annotated[list[str], typer.Argument(metavar="COMMAND [ARGUMENT]...", help="As redis-cli takes it.")],
) -> None:
    """Send one command to the server and print the reply: `footfall redis HGETALL ncc:users:180`."""
    from footfall.store.replies import printed

    with server(context) as settings, client_of(settings) as client:
        client.response_callbacks.clear()  # the reply as it is
        client.connection_pool.connection_kwargs["protocol"] = 2  # as redis-cli speaks
        try:
            print(printed(client.execute_command(*words)))  # type: ignore[no-untyped-call]
        except ResponseError as error:
            code = getattr(error, "status_code", None)  # redis-py cuts the codes that it knows off the message
            raise reply_error(f"{code} {error}" if code else str(error)) from error
