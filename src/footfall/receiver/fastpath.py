"""The fast path: a plain `POST /api/checkin` goes from the socket to the intake without an ASGI task or scope.

Plain is a request that one network read brought whole and alone, while no other is in progress on its connection,
with a JSON body of a known length, and without a header that changes what must be done. Whatever else comes is handed
unchanged to uvicorn's own path, which leads to the same intake and to the same answers.
"""

import re
from functools import lru_cache
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

import msgspec
from httptools import HttpParserError, HttpParserUpgrade, HttpRequestParser
from uvicorn.protocols.http.httptools_impl import STATUS_LINE

from footfall.errors import FootfallError, OverloadedError, UnsupportedTypeError
from footfall.http_protocol import HttpProtocol
from footfall.logs import log
from footfall.model import CheckIn
from footfall.problems import Answer, answer, request_id
from footfall.receiver.check_in import MAX_BODY, REPLAYED, require_json
from footfall.receiver.group import Outcome

if TYPE_CHECKING:
    from footfall.receiver.intake import Intake
    from footfall.receiver.metrics import Metrics

_REQUEST_LINE = b"POST /api/checkin HTTP/1.1\r\n"
#: Headers that decide whether and how a request is taken and answered, in lower case. No other makes a difference.
_DECISIVE = frozenset(
    {
        b"connection",
        b"content-encoding",
        b"content-type",
        b"expect",
        b"idempotency-key",
        b"transfer-encoding",
        b"upgrade",
        b"x-request-id",
    }
)
#: Heads that a connection remembers, at most, and bytes of each: ids of one to four digits make five sizes of bodies.
_HEADS, _MAX_REMEMBERED = 6, 1024
_is_key = re.compile(rb"[!-~]{1,64}").fullmatch
_decode = msgspec.json.Decoder(CheckIn).decode


class FastPath(HttpProtocol):
    """uvicorn's protocol with the fast path before it.

    One check-in at a time is under way on a connection; what arrives meanwhile is held, so answers keep their order.
    """

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self._intake: Intake = self.app_state["intake"]
        self._metrics: Metrics = self.app_state["metrics"]
        #: whether the other path has nothing to do on this connection
        self._is_free = True
        #: whether a check-in of this path has no outcome yet
        self._under_way = False
        self._held: list[bytes] = []
        #: the client sends nothing more, or the service stops: the next answer is the last
        self._is_last = False
        #: heads of plain requests on this connection, by the size of the whole request: clients repeat themselves
        self._heads: dict[int, bytes] = {}
        #: X-Request-Id of the request under way
        self._request_id: str | None = None
        #: loop time of the last answer
        self._answered_at = 0.0

    def data_received(self, data: bytes) -> None:
        if self._under_way:
            self._held.append(data)
            self.flow.pause_reading()
        elif not (self._is_free and data.startswith(_REQUEST_LINE) and self._take(data)):
            super().data_received(data)
            self._is_free = self._is_between_requests()

    def eof_received(self) -> bool:  # type: ignore[override]
        if self._under_way:
            self._is_last = True
            return True
        return super().eof_received()

    def shutdown(self) -> None:
        self.app_state["is_draining"] = True
        if self._under_way:
            self._is_last = True
        else:
            super().shutdown()

    def timeout_keep_alive_handler(self) -> None:
        # set once and looked at when it ends: to set it anew for each answer would cost as much as reading a request
        self.timeout_keep_alive_task = None
        if self._under_way:
            return
        left = self._answered_at + self.timeout_keep_alive - self.loop.time()
        if left > 0:
            self.timeout_keep_alive_task = self.loop.call_later(left, self.timeout_keep_alive_handler)
        else:
            super().timeout_keep_alive_handler()

    def on_response_complete(self) -> None:
        super().on_response_complete()
        self._is_free = self._is_between_requests()

    # --- private

    def _is_between_requests(self) -> bool:
        return not (self._in_message or self.pipeline or self._in_progress())

    def _take(self, data: bytes) -> bool:
        """Give a plain request's check-in to the intake; whether it was one."""
        if self.flow.write_paused:  # the client does not read its answers
            return False
        head = self._heads.get(len(data))
        if head is not None and data.startswith(head):
            body, key, self._request_id = data[len(head) :], None, None
        else:
            plain = _parser.read(data)
            if plain is None:
                return False
            body, key, self._request_id = plain
            self._remember(data, len(body), is_repeatable=key is None and self._request_id is None)
        try:
            check_in = _decode(body)
        except (ValueError, RecursionError):  # the other path says what is wrong with it
            return False
        if self._deadline is not None:
            self._unset_deadline()
        self._under_way = True
        try:
            self._intake.add(check_in, self._on_outcome, key)
        except OverloadedError as error:
            self._on_outcome(error, False)
        return True

    def _remember(self, data: bytes, body_size: int, *, is_repeatable: bool) -> None:
        """Keep the head of a plain request: llhttp would find the same in the same bytes again."""
        head_size = data.index(b"\r\n\r\n") + 4
        if is_repeatable and head_size + body_size == len(data) and head_size <= _MAX_REMEMBERED:
            if len(self._heads) >= _HEADS:
                self._heads.clear()
            self._heads[len(data)] = data[:head_size]

    def _on_outcome(self, outcome: Outcome, replayed: bool) -> None:
        self._under_way = False
        transport = self.transport
        if transport.is_closing():  # the client has gone
            return
        self.server_state.total_requests += 1
        headers = self.server_state.default_headers
        is_last = self._is_last and not self._held
        if isinstance(outcome, bytes) and not (replayed or is_last):
            transport.write(_accepted.answer(headers, outcome))
        else:
            if isinstance(outcome, FootfallError):
                self._metrics.refused(outcome)
                known_as = request_id(self._request_id)
                if outcome.status == HTTPStatus.INTERNAL_SERVER_ERROR:
                    log.error("POST /api/checkin failed (request %s): %s", known_as, outcome)
                plain_answer = answer(outcome, known_as)
            else:
                plain_answer = _accepted_answer(outcome, replayed=replayed)
            transport.write(_written(headers, plain_answer, is_last=is_last))
        self._answered_at = self.loop.time()
        if is_last:
            transport.close()
        elif self._held:
            self._go_on()
        elif self.timeout_keep_alive_task is None:
            self.timeout_keep_alive_task = self.loop.call_later(
                self.timeout_keep_alive, self.timeout_keep_alive_handler
            )

    def _go_on(self) -> None:
        """Read what was held."""
        data = b"".join(self._held)
        self._held.clear()
        self.flow.resume_reading()
        self.data_received(data)
        # the other path may have it now, and does not know yet that nothing more comes
        if self._is_last and not self._under_way and not super().eof_received():
            self.transport.close()


