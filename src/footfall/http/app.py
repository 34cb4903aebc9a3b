"""What every HTTP service shares: the framework's set-up, errors as problem documents, the docs page."""

from collections import defaultdict
from collections.abc import Callable, Coroutine, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from http import HTTPStatus
from typing import Any

import msgspec
from litestar import HttpMethod, Litestar, Request, Response, route
from litestar.datastructures import State
from litestar.di import Provide
from litestar.exceptions import HTTPException
from litestar.exceptions.http_exceptions import RequestEntityTooLarge
from litestar.handlers import HTTPRouteHandler
from litestar.openapi import OpenAPIConfig
from litestar.openapi.datastructures import ResponseSpec
from litestar.openapi.spec import Components, Example, SecurityScheme
from litestar.plugins import PluginProtocol
from litestar.types import ControllerRouterHandler

from footfall import __version__
from footfall.errors import BadCursorError, FootfallError, InvalidError, TooLargeError
from footfall.http.answers import Answers, Count
from footfall.http.answers import App as AsgiApp
from footfall.http.cors import Cors
from footfall.http.docs_page import DocsPage, docs
from footfall.http.forwarded import Forwarded, Networks
from footfall.http.openapi import LICENSE, TAGS, Document
from footfall.http.paths import Paths, is_special
from footfall.http.postman import PostmanCollection
from footfall.http.problems import MEDIA_TYPE, FieldProblem, Problem, answer, title
from footfall.http.state import request_state
from footfall.logs import log

#: the query parameter in which a list takes its cursor
CURSOR = "after"


#: makes an app of one and the framework below it, which answers what the app leaves to it
Shortcut = Callable[[Litestar, AsgiApp], AsgiApp]


class App(Litestar):
    """A Litestar app that shares `app.state.shared` with the protocol that reads its requests.

    What each answer gets, where clients see the service, and CORS lie before it, and what is no plain path leads
    nowhere.
    """

    def __init__(
        self,
        *,
        cors_origins: str | None,
        proxies: Networks,
        count: Count | None,
        shortcut: Shortcut | None,
        **options: Any,
    ) -> None:
        super().__init__(**options)
        self._paths = Paths(self.routes)
        app: AsgiApp = super().__call__
        if shortcut is not None:
            app = shortcut(self, app)
        if cors_origins is not None:
            app = Cors(app, cors_origins)
        if proxies:
            app = Forwarded(app, proxies)
        self._answers = Answers(app, count)

    # not itself a coroutine function: each that waits for another is resumed with it, whenever something has come
    def __call__(self, scope: Any, receive: Any, send: Any) -> Coroutine[Any, Any, None]:
        if scope["type"] == "lifespan":  # the server gives this to each of its connections (ASGI's lifespan state)
            self.state.shared = scope["state"]
            return super().__call__(scope, receive, send)
        if is_special(scope["raw_path"]) and (path := self._paths.find(scope["raw_path"])) is not None:
            scope["path"] = path
        return self._answers(scope, receive, send)


def answers(
    example: msgspec.Struct, status: int = 200, description: str = "Request fulfilled"
) -> dict[int, ResponseSpec]:
    """What a route's description says of its success: an answer of this type, such as this one."""
    examples = [Example(value=msgspec.to_builtins(example))]
    return {status: ResponseSpec(type(example), generate_examples=False, description=description, examples=examples)}


Lifespan = Callable[[Litestar], AbstractAsyncContextManager[None]]


def create_app(
    *,
    title: str,
    description: str,
    handlers: Sequence[ControllerRouterHandler],
    lifespan: Lifespan,
    provide: Sequence[str],
    plugins: Sequence[PluginProtocol] = (),
    cors_origins: str | None = None,
    proxies: Networks = (),
    count: Count | None = None,
    shortcut: Shortcut | None = None,
    security_schemes: Mapping[str, SecurityScheme] | None = None,
) -> App:
    """An app that answers errors as problem documents and describes itself at `/docs` and `/schema`.

    `provide` names what the lifespan puts into the app's state and handlers take as parameters; `cors_origins` is the
    setting, `proxies` those that are trusted; `count` is told of each answer; `shortcut` makes what
    answers before the framework; `security_schemes` are those that routes name as their `security`.
    """
    return App(
        cors_origins=cors_origins,
        proxies=proxies,
        count=count,
        shortcut=shortcut,
        route_handlers=[*_options(handlers), *handlers, docs],
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
            license=LICENSE,
            tags=TAGS,
            security=[{}],  # of an operation that says nothing else: anybody may
            render_plugins=[Document(), DocsPage(), PostmanCollection()],
            use_handler_docstrings=True,
            components=Components(security_schemes=dict(security_schemes or {})),
        ),
        logging_config=None,
    )


