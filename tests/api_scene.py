"""Users and locations as the scripts store them, and what the tests of the API ask about them."""

from collections.abc import Iterable
from typing import Any
from urllib.parse import quote

import httpx

from footfall.domain.model import indexed_place

Answer = dict[str, Any]

#: what no parameter takes: quotes, globs, Lua, line breaks, null bytes, other alphabets, overflows
NONSENSE = [
    "",
    " ",
    "x",
    "-1",
    "+5",
    "05",
    "5 ",
    "5.0.0",
    "1_0",
    "1e999",
    "nan",
    "inf",
    "0x10",
    "null",
    "9" * 400,
    "'",
    '"',
    "*",
    "ncc:*",
    "5;FLUSHALL",
    "5-",
    "-5",
    "5-0x5",
    "5-5-5",
    "' or 1=1 --",
    "return redis.call('FLUSHALL')",
    "{{7*7}}",
    "../../etc/passwd",
    "5\r\nSET a b",
    "5\n",
    "5\x00",
    "\u0665",
    "\U0001f600" * 300,
]


def user_answer(user: int, /, **fields: object) -> Answer:
    """What the API answers about a user who was stored like this."""
    names: Answer = {"firstName": f"First{user}", "lastName": f"Last{user}"}
    return {"id": user, **names, "numCheckins": 0, "lastCheckin": None, "lastSeenAt": None, **fields}


def location_answer(number: int, /, **fields: object) -> Answer:
    """What the API answers about a location that was stored like this."""
    place: Answer = {"name": f"Place {number}", "category": "cafe", "location": "1.5,2.5"}
    return {"id": number, **place, "numCheckins": 0, "numStars": 0, "averageStars": 0, **fields}


def store_users(client: Any, answers: Iterable[Answer]) -> None:
    """Store users, with secrets, and their index entries."""
    with client.pipeline(transaction=False) as pipeline:
        for answer in answers:
            user, email = answer["id"], f"user{answer['id']}@example.com"
            fields: Answer = {name: value for name, value in answer.items() if value is not None}
            pipeline.hset(f"ncc:users:{user}", mapping=fields | {"email": email, "password": "$2b$12$secret"})
            pipeline.hset("ncc:users:email", email, user)
            pipeline.zadd("ncc:users:bycheckins", {str(user): answer["numCheckins"]})
            at, place = answer["lastCheckin"], answer["lastSeenAt"]
            if at is not None:
                pipeline.zadd("ncc:users:recent", {str(user): at})
                pipeline.zadd("ncc:users:lastseen", {f"{place:016}:{at:013}:{user}": 0})
        pipeline.execute()


def store_locations(client: Any, answers: Iterable[Answer]) -> None:
    """Store locations and their index entries."""
    with client.pipeline(transaction=False) as pipeline:
        for answer in answers:
            location = str(answer["id"])
            pipeline.hset(f"ncc:locations:{location}", mapping=answer)
            pipeline.zadd("ncc:locations:bycheckins", {location: answer["numCheckins"]})
            pipeline.zadd(f"ncc:locations:category:{answer['category']}", {location: int(location)})
            place = indexed_place(*map(float, answer["location"].split(",")))
            pipeline.geoadd("ncc:locations:geo", [*place, location])
        pipeline.execute()


def pages(api: httpx.Client, url: str) -> list[list[Answer]]:
    """All pages from `url` on, as a client gets them that follows the links."""
    found, seen = [], set()
    while url:
        assert url not in seen, "a page links to one before"
        seen.add(url)
        response = api.get(url)
        assert response.status_code == 200, response.text
        found.append(response.json())
        assert set(response.links) <= {"next"}
        url = response.links["next"]["url"] if response.links else ""
    return found


def ids(answers: Iterable[Answer]) -> list[int]:
    """Their ids, in order."""
    return [answer["id"] for answer in answers]


def by_id_as_text(ids: Iterable[int]) -> list[int]:
    """In the order of those with the same score: by id as text, last first."""
    return sorted(ids, key=str, reverse=True)


def quoted(text: str) -> str:
    """As a part of a path or query."""
    return quote(text, safe="")


def assert_refused(response: httpx.Response, *fields: str) -> None:
    """The answer names these parameters, and tells nothing else."""
    assert response.status_code == (400 if "after" in fields else 422), response.text[:300]
    assert response.headers["content-type"] == "application/problem+json"
    assert [error["field"] for error in response.json()["errors"]] == list(fields)


def assert_broken(response: httpx.Response, detail: str) -> None:
    """The answer names the key that does not hold what it must."""
    assert response.status_code == 503, response.text[:300]
    assert response.headers["content-type"] == "application/problem+json"
    assert response.headers["retry-after"] == "10"
    assert response.json()["detail"] == detail


def assert_not_found(response: httpx.Response, detail: str) -> None:
    """The answer says what is not there."""
    assert response.status_code == 404, response.text[:300]
    assert response.headers["content-type"] == "application/problem+json"
    assert response.json()["detail"] == detail
