"""The commands that do one thing to the data, and end."""

import contextlib
from typing import Annotated, Literal

import typer
from redis.exceptions import ResponseError
from rich.console import Console

from footfall.cli.app import app
from footfall.cli.options import KEPT, LOGS, SERVER, command
from footfall.cli.shared import client_of, confirmed, server
from footfall.errors import ExitCode, UsageError, reply_error
from footfall.keys import Keys
from footfall.process.signals import Terminated
from footfall.process.terminal import progress

# ruff: noqa: PLC0415 - as in services.py

_PANEL = "Data"


@command(
    app,
    "load",
    "load_from",
    "load_sample",
    "load_append",
    "load_replace",
    "load_reset",
    "load_unknown_becomes_dead_letters",
    "load_abort",
    "load_yes",
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
        if settings.load_abort:
            if what or settings.load_from or settings.load_sample:
                raise UsageError("--abort goes alone: it ends the load that was killed")
            print(loader.abort(settings, client, progress=bars))
            return
        if what is None:
            raise typer.BadParameter("say what to load: users, locations, checkins or all", context)
        word = "reset" if settings.load_reset else "replace"
        loaded = loader.load(what, settings, client, confirm=confirmed(bars, word), progress=bars)
    skipped = f" Skipped {' and '.join(loaded.skipped)}." if loaded.skipped else ""
    print(f"Loaded {loaded.users:,} users, {loaded.locations:,} locations and {loaded.checkins:,} check-ins.{skipped}")


@command(
    app,
    "generate",
    "generate_rate",
    "generate_count",
    "generate_seed",
    "generate_url",
    "generate_token",
    *SERVER,
    *LOGS,
    panel=_PANEL,
)
def generate(context: typer.Context) -> None:
    """Post random check-ins of existing users to the receiver, the way real load looks, until Ctrl-C or --count.

    Popular places get more, arrivals are random at the given rate and do not wait for slow answers. The summary
    tells what was accepted and refused, and how long answers took from the moment they were due.
    """
    from footfall.generate import run

    with server(context) as settings, client_of(settings) as client:
        if not run(settings, client, Console()):
            raise typer.Exit(ExitCode.FAILURE)


@command(app, "status", "status_json", "status_watch", *SERVER, *LOGS, panel=_PANEL)
def status(context: typer.Context) -> None:
    """Show the stream, the checkpoint, the backlog, dead letters, users, locations and the server.

    With --watch again every second until Ctrl-C, with rates; with --json, too, one object per line.
    """
    from footfall.operations import watch

    with server(context) as settings:
        # to be told to stop is how --watch ends, also before it has begun
        how_it_ends = (KeyboardInterrupt, Terminated) if settings.status_watch else ()
        with contextlib.suppress(*how_it_ends), client_of(settings) as client:
            show = watch.watch if settings.status_watch else watch.show
            show(client, settings, Console())


@command(
    app,
    "dead-letters",
    "dead_letters_reason",
    "dead_letters_json",
    "dead_letters_yes",
    "unknown_ids",
    *KEPT,
    *SERVER,
    *LOGS,
    panel=_PANEL,
)
def dead_letters(
    context: typer.Context,
    action: Annotated[Literal["list", "retry", "discard"], typer.Argument(help="What to do with them.")],
) -> None:
    """List, retry or discard dead letters: entries that could not be applied.

    retry applies each exactly once, also when it is killed half way and run again, beside running processors; what
    still cannot be applied stays, and the exit code is 1 then. discard removes them for good, when confirmed.
    """
    from footfall.operations import dead_letters as work

    with server(context) as settings, client_of(settings) as client:
        if action == "list":
            for line in work.listed(client, settings):
                print(line)
            return
        with progress() as bars:
            if action == "retry":
                result = work.retry(client, settings, bars)
            else:
                result = work.discard(client, settings, bars, confirmed(bars, "discard"))
        print(work.as_json(result) if settings.dead_letters_json else work.as_text(action, result))
        if result.remaining:
            raise typer.Exit(ExitCode.FAILURE)


@command(app, "verify", "verify_json", "verify_note_gone", "verify_yes", *SERVER, *LOGS, panel=_PANEL)
def verify(context: typer.Context) -> None:
    """Prove that counters, indexes, loaded numbers and the stream agree; name each difference.

    Only reads, also beside running services. The exit code is 1 when there is a difference. It says whether each
    counter was compared with the stream, or, when that was trimmed, only the sums.

    Entries that somebody removed from the stream after they were processed are named with what they have counted, when
    all the rest agrees. --note-gone writes that down, when confirmed, and the rest is proven again from then on.
    """
    from footfall.operations.audit.reader import SnapshotReader
    from footfall.operations.audit.verify import verify as work
    from footfall.operations.audit.verify_report import as_json, render

    with server(context) as settings, client_of(settings) as client:
        with progress() as bars:
            reader = SnapshotReader(client, Keys(settings.prefix))
            report = work(reader, settings, bars, confirmed(bars, "note"))
        if settings.verify_json:
            print(as_json(report))
        else:
            render(report, Console())
        if report.differences or report.gone:
            raise typer.Exit(ExitCode.FAILURE)


@command(app, "rebuild", "rebuild_without_gone", "rebuild_yes", *SERVER, *LOGS, panel=_PANEL)
def rebuild(context: typer.Context) -> None:
    """Rebuild counters and indexes from what was loaded and the stream, when confirmed.

    Everything may run meanwhile. It is refused when the stream was trimmed since the load. A rebuild that was killed
    is finished by running it again.
    """
    from footfall.operations.audit.reader import SnapshotReader
    from footfall.operations.audit.rebuild import rebuild as work
    from footfall.operations.audit.rebuild_report import render

    with server(context) as settings, client_of(settings) as client:
        with progress() as bars:
            reader = SnapshotReader(client, Keys(settings.prefix))
            done = work(reader, settings, confirm=confirmed(bars, "rebuild"), progress=bars)
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
