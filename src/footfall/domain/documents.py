"""What somebody sends to add or change a record: decoded, and when it is wrong, every field that is."""

from typing import Any, TypeVar, get_type_hints

import msgspec
from msgspec import UNSET, Raw, UnsetType

from footfall.domain.json_text import MORE_THAN_ONCE, repeated, unmarked, why_malformed
from footfall.domain.model import Category, Email, LocationDetails, Name, Password, Place, Record, why_not
from footfall.errors import InvalidError, MalformedError

RecordT = TypeVar("RecordT", bound=Record)

#: fields that a refusal names, at most: it must not be much longer than the request
_MAX_ERRORS = 10


class UserChange(Record, frozen=True):
    """What changes of a user: the fields that are there. `password` is clear text."""

    first_name: Name | UnsetType = UNSET
    last_name: Name | UnsetType = UNSET
    email: Email | UnsetType = UNSET
    password: Password | UnsetType = UNSET


class LocationChange(Record, frozen=True):
    """What changes of a location: the fields that are there. `details` are replaced as a whole; null removes them."""

    name: Name | UnsetType = UNSET
    category: Category | UnsetType = UNSET
    location: Place | UnsetType = UNSET
    details: LocationDetails | UnsetType | None = UNSET


def decode(body: bytes, kind: type[RecordT]) -> RecordT:
    """The record in a JSON body, maybe after a byte order mark.

    Raises MalformedError when the body is not JSON, and InvalidError, with the fields that are wrong, when it is no
    such record.
    """
    body = unmarked(body)
    try:
        record = msgspec.json.decode(body, type=kind)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raise _why_not(body, kind) from None
    if repeated(body):
        raise _why_not(body, kind)
    return record


def _why_not(body: bytes, kind: type[Record]) -> MalformedError | InvalidError:
    malformed = why_malformed(body)
    if malformed is not None:
        return malformed
    try:
        values = msgspec.json.decode(body, type=dict[str, Raw])
    except msgspec.ValidationError:
        return InvalidError([("", "must be an object")])
    fields = {field.encode_name: field for field in msgspec.structs.fields(kind)}
    hints = get_type_hints(kind, include_extras=True)
    errors = [(name[:100], MORE_THAN_ONCE) for name in repeated(body)]
    for name, field in fields.items():
        if name in values:
            errors += _wrong(name, values[name], hints[field.name])
        elif field.required:
            errors.append((name, "is missing"))
    errors += [(name[:100], "is not a field that can be set") for name in values if name not in fields]
    return InvalidError(errors[:_MAX_ERRORS])


def _wrong(name: str, value: Raw, kind: Any) -> list[tuple[str, str]]:
    try:
        msgspec.json.decode(value, type=kind)
    except msgspec.ValidationError as error:
        return [(name, why_not(kind, error, is_text=bytes(value).startswith(b'"')))]
    return []
