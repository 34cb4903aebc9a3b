"""The `footfall` command: what each subcommand takes, and where its work is done."""

import contextlib
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Annotated, Literal, NoReturn

import typer
from redis import Redis
from redis.exceptions import RedisError, ResponseError
from rich.console import Console
from rich.progress import Progress

from footfall import __version__, logs, options
from footfall.config import Settings
from footfall.errors import ExitCode, FootfallError, UnavailableError, reply_error
from footfall.store.address import parse
from footfall.store.client import connect
from footfall.store.embedded import server_url
from footfall.terminal import progress

# A service starts in half the time when it does not import what only others need, so commands import their work.
# ruff: noqa: PLC0415
# Parameters bear the settings' names and are read off the context (options.py).
# ruff: noqa: ARG001

_EPILOG = "Exit codes: " + ", ".join(f"{code.value} {code.name.lower().replace('_', ' ')}" for code in ExitCode)

app = typer.Typer(
    name="footfall",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode="markdown",
    epilog=_EPILOG,
    help="Check-ins captured over HTTP, buffered in a Redis Stream, and counted exactly once.\n\n"
    "**footfall up** runs all of it on this machine. Every option can be set in the environment instead, "
    "as the variable that its help names. Without --redis-url, commands use the embedded Valkey of the data "
    "directory, and start it for as long as they run when no other command has.",
    context_settings={"help_option_names": ["-h", "--help"]},
)

_SERVICES, _DATA = "Services", "Data"


@app.callback(invoke_without_command=True)
def _footfall(version: Annotated[bool, typer.Option("--version", help="Show the version.")] = False) -> None:
    if version:
        print(__version__)
        raise typer.Exit


@app.command(rich_help_panel=_SERVICES)
def up(
    context: typer.Context,
    receiver_port: options.UpReceiverPort = None,
    receiver_workers: options.UpReceiverWorkers = None,
    api_port: options.UpApiPort = None,
    api_workers: options.UpApiWorkers = None,
    processor_port: options.UpProcessorPort = None,
    processor_delay: options.Delay = None,
    host: options.Host = None,
    unknown_ids: options.UnknownIds = None,
    max_backlog: options.MaxBacklog = None,
    durability: options.Durability = None,
    retain: options.Retain = None,
    redis_url: options.RedisUrl = None,
    data_dir: options.DataDir = None,
    prefix: options.Prefix = None,
    log_level: options.LogLevel = None,
    log_format: options.LogFormat = None,
) -> None:
    """Run everything on this machine: server, receiver, processor and API server.

    Starts the embedded Valkey unless --redis-url names a server, and loads the sample when its data directory is
    empty. Ctrl-C stops all parts, the server last. When one part dies, the others stop too.
    """
    from footfall import supervisor

    settings = _configured(context, service=True)
    supervisor.run(settings)


@app.command(rich_help_panel=_SERVICES)
def receiver(
    context: typer.Context,
    receiver_port: options.ReceiverPort = None,
    receiver_workers: options.ReceiverWorkers = None,
    host: options.Host = None,
    unknown_ids: options.UnknownIds = None,
    max_backlog: options.MaxBacklog = None,
    max_batch: options.MaxBatch = None,
    max_pending: options.MaxPending = None,
    durability: options.Durability = None,
    idempotency_ttl_s: options.IdempotencyTtl = None,
    duplicate_window_s: options.DuplicateWindow = None,
    request_timeout: options.RequestTimeout = None,
    max_connections: options.MaxConnections = None,
    server_timeout: options.ServerTimeout = None,
    redis_url: options.RedisUrl = None,
    data_dir: options.DataDir = None,
    prefix: options.Prefix = None,
    log_level: options.LogLevel = None,
    log_format: options.LogFormat = None,
) -> None:
    """Take check-ins over HTTP (POST /api/checkin, or many at once: POST /api/checkins).

    A 202 is sent when the server has confirmed the write, never before. While the server is away, or the backlog
    is full, the answer is 503 with Retry-After.
    """
    from footfall.receiver.durability import check_durability_at_start
    from footfall.receiver.fastpath import FastPath
    from footfall.serve import Service, run
    from footfall.store.advice import warn_at_start
    from footfall.store.books import check_at_start

    with _server(context, service=True) as settings:
        check_at_start(settings.server_url, settings)
        check_durability_at_start(settings)
        warn_at_start(settings)
        factory, workers = "footfall.receiver.app:create", settings.receiver_workers
        run(Service("receiver", factory, "receiver_port", workers, protocol=FastPath), settings)


