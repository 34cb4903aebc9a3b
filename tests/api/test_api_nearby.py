"""What the API answers about locations near a place, next to a search of our own through all of them."""

import math
import random
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from api_scene import (
    NONSENSE,
    Answer,
    assert_broken,
    assert_refused,
    ids,
    location_answer,
    pages,
    quoted,
    store_locations,
)
from chaos.scene import full, seeded
from footfall.domain.model import MAX_LATITUDE, indexed_place
from processes import Api
from servers import Server

#: what the server reckons with
_EARTH_M, _MILE_M = 6_372_797.560856, 1609.34
_CATEGORIES = ("cafe", "bar", "gym")


@pytest.fixture(scope="module")
def api(shared_server: Server) -> Iterator[httpx.Client]:
    shared_server.reset()
    with Api(shared_server.url) as process:
        yield process.client


def _miles(lng1: float, lat1: float, lng2: float, lat2: float) -> float:
    """Along a great circle (haversine), with four decimals."""
    a, b = math.radians(lat1), math.radians(lat2)
    u, v = math.sin((b - a) / 2), math.sin(math.radians(lng2 - lng1) / 2)
    return round(2 * _EARTH_M * math.asin(math.sqrt(u * u + math.cos(a) * math.cos(b) * v * v)) / _MILE_M, 4)


def _stored_points(client: Any, locations: list[Answer]) -> dict[int, tuple[float, float]]:
    """Where the server has put them: its index rounds to half a metre."""
    found = client.geopos("ncc:locations:geo", *ids(locations))
    return dict(zip(ids(locations), found, strict=True))


def _somewhere(rng: random.Random) -> tuple[float, float]:
    """(lng, lat): anywhere, or near the date line, or in high latitudes."""
    lng = rng.choice((1, -1)) * rng.choice((rng.uniform(0, 180), 180 - abs(rng.gauss(0, 3)) % 180, 180))
    lat = rng.choice((1, -1)) * rng.choice((rng.uniform(0, 85), 85 - abs(rng.gauss(0, 6)) % 85, MAX_LATITUDE))
    return round(lng, 6), round(lat, 8)


def _url(lng: float, lat: float, radius: float, query: str = "") -> str:
    return f"/api/locations/{lat}/{lng}/{radius}{query}"


def _all(api: httpx.Client, url: str) -> list[Answer]:
    return [location for page in pages(api, url) for location in page]


# --- which, in which order


def test_locations_come_nearest_first_with_their_distance(server: Server, api: httpx.Client) -> None:
    places = {1: "-122.42,37.77", 2: "-122.43,37.77", 3: "-122.41,37.78", 4: "-122.0,37.0"}
    locations = {n: location_answer(n, location=place, averageStars=n) for n, place in places.items()}
    store_locations(server.client(), locations.values())
    response = api.get(_url(-122.42, 37.77, 2))
    assert response.headers["content-type"] == "application/json"
    answers = response.json()
    points = _stored_points(server.client(), list(locations.values()))
    assert answers == [locations[n] | {"distance": _miles(-122.42, 37.77, *points[n])} for n in (1, 2, 3)]
    assert 0.5 < answers[1]["distance"] < 0.6
    assert not {"link", "footfall-complete"} & set(response.headers)


@pytest.mark.parametrize("part", range(4))
def test_a_search_finds_what_a_search_through_all_finds_in_the_same_order(
    part: int, server: Server, api: httpx.Client
) -> None:
    rng = seeded()
    client: Any = server.client()
    locations = []
    for n in rng.sample(range(1, 10_000), 400):
        lng, lat = _somewhere(rng)
        kind = rng.choice(_CATEGORIES)
        locations.append(location_answer(n, location=f"{lng},{lat}", category=kind, averageStars=rng.randrange(6)))
    store_locations(client, locations)
    points = _stored_points(client, locations)
    for _ in range(full(60, 1000)):
        lng, lat = _somewhere(rng)
        radius = round(10 ** rng.uniform(1, math.log10(12_400)), 3)
        category = rng.choice(("", "", *_CATEGORIES))
        stars = rng.choice((0, 0, rng.randint(1, 5)))
        query = f"?limit={rng.choice((3, 50, 1000))}"
        query += (f"&category={category}" if category else "") + (f"&minStars={stars}" if stars else "")
        expected = sorted(
            (distance, location["id"])
            for location in locations
            if (distance := _miles(*indexed_place(lng, lat), *points[location["id"]])) <= radius
            and category in ("", location["category"])
            and location["averageStars"] >= stars
        )
        found = _all(api, _url(lng, lat, radius, query))
        assert [(place["distance"], place["id"]) for place in found] == expected, (lng, lat, radius, query)


