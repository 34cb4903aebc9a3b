"""What the API answers about many locations."""

from typing import Annotated

from litestar import Response, get
from litestar.di import NamedDependency
from litestar.openapi.spec import Example
from litestar.params import PathParameter, QueryParameter

from footfall.api.describe import answers_like
from footfall.api.paging import LIMIT, NEXT_PAGE, After, Limit, link, ranked
from footfall.api.parameters import CategoryParameter, IdParameter
from footfall.api.reading import Reader
from footfall.api.record_shapes import id_in
from footfall.api.routes.locations import EXAMPLE, LOCATION, Location
from footfall.http.app import problems

Locations = Response[list[Location]]


@get(
    "/api/locations/bycheckins",
    operation_id="listLocationsByCheckins",
    summary="The busiest locations",
    tags=["locations"],
    response_description="Locations, the one with the most check-ins first",
    response_headers=[NEXT_PAGE],
    operation_class=answers_like([EXAMPLE]),
    responses=problems(400, 422, 503),
)
async def by_checkins(reader: NamedDependency[Reader], limit: Limit = LIMIT, after: After = None) -> Locations:
    """Locations by their number of check-ins; those with the same by id as text, last first.

    Follow the `Link` header until there is none. What is counted up meanwhile may be missed or be there twice; all
    others are there once.
    """
    page = await ranked(reader, reader.keys.locations_by_checkins, limit=limit, after=after)
    return await _answer(reader, page.ids, link("/api/locations/bycheckins", page.after, limit=limit))


@get(
    "/api/locations/bycategory/{category:str}",
    operation_id="listLocationsByCategory",
    summary="The locations of a category",
    tags=["locations"],
    response_description="Locations by id",
    response_headers=[NEXT_PAGE],
    operation_class=answers_like([EXAMPLE]),
    responses=problems(400, 422, 503),
)
async def by_category(
    category: Annotated[
        CategoryParameter, PathParameter(description="The category", examples=[Example(value=EXAMPLE.category)])
    ],
    reader: NamedDependency[Reader],
    limit: Limit = LIMIT,
    after: Annotated[
        IdParameter | None,
        QueryParameter(description="Continue after the location with this id", examples=[Example(value=EXAMPLE.id)]),
    ] = None,
) -> Locations:
    """Locations of this category, by id; none when there is no such category.

    Follow the `Link` header until there is none: pages leave nothing out and repeat nothing.
    """
    index = reader.keys.category(category)
    count = limit + 1  # one more tells whether there is a next page
    found = await reader.call("ZRANGE", index, f"({after or 0}", "+inf", "BYSCORE", "LIMIT", 0, count)
    page = found[:limit]
    behind = id_in(index, page[-1]).decode() if len(found) > limit else None
    return await _answer(reader, page, link(f"/api/locations/bycategory/{category}", behind, limit=limit))


async def _answer(reader: Reader, ids: list[bytes], headers: dict[str, str]) -> Locations:
    return Response(await reader.many(LOCATION, reader.keys.locations_of(ids)), headers=headers)


routes = [by_checkins, by_category]
