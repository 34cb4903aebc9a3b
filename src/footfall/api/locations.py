"""What the API answers about locations."""

from typing import Annotated

from litestar import get
from litestar.di import NamedDependency
from litestar.openapi.spec import Example
from litestar.params import PathParameter
from msgspec import Meta

from footfall.api.describe import answers_like
from footfall.api.parameters import IdParameter
from footfall.api.reading import Reader
from footfall.errors import NotFoundError
from footfall.model import Record
from footfall.web import problems

_FIELDS = ("id", "name", "category", "location", "numCheckins", "numStars", "averageStars")


class Location(Record, frozen=True):
    """A location. What a check-in does not say is null when nobody has loaded this location."""

    id: int
    name: str | None
    category: str | None
    location: Annotated[str | None, Meta(description='"lng,lat" in degrees')]
    num_checkins: int
    num_stars: int
    average_stars: Annotated[int, Meta(description="numStars / numCheckins, rounded half up")]


_EXAMPLE = Location(
    id=13,
    name="Corner Coffee",
    category="cafe",
    location="-122.4194,37.7749",
    num_checkins=3402,
    num_stars=13608,
    average_stars=4,
)


@get(
    "/api/location/{id:str}",
    summary="A location",
    tags=["locations"],
    response_description="The location",
    operation_class=answers_like(_EXAMPLE),
    responses=problems(404, 422, 503),
)
async def location(
    # named as in the path, so that errors name what the client sees
    id: Annotated[  # noqa: A002
        IdParameter,
        PathParameter(description="The location's id", examples=[Example(value=_EXAMPLE.id)]),
    ],
    reader: NamedDependency[Reader],
) -> Location:
    """Name, category, place, and what its check-ins add up to."""
    record = await reader.record(reader.keys.location(id), _FIELDS)
    if record is None:
        raise NotFoundError("there is no such location")
    return Location(
        id=record.count("id"),
        name=record.text("name"),
        category=record.text("category"),
        location=record.text("location"),
        num_checkins=record.count("numCheckins"),
        num_stars=record.count("numStars"),
        average_stars=record.count("averageStars"),
    )


routes = [location]
