"""What the API answers about activity: newest check-ins of one record, rising locations, who is where, and when."""

import re
import time
from collections.abc import Callable
from typing import Annotated

from litestar import get
from litestar.di import NamedDependency
from litestar.openapi.spec import Example
from litestar.params import PathParameter, QueryParameter
from msgspec import Meta

from footfall.api.describe import answers_like
from footfall.api.parameters import IdParameter, LimitParameter
from footfall.api.reading import Reader
from footfall.api.routes.locations import LocationId
from footfall.config import ActivitySettings
from footfall.domain.activity import BUCKET_MS, HOUR_MS, WEEK_HOURS, WINDOW_BUCKETS
from footfall.domain.model import Entry, Record
from footfall.errors import BrokenKeyError, NotFoundError, UnavailableError
from footfall.http.app import problems
from footfall.keys import Keys
from footfall.store.calls.activity import (
    History,
    OtherPeriod,
    Trends,
    read_hourly,
    read_location_history,
    read_presence,
    read_trending,
    read_user_history,
)
from footfall.store.scripts import Call

_LIMIT, _TRENDING_LIMIT = LimitParameter(100), LimitParameter(10)
Limit = Annotated[LimitParameter, QueryParameter(description="How many at most")]
#: how often the window may move while it is asked for
_TRIES = 5
_is_number = re.compile(rb"[0-9]{1,16}").fullmatch

_MONDAY_MS = 1_767_571_200_000


_CHECKIN = Entry(id="1609605397408-0", timestamp=1609605397408, user_id=180, location_id=13, star_rating=4)
#: entry id, id of the user or the location, stars
_checkin = re.compile(rb"(([0-9]{1,13})-[0-9]{1,20}) ([1-9][0-9]{0,15}) ([0-5])").fullmatch


class TrendingLocation(Record, frozen=True):
    """A location, and its check-ins in both hours."""

    id: int
    last_hour: int
    hour_before: int
    trend: Annotated[int, Meta(description="lastHour - hourBefore")]


class TrendingLocations(Record, frozen=True):
    """Locations that have check-ins in one of two hours, in five-minute steps: the last one is not over yet."""

    hour_before_from: Annotated[int, Meta(description="Where the hour before begins, in ms")]
    last_hour_from: Annotated[int, Meta(description="Where the hour before ends, and the last hour begins, in ms")]
    until: Annotated[int, Meta(description="Where the last hour ends, in ms: up to five minutes from now")]
    locations: Annotated[list[TrendingLocation], Meta(description="Greatest trend first, then by id")]


class Present(Record, frozen=True, gc=False):
    """A user's last check-in at a location."""

    user_id: int
    timestamp: Annotated[int, Meta(description="In ms")]


class Hour(Record, frozen=True, gc=False):
    """How many check-ins an hour has."""

    timestamp: Annotated[int, Meta(description="Where the hour begins, in ms")]
    num_checkins: int


_TRENDING = TrendingLocations(
    hour_before_from=_MONDAY_MS,
    last_hour_from=_MONDAY_MS + HOUR_MS,
    until=_MONDAY_MS + 2 * HOUR_MS,
    locations=[TrendingLocation(id=13, last_hour=12, hour_before=5, trend=7)],
)


def _as_number(key: bytes, text: bytes) -> int:
    if _is_number(text):
        return int(text)
    raise BrokenKeyError(f"{key.decode()} holds what is no number")


async def _history(
    reader: Reader, activity: ActivitySettings, read: Callable[[Keys, int, int], Call[History]], record: int, limit: int
) -> list[list[str]]:
    """Entry id, ms, the other record's id and stars of each. `read`: the history of a user, or of a location."""
    activity.require_history()
    wanted = min(int(limit), activity.history)
    history = await reader.run(read(reader.keys, record, wanted))
    if not history.is_known:
        raise NotFoundError(f"there is no such {'user' if read is read_user_history else 'location'}")
    newest_first = [checkin for item in history.items for checkin in reversed(item.split(b","))][:wanted]
    matches = list(map(_checkin, newest_first))
    if None in matches:
        key = reader.keys.user_history(record) if read is read_user_history else reader.keys.location_history(record)
        raise BrokenKeyError(f"{key.decode()} has an item that is no check-in")
    return [[group.decode() for group in match.groups()] for match in matches if match]


@get(
    "/api/user/{id:str}/checkins",
    operation_id="listUserCheckins",
    summary="The newest check-ins of a user",
    tags=["check-ins"],
    response_description="Check-ins, newest first",
    operation_class=answers_like([_CHECKIN]),
    responses=problems(404, 422, 503),
)
async def of_user(
    id: Annotated[  # noqa: A002 - named as in the path, so that errors name what the client sees
        IdParameter, PathParameter(description="The user's id", examples=[Example(value=_CHECKIN.user_id)])
    ],
    reader: NamedDependency[Reader],
    activity: NamedDependency[ActivitySettings],
    limit: Limit = _LIMIT,
) -> list[Entry]:
    """The user's newest check-ins, as many as are kept (the setting `history`), also those that the stream has lost."""
    return [
        Entry(id=entry_id, timestamp=int(ms), user_id=id, location_id=int(location), star_rating=int(stars))
        for entry_id, ms, location, stars in await _history(reader, activity, read_user_history, id, limit)
    ]


