"""What the API answers about one location."""

import asyncio
from typing import Annotated

import msgspec
from litestar import get
from litestar.di import NamedDependency
from litestar.openapi.spec import Example
from litestar.params import PathParameter, QueryParameter
from msgspec import UNSET, Meta, UnsetType
from msgspec.structs import asdict, replace

from footfall.api.describe import answers_like
from footfall.api.parameters import BooleanParameter, IdParameter
from footfall.api.reading import Reader
from footfall.api.record_shapes import COUNT, TEXT, Shape
from footfall.domain.model import DayHours, LocationDetails, Record, Social
from footfall.errors import BrokenKeyError
from footfall.http.app import problems


class Location(Record, frozen=True):
    """A location. What a check-in does not say is null when nobody has loaded this location."""

    id: int
    name: str | None
    category: str | None
    location: Annotated[str | None, Meta(description='"lng,lat" in degrees')]
    num_checkins: int
    num_stars: int
    average_stars: Annotated[int, Meta(description="numStars / numCheckins, rounded half up")]


class LocationAndDetails(Location, frozen=True):
    """A location, with its details when they were asked for."""

    details: Annotated[
        LocationDetails | UnsetType | None,
        Meta(description="Only with `withDetails=true`; null when nobody has loaded any"),
    ] = UNSET


_FIELDS = {
    "id": COUNT,
    "name": TEXT,
    "category": TEXT,
    "location": TEXT,
    "numCheckins": COUNT,
    "numStars": COUNT,
    "averageStars": COUNT,
}
LOCATION = Shape(Location, _FIELDS)
_LOCATION_AND_DETAILS = Shape(LocationAndDetails, _FIELDS)

EXAMPLE = Location(
    id=13,
    name="Corner Coffee",
    category="cafe",
    location="-122.4194,37.7749",
    num_checkins=3402,
    num_stars=13608,
    average_stars=4,
)
DETAILS = LocationDetails(
    id=13,
    hours=[DayHours(day=day, hours="Closed" if day == 0 else "7-19") for day in range(7)],
    socials=[Social(name="instagram", handle="cornercoffee")],
    website="https://cornercoffee.example.com",
    description="Espresso and cake in San Francisco.",
    phone="(415) 555-0100",
)

#: the parameter is named as in the path, so that errors name what the client sees
LocationId = Annotated[
    IdParameter,
    PathParameter(description="The location's id", examples=[Example(value=EXAMPLE.id)]),
]


async def details_of(reader: Reader, location_id: int) -> LocationDetails | None:
    """A location's details; None when there are none. Raises BrokenKeyError."""
    key = reader.keys.location_details(location_id)
    stored = await reader.call("GET", key)
    if stored is None:
        return None
    try:
        return _decode_details(stored)
    except (msgspec.DecodeError, UnicodeDecodeError):
        raise BrokenKeyError(f"{key.decode()} does not hold a location's details") from None


_decode_details = msgspec.json.Decoder(LocationDetails).decode


@get(
    "/api/location/{id:str}",
    operation_id="getLocation",
    summary="A location",
    tags=["locations"],
    response_description="The location",
    operation_class=answers_like(LocationAndDetails(**asdict(EXAMPLE), details=DETAILS)),
    responses=problems(404, 422, 503),
)
async def location(
    id: LocationId,  # noqa: A002
    reader: NamedDependency[Reader],
    withDetails: Annotated[  # noqa: N803
        BooleanParameter | None, QueryParameter(description="Whether with `details`", examples=[Example(value=True)])
    ] = None,
) -> LocationAndDetails:
    """Name, category, place, and what its check-ins add up to; with `withDetails=true` its details, too."""
    one = reader.one(_LOCATION_AND_DETAILS, reader.keys.location(id), "location")
    if not withDetails:
        return await one
    found, details = await asyncio.gather(one, details_of(reader, id))
    return replace(found, details=details)


routes = [location]
