"""Activity: read, its keys at some time, and the window of trending locations moved on."""

from typing import Any, NamedTuple

from footfall.domain.activity import BUCKET_MS, HOUR_MS, WEEK_HOURS, WINDOW_BUCKETS, trending_window
from footfall.errors import BrokenKeyError
from footfall.keys import Keys
from footfall.store.calls.reply import Errors, after_ok, broken, one_of, text
from footfall.store.pipeline import Reply
from footfall.store.scripts import READ_HISTORY, READ_HOURLY, READ_PRESENCE, READ_TRENDING, ROLL_TRENDING, Call

#: buckets before the window that are removed: more than it moves at once, unless no processor has worked
_LEFT = 12

_READ_ERRORS: Errors = {b"BROKEN": broken("holds another type than it must")}


class History(NamedTuple):
    """The newest check-ins of a user, or at a location."""

    #: whether there is such a record
    is_known: bool
    #: the newest first, each with the check-ins that were counted together: oldest first, with commas between them
    items: list[bytes]


class Presence(NamedTuple):
    """Who checked in at a location within the last three hours."""

    is_known: bool
    #: user (16 digits) and -ms in turn, the newest first
    users: list[bytes]


class Hours(NamedTuple):
    """Check-ins at a location per hour."""

    is_known: bool
    #: None: the hour has none
    counts: list[bytes | None]


class OtherPeriod(NamedTuple):
    """Nothing was read: the hour is another one, or the window ends with another bucket. Ask with that one."""

    number: int


class Trends(NamedTuple):
    """The locations that have risen most, the one that has most first."""

    #: the key of their order
    order: bytes
    #: location (16 digits), check-ins in the last hour, in the hour before: in turn
    rows: list[Any]


class NoWindow(NamedTuple):
    """No window was made yet; the bucket that it is now."""

    bucket: int


class Rolled(NamedTuple):
    """What a step of moving the window has come to."""

    #: NEXT, DONE, AGAIN or EARLY, as the script says
    word: bytes
    #: with NEXT, the place to go on at
    place: bytes


def hourly_and_trending_keys(keys: Keys, now_ms: int) -> list[bytes]:
    """The hours and buckets that may be asked for, now or later; `now_ms` is the server's time.

    They begin with those that an order under way still needs, and end with what is ahead of a clock that is wrong.
    """
    hour, bucket = now_ms // HOUR_MS, now_ms // BUCKET_MS
    return [
        *map(keys.hour, range(hour - WEEK_HOURS - 1, hour + 3)),
        *map(keys.trending_bucket, range(bucket - WINDOW_BUCKETS - 1, bucket + WINDOW_BUCKETS)),
    ]


def read_user_history(keys: Keys, user: int, most: int) -> Call[History]:
    """The user's newest check-ins, at least so many when there are so many. Raises BrokenKeyError."""
    return Call(READ_HISTORY, [keys.user(user), keys.user_history(user)], [most], _history)


def read_location_history(keys: Keys, location: int, most: int) -> Call[History]:
    """The same at a location."""
    return Call(READ_HISTORY, [keys.location(location), keys.location_history(location)], [most], _history)


def read_presence(keys: Keys, location: int, most: int) -> Call[Presence]:
    """Who is at the location, by the server's clock: at most so many. Raises BrokenKeyError."""
    return Call(READ_PRESENCE, [keys.location(location), keys.location_presence(location)], [most], _presence)


def read_hourly(keys: Keys, location: int, hours: range) -> Call[Hours | OtherPeriod]:
    """Check-ins at the location in each of these hours, of which the last is the present one. Raises BrokenKeyError."""
    script_keys = [keys.location(location), *map(keys.hour, hours)]
    return Call(READ_HOURLY, script_keys, [hours[-1], b"%016d" % location], _hours)


def read_trending(keys: Keys, bucket: int, most: int) -> Call[Trends | OtherPeriod | NoWindow]:
    """Those that have risen most in the window that ends with this bucket, at most so many. Raises BrokenKeyError."""
    script_keys = [keys.trending_state, *keys.trending_orders, *map(keys.trending_bucket, trending_window(bucket))]
    return Call(READ_TRENDING, script_keys, [bucket, most], _trends)


def roll_trending(keys: Keys, token: str, bucket: int, place: bytes) -> Call[Rolled]:
    """Take a step in moving the window on to this bucket, at a place that the step before has named; empty to begin.

    A step takes about 2 ms. Until the last one is done the window before holds. Raises BrokenKeyError.
    """
    buckets = trending_window(bucket)
    left = range(buckets.start - _LEFT, buckets.start)
    script_keys = [
        keys.trending_state,
        *keys.trending_orders,
        *map(keys.trending_bucket, (*buckets, *left)),
    ]
    return Call(ROLL_TRENDING, script_keys, [token, bucket, place], _rolled)


def _history(reply: Reply) -> History:
    record_id, *items = after_ok(reply, _READ_ERRORS)
    return History(record_id is not None, items)


def _presence(reply: Reply) -> Presence:
    location_id, users = after_ok(reply, _READ_ERRORS)
    return Presence(location_id is not None, users)


def _hours(reply: Reply) -> Hours | OtherPeriod:
    word, (first, *counts) = one_of((b"OK", b"HOUR"), reply, _READ_ERRORS)
    return Hours(first is not None, counts) if word == b"OK" else OtherPeriod(int(first))


def _trends(reply: Reply) -> Trends | OtherPeriod | NoWindow:
    word, (first, *rows) = one_of((b"OK", b"WINDOW", b"NONE"), reply, _READ_ERRORS)
    if word == b"OK":
        return Trends(first, rows)
    return OtherPeriod(int(first)) if word == b"WINDOW" else NoWindow(int(first))


def _rolled(reply: Reply) -> Rolled:
    word, values = one_of((b"NEXT", b"DONE", b"AGAIN", b"EARLY"), reply, _ROLL_ERRORS)
    return Rolled(word, values[0] if word == b"NEXT" else b"")


def _broken(key: bytes) -> BrokenKeyError:
    return BrokenKeyError(f"{text(key)} does not hold what it must; delete it")


_ROLL_ERRORS: Errors = {b"BROKEN": _broken}
