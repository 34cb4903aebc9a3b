"""What the API answers about a location's details: where else to find it, and when it is open."""

import asyncio
from typing import Annotated

from litestar import get
from litestar.di import NamedDependency
from litestar.openapi.spec import Example
from litestar.params import PathParameter, QueryParameter
from msgspec import UNSET, UnsetType
from msgspec.structs import asdict

from footfall.api.describe import answers_like
from footfall.api.parameters import DayParameter, SectionsParameter
from footfall.api.reading import Reader
from footfall.api.routes.locations import DETAILS, LOCATION, LocationId, details_of
from footfall.domain.model import DayHours, LocationDetails, Record, Social
from footfall.errors import NotFoundError
from footfall.http.app import problems


class Sections(Record, frozen=True):
    """A location's details: all, or the sections that were asked for."""

    id: int
    hours: list[DayHours] | UnsetType = UNSET
    socials: list[Social] | UnsetType = UNSET
    website: str | UnsetType = UNSET
    description: str | UnsetType = UNSET
    phone: str | UnsetType = UNSET


async def _details(reader: Reader, location_id: int) -> LocationDetails:
    location = reader.one(LOCATION, reader.keys.location(location_id), "location")
    _, details = await asyncio.gather(location, details_of(reader, location_id))
    if details is None:
        raise NotFoundError("this location has no details")
    return details


@get(
    "/api/location/{id:str}/details",
    operation_id="getLocationDetails",
    summary="A location's details",
    tags=["locations"],
    response_description="The details",
    operation_class=answers_like(Sections(**asdict(DETAILS))),
    responses=problems(404, 422, 503),
)
async def details(
    id: LocationId,  # noqa: A002
    reader: NamedDependency[Reader],
    sections: Annotated[
        SectionsParameter | None,
        QueryParameter(
            description=f"Which sections, with commas between them: {', '.join(SectionsParameter.names)}",
            examples=[Example(value="website,phone")],
        ),
    ] = None,
) -> Sections:
    """Opening hours, social networks, website, description and phone number; 404 when nobody has loaded them."""
    everything = asdict(await _details(reader, id))
    wanted = sections.split(",") if sections else SectionsParameter.names
    return Sections(id=id, **{name: everything[name] for name in wanted})


@get(
    "/api/location/{id:str}/hours/{day:str}",
    operation_id="getLocationHours",
    summary="When a location is open",
    tags=["locations"],
    response_description="The opening hours of the day",
    operation_class=answers_like(DETAILS.hours[1]),
    responses=problems(404, 422, 503),
)
async def hours(
    id: LocationId,  # noqa: A002
    day: Annotated[DayParameter, PathParameter(description="The weekday, 0 = Monday", examples=[Example(value=1)])],
    reader: NamedDependency[Reader],
) -> DayHours:
    """Opening hours of one weekday; 404 when nobody has loaded them."""
    week = {hours.day: hours for hours in (await _details(reader, id)).hours}
    if day not in week:
        raise NotFoundError("this location has no opening hours for this day")
    return week[day]


routes = [details, hours]
