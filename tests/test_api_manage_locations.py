"""Managing locations over HTTP: who may, and what is taken."""

import json
from collections.abc import Iterator
from typing import Any

import httpx
import msgspec
import pytest
import redis

from audit_scene import assert_sound, prepare
from chaos.replay import raw_client
from footfall.auth import tokens
from footfall.keys import Keys
from manage_scene import details
from processes import Api
from servers import Server

KEYS = Keys("ncc")
DETAILS = msgspec.to_builtins(details(500))
NEW = {"id": 500, "name": "Harbour", "category": "bar", "location": "-122.4,37.7", "details": DETAILS}
SHOWN = {
    "id": 500,
    "name": "Harbour",
    "category": "bar",
    "location": "-122.4,37.7",
    "numCheckins": 0,
    "numStars": 0,
    "averageStars": 0,
}
CALLS = [("POST", "/api/locations"), ("PATCH", "/api/location/1"), ("DELETE", "/api/location/1")]


@pytest.fixture(scope="module")
def api(shared_server: Server) -> Iterator[Api]:
    shared_server.reset()
    with Api(shared_server.url) as process:
        yield process


@pytest.fixture
def client(server: Server) -> Iterator[Any]:
    client = raw_client(server.port)
    prepare(server, client)
    yield client
    client.close()


@pytest.fixture
def admin(server: Server, client: Any, api: Api) -> Iterator[httpx.Client]:
    """Requests with a token of role admin."""
    with redis.Redis.from_url(server.url) as raw:
        secret = tokens.create(raw, KEYS, "registry", "admin")
    with httpx.Client(base_url=api.url, headers={"authorization": f"Bearer {secret}"}, timeout=10) as http:
        yield http


def problem(response: httpx.Response, status: int) -> dict[str, Any]:
    """The problem document of an answer with this status."""
    assert response.status_code == status, response.text
    assert response.headers["content-type"] == "application/problem+json"
    document: dict[str, Any] = response.json()
    return document


def test_a_location_is_added_changed_and_removed(admin: httpx.Client, client: Any, api: Api) -> None:
    added = admin.post("/api/locations", json=NEW)
    assert (added.status_code, added.headers["location"], added.json()) == (201, "/api/location/500", SHOWN)
    assert admin.get(added.headers["location"]).json() == SHOWN
    assert admin.get("/api/location/500/details").json() == DETAILS
    changed = admin.patch("/api/location/500", json={"name": "Pier", "category": "cafe", "details": None})
    assert (changed.status_code, changed.json()) == (200, SHOWN | {"name": "Pier", "category": "cafe"})
    problem(admin.get("/api/location/500/details"), 404)
    assert_sound(client)
    removed = admin.delete("/api/location/500")
    assert (removed.status_code, removed.content) == (204, b"")
    assert problem(admin.delete("/api/location/500"), 404)["detail"] == "there is no such location"
    assert problem(admin.patch("/api/location/500", json={}), 404)["detail"] == "there is no such location"
    assert "removed for good" in problem(admin.post("/api/locations", json=NEW), 409)["detail"]
    for line in ("added location 500", "changed location 500", "removed location 500"):
        assert f"The token registry {line}." in api.log
    assert_sound(client)


def test_an_id_that_is_taken_is_a_conflict(admin: httpx.Client) -> None:
    document = problem(admin.post("/api/locations", json=NEW | {"id": 1, "details": None}), 409)
    assert document["detail"] == "there is a location with this id already"


@pytest.mark.parametrize(("method", "path"), CALLS)
def test_without_a_token_of_role_admin_nothing_is_done(
    server: Server, client: Any, api: Api, method: str, path: str
) -> None:
    with redis.Redis.from_url(server.url) as raw:
        secret = tokens.create(raw, KEYS, "till", "checkin")
    before = client.execute_command("DEBUG", "DIGEST")
    problem(api.client.request(method, path, json=NEW), 401)
    problem(api.client.request(method, path, json=NEW, headers={"authorization": f"Bearer {secret}"}), 403)
    assert client.execute_command("DEBUG", "DIGEST") == before


@pytest.mark.parametrize(
    ("values", "fields"),
    [
        ({"name": 5, "category": "Café"}, ["name", "category"]),
        ({"category": "a\nb"}, ["category"]),
        ({"location": "1,2,3"}, ["location"]),
        ({"location": "1;2"}, ["location"]),
        ({"location": "181,2"}, ["location"]),
        ({"location": "1,-85.06"}, ["location"]),
        ({"details": []}, ["details"]),
        ({"details": DETAILS | {"id": 501}}, ["details"]),
        ({"details": DETAILS | {"more": 1}}, ["details"]),
        ({"details": DETAILS | {"hours": []}}, ["details"]),
        ({"numStars": 1}, ["numStars"]),
    ],
)
def test_each_field_that_is_wrong_is_named_and_nothing_is_changed(
    admin: httpx.Client, client: Any, values: dict[str, Any], fields: list[str]
) -> None:
    before = client.execute_command("DEBUG", "DIGEST")
    for answer in (
        admin.post("/api/locations", json=NEW | values),
        admin.patch("/api/location/1", json=values),
    ):
        assert [error["field"] for error in problem(answer, 422)["errors"]] == fields
    assert client.execute_command("DEBUG", "DIGEST") == before


def test_an_id_is_the_clients_and_must_be_there(admin: httpx.Client) -> None:
    body = {"name": "Harbour", "category": "bar", "location": "1,2"}
    assert problem(admin.post("/api/locations", json=body), 422)["errors"] == [{"field": "id", "message": "is missing"}]


def test_the_longest_details_fit(admin: httpx.Client, client: Any) -> None:
    long = DETAILS | {"description": "😀" * 5000, "website": "ü" * 500}
    body = json.dumps(NEW | {"details": long}, ensure_ascii=False).encode()
    answer = admin.post("/api/locations", content=body, headers={"content-type": "application/json"})
    assert answer.status_code == 201
    assert_sound(client)


def test_while_data_is_loading_it_is_unavailable_and_a_broken_key_is_named(admin: httpx.Client, client: Any) -> None:
    client.delete(KEYS.locations_geo)
    client.set(KEYS.locations_geo, "x")
    for method, path in CALLS:
        body = NEW if method == "POST" else {}
        assert "ncc:locations:geo" in problem(admin.request(method, path, json=body), 503)["detail"]
    client.hset(KEYS.meta, "state", "loading")
    for method, path in CALLS:
        body = NEW if method == "POST" else {}
        assert problem(admin.request(method, path, json=body), 503)["detail"] == "data is being loaded"
