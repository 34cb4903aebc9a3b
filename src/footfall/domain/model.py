"""What check-ins, users and locations look like: in requests, in files, in the server, in answers.

Attribute names are Python's; their JSON and server names are the same in camel case.
"""

from collections.abc import Iterator
from typing import Annotated, Any, get_args

import msgspec
from msgspec import Meta

#: ids are JSON numbers that every client reads exactly (RFC 8259, section 6)
MAX_ID = 2**53 - 1
#: ms; beyond it (year 2286) a time has more than the 13 digits that the last-seen index keeps
MAX_TIME_MS = 9_999_999_999_999
#: degrees; the server's geo index ends at this latitude (Web Mercator)
MAX_LONGITUDE, MAX_LATITUDE = 180.0, 85.05112878

Id = Annotated[int, Meta(ge=1, le=MAX_ID)]
MAX_STARS = 5
Stars = Annotated[int, Meta(ge=0, le=MAX_STARS)]
Count = Annotated[int, Meta(ge=0, le=MAX_ID)]
#: of a user or a location; it is shown in lists, tables and logs, and what reads it next may end at a NUL
Name = Annotated[
    str,
    Meta(
        min_length=1,
        max_length=200,
        pattern=r"^[^\x00-\x1f\x7f-\x9f\u2028\u2029]*\Z",
        description="1 to 200 characters in one line, without control characters.",
    ),
]
#: what an e-mail address is like; of some of the characters named beside `\s`, Python and JSON Schema disagree whether
#: they are spaces
EMAIL = r"[^@\s\x00-\x1f\x7f-\x9f\ufeff]{1,64}@[^@\s\x00-\x1f\x7f-\x9f\ufeff]{1,190}"
Email = Annotated[
    str,
    Meta(
        pattern=rf"^{EMAIL}\Z",
        description="An address with one @, up to 64 characters before it and up to 190 after it, without spaces.",
    ),
]
Password = Annotated[str, Meta(min_length=1, max_length=200)]
Category = Annotated[
    str,
    Meta(
        pattern=r"^[a-z0-9][a-z0-9_-]{0,63}\Z",
        description="Up to 64 lower case letters (a to z), digits, - and _, with a letter or a digit first.",
    ),
]
#: whether it is on the map, `point_problem` of the loader tells
Place = Annotated[
    str,
    Meta(
        pattern=r"^-?[0-9]{1,3}(\.[0-9]{1,17})?,-?[0-9]{1,3}(\.[0-9]{1,17})?\Z",
        description="Longitude, a comma and latitude, in degrees, without spaces, such as -122.41,37.77.",
    ),
]


class Record(msgspec.Struct, rename="camel", forbid_unknown_fields=True, kw_only=True, frozen=True):
    """Base of all records: camel case outside, unknown fields are refused."""


class CheckIn(Record, frozen=True, gc=False):
    """The body of `POST /api/checkin`."""

    user_id: Id
    location_id: Id
    star_rating: Stars


class Entry(Record, frozen=True, gc=False):
    """A check-in in the stream, as the API answers it."""

    id: str
    timestamp: int
    user_id: int
    location_id: int
    star_rating: int


class LoadedCheckIn(Record, frozen=True, gc=False):
    """One row of check-ins to load: its id is the time in ms and a sequence number, `<ms>-<seq>`."""

    id: str
    location_id: Id
    user_id: Id
    star_rating: Stars


class NewUser(Record, frozen=True):
    """A user as somebody adds one: without counters. `password` is clear text."""

    id: Id
    first_name: Name
    last_name: Name
    email: Email
    password: Password


class LoadedUser(NewUser, frozen=True):
    """One row of users to load. `password` is clear text, hashed while loading, or a bcrypt hash, kept."""

    num_checkins: Count = 0
    last_checkin: Annotated[int, Meta(ge=0)] | None = None
    last_seen_at: Id | None = None


class DayHours(Record, frozen=True):
    """Opening hours of one weekday (0 = Monday), such as `7-19` or `Closed`."""

    day: Annotated[int, Meta(ge=0, le=6)]
    hours: Annotated[str, Meta(min_length=1, max_length=100)]


class Social(Record, frozen=True):
    """A location's page at a social network: `{"instagram": "theplace"}` as name and handle."""

    name: Annotated[str, Meta(min_length=1, max_length=50)]
    handle: Annotated[str, Meta(min_length=1, max_length=200)]


class LocationDetails(Record, frozen=True):
    """What `ncc:locationdetails:<id>` holds, as JSON."""

    id: Id
    hours: Annotated[list[DayHours], Meta(min_length=7, max_length=7)]
    socials: list[Social]
    website: Annotated[str, Meta(max_length=500)]
    description: Annotated[str, Meta(max_length=5000)]
    phone: Annotated[str, Meta(max_length=50)]


class NewLocation(Record, frozen=True):
    """A location as somebody adds one: without counters."""

    id: Id
    name: Name
    category: Category
    location: Place
    details: LocationDetails | None = None


class LoadedLocation(NewLocation, frozen=True):
    """One row of locations to load."""

    num_checkins: Count = 0
    num_stars: Count = 0


def why_not(kind: Any, error: msgspec.ValidationError, *, is_text: bool) -> str:
    """Why a field of this type does not take a value (`is_text`: a string), for a person.

    In words also where msgspec shows a regular expression.
    """
    if is_text:  # then it is the pattern or the length: the description of a field with a pattern tells both
        for limit in _limits(kind):
            if limit.pattern is not None and limit.description is not None:
                return f"must be: {limit.description[0].lower()}{limit.description[1:].rstrip('.')}"
    return str(error)


def _limits(kind: Any) -> Iterator[Meta]:
    for part in get_args(kind):
        if isinstance(part, Meta):
            yield part
        else:
            yield from _limits(part)


def indexed_place(longitude: float, latitude: float) -> tuple[float, float]:
    """A place as the server's geo index is to be given it, and asked for it.

    What lies exactly at its upper ends (180 degrees east, for one) it would put where no search nearby finds it: such
    a place moves by a millimetre.
    """
    return min(longitude, MAX_LONGITUDE - 1e-8), min(latitude, MAX_LATITUDE - 1e-8)


def average_stars(num_stars: int, num_checkins: int) -> int:
    """numStars / numCheckins rounded half up, in whole numbers; 0 without check-ins."""
    return (2 * num_stars + num_checkins) // (2 * num_checkins) if num_checkins else 0