def _options(handlers: Sequence[ControllerRouterHandler]) -> list[HTTPRouteHandler]:
    """Handlers of OPTIONS for paths that several handlers share: the framework's own names the methods of the first."""
    methods: dict[str, set[str]] = defaultdict(set)
    shared = set()
    for handler in handlers:
        if isinstance(handler, HTTPRouteHandler):
            for path in handler.paths:
                if path in methods:
                    shared.add(path)
                methods[path] |= handler.http_methods
    return [_options_of(path, methods[path] | {"OPTIONS"}) for path in sorted(shared)]


def _options_of(path: str, methods: set[str]) -> HTTPRouteHandler:
    @route(path, http_method=[HttpMethod.OPTIONS], status_code=204, include_in_schema=False, sync_to_thread=False)
    def allowed() -> Response[None]:
        return Response(None, headers={"allow": ", ".join(sorted(methods))})

    return allowed


async def body_of(request: Request[Any, Any, Any], most: int) -> bytes:
    """The body, read to its end. Raises TooLargeError when it has more than so many bytes."""
    body = bytearray()
    too_large = TooLargeError(f"the body of this request takes at most {most} bytes")
    try:
        async for part in request.stream():
            if len(body) <= most:
                body += part
    except RequestEntityTooLarge:  # so much that the rest is not even read
        raise too_large from None
    if len(body) > most:
        raise too_large
    return bytes(body)


def problems(*statuses: int) -> dict[int, ResponseSpec]:
    """What a route's description says of the errors that it answers with."""
    return {
        status: ResponseSpec(
            Problem,
            generate_examples=False,
            media_type=MEDIA_TYPE,
            description=title(status),
            examples=[Example(value=msgspec.to_builtins(_problem_like(status)))],
        )
        for status in statuses
    }


#: what is wrong, for example
_DETAILS = {
    400: "the body is not JSON",
    401: "the request does not say who sends it",
    403: "a check-in must be the signed-in user's own",
    404: "there is no such user",
    409: "the id is taken",
    413: "the body of this request takes at most 16384 bytes",
    415: "the content type must be application/json",
    422: "starRating: must be at most 5",
    429: "too many in too short a time",
    503: "the server is not available",
}


def _problem_like(status: int) -> Problem:
    detail, request_id = _DETAILS.get(status, title(status)), "7d1c5e0b9a3f4c21"
    errors = [FieldProblem(*detail.split(": "))] if status == 422 else []
    return Problem(title=title(status), status=status, detail=detail, request_id=request_id, errors=errors)


def _from_state(name: str) -> Callable[[State], Any]:
    def provide(state: State) -> Any:
        return state[name]

    return provide


def footfall_error(request: Request[Any, Any, Any], error: FootfallError) -> Response[bytes]:
    """The answer to a request that failed with this error."""
    if error.status == HTTPStatus.INTERNAL_SERVER_ERROR:
        return _unexpected(request, error)
    return _response(error, request_state(request.scope).request_id)


def _response(error: FootfallError, request_id: str) -> Response[bytes]:
    status, headers, body = answer(error, request_id)
    return Response(body, status_code=status, media_type=headers.pop("content-type"), headers=headers)


def _http_exception(request: Request[Any, Any, Any], error: HTTPException) -> Response[bytes]:
    """Errors that the framework finds by itself: no such route, wrong method, parameters, sizes."""
    extra = error.extra
    if error.status_code == HTTPStatus.BAD_REQUEST and isinstance(extra, list):
        errors = [(str(item.get("key", "")), str(item["message"])) for item in extra]
        kind = BadCursorError if any(name == CURSOR for name, _ in errors) else InvalidError
        return footfall_error(request, kind(errors))
    status = error.status_code
    document = Problem(
        title=title(status), status=status, detail=error.detail, request_id=request_state(request.scope).request_id
    )
    body = msgspec.json.encode(document)
    headers = dict(error.headers or {})
    if "allow" in headers:  # the framework names the methods in the order of a set
        headers["allow"] = ", ".join(sorted(headers["allow"].split(", ")))
    return Response(body, status_code=status, media_type=MEDIA_TYPE, headers=headers)


def _unexpected(request: Request[Any, Any, Any], error: Exception) -> Response[bytes]:
    """A defect of ours: logged with its trace, answered without."""
    known_as = request_state(request.scope).request_id
    route = request.scope.get("path_template", "")  # not the path: an e-mail address may be in it
    log.error("%s %s failed (request %s)", request.method, route, known_as, exc_info=error)
    return _response(FootfallError(), known_as)
