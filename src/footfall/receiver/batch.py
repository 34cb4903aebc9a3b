"""From the body of a batch request to its check-ins, and to what is wrong with the others."""

import zlib
from dataclasses import dataclass

import msgspec
from msgspec import Raw

from footfall.errors import FootfallError, InvalidError, MalformedError, TooLargeError, UnsupportedTypeError
from footfall.json_text import unmarked, why_malformed
from footfall.model import CheckIn
from footfall.receiver.check_in import COLONS, decode

#: check-ins in one request
MAX_ITEMS = 10_000
#: bytes of a body, as it is sent and as it is when it is expanded; a check-in takes about 60
MAX_BODY = 2 * 1024 * 1024
#: what begins a gzip member; with it zlib reads its header and checks its trailer (zlib manual, inflateInit2)
_GZIP = 16 + zlib.MAX_WBITS
#: gzip members in a body: each costs about 20 µs, however small it is
_MAX_MEMBERS = 100

_array = msgspec.json.Decoder(list[CheckIn])
_line = msgspec.json.Decoder(CheckIn)
_items = msgspec.json.Decoder(list[Raw])


@dataclass(frozen=True)
class Batch:
    """A batch: its check-ins with their places in it, and the errors of the other items by theirs."""

    places: list[int]
    check_ins: list[CheckIn]
    errors: dict[int, FootfallError]


def expand(body: bytes, encoding: str | None) -> bytes:
    """The body without its content encoding. Raises MalformedError, TooLargeError or UnsupportedTypeError."""
    encoding = (encoding or "identity").strip().lower()
    if encoding == "identity":
        return body
    if encoding not in ("gzip", "x-gzip"):
        raise UnsupportedTypeError("the content encoding must be gzip, or none")
    expanded = b""
    members = 0
    while body:  # a gzip file may have several members (RFC 1952, section 2.2)
        members += 1
        if members > _MAX_MEMBERS:
            raise TooLargeError(f"a gzipped batch takes at most {_MAX_MEMBERS} members")
        inflater = zlib.decompressobj(_GZIP)
        try:
            expanded += inflater.decompress(body, MAX_BODY + 1 - len(expanded))
        except zlib.error as error:
            raise MalformedError(f"the body is not gzip: {error}") from None
        if len(expanded) > MAX_BODY:
            raise TooLargeError(f"a batch takes at most {MAX_BODY} bytes, expanded")
        if not inflater.eof:
            raise MalformedError("the body is not gzip: it ends too early")
        body = inflater.unused_data.lstrip(b"\0")  # what some pad files with, up to a whole block, as gzip itself does
    return expanded


def read(body: bytes, content_type: str | None) -> Batch:
    """The batch in a body: a JSON array, or NDJSON, whose blank lines are passed over; maybe after a byte order mark.

    Raises UnsupportedTypeError; MalformedError when the body cannot be parsed, InvalidError when it is not a list,
    TooLargeError when it is too long a one.
    """
    body = unmarked(body)
    kind = (content_type or "").partition(";")[0].strip().lower()
    if kind == "application/json":
        return _read_array(body)
    if kind in ("application/x-ndjson", "application/ndjson"):
        return _read_lines(body)
    raise UnsupportedTypeError("the content type must be application/json or application/x-ndjson")


def _read_array(body: bytes) -> Batch:
    try:
        check_ins = _array.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        pass  # some item is wrong, or all of it
    else:
        if body.count(b":") == COLONS * len(check_ins):
            return _all_good(check_ins)
    malformed = why_malformed(body)
    if malformed is not None:
        raise malformed
    try:
        items = _items.decode(body)
    except msgspec.ValidationError:
        raise InvalidError([("", "must be an array of check-ins")]) from None
    return _one_by_one([bytes(item) for item in items])


def _read_lines(body: bytes) -> Batch:
    # msgspec's own decode_lines takes several values in a line, and a value over several
    lines = [line for line in body.split(b"\n") if line.strip(b" \t\r")]
    try:
        check_ins = [_line.decode(line) for line in lines]
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        pass
    else:
        if body.count(b":") == COLONS * len(check_ins):
            return _all_good(check_ins)
    batch = _one_by_one(lines)
    if batch.errors and all(isinstance(error, MalformedError) for error in batch.errors.values()) and not batch.places:
        raise MalformedError("no line of the body is JSON")
    return batch


def _all_good(check_ins: list[CheckIn]) -> Batch:
    _limit(len(check_ins))
    return Batch(list(range(len(check_ins))), check_ins, {})


def _one_by_one(items: list[bytes]) -> Batch:
    _limit(len(items))
    batch = Batch([], [], {})
    for place, item in enumerate(items):
        try:
            batch.check_ins.append(decode(item))
        except FootfallError as error:
            batch.errors[place] = error
        else:
            batch.places.append(place)
    return batch


def _limit(items: int) -> None:
    if items > MAX_ITEMS:
        raise TooLargeError(f"a batch takes at most {MAX_ITEMS} check-ins; this one has {items}")
