"""What the API answers about locations near a place.

The server's search finds the nearest ones with their distances, on both sides of the date line. Near the poles it has
a gap, which is filled here.
"""

import math
from typing import Annotated, NamedTuple

from litestar import Response, get
from litestar.datastructures import ResponseHeader
from litestar.di import NamedDependency
from litestar.openapi.spec import Example
from litestar.params import PathParameter, QueryParameter
from msgspec import Meta
from msgspec.structs import asdict

from footfall.api.describe import answers_like
from footfall.api.paging import LIMIT, NEXT_PAGE, Limit, link
from footfall.api.parameters import (
    CategoryParameter,
    DistanceCursorParameter,
    LatitudeParameter,
    LongitudeParameter,
    RadiusParameter,
    StarsParameter,
)
from footfall.api.reading import Reader
from footfall.api.record_shapes import id_in
from footfall.api.routes.locations import EXAMPLE, LOCATION, Location
from footfall.domain.model import indexed_place
from footfall.http.app import problems

#: how many locations a search looks at, at most
MAX_CANDIDATES = 1000
#: how many times as many as are asked for are looked at first, when a filter lets only some through
_AHEAD = 4

#: miles in a degree, on the sphere that the server reckons with
_DEGREE = math.radians(6_372_797.560856 / 1609.34)
#: Miles. When a circle takes in a pole, the server's box around it turns inside out, and with a smaller radius it
#: leaves out half of the locations (seen with Valkey 9.1: latitude 79.12, 753 miles). With a larger one it does
#: without the box.
_POLAR_RADIUS = 780.0


class NearbyLocation(Location, frozen=True):
    """A location, and how far away it is."""

    distance: Annotated[float, Meta(description="In miles, as the crow flies")]


class _Wants(NamedTuple):
    category: str | None
    min_stars: int | None

    @property
    def is_everything(self) -> bool:
        return self.category is None and self.min_stars is None

    def takes(self, location: Location) -> bool:
        return self.category in (None, location.category) and location.average_stars >= (self.min_stars or 0)


#: miles, with four decimals, and id
Candidate = tuple[float, int]
Nearby = Response[list[NearbyLocation]]

_INCOMPLETE = ResponseHeader(
    name="Footfall-Complete",
    value="",  # for its type
    documentation_only=True,
    description=f"`false` when the search has stopped after the nearest {MAX_CANDIDATES} locations; else not there",
)


@get(
    "/api/locations/{lat:str}/{lng:str}/{radius:str}",
    operation_id="listNearbyLocations",
    summary="Locations near a place",
    tags=["locations"],
    response_description="Locations, the nearest first",
    response_headers=[NEXT_PAGE, _INCOMPLETE],
    operation_class=answers_like([NearbyLocation(**asdict(EXAMPLE), distance=0.4212)]),
    responses=problems(400, 422, 503),
)
async def nearby(
    reader: NamedDependency[Reader],
    lat: Annotated[LatitudeParameter, PathParameter(description="Latitude", examples=[Example(value=37.7749)])],
    lng: Annotated[LongitudeParameter, PathParameter(description="Longitude", examples=[Example(value=-122.4194)])],
    radius: Annotated[RadiusParameter, PathParameter(description="Radius in miles", examples=[Example(value=2.5)])],
    category: Annotated[
        CategoryParameter | None, QueryParameter(description="Only this category", examples=[Example(value="cafe")])
    ] = None,
    minStars: Annotated[  # noqa: N803
        StarsParameter | None,
        QueryParameter(description="Least `averageStars`", examples=[Example(value=4)]),
    ] = None,
    limit: Limit = LIMIT,
    after: Annotated[
        DistanceCursorParameter | None,
        QueryParameter(description="Where the page begins: from the link to it", examples=[Example(value="0.4212-13")]),
    ] = None,
) -> Nearby:
    """Locations within a radius, the nearest first; those equally far away by id.

    A search looks at no more than the nearest 1,000 locations, whatever it is asked to leave out, and says when there
    are more: with the header `Footfall-Complete: false`. Follow the `Link` header until there is none.
    """
    center = (lng, lat, radius)
    wants = _Wants(category, minStars)
    at_once = min(limit, MAX_CANDIDATES) if wants.is_everything else min(max(_AHEAD * limit, 40), MAX_CANDIDATES)
    most = MAX_CANDIDATES if after else at_once
    page: list[NearbyLocation] = []
    behind = (after.distance, after.id) if after else (-1.0, 0)
    while True:
        found, is_all = await _search(reader, center, most)
        candidates = [candidate for candidate in found if candidate > behind]
        picked, looked_at = await _pick(reader, candidates, wants, limit=limit - len(page), at_once=at_once)
        page += picked
        if looked_at:
            behind = candidates[looked_at - 1]
        if len(page) == limit or is_all or most == MAX_CANDIDATES:
            break
        most = min(_AHEAD * most, MAX_CANDIDATES)

    cursor = None
    headers = {}
    if looked_at < len(candidates) or (not is_all and most < MAX_CANDIDATES):
        cursor = f"{behind[0]:.4f}-{behind[1]}"
    elif not is_all:
        headers["Footfall-Complete"] = "false"
    path = f"/api/locations/{lat}/{lng}/{radius}"
    headers |= link(path, cursor, category=category, minStars=minStars, limit=limit)
    return Response(page, headers=headers)


async def _search(reader: Reader, center: tuple[float, float, float], most: int) -> tuple[list[Candidate], bool]:
    """The nearest locations around (longitude, latitude, radius), by distance and id, and whether these are all.

    There are at most `most`; fewer when not all that are equally far away fit in.
    """
    longitude, latitude = indexed_place(*center[:2])
    radius = center[2]
    index = reader.keys.locations_geo
    reach = max(radius, _POLAR_RADIUS) if abs(latitude) + radius / _DEGREE > 89.9 else radius
    where = ("FROMLONLAT", longitude, latitude, "BYRADIUS", reach, "mi", "ASC", "COUNT", most + 1, "WITHDIST")
    found: list[tuple[bytes, bytes]] = await reader.call("GEOSEARCH", index, *where)
    candidates = [(float(distance), int(id_in(index, member))) for member, distance in found]
    candidates = sorted(candidate for candidate in candidates if candidate[0] <= radius)
    if len(candidates) <= most:
        return candidates, True
    if most == MAX_CANDIDATES:
        return candidates[:most], False
    # which of those equally far away the server has left out is its own choice
    return [candidate for candidate in candidates if candidate[0] < candidates[-1][0]], False


async def _pick(
    reader: Reader, candidates: list[Candidate], wants: _Wants, *, limit: int, at_once: int
) -> tuple[list[NearbyLocation], int]:
    """The first `limit` candidates that are wanted, and how many had to be looked at."""
    page: list[NearbyLocation] = []
    for start in range(0, len(candidates), at_once):
        some = candidates[start : start + at_once]
        found = await reader.many(LOCATION, [reader.keys.location(location_id) for _, location_id in some])
        locations = {location.id: location for location in found}
        for looked_at, (distance, location_id) in enumerate(some, start + 1):
            location = locations.get(location_id)
            if location and wants.takes(location):
                page.append(NearbyLocation(**asdict(location), distance=distance))
                if len(page) == limit:
                    return page, looked_at
    return page, len(candidates)


routes = [nearby]
