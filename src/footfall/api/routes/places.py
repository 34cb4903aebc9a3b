"""What a map needs: all places in one compact answer, and the names of who checks in there."""

from collections.abc import Sequence
from typing import Annotated, Any

import msgspec
from litestar import get
from litestar.di import NamedDependency
from litestar.openapi.spec import Example
from litestar.params import QueryParameter
from msgspec import Meta

from footfall.api.describe import answers_like
from footfall.api.kept import Kept
from footfall.api.parameters import IdListParameter
from footfall.api.reading import Reader
from footfall.api.record_shapes import COUNT, TEXT, Shape
from footfall.http.app import problems

#: places of an answer, at most: those with the most check-ins
MAX_PLACES = 20_000
#: records that are read in one call
_PAGE = 500


class Places(msgspec.Struct, rename="camel", kw_only=True, frozen=True):
    """Places, column by column: the first of each column is of the first place, and so on."""

    ids: list[int]
    names: list[str | None]
    categories: Annotated[list[str | None], Meta(description="Each category once")]
    category: Annotated[list[int], Meta(description="Which of the `categories`, from 0")]
    longitudes: list[float]
    latitudes: list[float]
    num_checkins: list[int]
    average_stars: list[int]
    complete: Annotated[bool, Meta(description=f"False when only the {MAX_PLACES:,} busiest places are here")]


class Name(msgspec.Struct, rename="camel", frozen=True):
    """A user's name."""

    id: int
    full_name: str


_Row = tuple[int, str | None, str | None, str | None, int, int]


def _row(*fields: Any) -> _Row:
    return fields


def _name(user_id: int, first: str | None, last: str | None) -> Name:
    return Name(user_id, " ".join(part for part in (first, last) if part))


_PLACE = Shape(
    _row,
    {
        "id": COUNT,
        "name": TEXT,
        "category": TEXT,
        "location": TEXT,
        "numCheckins": COUNT,
        "averageStars": COUNT,
    },
)
_NAME = Shape(_name, {"id": COUNT, "firstName": TEXT, "lastName": TEXT})


class PlacesReader:
    """Reads all places, once for all who ask within a second."""

    def __init__(self, reader: Reader) -> None:
        self._reader = reader
        self._kept = Kept(self._read)

    async def read(self) -> bytes:
        """The answer. Raises as the reader."""
        return await self._kept.get()

    async def _read(self) -> bytes:
        keys = self._reader.keys
        ids = await self._reader.call("ZRANGE", keys.locations_by_checkins, 0, MAX_PLACES, "REV")
        rows: list[_Row] = []
        for start in range(0, min(len(ids), MAX_PLACES), _PAGE):
            page = ids[start : min(start + _PAGE, MAX_PLACES)]
            rows += await self._reader.many(_PLACE, keys.locations_of(page))
        return msgspec.json.encode(_columns(rows, is_complete=len(ids) <= MAX_PLACES))


def _columns(rows: Sequence[_Row], *, is_complete: bool) -> Places:
    """The places that somebody has loaded: what only check-ins have made lies nowhere."""
    there = [(row, row[3].split(",")) for row in rows if row[3] is not None]
    categories = list(dict.fromkeys(row[2] for row, _ in there))
    places = {category: place for place, category in enumerate(categories)}
    return Places(
        ids=[row[0] for row, _ in there],
        names=[row[1] for row, _ in there],
        categories=categories,
        category=[places[row[2]] for row, _ in there],
        longitudes=[float(point[0]) for _, point in there],
        latitudes=[float(point[1]) for _, point in there],
        num_checkins=[row[4] for row, _ in there],
        average_stars=[row[5] for row, _ in there],
        complete=is_complete,
    )


EXAMPLE = Places(
    ids=[13],
    names=["Corner Coffee"],
    categories=["cafe"],
    category=[0],
    longitudes=[-122.4194],
    latitudes=[37.7749],
    num_checkins=[3402],
    average_stars=[4],
    complete=True,
)


@get(
    "/api/locations/map",
    operation_id="getMap",
    summary="All places, for a map",
    tags=["locations"],
    response_description="Places, column by column",
    operation_class=answers_like(EXAMPLE),
    responses=problems(503),
)
async def places(places_reader: NamedDependency[PlacesReader]) -> Places:
    """Every location that was loaded, in one compact answer: up to 20,000, the ones with the most check-ins first.

    Up to a second old. What comes after it, the live feed tells.
    """
    return msgspec.Raw(await places_reader.read())  # type: ignore[return-value]


@get(
    "/api/users/names",
    operation_id="listUserNames",
    summary="The names of some users",
    tags=["users"],
    response_description="Those that are there, in the order in which they are asked for",
    operation_class=answers_like([Name(180, "Sophia Marshall")]),
    responses=problems(422, 503),
)
async def names(
    reader: NamedDependency[Reader],
    ids: Annotated[
        IdListParameter | None,
        QueryParameter(description="Up to 100 ids, with commas between", examples=[Example(value="180,5")]),
    ] = None,
) -> list[Name]:
    """First and last name of each, for lists of check-ins: one request instead of one for each user."""
    return await reader.many(_NAME, [reader.keys.user(user_id) for user_id in ids.values] if ids else [])


routes = [places, names]
