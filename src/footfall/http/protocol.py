"""uvicorn's HTTP/1.1 protocol, fixed where it would mislead a client or wait for one without end."""

import asyncio
import select
from collections.abc import Sequence
from functools import partial
from http import HTTPStatus
from typing import Any, cast

import msgspec
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, RequestResponseCycle

from footfall.http.head import Refusal
from footfall.http.problems import MEDIA_TYPE, REQUEST_ID, Answer, Problem, request_id, title
from footfall.http.reading import NOTHING, Reading
from footfall.http.state import ServiceState, begin_request, request_state, service_state

#: seconds that a service that stops waits for requests which are on their way on idle connections
_LAST_CALL_S = 0.1
#: seconds in which what was received is read
_READ_BEFORE_S = 0.05


def written(headers: Sequence[tuple[bytes, bytes]], answer: Answer, known_as: str, *, is_last: bool) -> bytes:
    """The bytes of an answer as uvicorn writes it, after these headers of the server; `known_as`: the request's id."""
    own = {**answer.headers, "content-length": str(len(answer.body))}
    lines = [*headers, *((name.encode(), value.encode()) for name, value in own.items())]
    lines += [(REQUEST_ID, known_as.encode()), *([(b"connection", b"close")] if is_last else [])]
    return STATUS_LINE[answer.status] + b"".join(b"%b: %b\r\n" % line for line in lines) + b"\r\n" + answer.body


