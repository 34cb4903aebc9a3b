"""Whether the processor lives, whether entries are processed, and what it has counted."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Self

import msgspec
from litestar import Litestar, Response
from litestar.di import NamedDependency

from footfall.config import Settings
from footfall.errors import FootfallError, UnavailableError
from footfall.http import health as routes
from footfall.http.app import App, create_app
from footfall.http.state import ServiceState, share
from footfall.keys import Keys
from footfall.processor.loop import Processor
from footfall.processor.metrics import Metrics
from footfall.store.calls.stream import Backlog, backlog
from footfall.store.metadata import open_metadata, open_pipeline


class Ready(msgspec.Struct):
    """Entries are processed, by this processor or (`standing by`) by another. `backlog`: those not processed yet."""

    state: str
    backlog: int
    status: str = "ready"


class Health:
    """Looks at the processor, and at the server over a connection of its own: the processor's waits for entries.

    That is there while in its `with`.
    """

    def __init__(self, processor: Processor, metrics: Metrics, settings: Settings) -> None:
        self._processor = processor
        self._metrics = metrics
        self._keys = Keys(settings.server.prefix)
        self._pipeline = open_pipeline(settings.server.url, settings.server, is_quiet=True)

    async def __aenter__(self) -> Self:
        self._pipeline.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._pipeline.close()

    async def ready(self) -> Ready:
        """Raises UnavailableError or BrokenKeyError when no entry is processed."""
        processor = self._processor
        if processor.is_stopping:
            raise UnavailableError("the processor is stopping")
        _, left = await asyncio.gather(open_metadata(self._pipeline.connection, self._keys), self._backlog())
        if processor.outage.reason is not None:
            raise UnavailableError(f"nothing is processed: {processor.outage.reason}")
        if processor.state == "connecting":
            raise UnavailableError("the processor has not reached the server")
        return Ready(processor.state, left.entries)

    async def text(self) -> bytes:
        """The metrics."""
        works = self._processor.state == "working"
        try:
            left = await self._backlog()
        except FootfallError:
            return self._metrics.text(works=works)
        return self._metrics.text(works=works, backlog=left.entries, oldest_s=left.oldest_s)

    async def _backlog(self) -> Backlog:
        return await backlog(self._keys).start(self._pipeline.connection)


@routes.readiness("Whether entries are processed", Ready(state="working", backlog=17))
async def readyz(health: NamedDependency[Health]) -> Ready:
    """503 when the server does not answer, data is being loaded, a key is broken, or the processor stops."""
    return await health.ready()


@routes.metrics()
async def metrics_text(health: NamedDependency[Health]) -> Response[bytes]:
    """Applied entries, dead letters, backlog, sizes and times of batches, and whether this processor works."""
    return routes.metrics_response(await health.text())


def create(settings: Settings, health: Health | None = None) -> App:
    """The app of a processor's `processor_port`."""

    @asynccontextmanager
    async def lifespan(app: Litestar) -> AsyncIterator[None]:
        app.state.health = health
        share(app.state.shared, ServiceState, settings.http)
        yield

    return create_app(
        title="Footfall processor",
        description="Health and metrics of a processor.",
        handlers=[routes.healthz, readyz, metrics_text],
        lifespan=lifespan,
        provide=("health",),
        proxies=settings.http.proxies,
    )
