"""Answers that a client has already, and large ones: `ETag` and 304, gzip. `HEAD` as `GET` without the body.

It lies before the framework, so that what is answered below the framework is treated alike.
"""

import re
import zlib
from collections.abc import Awaitable, Callable
from functools import lru_cache
from hashlib import blake2b
from typing import Any

App = Callable[[Any, Any, Any], Awaitable[None]]
Headers = list[tuple[bytes, bytes]]

#: bytes of a body from which on compressing it is worth its while
LARGE = 2048
#: level of zlib: a third of the default one's time for lists of check-ins, which become 25 % larger
_LEVEL = 1
#: window bits that make zlib write gzip's format
_GZIP = 31

_tags = re.compile(rb'(?:W/)?"([\x21\x23-\x7e\x80-\xff]*)"').findall
_is_weight = re.compile(r"(0(\.[0-9]{0,3})?|1(\.0{0,3})?)").fullmatch


class Caching:
    """An app before the app: what it answers to GET with 200, and in one piece, gets a tag, and gzip when it is large.

    A client that sends the tag along is answered 304 while the answer is still the same. Tags are weak: the body
    is the same for all its encodings. Answers that must not be stored, and streams, stay as they are.
    """

    def __init__(self, app: App) -> None:
        self._app = app

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        method = scope["method"]
        if method == "HEAD":  # the server leaves out the body
            got = {**scope, "method": "GET"}
            got["state"]["is_head"] = True
            await self._app(got, receive, _Sender(scope["headers"], send))
            scope["path_template"] = got.get("path_template")
            return
        if method != "GET":
            await self._app(scope, receive, send)
            return
        await self._app(scope, receive, _Sender(scope["headers"], send))


class _Sender:
    """Sends one answer: its head is held back until its body is there."""

    __slots__ = ("_head", "_request", "_send")

    def __init__(self, request: Headers, send: Any) -> None:
        self._request = request
        self._send = send
        self._head: Any = None

    async def __call__(self, message: Any) -> None:
        if message["type"] == "http.response.start" and message["status"] == 200:
            self._head = message
            return
        head, self._head = self._head, None
        if head is not None:
            if not message.get("more_body"):
                message = self._finish(head, message)
            await self._send(head)
        await self._send(message)

    def _finish(self, head: Any, message: Any) -> Any:
        """Complete the head, and say what is the body."""
        headers: Headers = list(head["headers"])
        head["headers"] = headers
        if (b"cache-control", b"no-store") in headers:
            return message
        body = message.get("body", b"")
        tag = blake2b(body, digest_size=8).hexdigest().encode()
        headers.append((b"etag", b'W/"%b"' % tag))
        known = accepted = b""
        for name, value in self._request:
            if name == b"if-none-match":
                known += value + b","
            elif name == b"accept-encoding":
                accepted += value + b","
        if len(body) >= LARGE:
            headers.append((b"vary", b"Accept-Encoding"))
        if known and (known.strip(b" \t,") == b"*" or tag in _tags(known)):
            head["status"] = 304
            head["headers"] = [line for line in headers if not line[0].startswith(b"content-")]
            return {"type": "http.response.body"}
        if len(body) >= LARGE and accepts_gzip(accepted):
            body = zlib.compress(body, _LEVEL, _GZIP)
            head["headers"] = [line for line in headers if line[0] != b"content-length"]
            head["headers"] += [(b"content-encoding", b"gzip"), (b"content-length", b"%d" % len(body))]
            return {"type": "http.response.body", "body": body}
        return message


@lru_cache(maxsize=256)
def accepts_gzip(accepted: bytes) -> bool:
    """Whether a client with this `Accept-Encoding` takes gzip (RFC 9110, section 12.5.3)."""
    weights = {}
    for item in accepted.decode("latin-1").lower().split(","):
        coding, *parameters = (part.strip() for part in item.split(";"))
        weight = next((value.strip() for name, _, value in (p.partition("=") for p in parameters) if name == "q"), "1")
        weights[coding] = float(weight) if _is_weight(weight) else 0.0
    return weights.get("gzip", weights.get("x-gzip", weights.get("*", 0.0))) > 0
