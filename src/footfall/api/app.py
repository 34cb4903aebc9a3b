"""The API server's app: every route."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from litestar import Litestar

from footfall.api import checkins, locations, users
from footfall.api.parameters import Parameters
from footfall.api.reading import Reader
from footfall.config import Settings
from footfall.http_protocol import limits
from footfall.keys import Keys
from footfall.serve import worker_settings
from footfall.store.books import open_pipeline
from footfall.web import create_app


def create(settings: Settings | None = None) -> Litestar:
    """The API server; in a worker process, from the settings in its environment."""
    settings = settings or worker_settings()

    @asynccontextmanager
    async def lifespan(app: Litestar) -> AsyncIterator[None]:
        pipeline = open_pipeline(settings.server_url, settings)
        app.state.reader = Reader(pipeline, Keys(settings.prefix))
        app.state.shared.update(limits(settings))
        pipeline.start()
        await pipeline.settle()
        yield
        await pipeline.close()

    return create_app(
        title="Footfall API",
        description="What is known about check-ins, users and locations.",
        handlers=[*checkins.routes, *users.routes, *locations.routes],
        lifespan=lifespan,
        provide=("reader",),
        plugins=[Parameters()],
    )