@app.command(rich_help_panel=_SERVICES)
def processor(
    context: typer.Context,
    processor_delay: options.Delay = None,
    processor_once: options.Once = None,
    processor_batch: options.ProcessorBatch = None,
    processor_lease_s: options.ProcessorLease = None,
    processor_port: options.ProcessorPort = None,
    host: options.Host = None,
    unknown_ids: options.UnknownIds = None,
    retain: options.Retain = None,
    retain_for_groups: options.RetainForGroups = None,
    server_timeout: options.ServerTimeout = None,
    redis_url: options.RedisUrl = None,
    data_dir: options.DataDir = None,
    prefix: options.Prefix = None,
    log_level: options.LogLevel = None,
    log_format: options.LogFormat = None,
) -> None:
    """Apply the stream's entries to users and locations, each exactly once.

    Any number may run on one stream: one works, the others stand by and take over. Any may be killed at any moment.
    Ctrl-C finishes the batches under way. With --once, one that stands by ends, too, when the stream is drained.
    """
    from footfall.processor.service import run
    from footfall.store.advice import warn_at_start
    from footfall.store.books import check_at_start

    with _server(context, service=True) as settings:
        if settings.processor_delay:
            logs.show_check_ins()
        check_at_start(settings.server_url, settings)
        warn_at_start(settings)
        run(settings)


@app.command(rich_help_panel=_SERVICES)
def api(
    context: typer.Context,
    api_port: options.ApiPort = None,
    api_workers: options.ApiWorkers = None,
    api_reload: options.ApiReload = None,
    host: options.Host = None,
    request_timeout: options.RequestTimeout = None,
    max_connections: options.MaxConnections = None,
    server_timeout: options.ServerTimeout = None,
    redis_url: options.RedisUrl = None,
    data_dir: options.DataDir = None,
    prefix: options.Prefix = None,
    log_level: options.LogLevel = None,
    log_format: options.LogFormat = None,
) -> None:
    """Serve check-ins, users and locations as JSON; /docs describes the routes."""
    from footfall.serve import Service, run
    from footfall.store.books import check_at_start

    with _server(context, service=True) as settings:
        check_at_start(settings.server_url, settings)
        factory, workers = "footfall.api.app:create", settings.api_workers
        run(Service("API server", factory, "api_port", workers, settings.api_reload), settings)


@app.command(rich_help_panel=_DATA)
def load(
    context: typer.Context,
    what: Annotated[Literal["users", "locations", "checkins", "all"], typer.Argument(help="What to load.")],
    load_from: options.LoadFrom = None,
    load_reset: options.Reset = None,
    load_yes: options.Yes = None,
    bcrypt_cost: options.BcryptCost = None,
    redis_url: options.RedisUrl = None,
    data_dir: options.DataDir = None,
    prefix: options.Prefix = None,
    log_level: options.LogLevel = None,
    log_format: options.LogFormat = None,
) -> None:
    """Load the sample, or users, locations or check-ins from a file.

    Users and locations may be loaded while everything runs; loading one again moves its counters by the difference,
    so that no counted check-in is lost. Check-ins replace the stream and are then unprocessed; that is refused when
    it holds check-ins from a receiver, unless --reset is given and confirmed. Bad rows are listed, and nothing is
    loaded then. A load that was killed is finished by running it again.
    """
    from footfall import loader

    with _server(context) as settings, _client(settings) as client, progress() as bars:
        loaded = loader.load(what, settings, client, confirm=_confirmed(bars, "reset"), progress=bars)
    print(f"Loaded {loaded.users:,} users, {loaded.locations:,} locations and {loaded.checkins:,} check-ins.")