@pytest.mark.parametrize(
    ("lat", "radius"), [(79.12, 753.6), (-79.12, 753.6), (85.04, 365.8), (-85.04, 365.8), (80, 691.5), (66.1, 1700)]
)
def test_a_circle_with_a_pole_in_it_goes_all_around(
    lat: float, radius: float, server: Server, api: httpx.Client
) -> None:
    around = [location_answer(n, location=f"{n - 180},{math.copysign(85.05, lat)}") for n in range(1, 361, 3)]
    store_locations(server.client(), around)
    points = _stored_points(server.client(), around)
    for lng in (-180, -177.3, -90, 0, 45.5, 90.1, 180):
        expected = sorted(n for n in points if _miles(lng, lat, *points[n]) <= radius)
        assert expected
        assert sorted(ids(_all(api, _url(lng, lat, radius)))) == expected


def test_a_search_looks_on_both_sides_of_the_date_line(server: Server, api: httpx.Client) -> None:
    places = {1: "179.99,-17", 2: "-179.99,-17", 3: "180,-17", 4: "-180,-17", 5: "179,-17", 6: "-179,-17", 7: "0,-17"}
    store_locations(server.client(), [location_answer(n, location=place) for n, place in places.items()])
    for lng in (180, -180, 179.995, -179.995):
        assert sorted(ids(api.get(_url(lng, -17, 5)).json())) == [1, 2, 3, 4]
        assert sorted(ids(api.get(_url(lng, -17, 100)).json())) == [1, 2, 3, 4, 5, 6]


def test_the_ends_of_the_earth_can_be_asked_for(server: Server, api: httpx.Client) -> None:
    corners = [(180, MAX_LATITUDE), (-180, -MAX_LATITUDE), (180, -MAX_LATITUDE), (-180, MAX_LATITUDE), (0, 0)]
    locations = [location_answer(n, location=f"{lng},{lat}") for n, (lng, lat) in enumerate(corners, 1)]
    store_locations(server.client(), locations)
    for lng, lat in corners:
        assert len(api.get(_url(lng, lat, 0.01)).json()) == (1 if lng == 0 else 2)
        assert sorted(ids(api.get(_url(lng, lat, 12_400)).json())) == [1, 2, 3, 4, 5]
    assert ids(api.get(_url(0, 0, 1e-300)).json()) in ([5], [])


# --- filters


def test_category_and_stars_let_through_what_the_record_says(server: Server, api: httpx.Client) -> None:
    locations = [
        location_answer(n, location="1,1", category=_CATEGORIES[n % 3], averageStars=n % 6) for n in range(1, 200)
    ]
    store_locations(server.client(), locations)
    for category in _CATEGORIES:
        for stars in range(1, 6):
            found = _all(api, _url(1, 1, 1, f"?category={category}&minStars={stars}&limit=5"))
            wanted = [one for one in locations if one["category"] == category and one["averageStars"] >= stars]
            assert ids(found) == ids(wanted)
    assert api.get(_url(1, 1, 1, "?category=nothing")).json() == []


# --- pages, and how far a search goes


@pytest.mark.parametrize("limit", [1, 2, 5, 6, 29, 30, 100])
def test_pages_are_all_locations_once_although_many_are_equally_far_away(
    limit: int, server: Server, api: httpx.Client
) -> None:
    places = {n: ("1,1", "1.001,1", "1.002,1")[n * n % 3] for n in seeded().sample(range(1, 1000), 30)}
    store_locations(server.client(), [location_answer(n, location=place) for n, place in places.items()])
    found = pages(api, _url(1, 1, 1, f"?limit={limit}"))
    assert [one["id"] for page in found for one in page] == sorted(places, key=lambda n: (places[n], n))
    assert all(len(page) == limit for page in found[:-1])


def test_a_search_stops_after_1000_locations_and_says_so(server: Server, api: httpx.Client) -> None:
    locations = [
        location_answer(n, location=f"{1 + n / 10_000},1", category="gym" if n % 100 == 0 else "cafe")
        for n in range(1, 1101)
    ]
    store_locations(server.client(), locations)

    response = api.get(_url(1, 1, 100, "?limit=1000"))
    assert ids(response.json()) == list(range(1, 1001))
    assert response.headers["footfall-complete"] == "false"
    assert "link" not in response.headers

    response = api.get(_url(1, 1, 100, "?category=gym"))
    assert ids(response.json()) == list(range(100, 1001, 100))
    assert response.headers["footfall-complete"] == "false"

    assert "footfall-complete" not in api.get(_url(1, 1, 100, "?category=gym&limit=5")).headers
    assert "footfall-complete" not in api.get(_url(1, 1, 6, "?category=gym")).headers

    url, lengths = _url(1, 1, 100, "?limit=300"), []
    while url:
        response = api.get(url)
        lengths.append(len(response.json()))
        assert response.headers.get("footfall-complete") == (None if response.links else "false")
        url = response.links["next"]["url"] if response.links else ""
    assert lengths == [300, 300, 300, 100]


def test_1000_locations_are_not_too_many(server: Server, api: httpx.Client) -> None:
    store_locations(server.client(), [location_answer(n, location=f"{1 + n / 10_000},1") for n in range(1, 1001)])
    for query in ("?limit=1000", "?category=gym"):
        response = api.get(_url(1, 1, 100, query))
        assert not {"link", "footfall-complete"} & set(response.headers)


