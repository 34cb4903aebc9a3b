"""What every HTTP service shares: the framework's set-up, errors as problem documents, the docs page."""

from collections.abc import Callable, Sequence
from contextlib import AbstractAsyncContextManager
from http import HTTPStatus
from typing import Any

import msgspec
from litestar import Litestar, Request, Response, get
from litestar.datastructures import State
from litestar.di import Provide
from litestar.exceptions import HTTPException
from litestar.openapi import OpenAPIConfig
from litestar.openapi.datastructures import ResponseSpec
from litestar.plugins import PluginProtocol
from litestar.types import ControllerRouterHandler

from footfall import __version__
from footfall.docs_page import DocsPage, docs
from footfall.errors import FootfallError, InvalidError
from footfall.logs import log
from footfall.problems import MEDIA_TYPE, Problem, answer, request_id, title


class App(Litestar):
    """A Litestar app that shares `app.state.shared` with the protocol that reads its requests."""

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "lifespan":  # the server gives this to each of its connections (ASGI's lifespan state)
            self.state.shared = scope["state"]
        await super().__call__(scope, receive, send)


class Alive(msgspec.Struct):
    """The process answers."""

    status: str = "alive"


@get("/healthz", summary="Whether the process lives", sync_to_thread=False, tags=["running it"])
def healthz() -> Alive:
    """Answers as long as the process can answer anything."""
    return Alive()


Lifespan = Callable[[Litestar], AbstractAsyncContextManager[None]]


def create_app(
    *,
    title: str,
    description: str,
    handlers: Sequence[ControllerRouterHandler],
    lifespan: Lifespan,
    provide: Sequence[str],
    plugins: Sequence[PluginProtocol] = (),
) -> App:
    """An app that answers errors as problem documents and describes itself at `/docs` and `/schema`.

    `provide` names what the lifespan puts into the app's state and handlers take as parameters.
    """
    return App(
        route_handlers=[*handlers, docs],
        plugins=plugins,
        lifespan=[lifespan],
        dependencies={name: Provide(_from_state(name), sync_to_thread=False) for name in provide},
        exception_handlers={
            FootfallError: footfall_error,
            HTTPException: _http_exception,
            Exception: _unexpected,
        },
        openapi_config=OpenAPIConfig(
            title=title,
            version=__version__,
            description=description,
            path="/schema",
            render_plugins=[DocsPage()],
            use_handler_docstrings=True,
        ),
        logging_config=None,
    )


def problems(*statuses: int) -> dict[int, ResponseSpec]:
    """What a route's description says of the errors that it answers with."""
    return {
        status: ResponseSpec(Problem, generate_examples=False, media_type=MEDIA_TYPE, description=title(status))
        for status in statuses
    }


def metrics_answer() -> dict[int, ResponseSpec]:
    """What the description of a route says that answers with metrics."""
    return {200: ResponseSpec(str, generate_examples=False, media_type="text/plain", description="Text format")}


def metrics_response(text: bytes) -> Response[bytes]:
    """Metrics in Prometheus' text format; the framework adds the charset."""
    return Response(text, media_type="text/plain; version=1.0.0")


def _from_state(name: str) -> Callable[[State], Any]:
    def provide(state: State) -> Any:
        return state[name]

    return provide


def footfall_error(request: Request[Any, Any, Any], error: FootfallError) -> Response[bytes]:
    """The answer to a request that failed with this error."""
    if error.status == HTTPStatus.INTERNAL_SERVER_ERROR:
        return _unexpected(request, error)
    return _response(error, _request_id(request))


def _request_id(request: Request[Any, Any, Any]) -> str:
    return request_id(request.headers.get("x-request-id"))


def _response(error: FootfallError, request_id: str) -> Response[bytes]:
    status, headers, body = answer(error, request_id)
    return Response(body, status_code=status, media_type=headers.pop("content-type"), headers=headers)


def _http_exception(request: Request[Any, Any, Any], error: HTTPException) -> Response[bytes]:
    """Errors that the framework finds by itself: no such route, wrong method, parameters, sizes."""
    extra = error.extra
    if error.status_code == HTTPStatus.BAD_REQUEST and isinstance(extra, list):
        invalid = InvalidError([(str(item.get("key", "")), str(item["message"])) for item in extra])
        return footfall_error(request, invalid)
    status = error.status_code
    document = Problem(title=title(status), status=status, detail=error.detail, request_id=_request_id(request))
    body = msgspec.json.encode(document)
    return Response(body, status_code=status, media_type=MEDIA_TYPE, headers=dict(error.headers or {}))


def _unexpected(request: Request[Any, Any, Any], error: Exception) -> Response[bytes]:
    """A defect of ours: logged with its trace, answered without."""
    known_as = _request_id(request)
    log.error("%s %s failed (request %s)", request.method, request.url.path, known_as, exc_info=error)
    return _response(FootfallError(), known_as)
