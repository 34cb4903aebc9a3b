"""The one HTTP request that generating load needs, over HTTP/1.1 keep-alive connections, and no more.

A general client takes about 300 us per request, which leaves no core for the receiver at the rates it is made for.
"""

import asyncio
import time
from dataclasses import dataclass, field
from typing import Protocol, Self, cast
from urllib.parse import urlsplit

import httptools

from footfall.errors import UsageError

_PATH = "/api/checkin"
#: bytes of an answer that are kept
_MAX_ANSWER = 64 * 1024


@dataclass(frozen=True)
class Target:
    """The receiver to post to."""

    host: str
    port: int
    path: str
    tls: bool
    #: sent as `Authorization: Bearer`
    token: str | None = field(default=None, repr=False)

    def __str__(self) -> str:
        return f"{'https' if self.tls else 'http'}://{self.authority}{self.path}"

    @property
    def authority(self) -> str:
        """`host:port`, as the Host header and a URL have it."""
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"

    @classmethod
    def parse(cls, url: str, token: str | None = None) -> Self:
        """The receiver at `http[s]://host[:port][/prefix][/api/checkin]`. Raises UsageError for anything else."""
        problem = UsageError("--url: not the URL of a receiver (http://host:port)")
        if " " in url or not (url.isascii() and url.isprintable()):
            raise problem
        try:
            parts = urlsplit(url)
            port = parts.port
        except ValueError:
            raise problem from None
        if parts.scheme not in ("http", "https") or not parts.hostname or parts.query or parts.fragment:
            raise problem
        if "@" in parts.netloc:
            raise UsageError("--url: takes no user name and password")
        tls = parts.scheme == "https"
        path = parts.path.rstrip("/").removesuffix(_PATH) + _PATH
        return cls(parts.hostname, port or (443 if tls else 80), path, tls, token)

    def head(self) -> bytes:
        """A request up to the value of its content-length, which comes last."""
        lines = (
            f"POST {self.path} HTTP/1.1",
            f"Host: {self.authority}",
            "User-Agent: footfall-generate",
            "Content-Type: application/json",
            *([] if self.token is None else [f"Authorization: Bearer {self.token}"]),
            "Content-Length: ",
        )
        return "\r\n".join(lines).encode()


class Owner(Protocol):
    """Who is told what becomes of a connection and of the requests on it."""

    def made(self, connection: "Connection", /) -> None:
        """It is there and free."""

    def answered(self, status: int, body: bytes, latency_s: float, /) -> None:
        """The request on it was answered."""

    def failed(self, kind: str) -> None:
        """The request on it got no answer."""

    def freed(self, connection: "Connection", /) -> None:
        """It is free again."""

    def lost(self, connection: "Connection", /) -> None:
        """It has ended."""


class Connection(asyncio.Protocol):
    """One connection; carries one request at a time, each once."""

    def __init__(self, owner: Owner) -> None:
        self.is_busy = False
        #: `time.perf_counter` at the last request or answer
        self.used_at = time.perf_counter()
        self._owner = owner
        self._due = 0.0
        self._answer = b""
        self._parser = httptools.HttpResponseParser(self)
        self._transport: asyncio.WriteTransport | None = None
        self._has_ended = False

    def send(self, request: bytes, due: float) -> None:
        """Send a request; its latency counts from `due`."""
        assert self._transport is not None
        self.is_busy = True
        self.used_at = time.perf_counter()
        self._due = due
        self._transport.write(request)

    def end(self, kind: str) -> None:
        """Close it; a request that is not answered has failed with this kind of error."""
        if self._has_ended:
            return
        self._has_ended = True
        if self._transport is not None:
            self._transport.abort()
        if self.is_busy:
            self.is_busy = False
            self._owner.failed(kind)
        self._owner.lost(self)

    # --- asyncio.Protocol

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.WriteTransport", transport)  # uvloop's is one, but not by inheritance
        self._owner.made(self)

    def data_received(self, data: bytes) -> None:
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserCallbackError:  # a defect in here
            raise
        except httptools.HttpParserError:
            self.end("the answer is not HTTP")

    def connection_lost(self, _: Exception | None) -> None:
        self.end("connection lost before the answer")

    # --- httptools

    def on_body(self, body: bytes) -> None:
        if len(self._answer) < _MAX_ANSWER:
            self._answer += body

    def on_message_complete(self) -> None:
        status, body = self._parser.get_status_code(), self._answer
        self._answer = b""
        if status < 200:  # the answer follows
            return
        if not self.is_busy:  # to nothing that was asked
            self.end("")
            return
        now = time.perf_counter()
        self.is_busy, self.used_at = False, now
        self._owner.answered(status, body, now - self._due)
        if self._parser.should_keep_alive():
            self._owner.freed(self)
        else:
            self.end("")