@app.command(rich_help_panel=_DATA)
def generate(
    context: typer.Context,
    generate_rate: options.Rate = None,
    generate_count: options.Count = None,
    generate_seed: options.Seed = None,
    generate_url: options.Url = None,
    redis_url: options.RedisUrl = None,
    data_dir: options.DataDir = None,
    prefix: options.Prefix = None,
    log_level: options.LogLevel = None,
    log_format: options.LogFormat = None,
) -> None:
    """Post random check-ins of existing users to the receiver, the way real load looks, until Ctrl-C or --count.

    Popular places get more, arrivals are random at the given rate and do not wait for slow answers. The summary
    tells what was accepted and refused, and how long answers took from the moment they were due.
    """
    from footfall.generate import run

    with _server(context) as settings, _client(settings) as client:
        if not run(settings, client, Console()):
            raise typer.Exit(ExitCode.FAILURE)


@app.command(rich_help_panel=_DATA)
def status(
    context: typer.Context,
    status_json: options.Json = None,
    status_watch: options.Watch = None,
    redis_url: options.RedisUrl = None,
    data_dir: options.DataDir = None,
    prefix: options.Prefix = None,
    log_level: options.LogLevel = None,
    log_format: options.LogFormat = None,
) -> None:
    """Show the stream, the checkpoint, the backlog, dead letters, users, locations and the server.

    With --watch again every second until Ctrl-C, with rates; with --json, too, one object per line.
    """
    from footfall import watch

    with _server(context) as settings, _client(settings) as client:
        show = watch.watch if settings.status_watch else watch.show
        show(client, settings, Console())


@app.command("dead-letters", rich_help_panel=_DATA)
def dead_letters(
    context: typer.Context,
    action: Annotated[Literal["list", "retry", "discard"], typer.Argument(help="What to do with them.")],
    dead_letters_reason: options.DeadLettersReason = None,
    dead_letters_json: options.DeadLettersJson = None,
    dead_letters_yes: options.DeadLettersYes = None,
    unknown_ids: options.UnknownIds = None,
    redis_url: options.RedisUrl = None,
    data_dir: options.DataDir = None,
    prefix: options.Prefix = None,
    log_level: options.LogLevel = None,
    log_format: options.LogFormat = None,
) -> None:
    """List, retry or discard dead letters: entries that could not be applied.

    retry applies each exactly once, also when it is killed half way and run again, beside running processors; what
    still cannot be applied stays, and the exit code is 1 then. discard removes them for good, when confirmed.
    """
    from footfall import dead_letters as work

    with _server(context) as settings, _client(settings) as client:
        if action == "list":
            for line in work.listed(client, settings):
                print(line)
            return
        with progress() as bars:
            if action == "retry":
                result = work.retry(client, settings, bars)
            else:
                result = work.discard(client, settings, bars, _confirmed(bars, "discard"))
        print(work.as_json(result) if settings.dead_letters_json else work.as_text(action, result))
        if result.remaining:
            raise typer.Exit(ExitCode.FAILURE)


@app.command(rich_help_panel=_DATA)
def verify(
    context: typer.Context,
    verify_json: options.VerifyJson = None,
    redis_url: options.RedisUrl = None,
    data_dir: options.DataDir = None,
    prefix: options.Prefix = None,
    log_level: options.LogLevel = None,
    log_format: options.LogFormat = None,
) -> None:
    """Prove that counters, indexes, loaded numbers and the stream agree; name each difference.

    Only reads, also beside running services. The exit code is 1 when there is a difference. It says whether each
    counter was compared with the stream, or, when that was trimmed, only the sums.
    """
    from footfall.audit import verify as audit

    with _server(context) as settings, _client(settings) as client:
        with progress() as bars:
            report = audit.verify(client, settings, bars)
        if settings.verify_json:
            print(audit.as_json(report))
        else:
            audit.render(report, Console())
        if report.differences:
            raise typer.Exit(ExitCode.FAILURE)


