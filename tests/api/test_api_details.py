"""What the API answers about a location's details."""

from collections.abc import Iterator
from itertools import combinations
from typing import Any

import httpx
import msgspec
import pytest

from api_scene import (
    NONSENSE,
    assert_broken,
    assert_not_found,
    assert_refused,
    location_answer,
    quoted,
    store_locations,
)
from processes import Api
from servers import Server

_URL = "/api/location/13/details"
_DETAILS: dict[str, Any] = {
    "id": 13,
    "hours": [{"day": day, "hours": "Closed" if day == 6 else f"{day}-19"} for day in (3, 1, 2, 0, 4, 6, 5)],
    "socials": [{"name": "instagram", "handle": "corner"}],
    "website": "",
    "description": "Café \U0001f600",
    "phone": "(415) 555-0100",
}
_SECTIONS = ("socials", "website", "description", "phone", "hours")


@pytest.fixture(scope="module")
def api(shared_server: Server) -> Iterator[httpx.Client]:
    shared_server.reset()
    with Api(shared_server.url) as process:
        yield process.client


@pytest.fixture
def details(server: Server) -> dict[str, Any]:
    store_locations(server.client(), [location_answer(13), location_answer(14)])
    server.client().set("ncc:locationdetails:13", msgspec.json.encode(_DETAILS))
    return _DETAILS


def test_details_are_all_sections(details: dict[str, Any], api: httpx.Client) -> None:
    assert api.get(_URL).json() == details


def test_sections_are_those_that_are_asked_for(details: dict[str, Any], api: httpx.Client) -> None:
    for count in range(1, 6):
        for sections in combinations(_SECTIONS, count):
            expected = {name: details[name] for name in ("id", *sections)}
            assert api.get(f"{_URL}?sections={','.join(sections)}").json() == expected
    assert api.get(f"{_URL}?sections=phone,phone").json() == {"id": 13, "phone": details["phone"]}


@pytest.mark.parametrize("day", range(7))
def test_hours_of_a_day_are_found_wherever_they_stand(day: int, details: dict[str, Any], api: httpx.Client) -> None:
    hours = "Closed" if day == 6 else f"{day}-19"
    assert api.get(f"/api/location/13/hours/{day}").json() == {"day": day, "hours": hours}


@pytest.mark.parametrize("path", ["details", "details?sections=phone", "hours/0"])
def test_what_is_not_there_is_not_found(path: str, details: dict[str, Any], server: Server, api: httpx.Client) -> None:
    assert_not_found(api.get(f"/api/location/15/{path}"), "there is no such location")
    assert_not_found(api.get(f"/api/location/14/{path}"), "this location has no details")
    server.client().delete("ncc:locations:13")
    assert_not_found(api.get(f"/api/location/13/{path}"), "there is no such location")


def test_a_day_without_hours_is_not_found(details: dict[str, Any], server: Server, api: httpx.Client) -> None:
    week = [{"day": 0, "hours": "7-19"}] * 7
    server.client().set("ncc:locationdetails:13", msgspec.json.encode({**details, "hours": week}))
    assert api.get("/api/location/13/hours/0").json() == week[0]
    assert_not_found(api.get("/api/location/13/hours/1"), "this location has no opening hours for this day")


@pytest.mark.parametrize("text", NONSENSE, ids=lambda text: repr(text[:20]))
def test_what_no_parameter_takes_is_named(text: str, details: dict[str, Any], api: httpx.Client) -> None:
    assert_refused(api.get(f"{_URL}?sections={quoted(text)}"), "sections")
    if text and "/" not in text:
        assert_refused(api.get(f"/api/location/13/hours/{quoted(text)}"), "day")
        assert_refused(api.get(f"/api/location/{quoted(text)}/hours/0"), "id")
        assert_refused(api.get(f"/api/location/{quoted(text)}/details"), "id")


@pytest.mark.parametrize("text", ["Phone", "phone,", ",phone", "phone;website", "phone, website", "id", "email", "all"])
def test_what_is_no_section_is_named(text: str, details: dict[str, Any], api: httpx.Client) -> None:
    response = api.get(f"{_URL}?sections={quoted(text)}")
    assert_refused(response, "sections")
    assert "socials,website,description,phone,hours" in response.json()["detail"]


@pytest.mark.parametrize("day", ["7", "-1", "00", "monday"])
def test_what_is_no_day_is_named(day: str, details: dict[str, Any], api: httpx.Client) -> None:
    response = api.get(f"/api/location/13/hours/{day}")
    assert response.json()["detail"] == "day: must be a whole number from 0 to 6"


@pytest.mark.parametrize("path", ["details", "hours/0"])
def test_broken_keys_are_named(path: str, details: dict[str, Any], server: Server, api: httpx.Client) -> None:
    client = server.client()
    client.set("ncc:locationdetails:13", "x")
    assert_broken(api.get(f"/api/location/13/{path}"), "ncc:locationdetails:13 does not hold a location's details")
    client.delete("ncc:locationdetails:13")
    client.hset("ncc:locationdetails:13", "x", "y")
    assert_broken(api.get(f"/api/location/13/{path}"), "ncc:locationdetails:13 holds another type than it must")
    client.set("ncc:locations:14", "x")
    assert_broken(api.get(f"/api/location/14/{path}"), "ncc:locations:14 holds another type than it must")
