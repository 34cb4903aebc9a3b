"""From the body of a batch request to its check-ins, and to what is wrong with the others."""

import asyncio
import re
import time
import zlib
from dataclasses import dataclass

import msgspec
from msgspec import Raw

from footfall.domain.json_text import unmarked, why_malformed
from footfall.domain.model import CheckIn
from footfall.errors import FootfallError, InvalidError, MalformedError, TooLargeError, UnsupportedTypeError
from footfall.receiver import check_in
from footfall.receiver.check_in import COLONS

#: check-ins in one request
MAX_ITEMS = 10_000
#: Items of a batch that are told what is wrong with them, of the others only the status. With the reasons of all, a
#: request of 8 KB (gzipped) had an answer of 1 MB, and held up all others for 0.3 s.
TOLD = 100
#: commas or line ends in a body that cannot be a batch as it is, for each item that it may have; a check-in has two
_SEPARATORS_EACH = 10
#: Seconds for which items are looked at one by one before others get their turn.
SLICE_S = 0.005
#: bytes of a body, as it is sent and as it is when it is expanded; a check-in takes about 60
MAX_BODY = 2 * 1024 * 1024
#: what begins a gzip member; with it zlib reads its header and checks its trailer (zlib manual, inflateInit2)
_GZIP = 16 + zlib.MAX_WBITS
#: what some pad files with, up to a whole block
_zeros = re.compile(rb"\0*")
#: gzip members in a body: each costs about 20 µs, however small it is
_MAX_MEMBERS = 100
#: bytes that are given to zlib at once: what is behind a member's end is copied
_PART = 64 * 1024

_array = msgspec.json.Decoder(list[CheckIn])
_line = msgspec.json.Decoder(CheckIn)
_items = msgspec.json.Decoder(list[Raw])
#: of items whose status alone is told; neither is raised
_MALFORMED, _INVALID = MalformedError(), InvalidError([])


@dataclass(frozen=True)
class ParsedBatch:
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
    expanded: list[bytes] = []
    room, members, position = MAX_BODY + 1, 0, 0
    while position < len(body):  # a gzip file may have several members (RFC 1952, section 2.2)
        members += 1
        if members > _MAX_MEMBERS:
            raise TooLargeError(f"a gzipped batch takes at most {_MAX_MEMBERS} members")
        inflater = zlib.decompressobj(_GZIP)
        while not inflater.eof:
            part = body[position : position + _PART]
            if not part:
                raise MalformedError("the body is not gzip: it ends too early")
            position += len(part)
            try:
                expanded.append(inflater.decompress(part, room))
            except zlib.error as error:
                raise MalformedError(f"the body is not gzip: {error}") from None
            room -= len(expanded[-1])
            if room <= 0:
                raise TooLargeError(f"a batch takes at most {MAX_BODY} bytes, expanded")
        position -= len(inflater.unused_data)
        position = _zeros.match(body, position).end()  # type: ignore[union-attr]  # as gzip itself does
    return b"".join(expanded)


async def read(body: bytes, content_type: str | None) -> ParsedBatch:
    """The batch in a body: a JSON array, or NDJSON, whose blank lines are passed over; maybe after a byte order mark.

    Raises UnsupportedTypeError; MalformedError when the body cannot be parsed, InvalidError when it is not a list,
    TooLargeError when it is too long a one.
    """
    body = unmarked(body)
    kind = (content_type or "").partition(";")[0].strip().lower()
    if kind == "application/json":
        return await _read_array(body)
    if kind in ("application/x-ndjson", "application/ndjson"):
        return await _read_lines(body)
    raise UnsupportedTypeError("the content type must be application/json or application/x-ndjson")


async def _read_array(body: bytes) -> ParsedBatch:
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
    _require_few(body.count(b","))
    try:
        items = _items.decode(body)
    except msgspec.ValidationError:
        raise InvalidError([("", "must be an array of check-ins")]) from None
    return await _one_by_one([bytes(item) for item in items])


async def _read_lines(body: bytes) -> ParsedBatch:
    _require_few(body.count(b"\n"))
    # msgspec's own decode_lines takes several values in a line, and a value over several
    lines = [line for line in body.split(b"\n") if line.strip(b" \t\r")]
    try:
        check_ins = [_line.decode(line) for line in lines]
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        pass
    else:
        if body.count(b":") == COLONS * len(check_ins):
            return _all_good(check_ins)
    batch = await _one_by_one(lines)
    if batch.errors and all(isinstance(error, MalformedError) for error in batch.errors.values()) and not batch.places:
        raise MalformedError("no line of the body is JSON")
    return batch


def _all_good(check_ins: list[CheckIn]) -> ParsedBatch:
    _limit(len(check_ins))
    return ParsedBatch(list(range(len(check_ins))), check_ins, {})


async def _one_by_one(items: list[bytes]) -> ParsedBatch:
    _limit(len(items))
    batch = ParsedBatch([], [], {})
    until = time.perf_counter() + SLICE_S
    for place, item in enumerate(items):
        found = check_in.attempt(item)
        if found is None:
            batch.errors[place] = _error(item, is_told=len(batch.errors) < TOLD)
        else:
            batch.check_ins.append(found)
            batch.places.append(place)
        if time.perf_counter() > until:
            await asyncio.sleep(0)
            until = time.perf_counter() + SLICE_S
    return batch


def _error(item: bytes, *, is_told: bool) -> FootfallError:
    """What is wrong with an item; when it is not told, an error of the same kind."""
    if len(item) > check_in.MAX_BODY:
        return TooLargeError(f"the body of this request takes at most {check_in.MAX_BODY} bytes")
    if is_told:
        return check_in.why_not(item)
    return _MALFORMED if why_malformed(unmarked(item)) else _INVALID


def _require_few(separators: int) -> None:
    """Raise TooLargeError for a body that has far too many items, or values in them, to look at each."""
    if separators > MAX_ITEMS * _SEPARATORS_EACH:
        raise TooLargeError(f"a batch takes at most {MAX_ITEMS} check-ins; this one has many more values")


def _limit(items: int) -> None:
    if items > MAX_ITEMS:
        raise TooLargeError(f"a batch takes at most {MAX_ITEMS} check-ins; this one has {items}")
