"""Records: what their fields take, what they are called outside, and the arithmetic of ids and stars."""

import math
from fractions import Fraction
from typing import Any, get_type_hints

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from footfall.domain.documents import LocationChange, decode
from footfall.domain.entries import parse_entry_id
from footfall.domain.model import (
    MAX_ID,
    MAX_TIME_MS,
    CheckIn,
    Entry,
    LoadedCheckIn,
    LoadedLocation,
    LoadedUser,
    LocationDetails,
    average_stars,
    why_not,
)
from footfall.errors import InvalidError

DETAILS: dict[str, object] = {
    "id": 1,
    "hours": [{"day": day, "hours": "7-19"} for day in range(7)],
    "socials": [{"name": "instagram", "handle": "theplace"}],
    "website": "https://example.com",
    "description": "A place.",
    "phone": "555-0100",
}
#: a good one of each record, by its outside names
GOOD: dict[type[msgspec.Struct], dict[str, object]] = {
    CheckIn: {"userId": 1, "locationId": 2, "starRating": 3},
    Entry: {"id": "5-0", "timestamp": 5, "userId": 1, "locationId": 2, "starRating": 3},
    LoadedCheckIn: {"id": "5-0", "locationId": 2, "userId": 1, "starRating": 3},
    LoadedUser: {
        "id": 1,
        "firstName": "Ada",
        "lastName": "Byron",
        "email": "ada@example.com",
        "password": "secret",
        "numCheckins": 3,
        "lastCheckin": 5,
        "lastSeenAt": 2,
    },
    LoadedLocation: {
        "id": 1,
        "name": "Place",
        "category": "cafe",
        "location": "-122.4,37.7",
        "numCheckins": 3,
        "numStars": 9,
        "details": DETAILS,
    },
    LocationDetails: DETAILS,
}


def decoded(kind: type[msgspec.Struct], **changes: object) -> Any:
    """The good record of this kind with these changes, decoded from JSON."""
    return msgspec.json.decode(msgspec.json.encode(GOOD[kind] | changes), type=kind)


@pytest.mark.parametrize("kind", GOOD)
def test_a_record_comes_back_as_it_went(kind: type[msgspec.Struct]) -> None:
    assert msgspec.json.decode(msgspec.json.encode(decoded(kind))) == GOOD[kind]


@pytest.mark.parametrize("kind", GOOD)
def test_unknown_fields_are_refused(kind: type[msgspec.Struct]) -> None:
    with pytest.raises(msgspec.ValidationError, match="unknown field `more`"):
        decoded(kind, more=1)


@pytest.mark.parametrize("kind", GOOD)
def test_required_fields_must_be_there(kind: type[msgspec.Struct]) -> None:
    for field in msgspec.structs.fields(kind):
        row = {name: value for name, value in GOOD[kind].items() if name != field.encode_name}
        if field.required:
            with pytest.raises(msgspec.ValidationError, match=f"missing required field `{field.encode_name}`"):
                msgspec.convert(row, kind)
        else:
            assert getattr(msgspec.convert(row, kind), field.name) == field.default


_NO_IDS: list[object] = [0, -1, MAX_ID + 1, 2**64, 1.5, "1", True, None, [], {}]
_LONG = "x" * 201
#: characters that no name has
_CONTROLS = ["\0", "\t", "\n", "\r", "\x1b", "\x7f", "\x85", "\x9f", "\u2028", "\u2029"]
_NO_LINES: list[object] = [text for c in _CONTROLS for text in (c, f"a{c}b", f"a{c}")]

REFUSED: list[tuple[type[msgspec.Struct], str, list[object]]] = [
    *((kind, field, _NO_IDS) for kind in (CheckIn, LoadedCheckIn) for field in ("userId", "locationId")),
    *((kind, "starRating", [-1, 6, 2.5, "5", True, None]) for kind in (CheckIn, LoadedCheckIn)),
    (LoadedUser, "id", _NO_IDS),
    (LoadedUser, "firstName", ["", _LONG, 1, None, *_NO_LINES]),
    (LoadedUser, "lastName", ["", _LONG, 1, None, *_NO_LINES]),
    (LoadedUser, "email", [f"a{c}@b" for c in _CONTROLS]),
    (LoadedUser, "email", ["", "ada", "@", "a@", "@b", "a b@c", "a@b@c", "a@b\n", f"{'x' * 65}@b", f"a@{'x' * 191}"]),
    (LoadedUser, "password", ["", _LONG, 1, None]),
    (LoadedUser, "numCheckins", [-1, MAX_ID + 1, 1.5, "1", None]),
    (LoadedUser, "lastCheckin", [-1, 1.5, "1"]),
    (LoadedUser, "lastSeenAt", [0, -1, MAX_ID + 1, "1"]),
    (LoadedLocation, "id", _NO_IDS),
    (LoadedLocation, "name", ["", _LONG, *_NO_LINES]),
    (LoadedLocation, "category", ["", "Cafe", "a b", "-a", "a:b", "x" * 65, "cafe\n"]),
    (LoadedLocation, "location", ["", "1", "1,", "1,2,3", "1;2", "1, 2", "a,b", "1e1,2", "1,2\n", "1234,1"]),
    (LoadedLocation, "numStars", [-1, MAX_ID + 1, 1.5, "1", None]),
    (LocationDetails, "hours", [[], [{"day": 0, "hours": "7-19"}] * 6, [{"day": 7, "hours": "7-19"}] * 7]),
    (LocationDetails, "website", ["x" * 501]),
    (LocationDetails, "description", ["x" * 5001]),
    (LocationDetails, "phone", ["x" * 51]),
]


