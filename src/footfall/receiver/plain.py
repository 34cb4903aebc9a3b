"""Which requests are plain, and what is in them.

Plain is a `POST /api/checkin` that one network read brought whole and alone, with the JSON of a check-in in a body of a
known length, and without a header that changes what must be done. Whatever else comes is for the ordinary path, which
leads to the same intake and to the same answers.
"""

import re
from functools import lru_cache

import msgspec
from httptools import HttpParserError, HttpParserUpgrade, HttpRequestParser

from footfall.domain.model import CheckIn
from footfall.errors import UnsupportedTypeError
from footfall.http.head import MAX_HEAD, is_host
from footfall.identity.credentials import SESSION_ID_SIZE, Credential, credential, session_id, session_with
from footfall.receiver.check_in import COLONS, MAX_BODY, require_json

#: check-in, Idempotency-Key, X-Request-Id, and who it is from
Plain = tuple[CheckIn, str | None, str | None, Credential | None]
#: Who a request is from, and the id of the session; empty when it is from none.
Sender = tuple[Credential | None, bytes]

_REQUEST_LINE = b"POST /api/checkin HTTP/1.1\r\n"
#: Headers that decide whether and how a request is taken and answered, in lower case. No other makes a difference.
_DECISIVE = frozenset(
    {
        b"connection",
        b"content-encoding",
        b"content-type",
        b"expect",
        b"host",
        b"idempotency-key",
        b"transfer-encoding",
        b"upgrade",
        b"x-request-id",
    }
)
#: and while sign-in is on
_CREDENTIALS = frozenset({b"authorization", b"cookie"})
#: and while CORS is on: no plain request has it
_ORIGIN = frozenset({b"origin"})
_NO_SENDER: Sender = (None, b"")

#: Heads that a connection remembers, at most, and bytes of each: ids of one to four digits make five sizes of bodies.
_HEADS, _MAX_HEAD = 6, 1024
#: senders that are remembered, and bytes of what each has sent
_SENDERS, _MAX_SENDER = 10_000, 1024

_is_key = re.compile(rb"[!-~]{1,64}").fullmatch
_decode = msgspec.json.Decoder(CheckIn).decode


class PlainReader:
    """Reads the plain requests of one connection.

    It remembers the heads of the last ones, by the size of the whole request: clients repeat themselves.
    """

    def __init__(self, *, auth: bool, cors: bool = False) -> None:
        """`auth`: whether it matters who a request is from; `cors`: whether it matters on which page it was made."""
        self._parser = _parsers[auth, cors]
        self._heads: dict[int, _Head] = {}

    def read(self, data: bytes) -> Plain | None:
        """What is in a plain request; None when the bytes are anything else."""
        if not data.startswith(_REQUEST_LINE):
            return None
        head = self._heads.get(len(data))
        if head is not None and (known := head.sender_of(data)) is not None:
            body, key, request_id, sender = data[head.size :], None, None, known[0]
        else:
            found = self._parser.read(data)
            if found is None:
                return None
            body, key, request_id, (sender, session) = found
            if key is None and request_id is None:
                self._remember(data, body, sender, session)
        try:
            check_in = _decode(body)
        except (ValueError, RecursionError):  # the other path says what is wrong with it
            return None
        return (check_in, key, request_id, sender) if body.count(b":") == COLONS else None

    def _remember(self, data: bytes, body: bytes, sender: Credential | None, session: bytes) -> None:
        """Keep the head of a request, unless blank lines follow its body."""
        size = len(data) - len(body)
        if size <= _MAX_HEAD and data.endswith(body):
            if len(self._heads) >= _HEADS:
                self._heads.clear()
            self._heads[len(data)] = _Head(data[:size], sender, session)


