"""What the API answers about many users."""

import time
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from api_scene import (
    NONSENSE,
    assert_broken,
    assert_not_found,
    assert_refused,
    by_id_as_text,
    ids,
    location_answer,
    pages,
    quoted,
    store_locations,
    store_users,
    user_answer,
)
from chaos.scene import seeded
from footfall.api.routes.user_lists import start_of_yesterday
from footfall.domain.model import MAX_ID
from processes import Api
from servers import Server

_BY_CHECKINS, _RECENT, _AT = "/api/users/bycheckins", "/api/users/recent", "/api/users/at/5"
_LISTS = (_BY_CHECKINS, _RECENT, _AT)
_DAY_MS = 86_400_000


@pytest.fixture(scope="module")
def api(shared_server: Server) -> Iterator[httpx.Client]:
    shared_server.reset()
    with Api(shared_server.url) as process:
        yield process.client


def _now() -> int:
    return time.time_ns() // 1_000_000


# --- by check-ins


def test_users_come_by_check_ins_with_numbers_and_no_secrets(server: Server, api: httpx.Client) -> None:
    counts = {1: 5, 2: 70, 3: 8, MAX_ID: 2**50}
    users = [user_answer(n, numCheckins=count, lastCheckin=1609605397408, lastSeenAt=13) for n, count in counts.items()]
    store_users(server.client(), users)
    response = api.get(_BY_CHECKINS)
    assert response.headers["content-type"] == "application/json"
    assert response.json() == [users[3], users[1], users[2], users[0]]
    assert "link" not in response.headers
    assert "example.com" not in response.text
    assert "secret" not in response.text


def test_a_list_has_100_users_unless_asked_for_more_or_fewer(server: Server, api: httpx.Client) -> None:
    store_users(server.client(), [user_answer(n, numCheckins=n) for n in range(1, 1102)])
    for query, length in (("", 100), ("?limit=1", 1), ("?limit=1000", 1000)):
        assert ids(api.get(_BY_CHECKINS + query).json()) == list(range(1101, 1101 - length, -1))


@pytest.mark.parametrize("limit", [1, 2, 7, 50, 59, 60, 61])
def test_pages_are_all_users_once_however_many_have_the_same_count(
    limit: int, server: Server, api: httpx.Client
) -> None:
    rng = seeded()
    counts = {n: rng.choice((0, 0, 0, 1, 1, 5, 12, 100)) for n in rng.sample(range(1, 3000), 60)}
    store_users(server.client(), [user_answer(n, numCheckins=count) for n, count in counts.items()])
    expected = [
        n
        for count in sorted(set(counts.values()), reverse=True)
        for n in by_id_as_text(n for n in counts if counts[n] == count)
    ]
    found = pages(api, f"{_BY_CHECKINS}?limit={limit}")
    assert ids(user for page in found for user in page) == expected
    assert [len(page) for page in found[:-1]] == [limit] * (len(found) - 1)
    assert found[-1]


def test_a_page_goes_on_where_the_last_one_ended_although_that_user_has_moved(
    server: Server, api: httpx.Client
) -> None:
    client = server.client()
    store_users(client, [user_answer(n, numCheckins=5) for n in range(1, 8)])
    first = api.get(f"{_BY_CHECKINS}?limit=3")
    assert ids(first.json()) == [7, 6, 5]
    client.zadd("ncc:users:bycheckins", {"5": 6, "2": 6})
    client.zrem("ncc:users:bycheckins", "6")
    rest = pages(api, first.links["next"]["url"])
    assert ids(user for page in rest for user in page) == [4, 3, 1]


def test_a_cursor_that_nobody_has_given_out_is_a_place_too(server: Server, api: httpx.Client) -> None:
    store_users(server.client(), [user_answer(n, numCheckins=n) for n in range(1, 6)])
    for after, expected in (
        ("9999999999999999-9999999999999999", [5, 4, 3, 2, 1]),
        ("3-31", [3, 2, 1]),
        ("3-3", [2, 1]),
        ("3-2", [2, 1]),
        ("0-1", []),
    ):
        assert ids(api.get(f"{_BY_CHECKINS}?after={after}").json()) == expected


# --- recent


