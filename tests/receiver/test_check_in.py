"""Bodies of check-ins: what is one is decoded exactly, what is none is refused with the reason."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from footfall.domain.model import MAX_ID, CheckIn
from footfall.errors import InvalidError, MalformedError, UnsupportedTypeError
from footfall.receiver.check_in import MAX_BODY, decode, require_json

_FIELDS = ("userId", "locationId", "starRating")
_GOOD = b'{"userId":1,"locationId":2,"starRating":3}'


def _strict_int(text: str) -> int:
    return int(text) if len(text) < 100 else MAX_ID + 1


def _pairs(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    if len(dict(pairs)) < len(pairs):
        raise ValueError("a name is there twice")
    return dict(pairs)


def _oracle(body: bytes) -> CheckIn | None:
    """The check-in by another JSON reader and the rules written down again; None when it is none."""
    try:
        value = json.loads(body.decode("utf-8-sig"), parse_int=_strict_int, object_pairs_hook=_pairs)
    except (ValueError, RecursionError):
        return None
    if (
        not isinstance(value, dict)
        or set(value) != set(_FIELDS)
        or any(type(item) is not int for item in value.values())
    ):
        return None
    user, location, stars = (value[name] for name in _FIELDS)
    if 1 <= user <= MAX_ID and 1 <= location <= MAX_ID and 0 <= stars <= 5:
        return CheckIn(user_id=user, location_id=location, star_rating=stars)
    return None


def _decoded(body: bytes) -> CheckIn | None:
    """As `decode`; None when it refuses, which it must do with a reason."""
    try:
        return decode(body)
    except (InvalidError, MalformedError) as error:
        refusal = error
    assert str(refusal)
    if isinstance(refusal, InvalidError):
        assert refusal.errors
        assert all(message for _, message in refusal.errors)
    return None


_numbers = st.one_of(
    st.integers(-2, 7),
    st.integers(MAX_ID - 2, MAX_ID + 2),
    st.integers(),
    st.sampled_from([2**63, 2**64, -(2**63), 10**30]),
    st.floats(allow_nan=False),
)
_values: st.SearchStrategy[Any] = st.recursive(
    st.one_of(st.none(), st.booleans(), _numbers, st.text(max_size=5), st.sampled_from(["5", "01", "+1", ""])),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(st.text(max_size=3), inner, max_size=3)),
    max_leaves=6,
)
_names = st.one_of(st.sampled_from([*_FIELDS, "userid", "userId ", ""]), st.text(max_size=5))
_objects = st.one_of(
    st.fixed_dictionaries(dict.fromkeys(_FIELDS, st.integers(0, 6))),
    st.fixed_dictionaries(dict.fromkeys(_FIELDS, _values)),
    st.fixed_dictionaries({}, optional=dict.fromkeys(_FIELDS, _values)),
    st.dictionaries(_names, _values, max_size=5),
    _values,
)


@given(_objects, st.sampled_from([None, 2]), st.booleans())
def test_json_is_a_check_in_exactly_when_the_rules_say_so(value: Any, indent: int | None, ascii_only: bool) -> None:
    body = json.dumps(value, indent=indent, ensure_ascii=ascii_only).encode()
    assert _decoded(body) == _oracle(body)


@given(st.lists(st.tuples(_names, st.one_of(st.integers(0, 6), _values)), max_size=6), st.booleans(), st.booleans())
def test_a_check_in_has_each_field_once(fields: list[tuple[str, Any]], complete: bool, marked: bool) -> None:
    fields = [*((name, 1) for name in _FIELDS if complete), *fields]
    text = ",".join(f"{json.dumps(name)}:{json.dumps(value)}" for name, value in fields)
    body = b"\xef\xbb\xbf" * marked + b"{%b}" % text.encode()
    assert _decoded(body) == _oracle(body)


@given(st.binary(max_size=60))
def test_any_bytes_are_a_check_in_or_refused_with_a_reason(body: bytes) -> None:
    assert _decoded(body) == _oracle(body)


@given(st.integers(0, len(_GOOD)), st.binary(max_size=3), st.integers(0, 3))
def test_a_check_in_with_a_few_bytes_changed_is_read_as_what_it_is_now(at: int, insert: bytes, remove: int) -> None:
    body = _GOOD[:at] + insert + _GOOD[at + remove :]
    assert _decoded(body) == _oracle(body)


def test_every_wrong_field_is_named_with_its_own_reason() -> None:
    with pytest.raises(InvalidError) as caught:
        decode(b'{"userId": "5", "starRating": 6, "extra": 1}')
    assert caught.value.errors == [
        ("userId", "Expected `int`, got `str`"),
        ("locationId", "is missing"),
        ("starRating", "Expected `int` <= 5"),
        ("extra", "is not a field of a check-in"),
    ]


@pytest.mark.parametrize(
    "body",
    [
        b'{"userId":1,"locationId":2,"starRating":3,"userId":9}',
        b'{"userId":1,"locationId":2,"starRating":3,"userId":1}',
        b'{"userId":1,"locationId":2,"starRating":3,"user\\u0049d":9}',
        b'{"userId":"x","locationId":2,"starRating":3,"userId":9}',
        b'{"userId":1,"locationId":2,"starRating":3,"userId":"x"}',
        b'{"userId":1,"locationId":2,"starRating":3,"userId":4,"userId":5}',
    ],
)
def test_a_field_that_is_there_twice_is_refused_by_name_whatever_its_values(body: bytes) -> None:
    with pytest.raises(InvalidError) as caught:
        decode(body)
    assert caught.value.errors == [("userId", "is there more than once")]


def test_a_byte_order_mark_before_it_is_passed_over_and_nowhere_else() -> None:
    assert decode(b"\xef\xbb\xbf" + _GOOD) == decode(_GOOD)
    for body in (b"\xef\xbb\xbf" * 2 + _GOOD, _GOOD + b"\xef\xbb\xbf", b"\xef\xbb\xbf", b"\xef\xbb" + _GOOD):
        with pytest.raises(MalformedError):
            decode(body)


def test_a_number_that_no_integer_holds_is_an_invalid_value_not_bad_json() -> None:
    for number in (b"1e400", b"-1e400", b"9" * 5000):
        with pytest.raises(InvalidError) as caught:
            decode(b'{"userId":%s,"locationId":2,"starRating":3}' % number)
        assert [field for field, _ in caught.value.errors] == ["userId"]


def test_the_reasons_for_a_refusal_stay_short_however_much_is_wrong() -> None:
    fields = b",".join(b'"%d":0' % number for number in range(1500))
    with pytest.raises(InvalidError) as caught:
        decode(b"{%s}" % fields)
    assert len(caught.value.errors) == 10
    with pytest.raises(InvalidError) as caught:
        decode(b'{"%s":0}' % (b"x" * (MAX_BODY - 6)))
    assert len(str(caught.value)) < 500


@pytest.mark.parametrize("depth", [10, 100, 900, 8000])
def test_nesting_is_refused_however_deep(depth: int) -> None:
    for opening, closing in ((b"[", b"]"), (b'{"userId":', b"}")):
        with pytest.raises((InvalidError, MalformedError)):
            decode(opening * depth + b"1" + closing * depth)
        with pytest.raises(MalformedError):
            decode(opening * depth)


@pytest.mark.parametrize(
    "content_type",
    [
        "application/json",
        "Application/JSON",
        "application/json; charset=utf-8",
        "application/json;",
        " application/json ;x=y",
    ],
)
def test_json_is_json_in_any_case_and_with_any_parameter(content_type: str) -> None:
    require_json(content_type)


@pytest.mark.parametrize(
    "content_type",
    [
        None,
        "",
        ";",
        "json",
        "text/json",
        "text/plain",
        "application/jsonp",
        "application/problem+json",
        "application/json, text/plain",
        "application/x-www-form-urlencoded",
    ],
)
def test_any_other_type_is_refused(content_type: str | None) -> None:
    with pytest.raises(UnsupportedTypeError):
        require_json(content_type)
