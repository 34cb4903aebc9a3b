"""How requests are read: part by part, as far as there is room for them."""

import asyncio
import sys
import time
from abc import abstractmethod
from collections.abc import Callable
from typing import Any

from httptools import HttpParserError, HttpParserUpgrade, HttpRequestParser
from uvicorn.protocols.http.flow_control import FlowControl
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from footfall.http.head import MAX_HEAD, MAX_TARGET, VERSIONS, HeadCheck, Refusal, long_target, other_version, too_large

#: bytes that are parsed at once: no more requests than are in them wait for their turn on a connection
_PART = 8 * 1024
#: seconds for which what is unread is parsed before others have their turn: a read may bring 40,000 chunks of one byte
_SLICE_S = 0.005
#: the least that a chunk takes: a digit and two line ends
_FRAME = 5
#: What more is read of a client that has its last answer, in bytes, and for how long, in seconds. It is dropped: to end
#: a connection while something is on its way takes the answer away from the client (RFC 9112, section 9.6).
_DROPPED, DROPPING_S = 8 * 1024 * 1024, 2.0
#: seconds in which a client must take some of a last answer that is not all sent yet
READING_S = 10.0
#: what is looked at in a head
_CHECKED = {b"host": HeadCheck.host, b"expect": HeadCheck.expect, b"transfer-encoding": HeadCheck.transfer_encoding}
NOTHING = memoryview(b"")


class _Flow(FlowControl):
    """uvicorn's, but it reads on only when all that was read is parsed, and no request waits for its turn.

    uvicorn reads on with each answer, and a read may bring thousands of requests: a client that reads all its answers
    filled the memory.
    """

    def __init__(self, transport: asyncio.Transport, read_on: Callable[[], bool]) -> None:
        super().__init__(transport)
        self.read_on = read_on

    def resume_reading(self) -> None:
        if self.read_paused and self.read_on():
            super().resume_reading()


class Answering:
    """A transport as it is given to who answers a request: a head leaves together with what is written next.

    uvicorn writes heads by themselves, and each write is a system call: a third of the CPU time of a small answer.
    """

    __slots__ = ("_held", "_loop", "_transport", "end", "is_closing")

    def __init__(self, transport: asyncio.Transport, loop: asyncio.AbstractEventLoop, end: Callable[[], None]) -> None:
        self._transport = transport
        self._loop = loop
        self.end = end
        self._held: bytes | None = None
        self.is_closing = transport.is_closing

    def write(self, data: bytes) -> None:
        """Write this, at the end of the loop's turn at the latest."""
        held = self._held
        if held is None:
            self._held = data
            self._loop.call_soon(self.flush)
        else:
            self._held = None
            self._transport.writelines((held, data))

    def flush(self) -> None:
        """Write what is held back."""
        held, self._held = self._held, None
        if held and not self.is_closing():
            self._transport.write(held)

    def close(self) -> None:
        """End the connection when all is written."""
        self.flush()
        self.end()


def _never() -> bool:
    """Whether more is to be read of a connection that is lost."""
    return False


def _nothing() -> None:
    """What ends a connection that is lost."""


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
    #: the client has ended its side
    _has_ended = False
    #: bytes that are still dropped before the connection is ended; None while it is used
    _to_drop: int | None = None
    _dropping: asyncio.TimerHandle | None = None
    #: Bytes of the message that is read, outside its body, beyond `_FRAME` for each chunk. Those of the part that it
    #: begins in are not counted.
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
        self.flow: _Flow = _Flow(transport, self._read_on)
        self._answers_over: Any = Answering(transport, self.loop, self._linger)

    def connection_lost(self, exc: Exception | None) -> None:
        super().connection_lost(exc)
        # without these circles all that was read goes at once, not when the garbage collector comes to it
        self.flow.read_on = _never
        self._answers_over.end = _nothing
        for cycle, _ in self.pipeline:
            cycle.on_response = _nothing
        self.pipeline.clear()
        if self._dropping is not None:
            self._dropping.cancel()

    def data_received(self, data: bytes) -> None:
        if self._to_drop is not None:
            self._drop(len(data))
            return
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
        self._has_ended = True
        if self._to_drop is not None:
            return False
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
        value = value.rstrip(b" \t")  # the parser leaves what follows a value (RFC 9110, section 5.5)
        if name in _CHECKED:
            _CHECKED[name](self._head, value)
        self.headers.append((name, value))

    def on_headers_complete(self) -> None:
        head, self._head = self._head, None
        assert head is not None
        self._not_taken = head.refusal(self.parser.get_http_version(), self.url)
        if self._outside > MAX_HEAD - _PART:  # with the part that it begins in, it may be too large
            self._not_taken = self._not_taken or self._too_large()
        if self._not_taken is not None:
            raise _StopError
        self.expect_100_continue = head.expects_continue
        if not self.parser.should_upgrade():
            super().on_headers_complete()
            self.cycle.transport = self._answers_over

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
            if self._in_message and self._outside > MAX_HEAD:
                is_target = self._head is not None and len(self.url) > MAX_TARGET
                self._refuse(*(long_target() if is_target else too_large()))

    def _too_large(self) -> Refusal | None:
        """The refusal of a head that is."""
        size = len(self.url) + sum(len(name) + len(value) + 4 for name, value in self.headers)
        return too_large() if size > MAX_HEAD else None

    def _read_on(self) -> bool:
        """Parse what is unread until a request has to wait for its turn; whether more is to be read."""
        if self._unread:
            self._unset_keepalive_if_required()
            until = time.monotonic() + _SLICE_S
            while self._unread and not self.pipeline and not self.transport.is_closing():
                part, self._unread = bytes(self._unread[:_PART]), self._unread[_PART:]
                self._parse(part)
                if time.monotonic() > until:
                    self.loop.call_soon(self.flow.resume_reading)
                    break
            if self._unread:
                self.flow.pause_reading()
            else:
                self._await_next_request()
                if self._ends_there and not self._end():
                    self.transport.close()
        return not (self._unread or self.pipeline)

    def _linger(self) -> None:
        """End the connection so that a client has its last answer which still sends."""
        self._answers_over.flush()
        if self._has_ended or self.transport.is_closing():
            self.transport.close()
        elif self._to_drop is None:
            self._to_drop = _DROPPED
            self._dropping = self.loop.call_later(DROPPING_S, self._stop_dropping)
            self._unread = NOTHING
            self._unset_keepalive_if_required()
            if self.cycle is not None:  # it would be written after the end
                self.cycle.waiting_for_100_continue = False
            self.transport.write_eof()
            self.flow.resume_reading()

    def _stop_dropping(self, before: int = sys.maxsize) -> None:
        """End the connection, unless its client still reads the answer. `before`: bytes of it that were to be sent."""
        left = self.transport.get_write_buffer_size()
        if 0 < left < before:
            self._dropping = self.loop.call_later(READING_S, self._stop_dropping, left)
        else:
            self.transport.abort()

    def _drop(self, size: int) -> None:
        assert self._to_drop is not None
        self._to_drop -= size
        if self._to_drop < 0:
            self.transport.abort()

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