@app.command(rich_help_panel=_DATA)
def rebuild(
    context: typer.Context,
    rebuild_yes: options.RebuildYes = None,
    redis_url: options.RedisUrl = None,
    data_dir: options.DataDir = None,
    prefix: options.Prefix = None,
    log_level: options.LogLevel = None,
    log_format: options.LogFormat = None,
) -> None:
    """Make counters and indexes anew from what was loaded and the stream, when confirmed.

    Everything may run meanwhile. It is refused when the stream was trimmed since the load. A rebuild that was killed
    is finished by running it again.
    """
    from footfall.audit import rebuild as audit

    with _server(context) as settings, _client(settings) as client:
        with progress() as bars:
            done = audit.rebuild(client, settings, confirm=_confirmed(bars, "rebuild"), progress=bars)
        audit.render(done, Console())


@app.command(rich_help_panel=_DATA, context_settings={"ignore_unknown_options": True})
def redis(
    context: typer.Context,
    words: Annotated[list[str], typer.Argument(metavar="COMMAND [ARGUMENT]...", help="As redis-cli takes it.")],
    redis_url: options.RedisUrl = None,
    data_dir: options.DataDir = None,
) -> None:
    """Send one command to the server and print the reply: `footfall redis HGETALL ncc:users:180`."""
    from footfall.replies import printed

    with _server(context) as settings, _client(settings) as client:
        client.response_callbacks.clear()  # the reply as it is
        client.connection_pool.connection_kwargs["protocol"] = 2  # as redis-cli speaks
        try:
            print(printed(client.execute_command(*words)))  # type: ignore[no-untyped-call]
        except ResponseError as error:
            code = getattr(error, "status_code", None)  # redis-py cuts the codes that it knows off the message
            raise reply_error(f"{code} {error}" if code else str(error)) from error


def _confirmed(bars: Progress, word: str) -> Callable[[str], bool]:
    """Asks for the word to be typed; no without a terminal."""

    def confirm(prompt: str) -> bool:
        if not sys.stdin.isatty():
            return False
        bars.stop()
        try:
            answer = input(f"{prompt} Type `{word}` to go on: ")
        except EOFError:  # Ctrl-D
            return False
        bars.start()
        return answer.strip() == word

    return confirm


def _configured(context: typer.Context, *, service: bool) -> Settings:
    """The settings; the log goes to standard output for services and to standard error for the others."""
    settings = options.settings_from(context)
    logs.configure(settings.log_level, settings.log_format, sys.stdout if service else sys.stderr)
    return settings


@contextmanager
def _server(context: typer.Context, *, service: bool = False) -> Iterator[Settings]:
    """The settings with the server's URL settled; the embedded server runs meanwhile when it is needed."""
    settings = _configured(context, service=service)
    with server_url(settings) as url:
        yield settings.with_server(url)


@contextmanager
def _client(settings: Settings) -> Iterator[Redis]:
    """A client for one command. A server that is away becomes an UnavailableError."""
    with contextlib.closing(connect(settings.server_url, settings)) as client:
        try:
            yield client
        except RedisError as error:
            address = parse(settings.server_url)
            raise UnavailableError(f"the server at {address} cannot be used: {error}") from error


def main() -> NoReturn:
    """Run the command that the command line names; errors become one line and an exit code."""
    try:
        app(standalone_mode=True)
    except FootfallError as error:
        logs.complain(str(error))
        sys.exit(error.exit_code)
    sys.exit(ExitCode.OK)
