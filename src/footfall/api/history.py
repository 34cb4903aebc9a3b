"""What the API answers about the newest check-ins of one user, and at one location."""

import re
from typing import Annotated

from litestar import get
from litestar.di import NamedDependency
from litestar.openapi.spec import Example
from litestar.params import PathParameter, QueryParameter

from footfall.api.describe import answers_like
from footfall.api.locations import LocationId
from footfall.api.parameters import IdParameter, LimitParameter
from footfall.api.reading import Reader
from footfall.errors import BrokenKeyError, NotFoundError
from footfall.kept import Kept
from footfall.model import Entry
from footfall.store.scripts import READ_HISTORY
from footfall.web import problems

_LIMIT = LimitParameter(100)
Limit = Annotated[LimitParameter, QueryParameter(description="How many at most")]

_EXAMPLE = Entry(id="1609605397408-0", timestamp=1609605397408, user_id=180, location_id=13, star_rating=4)
#: entry id, id of the user or the location, stars
_checkin = re.compile(rb"(([0-9]{1,13})-[0-9]{1,20}) ([1-9][0-9]{0,15}) ([0-5])").fullmatch


async def _newest(reader: Reader, kept: Kept, record: bytes, history: bytes, what: str, limit: int) -> list[list[str]]:
    """Entry id, ms, the other record's id and stars of each. Raises NotFoundError, calling the record `what`."""
    kept.require("history")
    wanted = min(int(limit), kept.history)
    record_id, *items = await reader.run(READ_HISTORY, [record, history], [wanted])
    if record_id is None:
        raise NotFoundError(f"there is no such {what}")
    newest_first = [checkin for item in items for checkin in reversed(item.split(b","))][:wanted]
    matches = list(map(_checkin, newest_first))
    if None in matches:
        raise BrokenKeyError(f"{history.decode()} has an item that is no check-in")
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
    keys = reader.keys
    return [
        Entry(id=entry_id, timestamp=int(ms), user_id=id, location_id=int(location), star_rating=int(stars))
        for entry_id, ms, location, stars in await _newest(
            reader, kept, keys.user(id), keys.user_history(id), "user", limit
        )
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
    keys = reader.keys
    return [
        Entry(id=entry_id, timestamp=int(ms), user_id=int(user), location_id=id, star_rating=int(stars))
        for entry_id, ms, user, stars in await _newest(
            reader, kept, keys.location(id), keys.location_history(id), "location", limit
        )
    ]


routes = [of_user, at_location]
