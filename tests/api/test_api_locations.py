"""What the API answers about one location."""

from collections.abc import Iterator, Mapping
from typing import Any

import httpx
import msgspec
import pytest

from api_scene import NONSENSE, assert_broken, assert_not_found, assert_refused, quoted
from processes import Api
from servers import Server

_CAFE = {
    "id": 13,
    "name": "Corner Coffee",
    "category": "cafe",
    "location": "-122.4194,37.7749",
    "numCheckins": 3,
    "numStars": 13,
    "averageStars": 4,
}


_DETAILS: dict[str, Any] = {
    "id": 13,
    "hours": [{"day": day, "hours": "Closed" if day == 6 else f"{day}-19"} for day in range(7)],
    "socials": [{"name": "instagram", "handle": "corner"}, {"name": "facebook", "handle": "corner.coffee"}],
    "website": "https://corner.example.com",
    "description": 'Café \U0001f600 "and" more.',
    "phone": "(415) 555-0100",
}


@pytest.fixture(scope="module")
def api(shared_server: Server) -> Iterator[httpx.Client]:
    shared_server.reset()
    with Api(shared_server.url) as process:
        yield process.client


def _store(server: Server, location_id: int, fields: Mapping[Any, Any]) -> None:
    server.client().hset(f"ncc:locations:{location_id}", mapping=fields)


def test_a_location_has_its_place_and_numbers(server: Server, api: httpx.Client) -> None:
    _store(server, 13, {**_CAFE, "unknown": "field"})
    response = api.get("/api/location/13")
    assert response.status_code == 200
    assert response.headers["content-type"] == "application/json"
    assert response.text == (
        '{"id":13,"name":"Corner Coffee","category":"cafe","location":"-122.4194,37.7749",'
        '"numCheckins":3,"numStars":13,"averageStars":4}'
    )


def test_a_location_made_by_a_check_in_has_numbers_only(server: Server, api: httpx.Client) -> None:
    _store(server, 5, {"id": 5, "numCheckins": 1, "numStars": 0, "averageStars": 0})
    assert api.get("/api/location/5").json() == {
        "id": 5,
        "name": None,
        "category": None,
        "location": None,
        "numCheckins": 1,
        "numStars": 0,
        "averageStars": 0,
    }


def test_an_unknown_location_is_not_found(server: Server, api: httpx.Client) -> None:
    response = api.get("/api/location/5")
    assert response.status_code == 404
    assert response.headers["content-type"] == "application/problem+json"
    assert response.json()["detail"] == "there is no such location"


@pytest.mark.parametrize("value", ["0", "-1", "013", "13.0", "geo", "%00", "%0D%0A", "9007199254740992"])
def test_what_is_no_id_is_named(value: str, server: Server, api: httpx.Client) -> None:
    _store(server, 13, _CAFE)
    response = api.get(f"/api/location/{value}")
    assert response.status_code == 422
    assert response.headers["content-type"] == "application/problem+json"
    assert [error["field"] for error in response.json()["errors"]] == ["id"]


@pytest.mark.parametrize("field", ["id", "numCheckins", "numStars", "averageStars"])
@pytest.mark.parametrize("value", ["", "x", "-1", "4.5"])
def test_a_number_that_is_none_is_named(field: str, value: str, server: Server, api: httpx.Client) -> None:
    _store(server, 13, {**_CAFE, field: value})
    response = api.get("/api/location/13")
    assert response.status_code == 503
    assert response.headers["content-type"] == "application/problem+json"
    assert response.json()["detail"] == f"ncc:locations:13: {field} is not a number"


def test_a_key_of_another_type_is_named(server: Server, api: httpx.Client) -> None:
    server.client().rpush("ncc:locations:13", "x")
    response = api.get("/api/location/13")
    assert response.status_code == 503
    assert response.json()["detail"] == "ncc:locations:13 holds another type than it must"


# --- with details


def _store_details(server: Server, details: Any) -> None:
    stored = details if isinstance(details, bytes) else msgspec.json.encode(details)
    server.client().set("ncc:locationdetails:13", stored)


def test_details_are_there_when_asked_for(server: Server, api: httpx.Client) -> None:
    _store(server, 13, _CAFE)
    _store_details(server, _DETAILS)
    assert api.get("/api/location/13?withDetails=true").json() == {**_CAFE, "details": _DETAILS}
    plain = api.get("/api/location/13").text
    assert api.get("/api/location/13?withDetails=false").text == plain
    assert "details" not in plain


def test_details_that_nobody_has_loaded_are_null(server: Server, api: httpx.Client) -> None:
    _store(server, 13, _CAFE)
    assert api.get("/api/location/13?withDetails=true").json() == {**_CAFE, "details": None}


def test_details_without_a_location_are_not_found(server: Server, api: httpx.Client) -> None:
    _store_details(server, _DETAILS)
    assert_not_found(api.get("/api/location/13?withDetails=true"), "there is no such location")


@pytest.mark.parametrize("text", [*NONSENSE, "True", "TRUE", "1", "yes", "truefalse"], ids=lambda text: repr(text[:20]))
def test_what_is_neither_true_nor_false_is_named(text: str, server: Server, api: httpx.Client) -> None:
    _store(server, 13, _CAFE)
    assert_refused(api.get(f"/api/location/13?withDetails={quoted(text)}"), "withDetails")


@pytest.mark.parametrize(
    "details",
    [b"", b"x", b"{}", b"null", b"[1]", b"\xff", b'{"id":13}', {**_DETAILS, "hours": []}, {**_DETAILS, "phone": 5}],
    ids=lambda details: repr(details)[:20],
)
def test_details_that_are_none_are_named(details: Any, server: Server, api: httpx.Client) -> None:
    _store(server, 13, _CAFE)
    _store_details(server, details)
    assert_broken(
        api.get("/api/location/13?withDetails=true"), "ncc:locationdetails:13 does not hold a location's details"
    )
    assert api.get("/api/location/13").json() == _CAFE


def test_details_of_another_type_are_named(server: Server, api: httpx.Client) -> None:
    _store(server, 13, _CAFE)
    server.client().hset("ncc:locationdetails:13", "x", "y")
    assert_broken(
        api.get("/api/location/13?withDetails=true"), "ncc:locationdetails:13 holds another type than it must"
    )
