"""All places for a map, and names for a feed."""

from collections.abc import Iterator
from typing import Any

import pytest

from api_scene import NONSENSE, assert_broken, assert_refused
from footfall.api.routes import places
from processes import Api
from receiver_scene import open_metadata
from servers import Server


@pytest.fixture
def api(server: Server) -> Iterator[Api]:
    open_metadata(server)
    with Api(server.url) as api:
        yield api


def add_location(client: Any, number: int, checkins: int, **fields: object) -> None:
    """A location that was loaded, unless `location` is None."""
    record = {"id": number, "name": f"Place {number}", "category": "cafe", "location": "1.5,2.5", **fields}
    record |= {"numCheckins": checkins, "numStars": 3 * checkins, "averageStars": 3}
    client.hset(f"ncc:locations:{number}", mapping={name: value for name, value in record.items() if value is not None})
    client.zadd("ncc:locations:bycheckins", {str(number): checkins})


def test_all_places_are_there_column_by_column_the_busiest_first(server: Server, api: Api) -> None:
    client = server.client()
    add_location(client, 1, 5)
    add_location(client, 2, 9, category="gym", location="-122.25,37.5")
    add_location(client, 3, 1)
    add_location(client, 4, 7, name=None, category=None, location=None)  # only check-ins have made it: it lies nowhere
    answer = api.client.get("/api/locations/map")
    assert answer.status_code == 200
    assert answer.json() == {
        "ids": [2, 1, 3],
        "names": ["Place 2", "Place 1", "Place 3"],
        "categories": ["gym", "cafe"],
        "category": [0, 1, 1],
        "longitudes": [-122.25, 1.5, 1.5],
        "latitudes": [37.5, 2.5, 2.5],
        "numCheckins": [9, 5, 1],
        "averageStars": [3, 3, 3],
        "complete": True,
    }
    again = api.client.get("/api/locations/map", headers={"If-None-Match": answer.headers["etag"]})
    assert again.status_code == 304


def test_of_more_than_a_map_takes_the_busiest_are_there(server: Server, api: Api) -> None:
    client = server.client()
    pipeline = client.pipeline(transaction=False)
    for number in range(1, places.MAX_PLACES + 3):
        add_location(pipeline, number, number)
    pipeline.execute()
    found = api.client.get("/api/locations/map").json()
    assert not found["complete"]
    assert found["ids"] == list(range(places.MAX_PLACES + 2, 2, -1))


def test_what_cannot_be_read_is_named_and_asked_for_again(server: Server, api: Api) -> None:
    client = server.client()
    client.set("ncc:locations:bycheckins", "x")
    assert_broken(api.client.get("/api/locations/map"), "ncc:locations:bycheckins holds another type than it must")
    client.delete("ncc:locations:bycheckins")
    assert api.client.get("/api/locations/map").json()["ids"] == []


def test_names_of_those_who_are_there(server: Server, api: Api) -> None:
    client = server.client()
    client.hset("ncc:users:5", mapping={"id": 5, "firstName": "Ada", "lastName": "Lovelace"})
    client.hset("ncc:users:6", mapping={"id": 6, "numCheckins": 1})  # made by a check-in
    answer = api.client.get("/api/users/names?ids=6,7,5")
    assert answer.json() == [{"id": 6, "fullName": ""}, {"id": 5, "fullName": "Ada Lovelace"}]


@pytest.mark.parametrize("ids", [*NONSENSE, "1,", "1,,2", "0", "1,0", ",".join(map(str, range(1, 102)))])
def test_what_are_no_ids_is_named(api: Api, ids: str) -> None:
    assert_refused(api.client.get("/api/users/names", params={"ids": ids}), "ids")


def test_who_asks_for_no_names_gets_none(api: Api) -> None:
    assert api.client.get("/api/users/names").json() == []
