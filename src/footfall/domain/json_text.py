"""JSON that others send: what is passed over before it, why some is none, and names that an object has twice."""

import codecs
import json
from collections.abc import Sequence
from typing import Any

import msgspec
from msgspec import Raw

from footfall.errors import MalformedError

#: what is wrong with a field whose name its object has twice: readers disagree which value counts (RFC 8259, section 4)
MORE_THAN_ONCE = "is there more than once"

_syntax = msgspec.json.Decoder(Raw)


def unmarked(body: bytes) -> bytes:
    """The text without the byte order mark that some editors put before it (RFC 8259, section 8.1, lets us)."""
    return body.removeprefix(codecs.BOM_UTF8)


def why_malformed(body: bytes) -> MalformedError | None:
    """The error that says why the text is not JSON; None when it is.

    A decoder of a type stops at the first value that is wrong, so what follows may not even be JSON.
    """
    try:
        body.decode()
        _syntax.decode(body)
    except msgspec.DecodeError as error:
        return MalformedError(f"the body is not JSON: {error}")
    except UnicodeDecodeError:
        return MalformedError("the body is not JSON: it is not UTF-8")
    except RecursionError:
        return MalformedError("the body is not JSON that can be read: it is nested too deeply")
    return None


def repeated(text: bytes) -> list[str]:
    """The names that some object in this JSON has more than once.

    None of what is nested too deeply to be looked at, which no record is.
    """
    found: dict[str, None] = {}

    def look(pairs: Sequence[tuple[str, Any]]) -> None:
        names = set()
        for name, _ in pairs:
            if name in names:
                found[name] = None
            names.add(name)

    try:
        json.loads(text, object_pairs_hook=look, parse_int=_nothing, parse_float=_nothing)
    except RecursionError:
        return []
    return list(found)


def _nothing(_: str) -> None:
    """Numbers do not matter here, and some have more digits than Python takes."""
