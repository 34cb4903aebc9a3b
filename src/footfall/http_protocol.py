"""uvicorn's HTTP/1.1 protocol, mended where it would mislead a client or wait for one without end."""

import asyncio
from collections.abc import Sequence
from http import HTTPStatus
from typing import Any, cast

import msgspec
from httptools import HttpParserError, HttpParserUpgrade, HttpRequestParser
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol, RequestResponseCycle

from footfall.config import Settings
from footfall.problems import MEDIA_TYPE, Answer, Problem, request_id, title

#: the versions that are spoken
_VERSIONS = frozenset({"1.0", "1.1"})
#: bytes that a request's first line and headers may take, roughly (they are counted by network reads)
_MAX_HEAD = 64 * 1024


def limits(settings: Settings) -> dict[str, Any]:
    """What the protocol looks for in the state that an app shares with it."""
    return {
        "request_timeout": settings.request_timeout,
        "max_connections": settings.max_connections,
        "cors": settings.cors_origins is not None,
    }


def written(headers: Sequence[tuple[bytes, bytes]], answer: Answer, *, is_last: bool) -> bytes:
    """The bytes of an answer as uvicorn writes it, after these headers of the server."""
    own = {**answer.headers, "content-length": str(len(answer.body)), **({"connection": "close"} if is_last else {})}
    lines = [*headers, *((name.encode(), value.encode()) for name, value in own.items())]
    return STATUS_LINE[answer.status] + b"".join(b"%b: %b\r\n" % line for line in lines) + b"\r\n" + answer.body


class _NotTakenError(Exception):
    """What a head asks for is not done: status and detail of the refusal. Raised to the parser, which stops then."""


