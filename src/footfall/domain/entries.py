"""Reading stream entries: what their ids say, which are check-ins, and why others are not."""

import re
from enum import StrEnum
from typing import NamedTuple

from footfall.domain.model import MAX_ID, MAX_TIME_MS


class Reason(StrEnum):
    """Why an entry became a dead letter: the closed list."""

    MISSING_FIELD = "missing-field"
    MALFORMED_FIELD = "malformed-field"
    ID_OUT_OF_RANGE = "id-out-of-range"
    UNKNOWN_USER = "unknown-user"
    UNKNOWN_LOCATION = "unknown-location"


class Fields(NamedTuple):
    """The fields of a well-formed entry: numbers in their one canonical form, as the server sends them."""

    location_id: bytes
    user_id: bytes
    star_rating: bytes


#: an entry id in numbers, which compare as the entries lie in the stream: ms, and a number among those of this ms
EntryId = tuple[int, int]

#: one entry as the server sends it: its id, and its field names and values in turn
RawEntry = tuple[bytes, list[bytes]]

#: after an entry with this id there can be no other, and the server refuses to look for one
LAST_ID = b"18446744073709551615-18446744073709551615"

_ENTRY_ID = re.compile(r"(0|[1-9][0-9]{0,19})-(0|[1-9][0-9]{0,19})")
_NAMES = _LOCATION, _USER, _STAR_RATING = (b"locationId", b"userId", b"starRating")
_ZERO = ord("0")
_STARS = frozenset((b"0", b"1", b"2", b"3", b"4", b"5"))
#: digits of MAX_ID: a shorter number is below it
_MAX_ID_DIGITS = len(str(MAX_ID))
_MAX_TIME_DIGITS = len(str(MAX_TIME_MS))


def parse_entry_id(text: str) -> EntryId:
    """The id that somebody has written: `<ms>-<number>`, each an unsigned 64-bit number in its one canonical form.

    Raises ValueError when it is not one.
    """
    match = _ENTRY_ID.fullmatch(text)
    if match:
        ms, number = int(match[1]), int(match[2])
        if ms < 2**64 and number < 2**64:
            return ms, number
    raise ValueError(f"not an entry id: {text[:60]!r}")


def entry_id_of(text: bytes) -> EntryId:
    """The id as the server has it, or as a checkpoint does: `0` is before all."""
    ms, _, number = text.partition(b"-")
    return int(ms), int(number or 0)


def ms_of(entry_id: bytes) -> int:
    """When the entry was added, by the server's clock."""
    return int(entry_id.partition(b"-")[0])


def read(entry_id: bytes, fields: list[bytes]) -> Fields | Reason:
    """The check-in in an entry, or why there is none. Fields that a check-in does not have are ignored."""
    # called for each entry of a range and of a batch: without regular expressions it takes half as long
    if len(fields) >= 6 and fields[0] == _LOCATION and fields[2] == _USER and fields[4] == _STAR_RATING:
        location, user, stars = fields[1], fields[3], fields[5]
    else:
        by_name = dict(zip(reversed(fields[::2]), reversed(fields[1::2]), strict=True))  # the first of a name counts
        try:
            location, user, stars = (by_name[name] for name in _NAMES)
        except KeyError:
            return Reason.MISSING_FIELD
    if not (user.isdigit() and location.isdigit() and stars in _STARS):
        return Reason.MALFORMED_FIELD
    if user[0] == _ZERO or location[0] == _ZERO:
        return Reason.MALFORMED_FIELD
    is_short = len(user) < _MAX_ID_DIGITS and len(location) < _MAX_ID_DIGITS
    if not (is_short or (_is_at_most_max(user) and _is_at_most_max(location))):
        return Reason.MALFORMED_FIELD
    if entry_id.index(b"-") > _MAX_TIME_DIGITS:
        return Reason.ID_OUT_OF_RANGE
    return Fields(location, user, stars)


def _is_at_most_max(digits: bytes) -> bool:
    return len(digits) < _MAX_ID_DIGITS or (len(digits) == _MAX_ID_DIGITS and int(digits) <= MAX_ID)
