"""Which requests are plain, and what is in them."""

import re
from functools import lru_cache

from httptools import HttpParserError, HttpParserUpgrade, HttpRequestParser

from footfall.errors import UnsupportedTypeError
from footfall.http.head import MAX_HEAD, is_host
from footfall.identity.credentials import COOKIE, SESSION_ID_SIZE, Credential, credential, session_with
from footfall.receiver.check_in import MAX_BODY, require_json

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
#: body, Idempotency-Key, X-Request-Id, and who it is from
Plain = tuple[bytes, str | None, str | None, Credential | None]

#: senders that are remembered, and bytes of what each has sent
_SENDERS, _MAX_REMEMBERED = 10_000, 1024

_COOKIE = COOKIE.encode() + b"="

_is_key = re.compile(rb"[!-~]{1,64}").fullmatch


class PlainParser:
    """Reads whole plain requests with llhttp. It keeps nothing from one to the next, so one serves all connections."""

    def __init__(self, *, auth: bool, cors: bool = False) -> None:
        self._names = _DECISIVE | (_CREDENTIALS if auth else set()) | (_ORIGIN if cors else set())
        self._decisive: list[tuple[bytes, bytes]] = []
        self._begun = self._complete = 0
        self._body = b""
        self._parser = HttpRequestParser(self)

    def read(self, data: bytes) -> Plain | None:
        """What is in a plain request; None when the bytes are anything else."""
        self._decisive.clear()
        self._begun = self._complete = 0
        self._body = b""
        try:
            self._parser.feed_data(data)
        except (HttpParserError, HttpParserUpgrade):
            plain = None
        else:
            is_one = self._begun == self._complete == 1 and len(data) - len(self._body) <= MAX_HEAD
            plain = self._plain() if is_one else None
        if plain is None:  # it may be in the middle of a message, or at the end of a connection
            self._parser = HttpRequestParser(self)
        return plain

    def _plain(self) -> Plain | None:
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
        sender = None
        if cookie is not None or authorization is not None:
            size = len(authorization or b"") + len(cookie or b"")
            sender = (_sender if size <= _MAX_REMEMBERED else _sender.__wrapped__)(authorization, cookie)
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


@lru_cache(maxsize=_SENDERS)  # they come back, also through a proxy that mixes them on its connections
def _sender(authorization: bytes | None, cookie: bytes | None) -> Credential | None:
    values = tuple(() if value is None else (value.decode("latin-1"),) for value in (authorization, cookie))
    return credential(*values)


class Head:
    """The head of a plain request that was read: llhttp would find the same in the same bytes again.

    Also in those of another session: behind a proxy that shares its connections, requests differ in that alone.
    """

    def __init__(self, head: bytes, sender: Credential | None) -> None:
        self.size = len(head)
        self._head = head
        self._sender = (sender,)
        #: where the id of the session is, and what comes behind it; no place when it is not all that could differ
        self._place, self._behind = 0, b""
        if sender is not None and sender.kind == "session" and head.count(_COOKIE) == 1:
            place = head.index(_COOKIE) + len(_COOKIE)
            if session_with(head[place : place + SESSION_ID_SIZE].decode("latin-1")) == sender:
                self._place, self._behind = place, head[place + SESSION_ID_SIZE :]

    def sender_of(self, data: bytes) -> tuple[Credential | None] | None:
        """Who a request is from that begins with this head, or with that of another session; None when it does not."""
        if data.startswith(self._head):
            return self._sender
        place = self._place
        end = place + SESSION_ID_SIZE
        if place and data.startswith(self._behind, end) and data.startswith(self._head[:place]):
            sender = session_with(data[place:end].decode("latin-1"))
            return None if sender is None else (sender,)
        return None


@lru_cache(maxsize=64)
def _is_json(content_type: bytes) -> bool:
    try:
        require_json(content_type.decode("latin-1"))
    except UnsupportedTypeError:
        return False
    return True
