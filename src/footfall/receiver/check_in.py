"""From the body of a request to a check-in, or to the error that says what is wrong with it."""

import re
from typing import get_type_hints

import msgspec
from msgspec import Raw

from footfall.domain.json_text import MORE_THAN_ONCE, repeated, unmarked, why_malformed
from footfall.domain.model import CheckIn
from footfall.errors import InvalidError, MalformedError, UnsupportedTypeError

#: bytes; a check-in takes about 60
MAX_BODY = 16 * 1024
#: fields that a refusal names, at most: it must not be much longer than the request
_MAX_ERRORS = 10

#: Colons in the JSON of a check-in. The decoder takes the last of two fields with one name; but no name and no value of
#: a check-in has a colon in it, so more colons are more fields. Counting costs 50 ns, in a batch 12 ns per check-in.
COLONS = len(msgspec.structs.fields(CheckIn))

#: header of an answer that an earlier request with the same Idempotency-Key was given
REPLAYED = {"idempotent-replayed": "true"}

_is_key = re.compile(r"[!-~]{1,64}").fullmatch
_decoder = msgspec.json.Decoder(CheckIn)
_object = msgspec.json.Decoder(dict[str, Raw])
_FIELDS = {
    field.encode_name: msgspec.json.Decoder(get_type_hints(CheckIn, include_extras=True)[field.name])
    for field in msgspec.structs.fields(CheckIn)
}


def require_json(content_type: str | None) -> None:
    """Raise UnsupportedTypeError unless the content type is JSON (parameters such as charset don't matter)."""
    if content_type is None or content_type.partition(";")[0].strip().lower() != "application/json":
        raise UnsupportedTypeError("the content type must be application/json")


def require_plain(content_encoding: str | None) -> None:
    """Raise UnsupportedTypeError when the body is encoded: a check-in is too small to be worth it."""
    if content_encoding is not None and content_encoding.strip().lower() not in ("", "identity"):
        raise UnsupportedTypeError("a single check-in is taken without content encoding")


def idempotency_key(values: list[str]) -> str | None:
    """The Idempotency-Key among a request's headers. Raises InvalidError unless it is one of 1 to 64 visible ASCII."""
    if not values:
        return None
    key = values[0].strip(" \t")  # the parser leaves what follows a value (RFC 9110, section 5.5)
    if len(values) == 1 and _is_key(key):
        return key
    raise InvalidError([("Idempotency-Key", "must be one of 1 to 64 visible ASCII characters")])


def decode(body: bytes) -> CheckIn:
    """The check-in in a JSON body, maybe after a byte order mark.

    Raises MalformedError when the body is not JSON, and InvalidError, with the fields that are wrong, when it is
    not a check-in.
    """
    check_in = attempt(body)
    if check_in is None:
        raise why_not(body)
    return check_in


def attempt(body: bytes) -> CheckIn | None:
    """As `decode`, but None when it is none: to find out why takes 20 times as long."""
    body = unmarked(body)
    try:
        check_in = _decoder.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None
    return check_in if body.count(b":") == COLONS else None


def why_not(body: bytes) -> MalformedError | InvalidError:
    """What is wrong with the body of a check-in that is none."""
    body = unmarked(body)
    malformed = why_malformed(body)
    if malformed is not None:
        return malformed
    try:
        values = _object.decode(body)
    except msgspec.ValidationError:
        return InvalidError([("", "must be an object")])
    twice = repeated(body) if body.count(b":") > len(values) else []
    errors = [(name, message) for name in _FIELDS if (message := _wrong(values, name, twice))]
    errors += [(name[:100], "is not a field of a check-in") for name in values if name not in _FIELDS]
    return InvalidError(errors[:_MAX_ERRORS])


def _wrong(values: dict[str, Raw], name: str, twice: list[str]) -> str | None:
    if name not in values:
        return "is missing"
    if name in twice:
        return MORE_THAN_ONCE
    try:
        _FIELDS[name].decode(values[name])
    except msgspec.ValidationError as error:
        return str(error)
    return None