@pytest.mark.parametrize(("kind", "field", "values"), REFUSED)
def test_values_that_a_field_does_not_take_are_refused_by_its_outside_name(
    kind: type[msgspec.Struct], field: str, values: list[object]
) -> None:
    for value in values:
        with pytest.raises(msgspec.ValidationError, match=rf"at `\$\.{field}"):
            decoded(kind, **{field: value})


def test_other_characters_are_taken_as_they_are() -> None:
    text = "Zoë O'Brien-\u0141\u00f3d\u017a \U0001f600 \u200d\u4e2d \xa0<b>\"\\ \ufeff"
    assert decoded(LoadedUser, firstName=text).first_name == text
    assert decoded(LoadedLocation, name=text).name == text


@pytest.mark.parametrize(("kind", "field", "values"), REFUSED)
def test_no_reason_shows_a_regular_expression(kind: type[msgspec.Struct], field: str, values: list[object]) -> None:
    (name,) = (one.name for one in msgspec.structs.fields(kind) if one.encode_name == field)
    for value in values:
        with pytest.raises(msgspec.ValidationError) as error:
            decoded(kind, **{field: value})
        reason = why_not(get_type_hints(kind, include_extras=True)[name], error.value, is_text=isinstance(value, str))
        assert "regex" not in reason
        assert "^" not in reason


def test_managing_says_in_words_what_a_field_takes() -> None:
    for field, value, said in (
        ("name", "a\nb", "must be: 1 to 200 characters in one line, without control characters"),
        ("category", "Café", "must be: up to 64 lower case letters"),
        ("location", "1;2", "must be: longitude, a comma and latitude"),
        ("name", 5, "Expected `str`, got `int`"),
    ):
        with pytest.raises(InvalidError) as error:
            decode(msgspec.json.encode({field: value}), LocationChange)
        ((name, reason),) = error.value.errors
        assert name == field
        assert reason.startswith(said)


def test_the_ends_of_each_range_are_taken() -> None:
    for number in (1, MAX_ID):
        assert decoded(CheckIn, userId=number, locationId=number).user_id == number
    for stars in range(6):
        assert decoded(CheckIn, starRating=stars).star_rating == stars
    assert decoded(LoadedUser, lastCheckin=MAX_TIME_MS, numCheckins=MAX_ID).last_checkin == MAX_TIME_MS


# --- entry ids

_U64 = st.integers(0, 2**64 - 1)


@given(ms=_U64, sequence=_U64)
def test_an_entry_id_is_two_64_bit_numbers(ms: int, sequence: int) -> None:
    assert parse_entry_id(f"{ms}-{sequence}") == (ms, sequence)


@pytest.mark.parametrize(
    "text",
    [
        *("", "5", "5-", "-5", "5-0-0", "05-0", "5-00", "+5-0", "5-0\n", " 5-0", "5_0-0", "٣-0", "a-b", "*", "$"),
        *(f"{2**64}-0", f"0-{2**64}", "9" * 100 + "-0", "5--1", "5.0-0", "0x5-0"),
    ],
)
def test_what_is_no_entry_id_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="not an entry id"):
        parse_entry_id(text)


# --- stars


@given(checkins=st.integers(1, MAX_ID), per_mille=st.integers(0, 5000))
def test_the_average_is_rounded_half_up(checkins: int, per_mille: int) -> None:
    stars = checkins * per_mille // 1000
    assert average_stars(stars, checkins) == math.floor(Fraction(stars, checkins) + Fraction(1, 2))


@pytest.mark.parametrize(
    ("stars", "checkins", "average"),
    [(0, 0, 0), (0, 3, 0), (1, 2, 1), (4, 3, 1), (5, 2, 3), (7, 2, 4), (9, 2, 5), (MAX_ID, MAX_ID, 1)],
)
def test_some_averages(stars: int, checkins: int, average: int) -> None:
    assert average_stars(stars, checkins) == average
