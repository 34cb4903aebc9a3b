"""JSON that others send: byte order marks, why it is none, and names that are there twice."""

import json

import pytest

from footfall.domain.documents import LocationChange, decode
from footfall.domain.json_text import repeated, unmarked, why_malformed
from footfall.domain.model import Social
from footfall.errors import InvalidError

_DETAILS = {
    "id": 1,
    "hours": [{"day": day, "hours": "7-19"} for day in range(7)],
    "socials": [],
    "website": "",
    "description": "",
    "phone": "1",
}


@pytest.mark.parametrize(
    ("text", "names"),
    [
        (b'{"a":1,"b":2}', []),
        (b'{"a":1,"b":2,"a":1,"a":3,"b":0}', ["a", "b"]),
        (b'[{"a":1},{"a":{"b":1,"\\u0062":2}},{"a":1}]', ["b"]),
        (b'"a:a"', []),
        (b'{"a":%b,"a":1e999}' % (b"9" * 5000), ["a"]),
        (b"[" * 100_000 + b"]" * 100_000, []),
    ],
    ids=lambda value: repr(value)[:40],
)
def test_names_that_an_object_has_twice_are_found_at_any_depth(text: bytes, names: list[str]) -> None:
    assert repeated(text) == names


def test_one_byte_order_mark_is_passed_over() -> None:
    assert unmarked(b"\xef\xbb\xbf{}") == b"{}"
    assert unmarked(b"{}\xef\xbb\xbf") == b"{}\xef\xbb\xbf"


@pytest.mark.parametrize("text", [b"", b"{", b"nope", b"\xff", b"[" * 5000, b"\xef\xbb\xbf{}"])
def test_what_is_no_json_has_a_reason(text: bytes) -> None:
    assert "the body is not JSON" in str(why_malformed(text))
    assert why_malformed(b'{"a":[1,2.5,"x"]}') is None


def test_a_document_may_begin_with_a_byte_order_mark() -> None:
    assert decode(b'\xef\xbb\xbf{"name":"x","handle":"y"}', Social) == Social(name="x", handle="y")


@pytest.mark.parametrize("again", ["y", 5])
def test_a_field_that_a_document_has_twice_is_named(again: object) -> None:
    body = b'{"name":"x","handle":"y","name":%b}' % json.dumps(again).encode()
    with pytest.raises(InvalidError, match="name: is there more than once"):
        decode(body, Social)


def test_a_field_that_a_part_of_a_document_has_twice_is_named() -> None:
    body = json.dumps({"details": _DETAILS}).encode()
    assert decode(body, LocationChange).details
    with pytest.raises(InvalidError) as caught:
        decode(body.replace(b'"phone"', b'"website": "x", "phone"'), LocationChange)
    assert caught.value.errors == [("website", "is there more than once")]
