"""Which entries are check-ins, and why others are not."""

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from footfall.domain.entries import Fields, Reason, read
from footfall.domain.model import MAX_ID

ID = b"1609602085397-0"
GOOD = [b"locationId", b"171", b"userId", b"789", b"starRating", b"5"]

_NUMBERS = [
    *(b"0", b"1", b"5", b"6", b"10", b"171", b"%d" % MAX_ID, b"%d" % (MAX_ID + 1), b"%d" % 10**16, b"%d" % 2**64),
    *(b"", b"-1", b"+1", b"01", b"00", b"1.0", b"1e3", b" 1", b"1 ", b"1\n", b"0x1", b"1_0", b"nan", b"five"),
    *(b"\xff", b"\x00", "٣".encode(), b"9" * 15, b"9" * 16, b"9" * 5000),
]
_NAMES = [b"locationId", b"userId", b"starRating", b"userid", b"note", b""]


def _number(text: bytes) -> int | None:
    """The number that a text is the plain decimal form of."""
    if not text or len(text) > 20 or any(digit not in b"0123456789" for digit in text) or text != b"%d" % int(text):
        return None
    return int(text)


def naive(entry_id: bytes, fields: list[bytes]) -> tuple[int, int, int] | str:
    """Location, user and stars, or the reason why not, by the rules written down once more."""
    found: dict[bytes, bytes] = {}
    for position in range(0, len(fields), 2):
        found.setdefault(fields[position], fields[position + 1])
    if not {b"locationId", b"userId", b"starRating"} <= found.keys():
        return "missing-field"
    location, user, stars = (_number(found[name]) for name in (b"locationId", b"userId", b"starRating"))
    if location is None or user is None or stars is None:
        return "malformed-field"
    if not (0 < location < 2**53 and 0 < user < 2**53 and stars < 6):
        return "malformed-field"
    if int(entry_id.split(b"-")[0]) >= 10**13:
        return "id-out-of-range"
    return location, user, stars


def found(entry_id: bytes, fields: list[bytes]) -> tuple[int, int, int] | str:
    """The same by `read`."""
    result = read(entry_id, fields)
    if isinstance(result, Reason):
        return result.value
    assert result == tuple(b"%d" % int(number) for number in result), "in their one canonical form"
    return int(result.location_id), int(result.user_id), int(result.star_rating)


@st.composite
def _fields(draw: st.DrawFn) -> list[bytes]:
    numbers = st.sampled_from(_NUMBERS) | st.integers(-2, 2**54).map(lambda number: b"%d" % number) | st.binary()
    pairs = [(name, draw(numbers)) for name in _NAMES[:3]]
    pairs += draw(st.lists(st.tuples(st.sampled_from(_NAMES), numbers), max_size=3))
    if draw(st.booleans()):
        pairs = draw(st.permutations(pairs))[: draw(st.integers(0, len(pairs)))]
    return [item for pair in pairs for item in pair]


_IDS = st.sampled_from([ID, b"0-1", b"9999999999999-5", b"10000000000000-0", b"18446744073709551615-0"])


@given(entry_id=_IDS, fields=_fields())
@example(entry_id=ID, fields=GOOD)
def test_entries_are_read_as_a_naive_reader_reads_them(entry_id: bytes, fields: list[bytes]) -> None:
    assert found(entry_id, fields) == naive(entry_id, fields)


@pytest.mark.parametrize("number", _NUMBERS)
@pytest.mark.parametrize("position", [1, 3, 5])
def test_each_field_takes_just_its_numbers(position: int, number: bytes) -> None:
    fields = [*GOOD[:position], number, *GOOD[position + 1 :]]
    assert found(ID, fields) == naive(ID, fields)
    swapped = [*fields[2:4], *fields[4:], *fields[:2]]
    assert found(ID, swapped) == naive(ID, fields), "in any order"


def test_an_entry_of_the_receiver_is_a_check_in() -> None:
    assert read(ID, GOOD) == Fields(location_id=b"171", user_id=b"789", star_rating=b"5")


@pytest.mark.parametrize("extra", [[b"note", b"x"], [b"", b""], [b"userId", b"nonsense"], [b"UserId", b"1"]])
def test_further_fields_are_ignored_and_the_first_of_a_name_counts(extra: list[bytes]) -> None:
    assert found(ID, [*GOOD, *extra]) == (171, 789, 5)
    assert found(ID, [*GOOD[2:4], *extra, *GOOD[:2], *GOOD[4:]]) == (171, 789, 5)


@pytest.mark.parametrize("missing", [0, 2, 4])
def test_each_field_must_be_there(missing: int) -> None:
    fields = [*GOOD[:missing], *GOOD[missing + 2 :]]
    assert read(ID, fields) is Reason.MISSING_FIELD
    assert read(ID, [*fields, b"note", b"1"]) is Reason.MISSING_FIELD
    assert read(ID, []) is Reason.MISSING_FIELD


@pytest.mark.parametrize(
    ("entry_id", "good"),
    [(b"1-0", True), (b"9999999999999-18446744073709551615", True), (b"10000000000000-0", False)],
)
def test_a_time_beyond_the_last_seen_index_is_refused(entry_id: bytes, good: bool) -> None:
    assert found(entry_id, GOOD) == ((171, 789, 5) if good else "id-out-of-range")
