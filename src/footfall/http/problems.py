"""Problem documents: how every error is answered (RFC 9457)."""

import itertools
import re
import secrets
from http import HTTPStatus
from typing import NamedTuple

import msgspec

from footfall.errors import FootfallError, InvalidError

MEDIA_TYPE = "application/problem+json"
#: names of RFC 9110: some that Python has from 3.13 on, and one that does not begin with a word
_NAMES = {
    413: "Content too large",
    414: "URI too long",
    422: "Unprocessable content",
    505: "HTTP version not supported",
}


#: header of a request and its answer
REQUEST_ID = b"x-request-id"

#: what new ids of requests begin with, and their numbers
PROCESS = secrets.token_hex(4)
next_number = itertools.count(secrets.randbits(16)).__next__
_is_request_id = re.compile(r"[!-~]{1,128}").fullmatch


class FieldProblem(msgspec.Struct):
    """What is wrong with one field; `field` is empty when it is the whole value."""

    field: str
    message: str


class Problem(msgspec.Struct, kw_only=True, omit_defaults=True, rename="camel"):
    """The body of every answer that is not a success."""

    # by a factory, so that it is written although it is the default
    type: str = msgspec.field(default_factory=lambda: "about:blank")
    title: str
    status: int
    detail: str
    #: the request's X-Request-Id, or one made for it
    request_id: str
    errors: list[FieldProblem] = []


class Answer(NamedTuple):
    """An answer as it leaves, whichever way, but for the id of its request."""

    status: int
    headers: dict[str, str]
    body: bytes


def title(status: int) -> str:
    """The name of a status: with type `about:blank`, a title says no more (RFC 9457, section 4.2.1)."""
    return _NAMES.get(status) or HTTPStatus(status).phrase.capitalize()


def request_id(sent: str | None) -> str:
    """The id that a request was sent with when it is 1 to 128 visible ASCII characters, else a new one.

    A new one has what tells this process from others, and a number: a random one would take longer.
    """
    return sent if sent is not None and _is_request_id(sent) else f"{PROCESS}{next_number():08x}"


def answer(error: FootfallError, request_id: str) -> Answer:
    """The answer to a request that failed with this error. What is our own defect is not told."""
    status, detail = error.status, str(error)
    if status == HTTPStatus.INTERNAL_SERVER_ERROR:
        detail = "the request could not be handled"
    errors = [FieldProblem(*item) for item in error.errors] if isinstance(error, InvalidError) else []
    headers = dict(error.headers)
    if error.retry_after is not None:
        headers["retry-after"] = str(error.retry_after)
    headers["content-type"] = MEDIA_TYPE  # in the framework's order
    document = Problem(title=title(status), status=status, detail=detail, request_id=request_id, errors=errors)
    return Answer(status, headers, msgspec.json.encode(document))
