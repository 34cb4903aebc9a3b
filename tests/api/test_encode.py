"""Check-ins as JSON: the same bytes that records would be encoded to."""

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from footfall.api.encode import check_in, check_ins
from footfall.domain.entries import RawEntry
from footfall.domain.model import MAX_ID, MAX_TIME_MS, Entry

_GOOD: RawEntry = (b"1609602085397-0", [b"locationId", b"171", b"userId", b"789", b"starRating", b"5"])
_BAD: RawEntry = (b"1609602085398-0", [b"locationId", b"171", b"userId", b'7"', b"starRating", b"5"])

_ENTRIES = st.builds(
    lambda ms, sequence, user, location, stars: Entry(
        id=f"{ms}-{sequence}", timestamp=ms, user_id=user, location_id=location, star_rating=stars
    ),
    st.integers(0, MAX_TIME_MS),
    st.integers(0, 2**64 - 1),
    st.integers(1, MAX_ID),
    st.integers(1, MAX_ID),
    st.integers(0, 5),
)


def raw(entry: Entry) -> RawEntry:
    """The entry as the server has it."""
    location, user, stars = (b"%d" % number for number in (entry.location_id, entry.user_id, entry.star_rating))
    return entry.id.encode(), [b"locationId", location, b"userId", user, b"starRating", stars]


@given(st.lists(_ENTRIES, max_size=4))
def test_check_ins_are_encoded_as_records_are(entries: list[Entry]) -> None:
    assert check_ins(map(raw, entries)) == msgspec.json.encode(entries)


def test_other_fields_are_ignored() -> None:
    entry_id, fields = _GOOD
    assert check_in((entry_id, [*fields, b"note", b'"'])) == check_in(_GOOD)
    assert check_in((entry_id, [b"note", b'"', *fields])) == check_in(_GOOD)


@pytest.mark.parametrize("entries", [[], [_BAD], [_BAD, _BAD]])
def test_what_is_no_check_in_is_left_out(entries: list[RawEntry]) -> None:
    assert check_ins(entries) == b"[]"
    assert check_ins([*entries, _GOOD, *entries]) == check_ins([_GOOD])