def test_locations_that_are_no_longer_there_are_left_out(server: Server, api: httpx.Client) -> None:
    store_locations(server.client(), [location_answer(n, location=f"{1 + n / 1000},1") for n in range(1, 21)])
    server.client().delete(*(f"ncc:locations:{n}" for n in (1, 2, 3, 4, 5, 12, 20)))
    expected = [6, 7, 8, 9, 10, 11, 13, 14, 15, 16, 17, 18, 19]
    for limit in (1, 2, 5, 6, 100):
        assert ids(_all(api, _url(1, 1, 100, f"?limit={limit}"))) == expected
        assert ids(_all(api, _url(1, 1, 100, f"?limit={limit}&category=cafe"))) == expected


# --- bad input


def test_nothing_nearby_is_an_empty_list(server: Server, api: httpx.Client) -> None:
    assert api.get(_url(1, 1, 100)).json() == []
    store_locations(server.client(), [location_answer(1, location="5,5")])
    assert api.get(_url(1, 1, 100)).json() == []


@pytest.mark.parametrize("text", [t for t in NONSENSE if t and "/" not in t], ids=lambda text: repr(text[:20]))
def test_what_is_no_number_is_named(text: str, server: Server, api: httpx.Client) -> None:
    before = server.client().dbsize()
    if text not in ("-1", "-5"):  # a latitude and a longitude
        assert_refused(api.get(f"/api/locations/{quoted(text)}/1/1"), "lat")
        assert_refused(api.get(f"/api/locations/1/{quoted(text)}/1"), "lng")
    assert_refused(api.get(f"/api/locations/1/1/{quoted(text)}"), "radius")
    for name in ("minStars", "limit", "after"):
        assert_refused(api.get(f"/api/locations/1/1/1?{name}={quoted(text)}"), name)
    assert server.client().dbsize() == before


@pytest.mark.parametrize(
    ("lat", "lng", "radius", "field"),
    [
        ("85.05112879", "0", "1", "lat"),
        ("-85.05112879", "0", "1", "lat"),
        ("90", "0", "1", "lat"),
        ("0", "180.000001", "1", "lng"),
        ("0", "-181", "1", "lng"),
        ("0", "0", "0", "radius"),
        ("0", "0", "0.0", "radius"),
        ("0", "0", "-0.0", "radius"),
        ("0", "0", "-1", "radius"),
        ("0", "0", "1e-999", "radius"),
        ("0", "0", "12400.001", "radius"),
        ("0", "0", "1e308", "radius"),
        ("NaN", "0", "1", "lat"),
        ("0", "Infinity", "1", "lng"),
        ("0", "0", "1.", "radius"),
        ("0", "0", ".5", "radius"),
        ("00", "0", "1", "lat"),
        ("1,5", "0", "1", "lat"),
    ],
)
def test_places_and_radii_out_of_bounds_are_named(
    lat: str, lng: str, radius: str, field: str, server: Server, api: httpx.Client
) -> None:
    assert_refused(api.get(f"/api/locations/{lat}/{lng}/{radius}"), field)


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ("minStars=0", "minStars"),
        ("minStars=6", "minStars"),
        ("minStars=4.5", "minStars"),
        ("limit=0", "limit"),
        ("limit=1001", "limit"),
        ("category=", "category"),
        ("category=A", "category"),
        ("category=cafe%00", "category"),
        ("after=1-5", "after"),
        ("after=1.0-5", "after"),
        ("after=1.00000-5", "after"),
        ("after=1.0000-0", "after"),
        ("after=123456.0000-1", "after"),
        ("after=-1.0000-1", "after"),
    ],
)
def test_filters_and_cursors_that_are_none_are_named(query: str, field: str, server: Server, api: httpx.Client) -> None:
    assert_refused(api.get(f"/api/locations/1/1/1?{query}"), field)


def test_a_cursor_that_nobody_has_given_out_is_a_place_too(server: Server, api: httpx.Client) -> None:
    store_locations(server.client(), [location_answer(n, location="1,1") for n in (1, 2, 3)])
    for after, expected in (("0.0000-2", [3]), ("0.0000-9999999999999999", []), ("99999.9999-1", [])):
        assert ids(api.get(_url(1, 1, 1, f"?after={after}")).json())[-1:] == expected[-1:]


def test_broken_keys_are_named(server: Server, api: httpx.Client) -> None:
    client: Any = server.client()
    store_locations(client, [location_answer(n, location="1,1") for n in (1, 2, 3)])
    client.hset("ncc:locations:2", "numStars", "x")
    assert_broken(api.get(_url(1, 1, 1)), "ncc:locations:2: numStars is not a number")
    client.set("ncc:locations:2", "x")
    assert_broken(api.get(_url(1, 1, 1)), "ncc:locations:2 holds another type than it must")
    client.geoadd("ncc:locations:geo", [1, 1, "x"])
    assert_broken(api.get(_url(1, 1, 1)), "ncc:locations:geo has an entry that is about no record")
    client.set("ncc:locations:geo", "x")
    assert_broken(api.get(_url(1, 1, 1)), "ncc:locations:geo holds another type than it must")