class _Head:
    """The head of a plain request that was read: llhttp would find the same in the same bytes again.

    Also in those of another session: behind a proxy that shares its connections, requests differ in that alone.
    """

    def __init__(self, head: bytes, sender: Credential | None, session: bytes) -> None:
        self.size = len(head)
        self._head = head
        self._sender = (sender,)
        #: what comes before the id of the session, and behind it; nothing when it is not all that could differ
        self._before, _, self._behind = head.partition(session) if session else (b"", b"", b"")
        if session in self._behind:
            self._before = b""
        self._place = len(self._before)

    def sender_of(self, data: bytes) -> tuple[Credential | None] | None:
        """Who a request is from that begins with this head, or with that of another session; None when it does not."""
        if data.startswith(self._head):
            return self._sender
        place = self._place
        end = place + SESSION_ID_SIZE
        if place and data.startswith(self._behind, end) and data.startswith(self._before):
            sender = session_with(data[place:end].decode("latin-1"))
            return None if sender is None else (sender,)
        return None


class _Parser:
    """Parses whole plain requests with llhttp. It keeps nothing from one to the next, so one serves all connections."""

    def __init__(self, *, auth: bool, cors: bool) -> None:
        self._names = _DECISIVE | (_CREDENTIALS if auth else set()) | (_ORIGIN if cors else set())
        self._decisive: list[tuple[bytes, bytes]] = []
        self._begun = self._complete = 0
        self._body = b""
        self._parser = HttpRequestParser(self)

    def read(self, data: bytes) -> tuple[bytes, str | None, str | None, Sender] | None:
        """Body, Idempotency-Key, X-Request-Id and sender; None when the bytes are anything but one plain request."""
        self._decisive.clear()
        self._begun = self._complete = 0
        self._body = b""
        try:
            self._parser.feed_data(data)
        except (HttpParserError, HttpParserUpgrade):
            found = None
        else:
            is_one = self._begun == self._complete == 1 and len(data) - len(self._body) <= MAX_HEAD
            found = self._found() if is_one else None
        if found is None:  # it may be in the middle of a message, or at the end of a connection
            self._parser = HttpRequestParser(self)
        return found

    def _found(self) -> tuple[bytes, str | None, str | None, Sender] | None:
        content_type = host = key = request_id = cookie = authorization = None
        for name, value in self._decisive:
            if name == b"content-type" and content_type is None:
                content_type = value
            elif name == b"host" and host is None and is_host(value):
                host = value
            elif name == b"idempotency-key" and key is None and _is_key(value):
                key = value.decode()
            elif name == b"x-request-id" and request_id is None:
                request_id = value.decode("latin-1")
            elif name == b"cookie" and cookie is None:
                cookie = value
            elif name == b"authorization" and authorization is None:
                authorization = value
            elif name != b"connection" or value.lower() != b"keep-alive":
                return None
        if content_type is None or host is None or not _is_json(content_type) or not 0 < len(self._body) <= MAX_BODY:
            return None
        sender = _NO_SENDER
        if cookie is not None or authorization is not None:
            size = len(authorization or b"") + len(cookie or b"")
            sender = (_remembered_sender if size <= _MAX_SENDER else _sender)(authorization, cookie)
        return self._body, key, request_id, sender

    # --- called by the parser

    def on_message_begin(self) -> None:
        self._begun += 1

    def on_header(self, name: bytes, value: bytes) -> None:
        name = name.lower()
        if name in self._names:
            self._decisive.append((name, value.rstrip(b" \t")))  # the parser leaves what follows a value

    def on_body(self, body: bytes) -> None:
        self._body += body

    def on_message_complete(self) -> None:
        self._complete += 1


def _sender(authorization: bytes | None, cookie: bytes | None) -> Sender:
    headers = [() if value is None else (value.decode("latin-1"),) for value in (authorization, cookie)]
    found = credential(*headers)
    is_session = found is not None and found.kind == "session"
    return found, session_id(headers[1]).encode() if is_session else b""


#: they come back, also through a proxy that mixes them on its connections
_remembered_sender = lru_cache(maxsize=_SENDERS)(_sender)


@lru_cache(maxsize=64)
def _is_json(content_type: bytes) -> bool:
    try:
        require_json(content_type.decode("latin-1"))
    except UnsupportedTypeError:
        return False
    return True


_parsers = {(auth, cors): _Parser(auth=auth, cors=cors) for auth in (False, True) for cors in (False, True)}
