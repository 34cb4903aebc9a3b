"""Every answer's way out: it gets the id of its request, a tag, and is counted where a service counts.

Outside of all else, so that what CORS and the framework answer by themselves is treated alike. One layer for all of it:
each costs a small answer as much as finding the record that it shows.
"""

import time
from collections.abc import Awaitable, Callable, Generator
from typing import Any

from footfall.http.caching import finish
from footfall.http.problems import REQUEST_ID, request_id
from footfall.http.state import request_state

App = Callable[[Any, Any, Any], Awaitable[None]]
#: is told of an answer: method, route (None: none takes the path), status, seconds until its end
Count = Callable[[str, str | None, int, float], None]


class Answers:
    """An app before the app.

    `HEAD` is answered as `GET`: the server leaves out the body.
    """

    def __init__(self, app: App, count: Count | None) -> None:
        self._app = app
        self._count = count

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        headers = scope["headers"]
        sent = None
        for name, value in headers:
            if name == REQUEST_ID:
                sent = value.decode("latin-1")
                break
        state = request_state(scope)
        known_as = state.request_id = request_id(sent)
        method = scope["method"]
        if method == "HEAD":
            scope = {**scope, "method": "GET"}
            state.is_head = True
        sender = _Sender(send, (REQUEST_ID, known_as.encode()), headers if scope["method"] == "GET" else None)
        if self._count is None:
            await self._app(scope, receive, sender)
            return
        began = time.perf_counter()
        await self._app(scope, receive, sender)
        self._count(method, scope.get("path_template"), sender.status, time.perf_counter() - began)


class _Sender:
    """Sends one answer. The head of one that a client may have already is held back until its body is there."""

    __slots__ = ("_asked", "_head", "_id", "_send", "status")

    def __init__(self, send: Any, known_as: tuple[bytes, bytes], asked: list[tuple[bytes, bytes]] | None) -> None:
        """`asked`: the headers of a request to read something."""
        self._send = send
        self._id = known_as
        self._asked = asked
        self._head: Any = None
        self.status = 0

    # not itself a coroutine function, which would take a third of its time
    def __call__(self, message: Any) -> Awaitable[None]:
        if message["type"] == "http.response.start":
            self.status = status = message["status"]
            message["headers"] = [*message["headers"], self._id]
            if status == 200 and self._asked is not None:
                self._head = message
                return _DONE
        elif self._head is not None and self._asked is not None:
            return self._send_both(message, self._asked)
        return self._send(message)  # type: ignore[no-any-return]

    async def _send_both(self, message: Any, asked: list[tuple[bytes, bytes]]) -> None:
        head, self._head = self._head, None
        if not message.get("more_body"):
            message = finish(head, message, asked)
            self.status = head["status"]
        await self._send(head)
        await self._send(message)


class _Done:
    """Nothing is waited for."""

    def __await__(self) -> Generator[None, None, None]:
        yield from ()


_DONE = _Done()
