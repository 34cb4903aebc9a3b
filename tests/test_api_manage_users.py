"""Managing users over HTTP: who may, what is taken, and that no secret shows."""

import json
from collections.abc import Iterator
from typing import Any

import bcrypt
import httpx
import pytest
import redis

from audit_scene import assert_sound, prepare
from chaos.replay import raw_client
from footfall.auth import tokens
from footfall.keys import Keys
from footfall.model import MAX_ID
from processes import Api
from raw_http import RawConnection
from servers import Server

KEYS = Keys("ncc")
NEW = {
    "id": 500,
    "firstName": "Mira",
    "lastName": "Okafor",
    "email": "Mira@Example.com",
    "password": "correct horse",
}
SHOWN = {
    "id": 500,
    "firstName": "Mira",
    "lastName": "Okafor",
    "numCheckins": 0,
    "lastCheckin": None,
    "lastSeenAt": None,
}


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
    """Requests with a token of role admin."""
    with redis.Redis.from_url(server.url) as raw:
        secret = tokens.create(raw, KEYS, "registry", "admin")
    with httpx.Client(base_url=api.url, headers={"authorization": f"Bearer {secret}"}, timeout=10) as http:
        yield http
    assert secret not in api.log


def problem(response: httpx.Response, status: int) -> dict[str, Any]:
    """The problem document of an answer with this status."""
    assert response.status_code == status, response.text
    assert response.headers["content-type"] == "application/problem+json"
    document: dict[str, Any] = response.json()
    return document


# ---------------------------------------------------------------- what is taken


def test_a_user_is_added_changed_and_removed(admin: httpx.Client, client: Any, api: Api) -> None:
    added = admin.post("/api/users", json=NEW)
    assert (added.status_code, added.headers["location"], added.json()) == (201, "/api/user/500", SHOWN)
    assert admin.get(added.headers["location"]).json() == SHOWN
    changed = admin.patch("/api/user/500", json={"lastName": "Zoë 😀", "password": "battery staple"})
    assert (changed.status_code, changed.json()) == (200, SHOWN | {"lastName": "Zoë 😀"})
    assert bcrypt.checkpw(b"battery staple", client.hget(KEYS.user(500), "password"))
    assert_sound(client)
    removed = admin.delete("/api/user/500")
    assert (removed.status_code, removed.content) == (204, b"")
    assert problem(admin.get("/api/user/500"), 404)["detail"] == "there is no such user"
    assert problem(admin.delete("/api/user/500"), 404)["detail"] == "there is no such user"
    assert "removed for good" in problem(admin.post("/api/users", json=NEW), 409)["detail"]
    for line in ("added user 500", "changed user 500", "removed user 500"):
        assert f"The token registry {line}." in api.log
    assert_sound(client)


def test_no_password_hash_or_email_is_in_an_answer_or_a_log_line(admin: httpx.Client, client: Any, api: Api) -> None:
    answers = [
        admin.post("/api/users", json=NEW),
        admin.post("/api/users", json=NEW | {"id": 501}),
        admin.post("/api/users", json=NEW | {"id": 502, "email": "USER2@example.com"}),
        admin.patch("/api/user/500", json={"email": "user2@example.com", "password": "battery staple"}),
        admin.patch("/api/user/500", json={"email": "fine@example.com", "password": "battery staple"}),
        admin.post("/api/users", json=NEW | {"firstName": 5, "email": "correct horse"}),
        admin.delete("/api/user/500"),
    ]
    assert [answer.status_code for answer in answers] == [201, 409, 409, 409, 200, 422, 204]
    said = api.log + "".join(answer.text for answer in answers)
    for secret in ("horse", "staple", "$2b$", "mira@", "user2@", "fine@"):
        assert secret not in said.lower()


@pytest.mark.parametrize(
    ("body", "detail"),
    [
        (NEW | {"id": 1}, "there is a user with this id already"),
        (NEW | {"email": "User2@example.COM"}, "another user has this e-mail"),
    ],
)
def test_what_is_taken_is_a_conflict(admin: httpx.Client, body: Any, detail: str) -> None:
    assert problem(admin.post("/api/users", json=body), 409)["detail"] == detail


def test_a_user_without_check_ins_or_names_is_unknown(admin: httpx.Client) -> None:
    assert problem(admin.patch("/api/user/500", json={}), 404)["detail"] == "there is no such user"


# ---------------------------------------------------------------- who may

CALLS = [("POST", "/api/users"), ("PATCH", "/api/user/1"), ("DELETE", "/api/user/1")]


@pytest.mark.parametrize(("method", "path"), CALLS)
def test_without_a_token_of_role_admin_nothing_is_done(
    server: Server, client: Any, api: Api, method: str, path: str
) -> None:
    with redis.Redis.from_url(server.url) as raw:
        secret = tokens.create(raw, KEYS, "till", "checkin")
    before = client.execute_command("DEBUG", "DIGEST")
    for header in ({}, {"authorization": "Bearer ff_" + "a" * 43}, {"authorization": "Bearer '*\\"}):
        answer = api.client.request(method, path, json=NEW, headers=header)
        assert problem(answer, 401)
        assert answer.headers["www-authenticate"] == "Bearer"
    problem(api.client.request(method, path, json=NEW, headers={"authorization": f"Bearer {secret}"}), 403)
    assert client.execute_command("DEBUG", "DIGEST") == before


def test_the_openapi_document_says_that_a_token_is_needed(api: Api) -> None:
    document = api.client.get("/schema/openapi.json").json()
    for method, path in CALLS:
        assert document["paths"][path.replace("/1", "/{id}")][method.lower()]["security"] == [{"token": []}]
    scheme = document["components"]["securitySchemes"]["token"]
    assert (scheme["type"], scheme["scheme"]) == ("http", "bearer")


