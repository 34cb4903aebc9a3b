"""The API server's app: every route."""

import gc
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial

from litestar import Litestar, Router

from footfall.api.feed import Feed
from footfall.api.hot import HotReads
from footfall.api.metrics import Metrics
from footfall.api.parameters import Parameters
from footfall.api.reading import Reader
from footfall.api.routes import (
    activity,
    checkins,
    details,
    health,
    live,
    location_lists,
    locations,
    manage_locations,
    manage_users,
    me,
    nearby,
    places,
    status,
    user_lists,
    users,
)
from footfall.api.state import ApiState
from footfall.config import Settings
from footfall.http.app import Shortcut, create_app
from footfall.http.server import worker_settings
from footfall.http.state import share
from footfall.identity.describe import ANYBODY, SECURITY_SCHEMES, SENDER
from footfall.identity.sessions import Sessions
from footfall.keys import Keys
from footfall.operations.manage.hash_passwords import PasswordHasher
from footfall.operations.manage.locations import Locations
from footfall.operations.manage.users import Users
from footfall.page.files import live_page
from footfall.store import permissions
from footfall.store.metadata import open_pipeline


def create(settings: Settings | None = None, shortcut: Shortcut | None = HotReads) -> Litestar:
    """The API server; in a worker process, from the settings in its environment.

    `shortcut` makes what answers before the framework.
    """
    settings = settings or worker_settings()
    metrics = Metrics()

    @asynccontextmanager
    async def lifespan(app: Litestar) -> AsyncIterator[None]:
        pipeline = open_pipeline(settings.server.url, settings.server, commands=permissions.API)
        app.state.reader = Reader(pipeline, Keys(settings.server.prefix))
        app.state.places_reader = places.PlacesReader(app.state.reader)
        app.state.status_reader = status.StatusReader(settings)
        app.state.metrics = metrics
        app.state.activity = settings.activity
        app.state.feed = Feed(
            pipeline,
            partial(open_pipeline, settings.server.url, settings.server, is_quiet=True),
            Keys(settings.server.prefix),
            settings,
            metrics.streams,
        )
        state = share(app.state.shared, ApiState, settings.http, reader=app.state.reader)
        state.stop_streams = app.state.feed.stop
        app.state.settings = settings
        app.state.sessions = Sessions(pipeline, app.state.reader.keys, settings.auth)
        hasher = PasswordHasher(settings.auth.bcrypt_cost)
        app.state.managed_users = Users(pipeline, app.state.reader.keys, hasher)
        app.state.managed_locations = Locations(pipeline, app.state.reader.keys)
        pipeline.start()
        await pipeline.settle()
        # what is there now stays: collections that looked at it took a third of the time of large answers
        gc.freeze()
        yield
        await pipeline.close()
        hasher.close()

    guarded = Router(
        "/", route_handlers=users.guarded, security=SENDER if settings.auth.enabled else [*SENDER, ANYBODY]
    )
    operated = Router(
        "/",
        route_handlers=status.routes,
        security=[{"token": []}] if settings.auth.enabled else [{"token": []}, ANYBODY],
    )
    return create_app(
        title="Footfall API",
        description="What is known about check-ins, users and locations.",
        handlers=[
            *checkins.routes,
            *live.routes,
            *users.routes,
            guarded,
            *me.routes,
            *user_lists.routes,
            *locations.routes,
            *details.routes,
            *location_lists.routes,
            *nearby.routes,
            *places.routes,
            *activity.routes,
            *manage_users.routes,
            *manage_locations.routes,
            operated,
            *health.routes,
            *(live_page(settings) if settings.api.live_page else ()),
        ],
        lifespan=lifespan,
        provide=(
            "reader",
            "places_reader",
            "status_reader",
            "feed",
            "activity",
            "sessions",
            "managed_users",
            "managed_locations",
            "metrics",
        ),
        plugins=[Parameters()],
        cors_origins=settings.http.cors_origins,
        proxies=settings.http.proxies,
        count=metrics.answered,
        shortcut=shortcut,
        security_schemes=SECURITY_SCHEMES,
    )
