"""What the API answers about many users."""

import time
from typing import Annotated

from litestar import Response, get
from litestar.di import NamedDependency
from litestar.openapi.spec import Example
from litestar.params import PathParameter

from footfall.api.describe import answers_like
from footfall.api.paging import LIMIT, NEXT_PAGE, After, Limit, cursor, link, ranked
from footfall.api.parameters import IdParameter
from footfall.api.reading import Reader
from footfall.api.routes.locations import EXAMPLE
from footfall.api.routes.users import SOPHIA, USER, User
from footfall.errors import NotFoundError
from footfall.http.app import problems
from footfall.store.calls.records import read_records

_DAY_MS = 24 * 60 * 60 * 1000

Users = Response[list[User]]


def start_of_yesterday(now_ms: int) -> int:
    """When yesterday began, in UTC; in ms."""
    return now_ms - now_ms % _DAY_MS - _DAY_MS


@get(
    "/api/users/bycheckins",
    operation_id="listUsersByCheckins",
    summary="The users with the most check-ins",
    tags=["users"],
    response_description="Users, the one with the most check-ins first",
    response_headers=[NEXT_PAGE],
    operation_class=answers_like([SOPHIA]),
    responses=problems(400, 422, 503),
)
async def by_checkins(reader: NamedDependency[Reader], limit: Limit = LIMIT, after: After = None) -> Users:
    """Users by their number of check-ins; those with the same by id as text, last first.

    Follow the `Link` header until there is none. Who is counted up meanwhile may be missed or be there twice; all
    others are there once.
    """
    page = await ranked(reader, reader.keys.users_by_checkins, limit=limit, after=after)
    return await _answer(reader, page.ids, link("/api/users/bycheckins", page.after, limit=limit))


@get(
    "/api/users/recent",
    operation_id="listRecentUsers",
    summary="The users who checked in since yesterday",
    tags=["users"],
    response_description="Users, the one who checked in last first",
    response_headers=[NEXT_PAGE],
    operation_class=answers_like([SOPHIA]),
    responses=problems(400, 422, 503),
)
async def recent(reader: NamedDependency[Reader], limit: Limit = LIMIT, after: After = None) -> Users:
    """Users who have checked in since the start of yesterday (UTC), newest first; at the same time by id as text.

    Follow the `Link` header until there is none. Who checks in meanwhile may be missed; all others are there once.
    """
    least = start_of_yesterday(time.time_ns() // 1_000_000)
    page = await ranked(reader, reader.keys.users_recent, limit=limit, after=after, least=least)
    return await _answer(reader, page.ids, link("/api/users/recent", page.after, limit=limit))


async def _answer(reader: Reader, ids: list[bytes], headers: dict[str, str]) -> Users:
    return Response(await reader.many(USER, reader.keys.users_of(ids)), headers=headers)


@get(
    "/api/users/at/{locationId:str}",
    operation_id="listUsersLastSeenAt",
    summary="The users last seen at a location",
    tags=["users"],
    response_description="Users, the one who checked in last first",
    response_headers=[NEXT_PAGE],
    operation_class=answers_like([SOPHIA]),
    responses=problems(400, 404, 422, 503),
)
async def at(
    # named as in the path, so that errors name what the client sees
    locationId: Annotated[  # noqa: N803
        IdParameter,
        PathParameter(description="The location's id", examples=[Example(value=EXAMPLE.id)]),
    ],
    reader: NamedDependency[Reader],
    limit: Limit = LIMIT,
    after: After = None,
) -> Users:
    """Users whose last check-in was at this location, newest first; at the same time by id as text.

    Follow the `Link` header until there is none. Who checks in meanwhile, here or elsewhere, may be missed; all others
    are there once.
    """
    keys = reader.keys
    index, place = keys.users_last_seen, f"{locationId:016}"
    newest = f"({place}:{after.number:0>13}:{after.id}" if after else f"({place};"  # `;` comes after `:`
    count = limit + 1  # one more tells whether there is a next page
    found = await reader.call("ZRANGE", index, newest, f"[{place}:", "BYLEX", "REV", "LIMIT", 0, count)
    page = found[:limit]
    behind = None
    if len(found) > limit:
        ms, _, user = page[-1][len(place) + 1 :].partition(b":")
        behind = cursor(index, ms.lstrip(b"0") or b"0", user)
    users = [keys.user(member.rpartition(b":")[2]) for member in page]
    # in the same call: whether there is such a location
    (location, *_), *records = await reader.run(read_records([keys.location(locationId), *users], USER.fields))
    if location is None:
        raise NotFoundError("there is no such location")
    # a user may have moved on between the two reads
    there = [user for user in USER.many(users, records) if user.last_seen_at == locationId]
    return Response(there, headers=link(f"/api/users/at/{locationId}", behind, limit=limit))


routes = [by_checkins, recent, at]