class HttpProtocol(Reading):
    """uvicorn's, fixed where it would mislead a client.

    What is not HTTP, or a version of it that is not spoken, gets a problem document, after the answers to the requests
    before it; so does a head that asks for what is not done here. A client that ends its side of the connection still
    gets its answers. Who does not send a whole request within `request_timeout` seconds is cut off, and so are
    connections beyond `max_connections`.
    """

    #: when the next request has to be here
    _deadline: asyncio.TimerHandle | None = None
    #: the service stops
    _is_stopping = False
    #: the request whose answer is the next, or was the last
    _answering: RequestResponseCycle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        service = self._service = service_state(self.app_state, ServiceState)
        self.timeout_keep_alive = cast("int", service.keepalive_timeout_s)
        if len(self.connections) > service.max_connections:
            self._write_refusal(503, "too many connections")
            if len(self.connections) > 2 * service.max_connections:  # waiting for them would be too many, too
                self.transport.close()
            return
        self._set_deadline()

    def connection_lost(self, exc: Exception | None) -> None:
        super().connection_lost(exc)
        if self._answering is not None:  # uvicorn tells only the newest request that nobody reads its answer
            self._answering.disconnected = True
            self._answering.message_event.set()  # who waits for that, as the live feed does, would wait for ever
        self._unset_deadline()

    def shutdown(self) -> None:
        """Answer what is in progress, and what comes at once, each with the end of its connection."""
        self._is_stopping = True
        if self._is_busy() or self._to_drop is not None:
            super().shutdown()
        else:  # a request may be on its way, and be lost if the connection ended now
            self.loop.call_later(_LAST_CALL_S, self._end_unless_asked)
        if self._service.stop_streams is not None:  # answers that would never end
            self._service.stop_streams()

    def timeout_keep_alive_handler(self) -> None:
        """End an idle connection, but not when something has arrived on it: that is read before.

        Timers come before what was received when the process was held up. To end the connection then would throw away
        a request that came in time, and nobody would know what became of it.
        """
        self.timeout_keep_alive_task = None
        if self._has_received():
            self.timeout_keep_alive_task = self.loop.call_later(_READ_BEFORE_S, self.timeout_keep_alive_handler)
        else:
            super().timeout_keep_alive_handler()

    def _end_unless_asked(self) -> None:
        """End a connection of a service that stops, unless a request has come meanwhile: its answer ends it."""
        if self._has_received():
            self.loop.call_later(_READ_BEFORE_S, self._end_unless_asked)
        elif not self._is_busy() and self._to_drop is None:
            self.transport.close()

    def _is_busy(self) -> bool:
        """Whether a request is not answered yet."""
        return self._in_progress() is not None

    def _has_received(self) -> bool:
        """Whether something can be read that is read without another word."""
        if self.flow.read_paused or self.transport.is_closing():
            return False
        looked_at = select.poll()
        looked_at.register(self.transport.get_extra_info("socket"), select.POLLIN)
        return bool(looked_at.poll(0))

    def _end(self) -> bool:
        cycle = self._in_progress()
        if self._refusal is not None:
            return True
        if self._head is not None or (cycle is not None and cycle.more_body):
            self._refuse(400, "the request ends too early")
        elif cycle is not None:
            cycle.keep_alive = False
            if request_state(cycle.scope).is_endless:  # nobody waits for the end of it
                return False
        return cycle is not None  # whether to keep the connection open until the answer is written

    def on_message_begin(self) -> None:
        super().on_message_begin()
        begin_request(self.scope, self.transport.abort)
        self._set_deadline()

    def on_message_complete(self) -> None:
        self._in_message = False
        self._unset_deadline()
        if not self.parser.should_upgrade():
            super().on_message_complete()

    def on_response_complete(self) -> None:
        """As uvicorn's, but it reads on when the next request has begun: what it brings comes after that one."""
        self.server_state.total_requests += 1
        self._answers_over.flush()  # an answer to HEAD is a head alone
        if self._to_drop is not None or self.transport.is_closing():
            return
        self._unset_keepalive_if_required()
        if self.pipeline:
            self._start_asgi_task(*self.pipeline.pop())
        elif self._refusal is not None:
            self._write_refusal(*self._refusal)
            return
        else:
            self.timeout_keep_alive_task = self.loop.call_later(
                self.timeout_keep_alive, self.timeout_keep_alive_handler
            )
        self.flow.resume_reading()

    def _start_asgi_task(self, cycle: RequestResponseCycle, app: Any) -> None:
        self._answering = cycle
        if self._is_stopping and not self.pipeline:
            cycle.keep_alive = False
        super()._start_asgi_task(cycle, app)

    def _await_next_request(self) -> None:
        """End the connection when none comes, also after bytes that began none.

        uvicorn waits without end after blank lines, and after the rest of a body whose request is answered already.
        """
        is_timed = self._deadline is not None or self.timeout_keep_alive_task is not None or self._to_drop is not None
        if not (is_timed or self._in_message or self.pipeline or self._in_progress() or self.transport.is_closing()):
            self.timeout_keep_alive_task = self.loop.call_later(
                self.timeout_keep_alive, self.timeout_keep_alive_handler
            )

    def _set_deadline(self) -> None:
        self._unset_deadline()
        self._deadline = self.loop.call_later(self._service.request_timeout, self._cut_off)

    def _unset_deadline(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None

    def _cut_off(self, *, is_all_read: bool = False) -> None:
        self._deadline = None
        if self._unread or self.pipeline:  # it is not the client who is waited for
            self._set_deadline()
        elif not is_all_read and self._has_received():
            self._deadline = self.loop.call_later(_READ_BEFORE_S, partial(self._cut_off, is_all_read=True))
        elif self._in_message:
            self._refuse(408, f"the request was not complete after {self._service.request_timeout:g} s")
        else:
            self.transport.close()

    def _in_progress(self) -> RequestResponseCycle | None:
        """The newest request on this connection, while it is not answered."""
        newest = cast("RequestResponseCycle | None", self.cycle)
        return newest if newest is not None and not newest.response_complete else None

    def _refuse(self, status: int, detail: str) -> None:
        """Answer what cannot be read on, when the requests before it are answered, and end the connection."""
        self._unread = NOTHING
        newest = self._in_progress()
        if newest is not None and newest.more_body and self.pipeline:
            self.pipeline.popleft()  # it is this one that cannot be read on
        elif newest is None or newest.more_body:
            self._write_refusal(status, detail)
            return
        self._refusal = Refusal(status, detail)

    def _write_refusal(self, status: int, detail: str) -> None:
        if self._to_drop is not None or self.transport.is_closing():
            return
        self._answers_over.flush()
        self._unset_deadline()
        cycle = self._in_progress()
        if cycle is not None:  # nobody reads what it would be answered
            cycle.disconnected = True
            cycle.message_event.set()
        if self._in_message and self._is_answered():
            self._linger()
            return
        # of the request that cannot be read on, as far as its headers were read
        sent = dict(self.headers).get(REQUEST_ID, b"").decode("latin-1") if self._in_message else None
        known_as = request_id(sent)
        problem = Problem(title=title(status), status=status, detail=detail, request_id=known_as)
        headers = {"content-type": MEDIA_TYPE}
        if status == HTTPStatus.SERVICE_UNAVAILABLE:
            headers["retry-after"] = "1"
        answer = Answer(status, headers, msgspec.json.encode(problem))
        self.transport.write(written(self.server_state.default_headers, answer, known_as, is_last=True))
        self._linger()

    def _is_answered(self) -> bool:
        """Whether the message that is read has an answer already, or the beginning of one."""
        newest = cast("RequestResponseCycle | None", self.cycle)
        return newest is not None and newest.scope is self.scope and newest.response_started
