"""What the API answers about the newest check-ins of one user, and at one location."""

import re
from collections.abc import Callable
from typing import Annotated

from litestar import get
from litestar.di import NamedDependency
from litestar.openapi.spec import Example
from litestar.params import PathParameter, QueryParameter

from footfall.activity import Kept
from footfall.api.describe import answers_like
from footfall.api.parameters import IdParameter, LimitParameter
from footfall.api.reading import Reader
from footfall.api.routes.locations import LocationId
from footfall.domain.model import Entry
from footfall.errors import BrokenKeyError, NotFoundError
from footfall.http.app import problems
from footfall.keys import Keys
from footfall.store.calls.activity import History, read_location_history, read_user_history
from footfall.store.scripts import Call

_LIMIT = LimitParameter(100)
Limit = Annotated[LimitParameter, QueryParameter(description="How many at most")]

_EXAMPLE = Entry(id="1609605397408-0", timestamp=1609605397408, user_id=180, location_id=13, star_rating=4)
#: entry id, id of the user or the location, stars
_checkin = re.compile(rb"(([0-9]{1,13})-[0-9]{1,20}) ([1-9][0-9]{0,15}) ([0-5])").fullmatch


async def _newest(
    reader: Reader, kept: Kept, read: Callable[[Keys, int, int], Call[History]], record: int, limit: int
) -> list[list[str]]:
    """Entry id, ms, the other record's id and stars of each. `read`: the history of a user, or of a location."""
    kept.require("history")
    wanted = min(int(limit), kept.history)
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
    operation_class=answers_like([_EXAMPLE]),
    responses=problems(404, 422, 503),
)
async def of_user(
    id: Annotated[  # noqa: A002 - named as in the path, so that errors name what the client sees
        IdParameter, PathParameter(description="The user's id", examples=[Example(value=_EXAMPLE.user_id)])
    ],
    reader: NamedDependency[Reader],
    kept: NamedDependency[Kept],
    limit: Limit = _LIMIT,
) -> list[Entry]:
    """The user's newest check-ins, as many as are kept (the setting `history`), also those that the stream has lost."""
    return [
        Entry(id=entry_id, timestamp=int(ms), user_id=id, location_id=int(location), star_rating=int(stars))
        for entry_id, ms, location, stars in await _newest(reader, kept, read_user_history, id, limit)
    ]


@get(
    "/api/location/{id:str}/checkins",
    operation_id="listLocationCheckins",
    summary="The newest check-ins at a location",
    tags=["check-ins"],
    response_description="Check-ins, newest first",
    operation_class=answers_like([_EXAMPLE]),
    responses=problems(404, 422, 503),
)
async def at_location(
    id: LocationId,  # noqa: A002
    reader: NamedDependency[Reader],
    kept: NamedDependency[Kept],
    limit: Limit = _LIMIT,
) -> list[Entry]:
    """The newest check-ins there, as many as are kept (the setting `history`), also those that the stream has lost."""
    return [
        Entry(id=entry_id, timestamp=int(ms), user_id=int(user), location_id=id, star_rating=int(stars))
        for entry_id, ms, user, stars in await _newest(reader, kept, read_location_history, id, limit)
    ]


routes = [of_user, at_location]
