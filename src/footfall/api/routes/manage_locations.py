"""Adding, changing and removing locations: with a token of role admin."""

from typing import Annotated, Any

from litestar import Request, Response, delete, patch, post
from litestar.di import NamedDependency
from litestar.openapi.datastructures import ResponseSpec
from litestar.openapi.spec import Example
from litestar.params import PathParameter

from footfall.api.parameters import IdParameter
from footfall.api.reading import Reader
from footfall.api.routes import locations
from footfall.domain.documents import LocationChange
from footfall.domain.model import DayHours, LocationDetails, NewLocation, Social
from footfall.http import bodies
from footfall.http.app import problems
from footfall.identity import guard
from footfall.logs import log
from footfall.operations.manage.locations import Locations

_NEW = NewLocation(
    id=5001,
    name="Harbour Cafe",
    category="cafe",
    location="-122.4194,37.7749",
    details=LocationDetails(
        id=5001,
        hours=[DayHours(day=day, hours="Closed" if day == 0 else "7-19") for day in range(7)],
        socials=[Social(name="instagram", handle="harbourcafe")],
        website="https://harbour.example.com",
        description="Coffee by the water.",
        phone="415-555-0100",
    ),
)
_ADDED = locations.Location(
    id=5001,
    name="Harbour Cafe",
    category="cafe",
    location="-122.4194,37.7749",
    num_checkins=0,
    num_stars=0,
    average_stars=0,
)
_LocationId = Annotated[
    IdParameter,
    PathParameter(description="The location's id", examples=[Example(value=_NEW.id)]),
]


@post(
    "/api/locations",
    operation_id="createLocation",
    guards=[guard.admin],
    request_max_body_size=bodies.MAX_READ,
    summary="Add a location",
    tags=["locations"],
    security=[{"token": []}],
    operation_class=bodies.takes(NewLocation, _NEW, (201, _ADDED)),
    responses={
        201: ResponseSpec(locations.Location, generate_examples=False, description="Added; `Location` is where it is"),
        **problems(400, 401, 403, 409, 413, 415, 422, 503),
    },
)
async def add_location(
    request: Request[Any, Any, Any], reader: NamedDependency[Reader], managed_locations: NamedDependency[Locations]
) -> Response[locations.Location]:
    """The id is the client's choice. A location that so far only check-ins name keeps its counters. 409: there is one,
    or the id was removed for good.
    """
    location = await bodies.document(request, NewLocation)
    await managed_locations.add(location)
    log.info("The token %s added location %d.", request.auth.name, location.id)
    added = await locations.location.fn(IdParameter(location.id), reader)
    return Response(added, headers={"location": f"/api/location/{location.id}"})


@patch(
    "/api/location/{id:str}",
    operation_id="updateLocation",
    guards=[guard.admin],
    request_max_body_size=bodies.MAX_READ,
    summary="Change a location",
    tags=["locations"],
    security=[{"token": []}],
    operation_class=bodies.takes(LocationChange, LocationChange(category="bar"), (200, _ADDED)),
    responses={
        200: ResponseSpec(locations.Location, generate_examples=False, description="The location as it is now"),
        **problems(400, 401, 403, 404, 409, 413, 415, 422, 503),
    },
)
async def change_location(
    request: Request[Any, Any, Any],
    id: _LocationId,  # noqa: A002
    reader: NamedDependency[Reader],
    managed_locations: NamedDependency[Locations],
) -> Response[locations.Location]:
    """Changes the fields that are there. Counters cannot be changed. `details` are replaced as a whole; null removes
    them.
    """
    # as a plain int: hiredis packs no others
    await managed_locations.change(int(id), await bodies.document(request, LocationChange))
    log.info("The token %s changed location %d.", request.auth.name, id)
    return Response(await locations.location.fn(id, reader))


@delete(
    "/api/location/{id:str}",
    operation_id="deleteLocation",
    guards=[guard.admin],
    summary="Remove a location",
    tags=["locations"],
    security=[{"token": []}],
    operation_class=bodies.EmptyOperation,
    responses=problems(401, 403, 404, 422, 503),
    response_description="Removed",
)
async def remove_location(
    request: Request[Any, Any, Any],
    id: _LocationId,  # noqa: A002
    managed_locations: NamedDependency[Locations],
) -> None:
    """For good: record, details and index entries go, and the id is not given out again. What was counted for users
    stays. Entries that are not processed yet, and later ones, become dead letters.
    """
    await managed_locations.remove(int(id))
    log.info("The token %s removed location %d.", request.auth.name, id)


routes = [add_location, change_location, remove_location]
