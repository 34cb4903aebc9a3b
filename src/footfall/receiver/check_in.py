"""From the body of a request to a check-in, or to the error that says what is wrong with it."""

from typing import Any, get_type_hints

import msgspec

from footfall.errors import InvalidError, MalformedError, UnsupportedTypeError
from footfall.model import CheckIn

#: bytes; a check-in takes about 60
MAX_BODY = 16 * 1024

_decoder = msgspec.json.Decoder(CheckIn)
_FIELDS = {
    field.encode_name: get_type_hints(CheckIn, include_extras=True)[field.name]
    for field in msgspec.structs.fields(CheckIn)
}


def require_json(content_type: str | None) -> None:
    """Raise UnsupportedTypeError unless the content type is JSON (parameters such as charset don't matter)."""
    if content_type is None or content_type.partition(";")[0].strip().lower() != "application/json":
        raise UnsupportedTypeError("the content type must be application/json")


def decode(body: bytes) -> CheckIn:
    """The check-in in a JSON body.

    Raises MalformedError when the body is not JSON, and InvalidError, with every field that is wrong, when it is
    not a check-in.
    """
    try:
        return _decoder.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raise _why_not(body) from None


def _why_not(body: bytes) -> MalformedError | InvalidError:
    try:
        value = msgspec.json.decode(body)
    except msgspec.DecodeError as error:
        return MalformedError(f"the body is not JSON: {error}")
    except UnicodeDecodeError:
        return MalformedError("the body is not JSON: it is not UTF-8")
    except RecursionError:
        return MalformedError("the body is not JSON that can be read: it is nested too deeply")
    if not isinstance(value, dict):
        return InvalidError([("", "must be an object")])
    errors = [(name, message) for name, kind in _FIELDS.items() if (message := _wrong(value, name, kind))]
    errors += [(name[:100], "is not a field of a check-in") for name in value if name not in _FIELDS]
    return InvalidError(errors)


def _wrong(value: dict[str, Any], name: str, kind: Any) -> str | None:
    if name not in value:
        return "is missing"
    try:
        msgspec.convert(value[name], kind)
    except msgspec.ValidationError as error:
        return str(error)
    return None