@get(
    "/api/location/{id:str}/checkins",
    operation_id="listLocationCheckins",
    summary="The newest check-ins at a location",
    tags=["check-ins"],
    response_description="Check-ins, newest first",
    operation_class=answers_like([_CHECKIN]),
    responses=problems(404, 422, 503),
)
async def at_location(
    id: LocationId,  # noqa: A002
    reader: NamedDependency[Reader],
    activity: NamedDependency[ActivitySettings],
    limit: Limit = _LIMIT,
) -> list[Entry]:
    """The newest check-ins there, as many as are kept (the setting `history`), also those that the stream has lost."""
    return [
        Entry(id=entry_id, timestamp=int(ms), user_id=int(user), location_id=id, star_rating=int(stars))
        for entry_id, ms, user, stars in await _history(reader, activity, read_location_history, id, limit)
    ]


@get(
    "/api/locations/trending",
    operation_id="listTrendingLocations",
    summary="The locations that are rising most",
    tags=["locations"],
    response_description="The locations, and the two hours that are compared",
    operation_class=answers_like(_TRENDING),
    responses=problems(404, 422, 503),
)
async def trending(
    reader: NamedDependency[Reader], activity: NamedDependency[ActivitySettings], limit: Limit = _TRENDING_LIMIT
) -> TrendingLocations:
    """Where there are most check-ins in the last hour against the hour before; those alike by id."""
    activity.require_trending()
    bucket = time.time_ns() // 1_000_000 // BUCKET_MS
    for _ in range(_TRIES):
        found = await reader.run(read_trending(reader.keys, bucket, int(limit)))
        if isinstance(found, Trends):
            order, rows = found
            return _trending(bucket, [_as_number(order, location) for location in rows[::3]], rows[1::3], rows[2::3])
        if not isinstance(found, OtherPeriod):
            return _trending(found.bucket, [], [], [])
        bucket = found.number
    raise UnavailableError("the window of time moves too fast")


def _trending(bucket: int, ids: list[int], last_hour: list[int], hour_before: list[int]) -> TrendingLocations:
    until = (bucket + 1) * BUCKET_MS
    return TrendingLocations(
        hour_before_from=until - WINDOW_BUCKETS * BUCKET_MS,
        last_hour_from=until - WINDOW_BUCKETS // 2 * BUCKET_MS,
        until=until,
        locations=[
            TrendingLocation(id=location, last_hour=last, hour_before=before, trend=last - before)
            for location, last, before in zip(ids, last_hour, hour_before, strict=True)
        ],
    )


@get(
    "/api/location/{id:str}/now",
    operation_id="listPresentUsers",
    summary="Who is at a location",
    tags=["locations"],
    response_description="Users with their last check-in there, newest first",
    operation_class=answers_like([Present(user_id=180, timestamp=_MONDAY_MS)]),
    responses=problems(404, 422, 503),
)
async def presence(
    id: LocationId,  # noqa: A002
    reader: NamedDependency[Reader],
    activity: NamedDependency[ActivitySettings],
    limit: Limit = _LIMIT,
) -> list[Present]:
    """Who checked in there within the last three hours: each user once, those at the same time by id."""
    activity.require_presence()
    key = reader.keys.location_presence(id)
    found = await reader.run(read_presence(reader.keys, id, int(limit)))
    _require_location(is_known=found.is_known)
    return [
        Present(user_id=_as_number(key, user), timestamp=_as_number(key, score.removeprefix(b"-")))
        for user, score in zip(found.users[::2], found.users[1::2], strict=True)
    ]


@get(
    "/api/location/{id:str}/hourly",
    operation_id="listLocationHours",
    summary="Check-ins at a location per hour",
    tags=["locations"],
    response_description="The 168 hours of the last week, oldest first; the last one is the present one",
    operation_class=answers_like([Hour(timestamp=_MONDAY_MS, num_checkins=12)]),
    responses=problems(404, 422, 503),
)
async def hourly(
    id: LocationId,  # noqa: A002
    reader: NamedDependency[Reader],
    activity: NamedDependency[ActivitySettings],
) -> list[Hour]:
    """How many check-ins each hour of the last week has, also those that have none."""
    activity.require_hourly()
    last = time.time_ns() // 1_000_000 // HOUR_MS
    for _ in range(_TRIES):
        hours = range(last - WEEK_HOURS + 1, last + 1)
        found = await reader.run(read_hourly(reader.keys, id, hours))
        if not isinstance(found, OtherPeriod):
            _require_location(is_known=found.is_known)
            keys = map(reader.keys.hour, hours)
            return [
                Hour(timestamp=hour * HOUR_MS, num_checkins=0 if count is None else _as_number(key, count))
                for hour, key, count in zip(hours, keys, found.counts, strict=True)
            ]
        last = found.number
    raise UnavailableError("the hours change too fast")


def _require_location(*, is_known: bool) -> None:
    if not is_known:
        raise NotFoundError("there is no such location")


routes = [of_user, at_location, trending, presence, hourly]
