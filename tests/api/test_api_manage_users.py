"""Managing users over HTTP: what is taken, and that no secret shows."""

import json
from collections.abc import Iterator
from typing import Any

import bcrypt
import httpx
import pytest

from audit_scene import assert_sound, prepare
from chaos.replay import raw_client
from manage_scene import KEYS, as_admin, problem
from processes import Api
from raw_http import RawConnection
from servers import Server

WITH_A_BODY = [("POST", "/api/users"), ("PATCH", "/api/user/1")]
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
    with as_admin(server, api) as admin:
        yield admin


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


def test_an_email_that_is_taken_is_a_conflict(admin: httpx.Client) -> None:
    document = problem(admin.post("/api/users", json=NEW | {"email": "User2@example.COM"}), 409)
    assert document["detail"] == "another user has this e-mail"


def test_a_user_without_check_ins_or_names_is_unknown(admin: httpx.Client) -> None:
    assert problem(admin.patch("/api/user/500", json={}), 404)["detail"] == "there is no such user"


# ---------------------------------------------------------------- bad input


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
    for method, path in WITH_A_BODY:
        answer = admin.request(method, path, content=body, headers={"content-type": "application/json"})
        problem(answer, status)


@pytest.mark.parametrize("character", ["\0", "\n", "\r\n", "\x1b[31m", "\u2028"])
def test_a_name_is_text_of_one_line(admin: httpx.Client, server: Server, character: str) -> None:
    for field in ("firstName", "lastName", "email"):
        value = f"a{character}b" + ("@example.com" if field == "email" else "")
        for method, path in WITH_A_BODY:
            document = problem(admin.request(method, path, json=NEW | {field: value}), 422)
            assert field in [error["field"] for error in document["errors"]]
            assert character not in document["detail"]
    assert not server.client().exists("ncc:users:500")


def test_other_types_and_encodings_are_refused(admin: httpx.Client) -> None:
    body = json.dumps(NEW).encode()
    for headers in (
        {},
        {"content-type": "text/plain"},
        {"content-type": "application/json5"},
        {"content-type": "application/json", "content-encoding": "gzip"},
    ):
        for method, path in WITH_A_BODY:
            problem(admin.request(method, path, content=body, headers=headers), 415)
    answer = admin.post("/api/users", content=body, headers={"content-type": "Application/JSON ; charset=utf-8"})
    assert answer.status_code == 201


@pytest.mark.parametrize("user", ["0", "x", "1.0", "+1", "9007199254740992", "%00", "*", "'", "1%0d%0aX:y", "\u06f1"])
def test_what_is_no_id_is_refused(admin: httpx.Client, user: str) -> None:
    for method in ("PATCH", "DELETE"):
        assert problem(admin.request(method, f"/api/user/{user}", json={}), 422)["errors"][0]["field"] == "id"


@pytest.mark.parametrize("name", ["a'; redis.call('FLUSHALL') --", "*", "\u202e" * 200, "{}[]"])
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
