"""The commands that run until they are stopped: all of Footfall, or one of its services."""

from typing import Annotated

import typer

from footfall import logs
from footfall.cli.app import app
from footfall.cli.options import ACTIVITY, HTTP, LOGS, SERVER, command
from footfall.cli.shared import configured, server
from footfall.errors import UsageError

# A service starts in half the time when it does not import what only others need, so commands import their work.
# ruff: noqa: PLC0415

_PANEL = "Services"


@command(
    app,
    "up",
    "receiver_port",
    "receiver_workers",
    "api_port",
    "api_workers",
    "live_page",
    "map_tiles",
    "map_attribution",
    "processor_port",
    "processor_delay",
    "auth",
    "auth_port",
    "auth_workers",
    "session_ttl_s",
    "session_secure",
    "trusted_proxies",
    "host",
    "cors_origins",
    "unknown_ids",
    "max_backlog",
    "durability",
    "retain",
    *ACTIVITY,
    *SERVER,
    *LOGS,
    panel=_PANEL,
    flags={"processor_delay": "--delay"},
)
def up(
    context: typer.Context,
    opens_page: Annotated[
        bool, typer.Option("--open", help="Open the live page in the browser as soon as it is there.")
    ] = False,
) -> None:
    """Run everything on this machine: server, receiver, processor and API server; with --auth, people sign in.

    Starts the embedded Valkey unless --redis-url names a server, and loads the sample when its data directory is
    empty. Ctrl-C stops all parts, the server last. When one part dies, the others stop too.
    """
    from footfall.up import supervisor

    settings = configured(context, service=True)
    if opens_page and not settings.api.live_page:
        raise UsageError("--open opens the live page, which --no-live-page takes away")
    supervisor.run(settings, opens_page=opens_page)


@command(
    app,
    "receiver",
    "receiver_port",
    "receiver_workers",
    "unknown_ids",
    "max_backlog",
    "max_batch",
    "max_pending",
    "durability",
    "idempotency_ttl_s",
    "duplicate_window_s",
    "auth",
    "session_ttl_s",
    *HTTP,
    *SERVER,
    *LOGS,
    panel=_PANEL,
)
def receiver(context: typer.Context) -> None:
    """Take check-ins over HTTP (POST /api/checkin, or many at once: POST /api/checkins).

    A 202 is sent when the server has confirmed the write, never before. While the server is away, or the backlog
    is full, the answer is 503 with Retry-After.
    """
    from footfall.http.server import Service, run
    from footfall.receiver.durability import check_durability_at_start
    from footfall.receiver.fastpath import FastPath
    from footfall.store import permissions
    from footfall.store.advice import warn_at_start
    from footfall.store.metadata import check_at_start
    from footfall.store.permissions import check_commands_at_start

    with server(context, service=True) as settings:
        check_commands_at_start(settings.server, permissions.receiver(settings))
        check_at_start(settings.server.url, settings.server)
        check_durability_at_start(settings.server)
        warn_at_start(settings.server)
        factory, workers = "footfall.receiver.app:create", settings.receiver.workers
        run(Service("receiver", factory, "receiver_port", workers, protocol=FastPath), settings)


@command(
    app,
    "processor",
    "processor_delay",
    "processor_once",
    "processor_batch",
    "processor_lease_s",
    "processor_port",
    "host",
    "unknown_ids",
    "retain",
    "retain_for_groups",
    "server_timeout",
    "server_check_s",
    *ACTIVITY,
    *SERVER,
    *LOGS,
    panel=_PANEL,
)
def processor(context: typer.Context) -> None:
    """Apply the stream's entries to users and locations, each exactly once.

    Any number may run on one stream: one works, the others stand by and take over. Any may be killed at any moment.
    Ctrl-C finishes the batches under way. With --once, one that stands by ends, too, when the stream is drained.
    """
    from footfall.processor.service import run
    from footfall.store.advice import warn_at_start
    from footfall.store.metadata import check_at_start
    from footfall.store.permissions import PROCESSOR, check_commands_at_start

    with server(context, service=True) as settings:
        if settings.processor.delay:
            logs.show_check_ins()
        check_commands_at_start(settings.server, PROCESSOR)
        check_at_start(settings.server.url, settings.server)
        warn_at_start(settings.server)
        run(settings)


@command(
    app,
    "api",
    "api_port",
    "api_workers",
    "api_reload",
    "auth",
    "session_ttl_s",
    "session_secure",
    "live_heartbeat_s",
    "live_page",
    "receiver_url",
    "auth_url",
    "map_tiles",
    "map_attribution",
    "bcrypt_cost",
    *HTTP,
    *ACTIVITY,
    *SERVER,
    *LOGS,
    panel=_PANEL,
)
def api(context: typer.Context) -> None:
    """Serve check-ins, users and locations as JSON; /docs describes the routes."""
    from footfall.http.server import Service, run
    from footfall.store.metadata import check_at_start
    from footfall.store.permissions import API, check_commands_at_start

    with server(context, service=True) as settings:
        check_commands_at_start(settings.server, API)
        check_at_start(settings.server.url, settings.server)
        factory, workers = "footfall.api.app:create", settings.api.workers
        run(Service("API server", factory, "api_port", workers, settings.api.reload), settings)


@command(
    app,
    "auth",
    "auth_port",
    "auth_workers",
    "session_ttl_s",
    "session_secure",
    "login_per_email",
    "login_per_address",
    "login_window_s",
    "bcrypt_cost",
    *HTTP,
    *SERVER,
    *LOGS,
    panel=_PANEL,
)
def auth(context: typer.Context) -> None:
    """Sign people in and out (POST /login, POST /logout): all services know their sessions."""
    from footfall.http.server import Service, run
    from footfall.store.metadata import check_at_start
    from footfall.store.permissions import AUTH, check_commands_at_start

    with server(context, service=True, signs_in=True) as settings:
        check_commands_at_start(settings.server, AUTH)
        check_at_start(settings.server.url, settings.server)
        run(Service("auth service", "footfall.auth.app:create", "auth_port", settings.auth.workers), settings)