class _PlainParser:
    """Reads whole plain requests with llhttp. It keeps nothing from one to the next, so one serves all connections."""

    def __init__(self) -> None:
        self._decisive: list[tuple[bytes, bytes]] = []
        self._begun = self._complete = 0
        self._body = b""
        self._parser = HttpRequestParser(self)

    def read(self, data: bytes) -> tuple[bytes, str | None, str | None] | None:
        """Body, Idempotency-Key and X-Request-Id of a plain request; None when the bytes are anything else."""
        self._decisive.clear()
        self._begun = self._complete = 0
        self._body = b""
        try:
            self._parser.feed_data(data)
        except (HttpParserError, HttpParserUpgrade):
            plain = None
        else:
            plain = self._plain() if self._begun == self._complete == 1 else None
        if plain is None:  # it may be in the middle of a message, or at the end of a connection
            self._parser = HttpRequestParser(self)
        return plain

    def _plain(self) -> tuple[bytes, str | None, str | None] | None:
        content_type = key = request_id = None
        for name, value in self._decisive:
            if name == b"content-type" and content_type is None:
                content_type = value
            elif name == b"idempotency-key" and key is None and _is_key(value):
                key = value.decode()
            elif name == b"x-request-id" and request_id is None:
                request_id = value.decode("latin-1")
            elif name != b"connection" or value.lower() != b"keep-alive":
                return None
        if content_type is None or not _is_json(content_type) or not 0 < len(self._body) <= MAX_BODY:
            return None
        return self._body, key, request_id

    # --- called by the parser

    def on_message_begin(self) -> None:
        self._begun += 1

    def on_header(self, name: bytes, value: bytes) -> None:
        name = name.lower()
        if name in _DECISIVE:
            self._decisive.append((name, value))

    def on_body(self, body: bytes) -> None:
        self._body += body

    def on_message_complete(self) -> None:
        self._complete += 1


class _Accepted:
    """The answers to check-ins that were stored: made but for the id, and made anew when the Date changes."""

    def __init__(self) -> None:
        self._headers: object = None
        #: by the length of the id
        self._starts: dict[int, bytes] = {}

    def answer(self, headers: list[tuple[bytes, bytes]], entry_id: bytes) -> bytes:
        """The answer with these headers of the server and this id."""
        if headers is not self._headers:
            self._headers = headers
            self._starts.clear()
        start = self._starts.get(len(entry_id))
        if start is None:
            whole = _written(headers, _accepted_answer(entry_id, replayed=False), is_last=False)
            start = self._starts[len(entry_id)] = whole[: -len(entry_id) - 2]
        return start + entry_id + b'"}'


@lru_cache(maxsize=64)
def _is_json(content_type: bytes) -> bool:
    try:
        require_json(content_type.decode("latin-1"))
    except UnsupportedTypeError:
        return False
    return True


def _accepted_answer(entry_id: bytes, *, replayed: bool) -> Answer:
    headers = {**(REPLAYED if replayed else {}), "content-type": "application/json"}  # in the other path's order
    return Answer(202, headers, b'{"id":"%b"}' % entry_id)


def _written(headers: list[tuple[bytes, bytes]], answer: Answer, *, is_last: bool) -> bytes:
    """An answer as the other path writes it, after these headers of the server."""
    own = {**answer.headers, "content-length": str(len(answer.body)), **({"connection": "close"} if is_last else {})}
    lines = [*headers, *((name.encode(), value.encode()) for name, value in own.items())]
    return STATUS_LINE[answer.status] + b"".join(b"%b: %b\r\n" % line for line in lines) + b"\r\n" + answer.body


_parser = _PlainParser()
_accepted = _Accepted()
