"""How all of it does: what `footfall status` shows, and what the receiver has counted."""

import asyncio
import contextlib
import time
from typing import Annotated

from litestar import Response, get
from litestar.di import NamedDependency
from msgspec import Meta
from redis.exceptions import RedisError

from footfall.api.describe import answers_like
from footfall.api.kept import Kept
from footfall.config import Settings
from footfall.errors import DeniedError, UnavailableError
from footfall.http.app import problems
from footfall.identity import guard
from footfall.logs import Outage
from footfall.operations.status.collect import collect
from footfall.operations.status.document import LeaseStatus, ServerStatus, Status
from footfall.operations.status.receiver import CallBucket, ReceiverStatus, ask_receiver
from footfall.store.client import connect, raise_if_told


class ServiceStatus(Status, kw_only=True, rename="camel"):
    """The status at a moment."""

    timestamp: Annotated[int, Meta(description="When it was made, in ms since 1970")]
    receiver: Annotated[
        ReceiverStatus | None, Meta(description="Null without `receiver_url`, or when it does not answer")
    ]


class StatusReader:
    """Makes the status in a thread, once for all who ask within a second."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._kept = Kept(self._make)
        self._denied = Outage("There is no status: %s.", "There is a status again")

    async def read(self) -> ServiceStatus:
        """The status. Raises UnavailableError when the server cannot be asked, or refuses to tell."""
        return await self._kept.get()

    async def _make(self) -> ServiceStatus:
        try:
            made = await asyncio.to_thread(_status, self._settings)
        except DeniedError as error:  # what is refused to whom is for the log
            self._denied.begin(str(error))
            raise UnavailableError("the server refuses a command") from error
        self._denied.end()
        return made


def _status(settings: Settings) -> ServiceStatus:
    url, receiver, why = settings.api.receiver_url, None, []
    if url is not None:
        try:
            receiver = ask_receiver(url, settings.server.timeout_s)
        except ValueError as error:
            why = [str(error)]
    with contextlib.closing(connect(settings.server.url, settings.server, is_patient=False)) as client:
        try:
            status = collect(client, settings)
        except RedisError as error:
            raise_if_told(client, error)
            raise UnavailableError("the server is not available") from error
    status.warnings += why
    return ServiceStatus(
        **{name: getattr(status, name) for name in status.__struct_fields__},
        timestamp=int(1000 * time.time()),
        receiver=receiver,
    )


EXAMPLE = ServiceStatus(
    timestamp=1609602085397,
    state="ready",
    generation=1,
    stream_length=100_000,
    newest_entry="1609602085397-0",
    checkpoint="1609602085390-0",
    processed=99_993,
    backlog=7,
    oldest_unprocessed_ms=12,
    lease=LeaseStatus(held=True, holder="host:4711:5f3a", ttl_ms=1800),
    lost_entries=0,
    dead_letters={"unknown-user": 2},
    users=1000,
    locations=215,
    problems=[],
    warnings=[],
    server=ServerStatus(
        kind="Valkey",
        version="9.1.2",
        used_memory=41_943_040,
        used_memory_human="40.00M",
        max_memory=0,
        max_memory_policy="noeviction",
        append_only=True,
    ),
    receiver=ReceiverStatus(
        accepted=100_000,
        refused={"unknown-user": 3},
        in_flight=0,
        calls=2000,
        calls_ms=1800.5,
        call_buckets=[CallBucket(0.5, 1200), CallBucket(1.0, 1950), CallBucket(2.0, 2000)],
    ),
)


@get(
    "/api/status",
    operation_id="getStatus",
    guards=[guard.admin_while_signing_in],
    summary="How all of it does",
    tags=["running it"],
    response_description="The status",
    operation_class=answers_like(EXAMPLE),
    responses=problems(401, 403, 503),
)
async def status(status_reader: NamedDependency[StatusReader]) -> Response[ServiceStatus]:
    """Backlog, dead letters, what is wrong and how to repair it, as `footfall status --json` has them; with
    `receiver_url`, what the receiver has counted, too. Totals: two of them, and the time between, give rates. Up to a
    second old, or more where it takes long to make. While sign-in is on, it needs a token of role admin.
    """
    return Response(await status_reader.read(), headers={"cache-control": "no-store"})


routes = [status]
