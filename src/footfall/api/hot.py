"""The hottest reads, answered below the framework: one record, the newest check-in, the beginning of a list.

The framework's routing, parameters and response take longer than most reads do. A plain request goes straight to the
handler that the framework would call, whatever its headers: what depends on them, caching and CORS, is done before. All
others go to the framework, unchanged. Both answer alike, byte for byte: a test holds them together.
"""

import re
from collections.abc import Awaitable, Callable
from http import HTTPStatus
from typing import Any, get_type_hints

import msgspec
from litestar import Litestar, Response

from footfall.api.state import ApiState
from footfall.errors import FootfallError
from footfall.http.answers import App
from footfall.http.problems import answer
from footfall.http.state import request_state, service_state
from footfall.logs import log

Headers = list[tuple[bytes, bytes]]

#: what comes before the parameters of a path, of which there are at most three, and the route
_ROUTES = {
    "/api/user": "/api/user/{id:str}",
    "/api/location": "/api/location/{id:str}",
    "/api/checkins/latest": "/api/checkins/latest",
    "/checkins/latest": "/checkins/latest",
    "/api/checkins": "/api/checkins/{start:str}/{end:str}",
    "/api/users/bycheckins": "/api/users/bycheckins",
    "/api/locations/bycheckins": "/api/locations/bycheckins",
    "/api/locations": "/api/locations/{lat:str}/{lng:str}/{radius:str}",
}
_JSON = (b"content-type", b"application/json")
_encode = msgspec.json.Encoder().encode


class _Read:
    """One route, by its handler's own parameters. In a query, it takes a `limit` at most."""

    def __init__(self, route: str, handle: Callable[..., Awaitable[Any]], names: list[str]) -> None:
        #: as the framework says it
        self.route = route.replace(":str", "")
        kinds = get_type_hints(handle)
        self._handle = handle
        self._parameters = [(name, kinds[name].parse) for name in names]
        self._limit = kinds["limit"].parse if "limit" in kinds else None

    def start(self, values: list[str], query: bytes, reader: object) -> Awaitable[Any] | None:
        """Begin to answer; None: it is not plain. Raises ValueError when a parameter is not valid."""
        parameters = {name: parse(value) for (name, parse), value in zip(self._parameters, values, strict=True)}
        if query:
            if self._limit is None or not query.startswith(b"limit="):
                return None
            parameters["limit"] = self._limit(query[6:].decode("latin-1"))
        return self._handle(reader=reader, **parameters)


class HotReads:
    """An ASGI app before the framework's own."""

    def __init__(self, app: Litestar, framework: App) -> None:
        """`framework`: answers everything else, by the routes of `app`."""
        self._framework = framework
        handlers = app.route_handler_method_map
        #: by the number of their parameters, and what comes before these
        self._reads: list[dict[str, _Read]] = [{}, {}, {}, {}]
        for start, route in _ROUTES.items():
            handler = handlers[route]["GET"]
            assert not handler.resolve_guards(), "the framework would ask them first"
            names = re.findall(r"{(\w+):str}", route)
            self._reads[len(names)][start] = _Read(route, handler.fn, names)

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        under_way = self._start(scope) if scope["method"] == "GET" else None
        if under_way is None:
            await self._framework(scope, receive, send)
            return
        try:
            status, headers, body = _success(await under_way)
        except Exception as error:
            status, headers, body = _problem(scope, error)
        headers.append((b"content-length", b"%d" % len(body)))
        await send({"type": "http.response.start", "status": status, "headers": headers})
        await send({"type": "http.response.body", "body": body})

    def _start(self, scope: Any) -> Awaitable[Any] | None:
        """What the handler answers to a plain request, when it is one of the hottest."""
        start: str = scope["path"]
        values: list[str] = []
        for reads in self._reads:
            if start in reads:
                read = reads[start]
                scope["path_template"] = read.route
                try:
                    return read.start(values, scope["query_string"], service_state(scope["state"], ApiState).reader)
                except ValueError:  # the framework says what is wrong with it
                    return None
            start, _, value = start.rpartition("/")
            values.insert(0, value)
        return None


def _success(answer: Any) -> tuple[int, Headers, bytes]:
    """What the framework makes of what a handler returns."""
    headers = []
    if isinstance(answer, Response):
        headers = [(name.lower().encode(), value.encode()) for name, value in answer.headers.items()]
        answer = answer.content
    return 200, [*headers, _JSON], answer if isinstance(answer, bytes) else _encode(answer)


def _problem(scope: Any, error: Exception) -> tuple[int, Headers, bytes]:
    """The answer to a request that failed, as the framework gives it."""
    known_as = request_state(scope).request_id
    if not isinstance(error, FootfallError) or error.status == HTTPStatus.INTERNAL_SERVER_ERROR:
        log.error("%s %s failed (request %s)", scope["method"], scope["path"], known_as, exc_info=error)
        error = FootfallError()
    status, headers, body = answer(error, known_as)
    headers["content-type"] = headers.pop("content-type")  # the last, as the framework has it
    return status, [(name.encode(), value.encode()) for name, value in headers.items()], body
