"""CORS: which web pages may use a service from a browser. Off unless the setting `cors_origins` names some."""

from collections.abc import Awaitable, Callable
from typing import Any

App = Callable[[Any, Any, Any], Awaitable[None]]
Headers = list[tuple[bytes, bytes]]

#: what a page may send, and may read besides what each may read
METHODS = "GET, HEAD, POST, PATCH, DELETE"
REQUEST_HEADERS = (
    "Authorization, Content-Encoding, Content-Type, Idempotency-Key, If-None-Match, Last-Event-ID, Traceparent, "
    "Tracestate, X-Request-Id"
)
EXPOSED = "ETag, Idempotent-Replayed, Link, Location, RateLimit, RateLimit-Policy, Retry-After, X-Request-Id"
#: seconds that a browser may remember the answer to a preflight
MAX_AGE_S = 600


class Cors:
    """An app before the app: says to browsers which pages may read its answers, errors included.

    Cookies are taken from pages of named origins only, not when all (`*`) may use the service.
    """

    def __init__(self, app: App, origins: str) -> None:
        """`origins`: with commas between, or `*`."""
        self._app = app
        self._origins = frozenset(origins.lower().encode().split(b","))
        self._takes_all = origins == "*"

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        origin = asked = None
        for name, value in scope["headers"]:
            if name == b"origin":
                origin = value
            elif name == b"access-control-request-method":
                asked = value
        if scope["method"] == "OPTIONS" and origin is not None and asked is not None:
            preflight = [(b"access-control-max-age", b"%d" % MAX_AGE_S)] if self._takes(origin) else []
            if preflight:
                preflight += [
                    (b"access-control-allow-methods", METHODS.encode()),
                    (b"access-control-allow-headers", REQUEST_HEADERS.encode()),
                ]
            headers = [*self._headers(origin), *preflight]
            await send({"type": "http.response.start", "status": 204, "headers": headers})
            await send({"type": "http.response.body"})
            return

        # what may be kept by a cache and given to another page says that it depends on that
        if origin is None and scope["method"] not in ("GET", "HEAD"):
            await self._app(scope, receive, send)
            return
        own = self._headers(origin)

        async def send_with_headers(message: Any) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [*message["headers"], *own]
            await send(message)

        await self._app(scope, receive, send_with_headers)

    def _takes(self, origin: bytes) -> bool:
        return self._takes_all or origin in self._origins

    def _headers(self, origin: bytes | None) -> Headers:
        exposed = (b"access-control-expose-headers", EXPOSED.encode())
        if self._takes_all:
            return [(b"access-control-allow-origin", b"*"), exposed]
        vary = (b"vary", b"Origin")
        if origin not in self._origins or origin is None:
            return [vary]
        return [vary, (b"access-control-allow-origin", origin), (b"access-control-allow-credentials", b"true"), exposed]
