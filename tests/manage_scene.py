"""Users and locations of a real server, managed: what the tests of that have in common."""

import asyncio
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

import httpx
import redis

from footfall.domain.model import DayHours, LocationDetails, NewLocation, NewUser, Social
from footfall.identity import tokens
from footfall.keys import Keys
from footfall.operations.manage.hash_passwords import PasswordHasher
from footfall.operations.manage.locations import Locations
from footfall.operations.manage.users import Users
from pipelines import pipeline_to
from processes import Api
from servers import Server

KEYS = Keys("ncc")
ResultT = TypeVar("ResultT")


def new_user(user: int, **values: Any) -> NewUser:
    """A user to add."""
    names = {"first_name": "Mira", "last_name": "Okafor", "email": f"mira{user}@example.com"}
    return NewUser(**{"id": user, **names, "password": "correct horse", **values})


def details(location: int, **values: Any) -> LocationDetails:
    """A location's details."""
    return LocationDetails(
        **{
            "id": location,
            "hours": [DayHours(day=day, hours="7-19") for day in range(7)],
            "socials": [Social(name="instagram", handle="harbour")],
            "website": "https://harbour.example.com",
            "description": "By the water.",
            "phone": "415-555-0100",
            **values,
        }
    )


def new_location(location_id: int, **values: Any) -> NewLocation:
    """A location to add."""
    return NewLocation(**{"id": location_id, "name": "Harbour", "category": "bar", "location": "3.5,4.5", **values})


def manage_users(server: Server, work: Callable[[Users], Coroutine[Any, Any, ResultT]]) -> ResultT:
    """Do something with the users of a server."""

    async def run() -> ResultT:
        hasher = PasswordHasher(4)
        try:
            async with pipeline_to(server.url) as pipeline:
                await pipeline.connected()
                return await work(Users(pipeline, KEYS, hasher))
        finally:
            hasher.close()

    return asyncio.run(run())


def manage_locations(server: Server, work: Callable[[Locations], Coroutine[Any, Any, ResultT]]) -> ResultT:
    """Do something with the locations of a server."""

    async def run() -> ResultT:
        async with pipeline_to(server.url) as pipeline:
            await pipeline.connected()
            return await work(Locations(pipeline, KEYS))

    return asyncio.run(run())


@contextmanager
def as_admin(server: Server, api: Api) -> Iterator[httpx.Client]:
    """Requests with a token of role admin, which is in no log line."""
    with redis.Redis.from_url(server.url) as raw:
        secret = tokens.create(raw, KEYS, "registry", "admin")
    with httpx.Client(base_url=api.url, headers={"authorization": f"Bearer {secret}"}, timeout=10) as http:
        yield http
    assert secret not in api.log


def problem(response: httpx.Response, status: int) -> dict[str, Any]:
    """The problem document of an answer with this status."""
    assert response.status_code == status, response.text
    assert response.headers["content-type"] == "application/problem+json"
    document: dict[str, Any] = response.json()
    return document


def dump(client: Any) -> dict[bytes, bytes]:
    """All keys and what they hold, so that two moments can be compared."""
    return {key: client.dump(key) for key in client.scan_iter(count=1000)}


def mentions(client: Any, number: int) -> set[bytes]:
    """The keys that are named after an id, or have it as a field or a member of an index, but not the streams."""
    text, found = b"%d" % number, set()
    for key in client.scan_iter(count=1000):
        kind = client.type(key)
        if key.rpartition(b":")[2] == text:
            found.add(key)
        elif kind == b"zset":
            members = client.zrange(key, 0, -1)
            if any(member.rpartition(b":")[2].lstrip(b"0") == text for member in members):
                found.add(key)
        elif kind == b"hash":
            fields = client.hgetall(key)
            if text in fields or text.zfill(16) in fields or (key == KEYS.users_email and text in fields.values()):
                found.add(key)
    return found