def test_yesterday_begins_at_midnight_utc() -> None:
    noon = 1609502400000  # 2021-01-01 12:00 UTC
    assert start_of_yesterday(noon) == noon - _DAY_MS * 3 // 2
    assert start_of_yesterday(noon + _DAY_MS // 2 - 1) == noon - _DAY_MS * 3 // 2
    assert start_of_yesterday(noon + _DAY_MS // 2) == noon - _DAY_MS // 2


def test_recent_users_have_checked_in_since_the_start_of_yesterday(server: Server, api: httpx.Client) -> None:
    while True:
        now = _now()
        start = start_of_yesterday(now)
        times = {1: start - 1, 2: start, 3: start + 1, 4: now, 5: now - 5, 6: 1}
        store_users(server.client(), [user_answer(n, lastCheckin=at, lastSeenAt=5) for n, at in times.items()])
        store_users(server.client(), [user_answer(7)])
        response = api.get(_RECENT)
        if start_of_yesterday(_now()) == start:  # else midnight has passed
            break
    assert response.json() == [user_answer(n, lastCheckin=times[n], lastSeenAt=5) for n in (4, 5, 3, 2)]


@pytest.mark.parametrize("limit", [1, 3, 10, 40])
def test_pages_of_recent_users_end_with_yesterday(limit: int, server: Server, api: httpx.Client) -> None:
    rng = seeded()
    now = _now()
    times = {n: now - rng.choice((0, 1, 1, 500)) for n in rng.sample(range(1, 300), 30)}
    old = {n: start_of_yesterday(now) - _DAY_MS for n in range(300, 320)}
    everybody = (times | old).items()
    store_users(server.client(), [user_answer(n, lastCheckin=at, lastSeenAt=5) for n, at in everybody])
    found = pages(api, f"{_RECENT}?limit={limit}")
    expected = [
        n for at in sorted(set(times.values()), reverse=True) for n in by_id_as_text(n for n in times if times[n] == at)
    ]
    assert ids(user for page in found for user in page) == expected


# --- at a location


def _stay(server: Server, times: dict[int, int], place: int = 5) -> None:
    store_users(server.client(), [user_answer(n, lastCheckin=at, lastSeenAt=place) for n, at in times.items()])
    store_locations(server.client(), [location_answer(place)])


def test_users_at_a_location_are_those_last_seen_there_newest_first(server: Server, api: httpx.Client) -> None:
    _stay(server, {1: 1000, 2: 3000, 3: 2000})
    for other in (4, 6, 50, 500, MAX_ID):
        _stay(server, {other: 5000}, other)
    assert api.get(_AT).json() == [
        user_answer(n, lastCheckin=at, lastSeenAt=5) for n, at in _pairs("2:3000 3:2000 1:1000")
    ]
    assert ids(api.get(f"/api/users/at/{MAX_ID}").json()) == [MAX_ID]


def _pairs(text: str) -> list[tuple[int, int]]:
    return [(int(n), int(at)) for n, at in (pair.split(":") for pair in text.split())]


@pytest.mark.parametrize("limit", [1, 2, 7, 29, 30, 31])
def test_pages_are_all_users_of_a_location_once(limit: int, server: Server, api: httpx.Client) -> None:
    rng = seeded()
    times = {n: rng.choice((1, 10, 10, 10, 9_999_999_999_999)) for n in rng.sample(range(1, 300), 30)}
    _stay(server, times)
    _stay(server, {301: 10}, 4)
    _stay(server, {302: 10}, 6)
    found = pages(api, f"{_AT}?limit={limit}")
    expected = [
        n for at in sorted(set(times.values()), reverse=True) for n in by_id_as_text(n for n in times if times[n] == at)
    ]
    assert ids(user for page in found for user in page) == expected


def test_a_location_where_nobody_was_last_seen_has_none_and_an_unknown_one_is_not_found(
    server: Server, api: httpx.Client
) -> None:
    store_locations(server.client(), [location_answer(5)])
    assert api.get(_AT).json() == []
    assert_not_found(api.get("/api/users/at/6"), "there is no such location")
    _stay(server, {1: 1000}, 6)
    server.client().delete("ncc:locations:6")
    assert_not_found(api.get("/api/users/at/6"), "there is no such location")


def test_a_user_who_has_moved_on_meanwhile_is_left_out(server: Server, api: httpx.Client) -> None:
    _stay(server, {1: 1000, 2: 2000})
    server.client().hset("ncc:users:2", mapping={"lastSeenAt": 6, "lastCheckin": 3000})
    assert ids(api.get(_AT).json()) == [1]


# --- all of them


@pytest.mark.parametrize("url", _LISTS)
def test_users_who_are_no_longer_there_are_left_out(url: str, server: Server, api: httpx.Client) -> None:
    now = _now()
    _stay(server, {n: now - n for n in range(1, 6)})
    server.client().delete("ncc:users:1", "ncc:users:4")
    assert sorted(ids(api.get(url).json())) == [2, 3, 5]
    assert sorted(ids(user for page in pages(api, f"{url}?limit=1") for user in page)) == [2, 3, 5]


def test_an_empty_server_has_no_users(server: Server, api: httpx.Client) -> None:
    for url in (_BY_CHECKINS, _RECENT):
        response = api.get(url)
        assert response.json() == []
        assert "link" not in response.headers


@pytest.mark.parametrize("text", NONSENSE, ids=lambda text: repr(text[:20]))
def test_what_no_parameter_takes_is_named(text: str, server: Server, api: httpx.Client) -> None:
    _stay(server, {1: _now()})
    before = server.client().dbsize()
    for url in _LISTS:
        assert_refused(api.get(f"{url}?limit={quoted(text)}"), "limit")
        assert_refused(api.get(f"{url}?after={quoted(text)}"), "after")
    if text and "/" not in text:
        assert_refused(api.get(f"/api/users/at/{quoted(text)}"), "locationId")
    assert server.client().dbsize() == before


@pytest.mark.parametrize("limit", ["0", "1001", "10000000000000000000000"])
def test_a_limit_out_of_bounds_is_named(limit: str, server: Server, api: httpx.Client) -> None:
    for url in _LISTS:
        assert_refused(api.get(f"{url}?limit={limit}"), "limit")


def test_all_bad_parameters_are_named_at_once(server: Server, api: httpx.Client) -> None:
    assert_refused(api.get("/api/users/at/0?limit=0&after=x"), "locationId", "limit", "after")


@pytest.mark.parametrize("url", _LISTS)
@pytest.mark.parametrize(
    ("field", "value", "expected"),
    [("numCheckins", "x", "a number"), ("lastSeenAt", "5.0", "a number"), ("lastName", b"\xff", "UTF-8")],
)
def test_a_field_that_is_not_what_it_must_be_is_named(
    url: str, field: str, value: str | bytes, expected: str, server: Server, api: httpx.Client
) -> None:
    now = _now()
    _stay(server, {n: now - n for n in range(1, 6)})
    server.client().hset("ncc:users:3", field, value)
    assert_broken(api.get(url), f"ncc:users:3: {field} is not {expected}")


@pytest.mark.parametrize("url", _LISTS)
def test_a_user_of_another_type_is_named(url: str, server: Server, api: httpx.Client) -> None:
    now = _now()
    _stay(server, {n: now - n for n in range(1, 6)})
    server.client().set("ncc:users:3", "x")
    assert_broken(api.get(url), "ncc:users:3 holds another type than it must")


@pytest.mark.parametrize(
    ("url", "key"), [(_BY_CHECKINS, "bycheckins"), (_RECENT, "recent"), (_AT, "lastseen")], ids=str
)
def test_an_index_of_another_type_is_named(url: str, key: str, server: Server, api: httpx.Client) -> None:
    server.client().set(f"ncc:users:{key}", "x")
    for query in ("", "?after=5-5"):
        assert_broken(api.get(url + query), f"ncc:users:{key} holds another type than it must")


@pytest.mark.parametrize(("url", "key"), [(_BY_CHECKINS, "bycheckins"), (_RECENT, "recent"), (_AT, "lastseen")])
@pytest.mark.parametrize("member", ["x", "0", "-1", "bycheckins:", b"\xff", "5\r\n", "9" * 30])
def test_a_page_that_ends_with_nonsense_in_an_index_is_named(
    url: str, key: str, member: str | bytes, server: Server, api: httpx.Client
) -> None:
    now = _now()
    _stay(server, dict.fromkeys(range(1, 4), now))
    client: Any = server.client()
    entry = b"%016d:%013d:%b" % (5, now + 9, member if isinstance(member, bytes) else member.encode())
    client.zadd(f"ncc:users:{key}", {entry: 0} if key == "lastseen" else {member: now + 9})
    assert_broken(api.get(f"{url}?limit=1"), f"ncc:users:{key} has an entry that is about no record")
    assert len(api.get(url).json()) == 3
