"""What the API answers about many locations."""

from collections.abc import Iterator

import httpx
import pytest

from api_scene import (
    NONSENSE,
    assert_broken,
    assert_refused,
    by_id_as_text,
    ids,
    location_answer,
    pages,
    quoted,
    store_locations,
)
from chaos.scene import seeded
from footfall.domain.model import MAX_ID
from processes import Api
from servers import Server

_BY_CHECKINS, _CAFES = "/api/locations/bycheckins", "/api/locations/bycategory/cafe"
_LISTS = (_BY_CHECKINS, _CAFES)


@pytest.fixture(scope="module")
def api(shared_server: Server) -> Iterator[httpx.Client]:
    shared_server.reset()
    with Api(shared_server.url) as process:
        yield process.client


def test_the_busiest_locations_come_first(server: Server, api: httpx.Client) -> None:
    counts = {1: 5, 2: 70, 3: 8, MAX_ID: 2**50}
    locations = [
        location_answer(n, numCheckins=count, numStars=3 * count, averageStars=3) for n, count in counts.items()
    ]
    store_locations(server.client(), locations)
    response = api.get(_BY_CHECKINS)
    assert response.headers["content-type"] == "application/json"
    assert response.json() == [locations[3], locations[1], locations[2], locations[0]]
    assert "link" not in response.headers


def test_a_category_has_its_locations_by_id(server: Server, api: httpx.Client) -> None:
    cafes = [location_answer(n) for n in (MAX_ID, 3, 20, 100)]
    bars = [location_answer(n, category="bar") for n in (2, 4)]
    store_locations(server.client(), [*cafes, *bars])
    assert api.get(_CAFES).json() == [cafes[1], cafes[2], cafes[3], cafes[0]]
    assert api.get("/api/locations/bycategory/bar").json() == bars
    for nothing in ("gym", "c", "cafe2", "geo", "a" * 64, "0_-"):
        assert api.get(f"/api/locations/bycategory/{nothing}").json() == []


def test_a_list_has_100_locations_unless_asked_for_more_or_fewer(server: Server, api: httpx.Client) -> None:
    store_locations(server.client(), [location_answer(n, numCheckins=2000 - n) for n in range(1, 1102)])
    for url in _LISTS:
        for query, length in (("", 100), ("?limit=1", 1), ("?limit=1000", 1000)):
            assert ids(api.get(url + query).json()) == list(range(1, length + 1))


@pytest.mark.parametrize("limit", [1, 2, 7, 39, 40, 41])
def test_pages_are_all_locations_once(limit: int, server: Server, api: httpx.Client) -> None:
    rng = seeded()
    counts = {n: rng.choice((0, 0, 1, 1, 5, 12)) for n in rng.sample(range(1, 3000), 40)}
    store_locations(server.client(), [location_answer(n, numCheckins=count) for n, count in counts.items()])
    busiest = [
        n
        for count in sorted(set(counts.values()), reverse=True)
        for n in by_id_as_text(n for n in counts if counts[n] == count)
    ]
    for url, expected in ((_BY_CHECKINS, busiest), (_CAFES, sorted(counts))):
        found = pages(api, f"{url}?limit={limit}")
        assert ids(location for page in found for location in page) == expected
        assert all(found)


@pytest.mark.parametrize("url", _LISTS)
def test_locations_that_are_no_longer_there_are_left_out(url: str, server: Server, api: httpx.Client) -> None:
    store_locations(server.client(), [location_answer(n) for n in range(1, 6)])
    server.client().delete("ncc:locations:1", "ncc:locations:4")
    assert sorted(ids(api.get(url).json())) == [2, 3, 5]
    assert sorted(ids(location for page in pages(api, f"{url}?limit=1") for location in page)) == [2, 3, 5]


@pytest.mark.parametrize("text", NONSENSE, ids=lambda text: repr(text[:20]))
def test_what_no_parameter_takes_is_named(text: str, server: Server, api: httpx.Client) -> None:
    store_locations(server.client(), [location_answer(1)])
    before = server.client().dbsize()
    for url in _LISTS:
        assert_refused(api.get(f"{url}?limit={quoted(text)}"), "limit")
        assert_refused(api.get(f"{url}?after={quoted(text)}"), "after")
    assert server.client().dbsize() == before


@pytest.mark.parametrize(
    "category", ["Cafe", "-cafe", "_cafe", "a b", "café", "a" * 65, "cafe\n", "cafe\x00", "*", "'", "a:b", "\U0001f600"]
)
def test_what_is_no_category_is_named(category: str, server: Server, api: httpx.Client) -> None:
    store_locations(server.client(), [location_answer(1)])
    assert_refused(api.get(f"/api/locations/bycategory/{quoted(category)}"), "category")


@pytest.mark.parametrize("url", _LISTS)
def test_broken_keys_are_named(url: str, server: Server, api: httpx.Client) -> None:
    client = server.client()
    store_locations(client, [location_answer(n) for n in range(1, 6)])
    client.hset("ncc:locations:3", "averageStars", "4.5")
    assert_broken(api.get(url), "ncc:locations:3: averageStars is not a number")
    client.set("ncc:locations:3", "x")
    assert_broken(api.get(url), "ncc:locations:3 holds another type than it must")


@pytest.mark.parametrize(("url", "key"), [(_BY_CHECKINS, "bycheckins"), (_CAFES, "category:cafe")])
def test_a_broken_index_is_named(url: str, key: str, server: Server, api: httpx.Client) -> None:
    client = server.client()
    store_locations(client, [location_answer(n) for n in range(1, 4)])
    client.zadd(f"ncc:locations:{key}", {"x": 0.5})
    assert_broken(api.get(f"{url}?limit=1"), f"ncc:locations:{key} has an entry that is about no record")
    client.set(f"ncc:locations:{key}", "x")
    after = "5-5" if url == _BY_CHECKINS else "5"
    for query in ("", f"?after={after}"):
        assert_broken(api.get(url + query), f"ncc:locations:{key} holds another type than it must")
