"""How requests are read: part by part, as far as there is room for them."""

import asyncio
from abc import abstractmethod
from collections.abc import Callable

from httptools import HttpParserError, HttpParserUpgrade, HttpRequestParser
from uvicorn.protocols.http.flow_control import FlowControl
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from footfall.http_head import VERSIONS, HeadCheck, Refusal, other_version

#: bytes that are parsed at once: no more requests than are in them wait for their turn on a connection
_PART = 8 * 1024
#: Bytes that a request may take outside its body: first line, headers, trailers, and what chunks have beyond `_FRAME`.
#: Those of the part that it begins in are not counted.
_MAX_HEAD = 64 * 1024
#: the least that a chunk takes: a digit and two line ends
_FRAME = 5
NOTHING = memoryview(b"")


class _Flow(FlowControl):
    """uvicorn's, but it reads on only when all that was read is parsed, and no request waits for its turn.

    uvicorn reads on with each answer, and a read may bring thousands of requests: a client that reads all its answers
    filled the memory.
    """

    def __init__(self, transport: asyncio.Transport, read_on: Callable[[], bool]) -> None:
        super().__init__(transport)
        self._read_on = read_on

    def resume_reading(self) -> None:
        if self.read_paused and self._read_on():
            super().resume_reading()


class _StopError(Exception):
    """Raised to the parser, which stops then."""


class Reading(HttpToolsProtocol):
    """The part of a protocol that reads.

    Neither headers nor trailers nor what waits can grow without end. A request that offers an upgrade is read as if it
    did not: uvicorn loses its body, and Java's client offers h2c with every request that it sends in the clear.
    """

    #: what was read and is not parsed yet
    _unread = NOTHING
    #: the client has ended its side, behind what is unread
    _ends_there = False
    #: bytes of the message that is read, outside its body
    _outside = 0
    #: the head that is read; what comes later with a name and a value is a trailer
    _head: HeadCheck | None = None
    #: whether a part of a message was read, and its end was not
    _in_message = False
    #: why the head that was read is not taken; not found in the parser's error, which may have the context of another
    _not_taken: Refusal | None = None
    #: of what cannot be read on, to be answered after the requests before it
    _refusal: Refusal | None = None

    @abstractmethod
    def _refuse(self, status: int, detail: str) -> None:
        """Answer what cannot be read on, when the requests before it are answered, and end the connection."""

    @abstractmethod
    def _await_next_request(self) -> None:
        """End the connection when none comes."""

    @abstractmethod
    def _end(self) -> bool:
        """The client has ended its side, behind all that was read; whether it still gets answers."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self.flow = _Flow(transport, self._read_on)

    def data_received(self, data: bytes) -> None:
        if self._refusal is not None:
            return
        if len(data) <= _PART and not self._unread:
            self._unset_keepalive_if_required()
            self._parse(data)
            self._await_next_request()
        else:
            self._unread = memoryview(bytes(self._unread) + data)
            self._read_on()

    def eof_received(self) -> bool:  # type: ignore[override]
        if self._unread:
            self._ends_there = True
            return True
        return self._end()

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self._head = HeadCheck()
        self._outside = 0
        self._in_message = True

    def on_header(self, name: bytes, value: bytes) -> None:
        if self._head is None:  # a trailer says nothing that must be known before the body (RFC 9110, section 6.5.1)
            return
        name = name.lower()
        if name == b"host":
            value = value.strip(b" \t")  # the parser leaves what follows a value
            self._head.host(value)
        elif name == b"expect":
            self._head.expect(value)
        self.headers.append((name, value))

    def on_headers_complete(self) -> None:
        head, self._head = self._head, None
        assert head is not None
        self._not_taken = head.refusal(self.parser.get_http_version())
        if self._not_taken is not None:
            raise _StopError
        self.expect_100_continue = head.expects_continue
        if not self.parser.should_upgrade():
            super().on_headers_complete()

    def on_chunk_header(self) -> None:
        """A chunk begins."""
        self._outside -= _FRAME

    def on_body(self, body: bytes) -> None:
        self._outside -= len(body)
        super().on_body(body)

    def _parse(self, part: bytes) -> None:
        self._outside += len(part)
        try:
            self.parser.feed_data(part)
        except HttpParserUpgrade as upgrade:
            self._take_without_upgrade(part[upgrade.args[0] :])
        except HttpParserError:
            self._refuse(*self._why_stopped())
        else:
            if self._in_message and self._outside > _MAX_HEAD:
                self._refuse(431, f"the headers and trailers take more than {_MAX_HEAD} bytes")

    def _read_on(self) -> bool:
        """Parse what is unread until a request has to wait for its turn; whether more is to be read."""
        if self._unread:
            self._unset_keepalive_if_required()
            while self._unread and not self.pipeline and not self.transport.is_closing():
                part, self._unread = bytes(self._unread[:_PART]), self._unread[_PART:]
                self._parse(part)
            if self._unread:
                self.flow.pause_reading()
            else:
                self._await_next_request()
                if self._ends_there and not self._end():
                    self.transport.close()
        return not (self._unread or self.pipeline)

    def _take_without_upgrade(self, rest: bytes) -> None:
        method = self.parser.get_method()
        if method == b"CONNECT":
            self._refuse(400, "this is not a proxy")
            return
        head = b"%s %s HTTP/%s\r\n" % (method, self.url, self.parser.get_http_version().encode())
        head += b"".join(b"%s: %s\r\n" % header for header in self.headers if header[0] != b"upgrade")
        self.parser = HttpRequestParser(self)
        self._parse(head + b"\r\n" + rest)

    def _why_stopped(self) -> Refusal:
        """What the parser stopped at."""
        version = self.parser.get_http_version()  # 0.0 when it has read none
        if self._not_taken is None and self._in_message and version not in VERSIONS | {"0.0"}:
            return other_version(version)
        return self._not_taken or Refusal(400, "the request is not valid HTTP")
