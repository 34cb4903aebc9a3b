"""Every answer's way out: it gets the id of its request, and is counted where a service counts.

Outside of all else, so that what caching, CORS and the framework answer by themselves is treated alike.
"""

import time
from collections.abc import Awaitable, Callable
from typing import Any

from footfall.problems import REQUEST_ID, request_id

App = Callable[[Any, Any, Any], Awaitable[None]]
#: is told of an answer: method, route (None: none takes the path), status, seconds until its end
Count = Callable[[str, str | None, int, float], None]

#: where a request's scope has its id
_IN_SCOPE = "footfall.request_id"


def id_of(scope: Any) -> str:
    """The id of a request."""
    known_as: str = scope[_IN_SCOPE]
    return known_as


class Answers:
    """An app before the app."""

    def __init__(self, app: App, count: Count | None) -> None:
        self._app = app
        self._count = count

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        sent = None
        for name, value in scope["headers"]:
            if name == REQUEST_ID:
                sent = value.decode("latin-1")
                break
        known_as = scope[_IN_SCOPE] = request_id(sent)
        header = (REQUEST_ID, known_as.encode())
        status = 0

        async def send_with_id(message: Any) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                message["headers"] = [*message["headers"], header]
            await send(message)

        if self._count is None:
            await self._app(scope, receive, send_with_id)
            return
        began = time.perf_counter()
        await self._app(scope, receive, send_with_id)
        self._count(scope["method"], scope.get("path_template"), status, time.perf_counter() - began)
