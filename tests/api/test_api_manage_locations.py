"""Managing locations over HTTP: what is taken."""

import json
from collections.abc import Iterator
from typing import Any

import httpx
import msgspec
import pytest

from audit_scene import assert_sound, prepare
from chaos.replay import raw_client
from manage_scene import as_admin, details, problem
from processes import Api
from servers import Server

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
    with as_admin(server, api) as admin:
        yield admin


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


def test_the_longest_details_fit(admin: httpx.Client, client: Any) -> None:
    long = DETAILS | {"description": "😀" * 5000, "website": "ü" * 500}
    body = json.dumps(NEW | {"details": long}, ensure_ascii=False).encode()
    answer = admin.post("/api/locations", content=body, headers={"content-type": "application/json"})
    assert answer.status_code == 201
    assert_sound(client)
