"""What the API answers about what is happening now."""

import time
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from footfall.store.scripts import READ_HOURLY
from processes import Api
from servers import Server

HOUR_MS, BUCKET_MS = 3_600_000, 300_000
_ROUTES = {"now": "/api/location/7/now", "hourly": "/api/location/7/hourly", "trending": "/api/locations/trending"}


@pytest.fixture(scope="module")
def api(shared_server: Server) -> Iterator[httpx.Client]:
    shared_server.reset()
    with Api(shared_server.url) as process:
        yield process.client


@pytest.fixture
def client(server: Server) -> Any:
    client = server.client()
    client.hset("ncc:locations:7", mapping={"id": 7})
    return client


def _now_ms(client: Any) -> int:
    seconds, microseconds = client.time()
    return int(seconds * 1000 + microseconds // 1000)


# --- now


def test_who_is_there_comes_newest_first_those_of_one_ms_by_id(client: Any, api: httpx.Client) -> None:
    now = _now_ms(client)
    times = {
        2: now - 5,
        1000: now - 5,
        30: now - 5,
        9: now - 3 * HOUR_MS + 60_000,
        4: now - 1,
        5: now - 3 * HOUR_MS - 1,
    }
    client.zadd("ncc:now:7", {f"{user:016}": -ms for user, ms in times.items()})
    client.zadd("ncc:now:7", {"renewed": 5})
    present = [4, 2, 30, 1000, 9]
    assert api.get("/api/location/7/now").json() == [{"userId": user, "timestamp": times[user]} for user in present]
    limited = api.get("/api/location/7/now?limit=3").json()
    assert [row["userId"] for row in limited] == present[:3]


@pytest.mark.parametrize("route", ["now", "hourly"])
def test_an_unknown_location_is_not_found_and_an_empty_one_is_empty(route: str, client: Any, api: httpx.Client) -> None:
    answer = api.get(f"/api/location/8/{route}")
    assert answer.status_code == 404
    assert answer.json()["detail"] == "there is no such location"
    client.hset("ncc:locations:8", "id", 8)
    answer = api.get(f"/api/location/8/{route}")
    assert answer.status_code == 200
    assert not any(row.get("numCheckins", 1) for row in answer.json())


# --- hourly


def test_each_of_168_hours_is_there_oldest_first(client: Any, api: httpx.Client) -> None:
    hour, rows = 0, []
    while _now_ms(client) // HOUR_MS != hour:  # once more when the hour has ended meanwhile
        hour = _now_ms(client) // HOUR_MS
        for which, count in {hour: 3, hour - 167: 2, hour - 168: 9, hour + 1: 9}.items():
            client.hset(f"ncc:hourly:{which}", mapping={f"{7:016}": count, f"{77:016}": 100})
        rows = api.get("/api/location/7/hourly").json()
    assert [row["timestamp"] for row in rows] == [(hour - back) * HOUR_MS for back in range(167, -1, -1)]
    counts = [row["numCheckins"] for row in rows]
    assert (counts[0], counts[-1], sum(counts)) == (2, 3, 5)


def test_with_another_hour_than_it_is_the_script_names_that_one(client: Any) -> None:
    hour = _now_ms(client) // HOUR_MS
    client.hset("ncc:locations:7", "id", 7)
    answer = client.eval(READ_HOURLY.source.decode(), 1, "ncc:locations:7", hour - 1, f"{7:016}")
    assert answer[0] in (b"HOUR", "HOUR")
    assert int(answer[1]) - hour in (0, 1)


# --- trending


def _window(client: Any, bucket: int, counts: dict[int, tuple[int, int]]) -> None:
    """Locations with check-ins of the last hour and of the hour before, as a processor leaves them."""
    client.hset("ncc:trending:state", mapping={"window": bucket, "order": 1})
    for location, (last, before) in counts.items():
        client.zadd("ncc:trending:1", {f"{location:016}": before - last})
        for which, count in ((bucket, last), (bucket - 12, before)):
            if count:
                client.hset(f"ncc:trending:bucket:{which}", f"{location:016}", count)


def test_the_greatest_trend_comes_first_those_alike_by_id(client: Any, api: httpx.Client) -> None:
    bucket = _now_ms(client) // BUCKET_MS
    _window(client, bucket, {5: (3, 1), 30: (9, 7), 4: (1, 0), 200: (0, 4), 1: (2, 2)})
    answer = api.get("/api/locations/trending?limit=4").json()
    until = (bucket + 1) * BUCKET_MS
    assert answer == {
        "hourBeforeFrom": until - 2 * HOUR_MS,
        "lastHourFrom": until - HOUR_MS,
        "until": until,
        "locations": [
            {"id": 5, "lastHour": 3, "hourBefore": 1, "trend": 2},
            {"id": 30, "lastHour": 9, "hourBefore": 7, "trend": 2},
            {"id": 4, "lastHour": 1, "hourBefore": 0, "trend": 1},
            {"id": 1, "lastHour": 2, "hourBefore": 2, "trend": 0},
        ],
    }
    assert api.get("/api/locations/trending").json()["locations"][-1]["trend"] == -4


def test_the_answer_names_the_window_that_the_order_stands_for(client: Any, api: httpx.Client) -> None:
    bucket = _now_ms(client) // BUCKET_MS - 7
    _window(client, bucket, {5: (3, 1)})
    client.hset(f"ncc:trending:bucket:{bucket + 1}", f"{5:016}", 100)  # not in this window
    answer = api.get("/api/locations/trending").json()
    assert answer["until"] == (bucket + 1) * BUCKET_MS
    assert answer["locations"] == [{"id": 5, "lastHour": 3, "hourBefore": 1, "trend": 2}]


def test_before_anything_is_processed_nothing_is_trending(client: Any, api: httpx.Client) -> None:
    answer = api.get("/api/locations/trending").json()
    assert answer["locations"] == []
    assert answer["until"] - BUCKET_MS <= _now_ms(client) < answer["until"] + 1000


def test_a_thousand_locations_are_answered_at_once(client: Any, api: httpx.Client) -> None:
    bucket = _now_ms(client) // BUCKET_MS
    client.hset("ncc:trending:state", mapping={"window": bucket, "order": 0})
    members = {f"{location:016}": 1 for location in range(1, 1101)}
    client.zadd("ncc:trending:0", dict.fromkeys(members, -24))
    for back in range(24):
        client.hset(f"ncc:trending:bucket:{bucket - back}", mapping=members)
    rows = api.get("/api/locations/trending?limit=1000").json()["locations"]
    assert [row["id"] for row in rows] == list(range(1, 1001))
    assert {(row["lastHour"], row["hourBefore"]) for row in rows} == {(12, 12)}


# --- all of them


@pytest.mark.parametrize("route", ["now", "trending"])
@pytest.mark.parametrize("query", ["limit=0", "limit=1001", "limit=x", "limit=%F0%9F%98%80", "limit='"])
def test_a_limit_that_is_none_is_named(route: str, query: str, client: Any, api: httpx.Client) -> None:
    answer = api.get(f"{_ROUTES[route]}?{query}")
    assert answer.status_code == 422
    assert [error["field"] for error in answer.json()["errors"]] == ["limit"]


@pytest.mark.parametrize(("route", "key"), [
    *(("now", key) for key in ("ncc:locations:7", "ncc:now:7")),
    *(("hourly", key) for key in ("ncc:locations:7", "an hour")),
    *(("trending", key) for key in ("ncc:trending:state", "ncc:trending:1", "a bucket")),
])  # fmt: skip
def test_a_key_of_another_type_is_named(route: str, key: str, client: Any, api: httpx.Client) -> None:
    bucket = int(time.time() * 1000) // BUCKET_MS
    _window(client, bucket, {7: (1, 1)})
    if key == "an hour":
        key = f"ncc:hourly:{int(time.time()) // 3600 - 1}"
    if key == "a bucket":
        key = f"ncc:trending:bucket:{bucket}"
    client.delete(key)
    client.set(key, "x")
    answer = api.get(_ROUTES[route])
    assert answer.status_code == 503
    assert answer.json()["detail"] == f"{key} holds another type than it must"


@pytest.mark.parametrize("value", ["x", "-1", "1.5", ""])
def test_a_count_of_an_hour_that_is_none_is_named(value: str, client: Any, api: httpx.Client) -> None:
    key = f"ncc:hourly:{_now_ms(client) // HOUR_MS - 1}"
    client.hset(key, f"{7:016}", value)
    answer = api.get("/api/location/7/hourly")
    assert answer.status_code == 503
    assert answer.json()["detail"] == f"{key} holds what is no number"


def test_a_user_that_is_none_is_named(client: Any, api: httpx.Client) -> None:
    client.zadd("ncc:now:7", {"x": -_now_ms(client)})
    assert api.get("/api/location/7/now").json()["detail"] == "ncc:now:7 holds what is no number"


@pytest.mark.parametrize("window", ["", "x", "-1", "1.5", "99999999999999999"])
def test_a_window_that_is_none_is_named(window: str, client: Any, api: httpx.Client) -> None:
    client.hset("ncc:trending:state", mapping={"window": window, "order": 0})
    answer = api.get("/api/locations/trending")
    assert answer.status_code == 503
    assert "ncc:trending:state" in answer.json()["detail"]


def test_an_order_that_holds_no_location_is_named(client: Any, api: httpx.Client) -> None:
    client.hset("ncc:trending:state", mapping={"window": _now_ms(client) // BUCKET_MS, "order": 0})
    client.zadd("ncc:trending:0", {"x": 1})
    answer = api.get("/api/locations/trending")
    assert answer.status_code == 503
    assert answer.json()["detail"] == "ncc:trending:0 holds what is no number"


def test_what_is_off_is_named(server: Server) -> None:
    server.client().hset("ncc:locations:7", mapping={"id": 7})
    with Api(server.url, now="off", hourly="false", trending=0) as process:
        for setting, path in _ROUTES.items():
            answer = process.client.get(path)
            assert answer.status_code == 404
            assert answer.json()["detail"] == f"this is not kept: the setting {setting} is off"
