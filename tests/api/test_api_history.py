"""What the API answers about the newest check-ins of a user, and at a location."""

from collections.abc import Iterator

import httpx
import pytest

from footfall.store.scripts import READ_HISTORY
from processes import Api
from servers import Server

_ITEMS = ["1600000000000-0 13 3", "1700000000000-0 14 0,1700000000000-1 13 5"]


@pytest.fixture(scope="module")
def api(shared_server: Server) -> Iterator[httpx.Client]:
    shared_server.reset()
    with Api(shared_server.url, history=3) as process:
        yield process.client


def _store(server: Server, kind: str, items: list[str]) -> None:
    server.client().hset(f"ncc:{kind}s:7", mapping={"id": 7})
    if items:
        server.client().rpush(f"ncc:history:{kind}:7", *items)


def test_a_users_check_ins_come_newest_first_as_entries(server: Server, api: httpx.Client) -> None:
    _store(server, "user", _ITEMS)
    answer = api.get("/api/user/7/checkins")
    assert answer.status_code == 200
    assert answer.json() == [
        {"id": "1700000000000-1", "timestamp": 1700000000000, "userId": 7, "locationId": 13, "starRating": 5},
        {"id": "1700000000000-0", "timestamp": 1700000000000, "userId": 7, "locationId": 14, "starRating": 0},
        {"id": "1600000000000-0", "timestamp": 1600000000000, "userId": 7, "locationId": 13, "starRating": 3},
    ]


def test_a_locations_check_ins_name_the_users(server: Server, api: httpx.Client) -> None:
    _store(server, "location", _ITEMS)
    assert api.get("/api/location/7/checkins?limit=1").json() == [
        {"id": "1700000000000-1", "timestamp": 1700000000000, "userId": 13, "locationId": 7, "starRating": 5}
    ]


@pytest.mark.parametrize("kind", ["user", "location"])
def test_there_are_no_more_than_are_asked_for_or_kept(kind: str, server: Server, api: httpx.Client) -> None:
    _store(server, kind, ["1500000000000-0 1 1", *_ITEMS])  # the processor trims some later
    assert len(api.get(f"/api/{kind}/7/checkins").json()) == 3
    assert len(api.get(f"/api/{kind}/7/checkins?limit=1000").json()) == 3
    assert len(api.get(f"/api/{kind}/7/checkins?limit=2").json()) == 2


def test_no_more_items_are_read_than_hold_what_is_asked_for(server: Server) -> None:
    counts = [1, 1, 7, 2, 1, 3] * 10
    numbers = iter(range(1_000_000, 2_000_000))
    _store(server, "user", [",".join(f"{next(numbers)}-0 13 5" for _ in range(count)) for count in counts])
    client = server.client()
    keys = ["ncc:users:7", "ncc:history:user:7"]
    for wanted in (1, 3, 4, 14, 15, 16, 60, 149, 150, 151, 1000):
        _, _, *items = client.eval(READ_HISTORY.source.decode(), 2, *keys, wanted)
        enough = next((n for n in range(1, 61) if sum(counts[-n:]) >= wanted), 60)
        assert items == client.lrange(keys[1], -enough, -1)[::-1]


@pytest.mark.parametrize("kind", ["user", "location"])
def test_without_check_ins_the_list_is_empty_and_the_unknown_are_not_found(
    kind: str, server: Server, api: httpx.Client
) -> None:
    _store(server, kind, [])
    assert api.get(f"/api/{kind}/7/checkins").json() == []
    answer = api.get(f"/api/{kind}/8/checkins")
    assert answer.status_code == 404
    assert answer.json()["detail"] == f"there is no such {kind}"


@pytest.mark.parametrize("kind", ["user", "location"])
@pytest.mark.parametrize("query", ["limit=0", "limit=1001", "limit=-1", "limit=x", "limit=1e2", "limit=%00", "limit="])
def test_a_limit_that_is_none_is_named(kind: str, query: str, server: Server, api: httpx.Client) -> None:
    _store(server, kind, _ITEMS)
    answer = api.get(f"/api/{kind}/7/checkins?{query}")
    assert answer.status_code == 422
    assert [error["field"] for error in answer.json()["errors"]] == ["limit"]


@pytest.mark.parametrize("kind", ["user", "location"])
@pytest.mark.parametrize("value", ["0", "-1", "07", "x", "%00", "%0D%0A", "9007199254740992"])
def test_what_is_no_id_is_named(kind: str, value: str, server: Server, api: httpx.Client) -> None:
    _store(server, kind, _ITEMS)
    answer = api.get(f"/api/{kind}/{value}/checkins")
    assert answer.status_code == 422
    assert [error["field"] for error in answer.json()["errors"]] == ["id"]


@pytest.mark.parametrize(
    "item", ["", ",", "1-0 1 5,", "x", "1-0 1", "1-0 1 6", "1-0 x 5", "1-0 1 5 ", "-0 1 5", "99999999999999-0 1 5"]
)
def test_an_item_that_is_no_check_in_is_named(item: str, server: Server, api: httpx.Client) -> None:
    _store(server, "user", [item, *_ITEMS[:1]])
    answer = api.get("/api/user/7/checkins")
    assert answer.status_code == 503
    assert answer.json()["detail"] == "ncc:history:user:7 has an item that is no check-in"


@pytest.mark.parametrize("key", ["ncc:users:7", "ncc:history:user:7"])
def test_a_key_of_another_type_is_named(key: str, server: Server, api: httpx.Client) -> None:
    _store(server, "user", _ITEMS)
    server.client().delete(key)
    server.client().set(key, "x")
    answer = api.get("/api/user/7/checkins")
    assert answer.status_code == 503
    assert answer.json()["detail"] == f"{key} holds another type than it must"


def test_when_none_are_kept_the_answer_names_the_setting(server: Server) -> None:
    _store(server, "user", _ITEMS)
    _store(server, "location", _ITEMS)
    with Api(server.url, history=0) as process:
        for kind in ("user", "location"):
            answer = process.client.get(f"/api/{kind}/7/checkins")
            assert answer.status_code == 404
            assert answer.json()["detail"] == "this is not kept: the setting history is 0"
