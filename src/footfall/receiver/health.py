"""Whether the receiver can take check-ins now, and what it has counted."""

import asyncio
from typing import TYPE_CHECKING, Any

import msgspec
from litestar import Request, Response
from litestar.di import NamedDependency

from footfall.config import Settings
from footfall.domain.model import MAX_TIME_MS
from footfall.errors import BacklogFullError, BrokenKeyError, DeniedError, LoadingError, ReplyError, UnavailableError
from footfall.http import health
from footfall.http.state import ServiceState
from footfall.keys import Keys
from footfall.logs import Outage
from footfall.receiver.intake import Intake
from footfall.store import permissions
from footfall.store.calls.commands import check_commands
from footfall.store.pipeline import Pipeline

if TYPE_CHECKING:
    from footfall.receiver.metrics import Metrics

_BROKEN = "the keys of the stream do not hold what they must"


class Ready(msgspec.Struct):
    """Check-ins are taken. `backlog`: entries that are not processed yet."""

    backlog: int
    status: str = "ready"


class Readiness:
    """Looks at the server over a connection of its own: the intake's may be waiting for replicas."""

    def __init__(self, pipeline: Pipeline, settings: Settings, service: ServiceState) -> None:
        self._pipeline = pipeline
        self._keys = Keys(settings.server.prefix)
        self._max_backlog = settings.checkins.max_backlog
        self._replicas = settings.server.replicas
        self._commands = permissions.receiver(settings)
        self._service = service
        #: a probe comes every few seconds
        self._denials = Outage("No check-in is taken: %s.", "The server allows what check-ins need")

    async def backlog(self) -> int:
        """Entries that are not processed yet. Raises UnavailableError or BrokenKeyError when no check-in is taken."""
        if self._service.is_draining:
            raise UnavailableError("the receiver is stopping")
        keys, call = self._keys, self._pipeline.call
        try:
            await check_commands(keys, self._commands).start(self._pipeline.connection)
            state, processed, added = await asyncio.gather(
                call("HGET", keys.meta, "state"), call("GET", keys.processed), self._added()
            )
            self._denials.end()
            if state == b"loading":
                raise LoadingError("data is being loaded")
            backlog = added - int(processed)
        except DeniedError as error:
            self._denials.begin(str(error))
            raise UnavailableError("the server refuses a command that check-ins need") from error
        except (ReplyError, TypeError, ValueError) as error:
            if isinstance(error, UnavailableError):
                raise
            raise BrokenKeyError(_BROKEN) from error
        if state != b"ready" or backlog < 0:  # more was processed than was ever added: it is gone, or an older one
            raise BrokenKeyError(_BROKEN)
        if backlog >= self._max_backlog:
            raise BacklogFullError(f"the backlog is full: {backlog} entries are not processed")
        if self._replicas and (online := await self._online_replicas()) < self._replicas:
            raise UnavailableError(f"{online} of {self._replicas} replicas are there to confirm check-ins")
        return backlog

    async def _online_replicas(self) -> int:
        info: bytes = await self._pipeline.call("INFO", "replication")
        return info.count(b",state=online,")

    async def _added(self) -> int:
        try:
            reply = await self._pipeline.call("XINFO", "STREAM", self._keys.stream)
        except ReplyError as error:
            if error.code == "ERR":  # there is no stream yet
                return 0
            raise
        info = dict(zip(reply[::2], reply[1::2], strict=True))
        if info[b"last-generated-id"].index(b"-") > len(str(MAX_TIME_MS)):
            raise BrokenKeyError("the ids of the stream are used up")
        return int(info[b"entries-added"])


@health.readiness("Whether check-ins are taken", Ready(backlog=17))
async def readyz(readiness: NamedDependency[Readiness]) -> Ready:
    """503 when the server does not answer, data is being loaded, the backlog is full, too few replicas are there for
    `durability`, or the receiver stops.
    """
    return Ready(await readiness.backlog())


@health.metrics()
async def metrics_text(request: Request[Any, Any, Any], intake: NamedDependency[Intake]) -> Response[bytes]:
    """Check-ins accepted and refused by reason, sizes and times of calls, and what is in flight; of all workers."""
    metrics: Metrics = request.app.state.metrics
    metrics.in_flight(intake.pending)  # single check-ins that wait for a call have not been counted yet
    return health.metrics_response(metrics.text())