class HttpProtocol(HttpToolsProtocol):
    """uvicorn's, mended where it would mislead a client.

    What is not HTTP, or a version of it that is not spoken, gets a problem document, after the answers to the requests
    before it; so does who expects more than `100-continue`. A client that ends its side of the connection still gets
    its answers. Headers cannot grow without end. A request that offers an upgrade is answered as if it did not: uvicorn
    loses its body, and Java's client offers h2c with every request that it sends in the clear. Who does not send a
    whole request within `request_timeout` seconds is cut off, and so are connections beyond `max_connections`.
    """

    #: bytes read since a message began whose headers are not complete yet
    _head_size: int | None = None
    #: whether a part of a message was read, and its end was not
    _in_message = False
    #: whether the head that is read expects what is not done here
    _expects_more = False
    #: when the next request has to be here
    _deadline: asyncio.TimerHandle | None = None
    #: status and detail of what cannot be read on, to be answered after the requests before it
    _refusal: tuple[int, str] | None = None
    #: the request whose answer is the next, or was the last
    _answering: RequestResponseCycle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._request_timeout: float = self.app_state["request_timeout"]
        if len(self.connections) > self.app_state["max_connections"]:
            self._write_refusal(503, "too many connections")
            return
        self._set_deadline()

    def connection_lost(self, exc: Exception | None) -> None:
        super().connection_lost(exc)
        if self._answering is not None:  # uvicorn tells only the newest request that nobody reads its answer
            self._answering.disconnected = True
        self._unset_deadline()

    def shutdown(self) -> None:
        super().shutdown()
        if stop_streams := self.app_state.get("stop_streams"):  # answers that would never end
            stop_streams()

    def data_received(self, data: bytes) -> None:
        if self._refusal is not None:
            return
        self._unset_keepalive_if_required()
        if self._head_size is not None:
            self._head_size += len(data)
        try:
            self.parser.feed_data(data)
        except HttpParserUpgrade as upgrade:
            self._take_without_upgrade(data[upgrade.args[0] :])
        except HttpParserError as error:
            self._refuse(*self._reason(error))
        else:
            if self._head_size is not None and self._head_size > _MAX_HEAD:
                self._refuse(431, f"the headers take more than {_MAX_HEAD} bytes")
            self._await_next_request()

    def eof_received(self) -> bool:  # type: ignore[override]
        cycle = self._in_progress()
        if self._refusal is not None:
            return True
        if self._head_size is not None or (cycle is not None and cycle.more_body):
            self._refuse(400, "the request ends too early")
        elif cycle is not None:
            cycle.keep_alive = False
            if cycle.scope["state"].get("is_endless"):  # nobody waits for the end of it
                return False
        return cycle is not None  # whether to keep the connection open until the answer is written

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self.scope["state"]["abort"] = self.transport.abort
        self._head_size = 0
        self._expects_more = False
        self._in_message = True
        self._set_deadline()

    def on_header(self, name: bytes, value: bytes) -> None:
        name = name.lower()
        if name == b"expect":
            members = {member.strip() for member in value.lower().split(b",")} - {b""}
            self.expect_100_continue |= b"100-continue" in members
            self._expects_more |= not members <= {b"100-continue"}
        self.headers.append((name, value))

    def on_headers_complete(self) -> None:
        self._head_size = None
        version = self.parser.get_http_version()
        if version not in _VERSIONS:
            raise _NotTakenError(*_other_version(version))
        if self._expects_more:
            raise _NotTakenError(417, "nothing can be expected but 100-continue")
        if version == "1.0":  # it has no interim answers (RFC 9110, section 10.1.1)
            self.expect_100_continue = False
        if not self.parser.should_upgrade():
            super().on_headers_complete()

    def on_message_complete(self) -> None:
        self._in_message = False
        self._unset_deadline()
        if not self.parser.should_upgrade():
            super().on_message_complete()

    def on_response_complete(self) -> None:
        was_last = not self.pipeline
        super().on_response_complete()
        if was_last and self._refusal is not None:
            self._write_refusal(*self._refusal)

    def _start_asgi_task(self, cycle: RequestResponseCycle, app: Any) -> None:
        self._answering = cycle
        super()._start_asgi_task(cycle, app)

    def _await_next_request(self) -> None:
        """End the connection when none comes, also after bytes that began none.

        uvicorn waits without end after blank lines, and after the rest of a body whose request is answered already.
        """
        is_timed = self._deadline is not None or self.timeout_keep_alive_task is not None
        if not (is_timed or self._in_message or self.pipeline or self._in_progress() or self.transport.is_closing()):
            self.timeout_keep_alive_task = self.loop.call_later(
                self.timeout_keep_alive, self.timeout_keep_alive_handler
            )

    def _set_deadline(self) -> None:
        self._unset_deadline()
        self._deadline = self.loop.call_later(self._request_timeout, self._cut_off)

    def _unset_deadline(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None

    def _cut_off(self) -> None:
        self._deadline = None
        if self._in_message:
            self._refuse(408, f"the request was not complete after {self._request_timeout:g} s")
        else:
            self.transport.close()

    def _in_progress(self) -> RequestResponseCycle | None:
        """The newest request on this connection, while it is not answered."""
        newest = cast("RequestResponseCycle | None", self.cycle)
        return newest if newest is not None and not newest.response_complete else None

    def _take_without_upgrade(self, rest: bytes) -> None:
        method = self.parser.get_method()
        if method == b"CONNECT":
            self._refuse(400, "this is not a proxy")
            return
        head = b"%s %s HTTP/%s\r\n" % (method, self.url, self.parser.get_http_version().encode())
        head += b"".join(b"%s: %s\r\n" % header for header in self.headers if header[0] != b"upgrade")
        self.parser = HttpRequestParser(self)
        self.data_received(head + b"\r\n" + rest)

    def _reason(self, error: HttpParserError) -> tuple[int, str]:
        """Status and detail of what the parser stopped at."""
        if isinstance(error.__context__, _NotTakenError):
            status, detail = error.__context__.args
            return status, detail
        version = self.parser.get_http_version()  # 0.0 when it has read none
        if self._in_message and version not in (*_VERSIONS, "0.0"):
            return _other_version(version)
        return 400, "the request is not valid HTTP"

    def _refuse(self, status: int, detail: str) -> None:
        """Answer what cannot be read on, when the requests before it are answered, and end the connection."""
        newest = self._in_progress()
        if newest is not None and newest.more_body and self.pipeline:
            self.pipeline.popleft()  # it is this one that cannot be read on
        elif newest is None or newest.more_body:
            self._write_refusal(status, detail)
            return
        self._refusal = (status, detail)

    def _write_refusal(self, status: int, detail: str) -> None:
        if not self.transport.is_closing():
            # of the request that cannot be read on, as far as its headers were read
            sent = dict(self.headers).get(b"x-request-id", b"").decode("latin-1") if self._in_message else None
            problem = Problem(title=title(status), status=status, detail=detail, request_id=request_id(sent))
            headers = {"content-type": MEDIA_TYPE}
            if status == HTTPStatus.SERVICE_UNAVAILABLE:
                headers["retry-after"] = "1"
            answer = Answer(status, headers, msgspec.json.encode(problem))
            self.transport.write(written(self.server_state.default_headers, answer, is_last=True))
            self.transport.close()


def _other_version(version: str) -> tuple[int, str]:
    return 505, f"HTTP/{version} is not spoken here, but HTTP/1.1"
