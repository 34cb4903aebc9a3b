"""The auth service: signing in and out."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Annotated, Any

from litestar import Litestar, Request, Response, post
from litestar.di import NamedDependency
from litestar.openapi.datastructures import ResponseSpec
from msgspec import Meta

from footfall import sample
from footfall.auth.metrics import Metrics
from footfall.auth.signing_in import SigningIn
from footfall.config import Settings
from footfall.domain.model import Id, Record
from footfall.http import health
from footfall.http.app import create_app, problems
from footfall.http.bodies import MAX_READ, document, takes
from footfall.http.forwarded import client_address
from footfall.http.health import Ready, healthz
from footfall.http.server import worker_settings
from footfall.http.state import ServiceState, share
from footfall.identity.credentials import session
from footfall.identity.describe import SECURITY_SCHEMES, SetsCookie
from footfall.identity.sessions import Sessions
from footfall.keys import Keys
from footfall.store import permissions
from footfall.store.metadata import open_pipeline
from footfall.store.pipeline import Pipeline


class Login(Record, frozen=True):
    """Who signs in."""

    email: Annotated[str, Meta(min_length=1, max_length=255)]
    password: Annotated[str, Meta(min_length=1, max_length=1000)]


class SignedIn(Record, frozen=True):
    """Who has signed in. The session's id is in the cookie alone."""

    user_id: Id


_SOPHIA = Login(email="sophia.marshall@example.com", password=sample.PASSWORD)
_Takes: Any = takes(Login, _SOPHIA, (200, SignedIn(user_id=180)))


class _LoginOperation(_Takes, SetsCookie):  # type: ignore[misc]
    def __post_init__(self) -> None:
        _Takes.__post_init__(self)
        SetsCookie.__post_init__(self)


@post(
    "/login",
    operation_id="signIn",
    status_code=200,
    request_max_body_size=MAX_READ,
    operation_class=_LoginOperation,
    summary="Sign in",
    tags=["signing in"],
    responses={
        200: ResponseSpec(SignedIn, generate_examples=False, description="Signed in"),
        **problems(400, 401, 413, 415, 422, 429, 503),
    },
)
async def login(
    request: Request[Any, Any, Any],
    signing_in: NamedDependency[SigningIn],
    sessions: NamedDependency[Sessions],
    settings: NamedDependency[Settings],
) -> Response[SignedIn]:
    """Begin a session with e-mail and password. Every service knows it by its cookie, until it is not used for
    `session_ttl_s` seconds or signs out. A session that is sent along ends.
    """
    sent = await document(request, Login)
    peer = request.client.host if request.client else None
    address = client_address(peer, request.headers.getall("x-forwarded-for", []), settings.http.proxies)
    before = session(request.headers.getall("cookie", []))
    user_id, session_id = await signing_in.login(sent.email, sent.password, address, before)
    headers = {"set-cookie": sessions.cookie(session_id), "cache-control": "no-store"}
    return Response(SignedIn(user_id=user_id), headers=headers)


@post(
    "/logout",
    operation_id="signOut",
    status_code=204,
    operation_class=SetsCookie,
    summary="Sign out",
    tags=["signing in"],
    security=[{"session": []}, {}],
    responses=problems(503),
)
async def logout(
    request: Request[Any, Any, Any], signing_in: NamedDependency[SigningIn], sessions: NamedDependency[Sessions]
) -> Response[None]:
    """End the session and take its cookie away. Without a session it does nothing, and is answered alike."""
    await signing_in.logout(session(request.headers.getall("cookie", [])))
    return Response(None, headers={"set-cookie": sessions.no_cookie(), "cache-control": "no-store"})


@health.readiness("Whether people can sign in", Ready())
async def readyz(pipeline: NamedDependency[Pipeline]) -> Ready:
    """503 when the server does not answer."""
    await pipeline.call("PING")
    return Ready()


@health.metrics()
async def metrics_text(metrics: NamedDependency[Metrics]) -> Response[bytes]:
    """Attempts to sign in by outcome, and how long passwords took to check; of all workers."""
    return health.metrics_response(metrics.text())


def create(settings: Settings | None = None) -> Litestar:
    """The auth service; in a worker process, from the settings in its environment."""
    settings = settings or worker_settings()

    @asynccontextmanager
    async def lifespan(app: Litestar) -> AsyncIterator[None]:
        keys, state = Keys(settings.server.prefix), app.state
        pipeline = open_pipeline(settings.server.url, settings.server, commands=permissions.AUTH)
        state.settings, state.pipeline, state.metrics = settings, pipeline, Metrics()
        state.sessions = Sessions(pipeline, keys, settings.auth)
        state.signing_in = SigningIn(pipeline, keys, settings.auth, state.metrics)
        share(state.shared, ServiceState, settings.http)
        pipeline.start()
        await pipeline.settle()
        yield
        state.signing_in.close()
        await pipeline.close()

    return create_app(
        title="Footfall auth",
        description="Signs people in and out.",
        handlers=[login, logout, healthz, readyz, metrics_text],
        lifespan=lifespan,
        provide=("settings", "pipeline", "metrics", "sessions", "signing_in"),
        cors_origins=settings.http.cors_origins,
        proxies=settings.http.proxies,
        security_schemes=SECURITY_SCHEMES,
    )
