"""Managing users and locations over HTTP: who may, what is taken, and what is said when it is not."""

from collections.abc import Iterator
from typing import Any

import bcrypt
import httpx
import msgspec
import pytest
import redis

from audit_scene import prepare
from chaos.replay import raw_client
from footfall.domain.model import MAX_ID
from footfall.identity import tokens
from manage_scene import KEYS, as_admin, details, problem
from processes import Api
from servers import Server

DETAILS = msgspec.to_builtins(details(500))
NEW: dict[str, dict[str, Any]] = {
    "user": {
        "id": 500,
        "firstName": "Mira",
        "lastName": "Okafor",
        "email": "Mira@Example.com",
        "password": "correct horse",
    },
    "location": {"id": 500, "name": "Harbour", "category": "bar", "location": "-122.4,37.7", "details": DETAILS},
}
CALLS = [
    (method, kind, path)
    for kind in NEW
    for method, path in (("POST", f"/api/{kind}s"), ("PATCH", f"/api/{kind}/1"), ("DELETE", f"/api/{kind}/1"))
]


@pytest.fixture(scope="module")
def api(shared_server: Server) -> Iterator[Api]:
    shared_server.reset()
    with Api(shared_server.url, bcrypt_cost=4, log_level="debug") as process:
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


def body_of(method: str, kind: str) -> dict[str, Any]:
    return NEW[kind] if method == "POST" else {}


# ---------------------------------------------------------------- who may


@pytest.mark.parametrize(("method", "kind", "path"), CALLS)
def test_without_a_token_of_role_admin_nothing_is_done(
    server: Server, client: Any, api: Api, method: str, kind: str, path: str
) -> None:
    with redis.Redis.from_url(server.url) as raw:
        secret = tokens.create(raw, KEYS, "till", "checkin")
    before = client.execute_command("DEBUG", "DIGEST")
    for header in ({}, {"authorization": "Bearer ff_" + "a" * 43}, {"authorization": "Bearer '*\\"}):
        answer = api.client.request(method, path, json=NEW[kind], headers=header)
        assert problem(answer, 401)
        assert answer.headers["www-authenticate"] == "Bearer"
    problem(api.client.request(method, path, json=NEW[kind], headers={"authorization": f"Bearer {secret}"}), 403)
    assert client.execute_command("DEBUG", "DIGEST") == before


def test_the_openapi_document_says_that_a_token_is_needed(api: Api) -> None:
    document = api.client.get("/schema/openapi.json").json()
    for method, _, path in CALLS:
        assert document["paths"][path.replace("/1", "/{id}")][method.lower()]["security"] == [{"token": []}]
    scheme = document["components"]["securitySchemes"]["token"]
    assert (scheme["type"], scheme["scheme"]) == ("http", "bearer")


# ---------------------------------------------------------------- bad input


@pytest.mark.parametrize("kind", NEW)
def test_an_id_that_is_taken_is_a_conflict(admin: httpx.Client, kind: str) -> None:
    body = {name: value for name, value in NEW[kind].items() if name != "details"} | {"id": 1}
    assert problem(admin.post(f"/api/{kind}s", json=body), 409)["detail"] == f"there is a {kind} with this id already"


@pytest.mark.parametrize(
    ("kind", "values", "fields"),
    [
        ("user", {"id": 0}, ["id"]),
        ("user", {"id": MAX_ID + 1}, ["id"]),
        ("user", {"id": 10**30}, ["id"]),
        ("user", {"id": "500"}, ["id"]),
        ("user", {"id": True}, ["id"]),
        ("user", {"id": None}, ["id"]),
        ("user", {"firstName": ""}, ["firstName"]),
        ("user", {"firstName": "a" * 201, "lastName": 5}, ["firstName", "lastName"]),
        ("user", {"email": "no address"}, ["email"]),
        ("user", {"email": "a@b\r\nSet-Cookie: x"}, ["email"]),
        ("user", {"password": ""}, ["password"]),
        ("user", {"password": "ä" * 37}, ["password"]),
        ("user", {"password": bcrypt.hashpw(b"a", bcrypt.gensalt(4)).decode()}, ["password"]),
        ("user", {"numCheckins": 5}, ["numCheckins"]),
        ("user", {"role": "admin", "x" * 300: 1}, ["role", "x" * 100]),
        ("location", {"name": 5, "category": "Café"}, ["name", "category"]),
        ("location", {"category": "a\nb"}, ["category"]),
        ("location", {"location": "1,2,3"}, ["location"]),
        ("location", {"location": "1;2"}, ["location"]),
        ("location", {"location": "181,2"}, ["location"]),
        ("location", {"location": "1,-85.06"}, ["location"]),
        ("location", {"details": []}, ["details"]),
        ("location", {"details": DETAILS | {"id": 501}}, ["details"]),
        ("location", {"details": DETAILS | {"more": 1}}, ["details"]),
        ("location", {"details": DETAILS | {"hours": []}}, ["details"]),
        ("location", {"numStars": 1}, ["numStars"]),
    ],
)
def test_each_field_that_is_wrong_is_named_and_nothing_is_changed(
    admin: httpx.Client, client: Any, kind: str, values: dict[str, Any], fields: list[str]
) -> None:
    before = client.execute_command("DEBUG", "DIGEST")
    document = problem(admin.post(f"/api/{kind}s", json=NEW[kind] | values), 422)
    assert [error["field"] for error in document["errors"]] == fields
    change = {name: value for name, value in values.items() if name != "id"}
    if change:
        document = problem(admin.patch(f"/api/{kind}/1", json=change), 422)
        assert [error["field"] for error in document["errors"]] == fields
    assert client.execute_command("DEBUG", "DIGEST") == before


@pytest.mark.parametrize("kind", NEW)
def test_an_id_is_the_clients_and_must_be_there(admin: httpx.Client, kind: str) -> None:
    body = {name: value for name, value in NEW[kind].items() if name not in {"id", "details"}}
    document = problem(admin.post(f"/api/{kind}s", json=body), 422)
    assert document["errors"] == [{"field": "id", "message": "is missing"}]
    assert problem(admin.patch(f"/api/{kind}/1", json={"id": 2}), 422)["errors"][0]["field"] == "id"


# ---------------------------------------------------------------- the server


def test_while_data_is_loading_it_is_unavailable(admin: httpx.Client, client: Any) -> None:
    client.hset(KEYS.meta, "state", "loading")
    for method, kind, path in CALLS:
        answer = admin.request(method, path, json=body_of(method, kind))
        assert problem(answer, 503)["detail"] == "data is being loaded"
        assert answer.headers["retry-after"]


@pytest.mark.parametrize(("kind", "key"), [("user", KEYS.users_email), ("location", KEYS.locations_geo)])
def test_a_broken_key_is_named(admin: httpx.Client, client: Any, kind: str, key: bytes) -> None:
    client.delete(key)
    client.set(key, "x")
    for method, its_kind, path in CALLS:
        if its_kind == kind:
            answer = admin.request(method, path, json=body_of(method, kind))
            assert key.decode() in problem(answer, 503)["detail"]