# ---------------------------------------------------------------- bad input


@pytest.mark.parametrize(
    ("values", "fields"),
    [
        ({"id": 0}, ["id"]),
        ({"id": MAX_ID + 1}, ["id"]),
        ({"id": 10**30}, ["id"]),
        ({"id": "500"}, ["id"]),
        ({"id": True}, ["id"]),
        ({"id": None}, ["id"]),
        ({"firstName": ""}, ["firstName"]),
        ({"firstName": "a" * 201, "lastName": 5}, ["firstName", "lastName"]),
        ({"email": "no address"}, ["email"]),
        ({"email": "a@b\r\nSet-Cookie: x"}, ["email"]),
        ({"password": ""}, ["password"]),
        ({"password": "ä" * 37}, ["password"]),
        ({"password": bcrypt.hashpw(b"a", bcrypt.gensalt(4)).decode()}, ["password"]),
        ({"numCheckins": 5}, ["numCheckins"]),
        ({"role": "admin", "x" * 300: 1}, ["role", "x" * 100]),
    ],
)
def test_each_field_that_is_wrong_is_named_and_nothing_is_changed(
    admin: httpx.Client, client: Any, values: dict[str, Any], fields: list[str]
) -> None:
    before = client.execute_command("DEBUG", "DIGEST")
    document = problem(admin.post("/api/users", json=NEW | values), 422)
    assert [error["field"] for error in document["errors"]] == fields
    change = {name: value for name, value in values.items() if name != "id"}
    if change:
        document = problem(admin.patch("/api/user/1", json=change), 422)
        assert [error["field"] for error in document["errors"]] == fields
    assert client.execute_command("DEBUG", "DIGEST") == before


def test_an_id_is_the_clients_and_must_be_there(admin: httpx.Client) -> None:
    body = {name: value for name, value in NEW.items() if name != "id"}
    assert problem(admin.post("/api/users", json=body), 422)["errors"] == [{"field": "id", "message": "is missing"}]
    assert problem(admin.patch("/api/user/1", json={"id": 2}), 422)["errors"][0]["field"] == "id"


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (b"", 400),
        (b"{", 400),
        (b'{"id":500,', 400),
        (b"\xff\xfe", 400),
        (b'{"firstName":"\\ud800"}', 400),
        (b"[" * 100_000, 413),
        (b"[" * 60_000, 400),
        (b"[]", 422),
        (b"null", 422),
        (b'"id"', 422),
        (b'{"id":1e400}', 422),
        (b'{"id":500,"id":"x"}', 422),
        (b" " * 70_000, 413),
        (b" " * 3_000_000, 413),
    ],
    ids=lambda value: repr(value[:20]) if isinstance(value, bytes) else str(value),
)
def test_what_is_no_record_is_refused(admin: httpx.Client, body: bytes, status: int) -> None:
    for method, path in CALLS[:2]:
        answer = admin.request(method, path, content=body, headers={"content-type": "application/json"})
        problem(answer, status)


def test_other_types_and_encodings_are_refused(admin: httpx.Client) -> None:
    body = json.dumps(NEW).encode()
    for headers in (
        {},
        {"content-type": "text/plain"},
        {"content-type": "application/json5"},
        {"content-type": "application/json", "content-encoding": "gzip"},
    ):
        for method, path in CALLS[:2]:
            problem(admin.request(method, path, content=body, headers=headers), 415)
    answer = admin.post("/api/users", content=body, headers={"content-type": "Application/JSON ; charset=utf-8"})
    assert answer.status_code == 201


@pytest.mark.parametrize("user", ["0", "x", "1.0", "+1", "9007199254740992", "%00", "*", "'", "1%0d%0aX:y", "\u06f1"])
def test_what_is_no_id_is_refused(admin: httpx.Client, user: str) -> None:
    for method in ("PATCH", "DELETE"):
        assert problem(admin.request(method, f"/api/user/{user}", json={}), 422)["errors"][0]["field"] == "id"


@pytest.mark.parametrize(
    "name", ["a'; redis.call('FLUSHALL') --", "*", "a\r\nb", "nul \0 byte", "\u202e" * 200, "{}[]"]
)
def test_names_are_kept_as_they_are(admin: httpx.Client, client: Any, name: str) -> None:
    assert admin.post("/api/users", json=NEW | {"firstName": name}).json()["firstName"] == name
    assert client.hget(KEYS.user(500), "firstName") == name.encode()
    assert_sound(client)


def test_a_body_in_pieces_is_read_to_its_end(admin: httpx.Client, api: Api) -> None:
    body = json.dumps(NEW).encode()
    head = (
        f"POST /api/users HTTP/1.1\r\nhost: a\r\nauthorization: {admin.headers['authorization']}\r\n"
        f"content-type: application/json\r\ncontent-length: {len(body)}\r\n\r\n"
    )
    with RawConnection(api.port) as raw:
        for byte in head.encode() + body:
            raw.send(bytes([byte]))
        assert raw.read().status == 201


# ---------------------------------------------------------------- the server


def test_while_data_is_loading_it_is_unavailable(admin: httpx.Client, client: Any) -> None:
    client.hset(KEYS.meta, "state", "loading")
    for method, path in CALLS:
        answer = admin.request(method, path, json=NEW if method == "POST" else {})
        assert problem(answer, 503)["detail"] == "data is being loaded"
        assert answer.headers["retry-after"]


def test_a_broken_key_is_named(admin: httpx.Client, client: Any) -> None:
    client.delete(KEYS.users_email)
    client.set(KEYS.users_email, "x")
    for method, path in CALLS:
        answer = admin.request(method, path, json=NEW if method == "POST" else {})
        assert "ncc:users:email" in problem(answer, 503)["detail"]
