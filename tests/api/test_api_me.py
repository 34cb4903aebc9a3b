"""The signed-in user's own record."""

import json
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from auth_scene import EMAIL, add_user, new_token, signed_in, with_user
from processes import Api, Auth
from servers import Server


@pytest.fixture
def client(server: Server) -> Any:
    client = with_user(server)
    client.hset("ncc:users:1", mapping={"numCheckins": 3, "lastCheckin": 1609605397408, "lastSeenAt": 2})
    return client


@pytest.fixture
def api(server: Server, client: Any) -> Iterator[Api]:
    del client
    with Api(server.url, session_ttl_s=100, log_level="debug") as api:
        yield api


@pytest.fixture
def cookie(server: Server, client: Any) -> str:
    del client
    with Auth(server.url, session_ttl_s=100) as auth:
        return signed_in(auth)


def me(api: Api, **headers: str) -> httpx.Response:
    api.client.cookies.clear()
    answer = api.client.get("/api/me", headers=headers)
    api.client.cookies.clear()
    return answer


def test_the_signed_in_user_sees_the_own_record_with_the_email(api: Api, cookie: str) -> None:
    answer = me(api, Cookie=cookie)
    assert answer.status_code == 200
    assert answer.json() == {
        "id": 1,
        "firstName": "Ada",
        "lastName": "Lovelace",
        "numCheckins": 3,
        "lastCheckin": 1609605397408,
        "lastSeenAt": 2,
        "email": EMAIL,
    }
    assert answer.headers["cache-control"] == "no-store"
    assert "set-cookie" not in answer.headers


def test_without_a_session_there_is_nothing_to_see(api: Api, server: Server, client: Any, cookie: str) -> None:
    token = new_token(server, role="admin")
    nobody: list[dict[str, str]] = [{}, {"Authorization": token}, {"Cookie": "footfall_session=" + "x" * 43}]
    for headers in nobody:
        answer = me(api, **headers)
        assert (answer.status_code, answer.json()["detail"]) == (401, "this needs a session: sign in first")
        assert answer.headers["content-type"] == "application/problem+json"
        assert "www-authenticate" in answer.headers
    client.delete("ncc:users:1")
    assert me(api, Cookie=cookie).status_code == 401


def test_looking_renews_the_session_and_the_cookie(api: Api, client: Any, cookie: str) -> None:
    [key] = client.keys("ncc:session:*")
    client.pexpire(key, 80_000)
    renewed = me(api, Cookie=f"a=b; {cookie}")
    assert renewed.headers["set-cookie"] == f"{cookie}; HttpOnly; Max-Age=100; Path=/; SameSite=Lax"
    assert client.pttl(key) > 99_000
    assert "set-cookie" not in me(api, Cookie=cookie).headers


def test_broken_keys_are_503(api: Api, client: Any, cookie: str) -> None:
    [key] = client.keys("ncc:session:*")
    content = client.get(key)
    client.set(key, "?")
    broken = me(api, Cookie=cookie)
    assert broken.status_code == 503
    assert key not in broken.text
    client.set(key, content)
    client.hset("ncc:users:1", "numCheckins", "many")
    assert me(api, Cookie=cookie).status_code == 503


def test_nobodys_email_password_or_session_is_anywhere_else(api: Api, client: Any, cookie: str) -> None:
    add_user(client, 2, "other@example.com", "x")
    paths = [
        "/api/me",
        "/api/user/1",
        "/api/user/2",
        "/api/users/recent",
        "/api/user/1/fullname",
        "/healthz",
        "/nothing",
    ]
    said = [api.client.get(path, headers={"Cookie": cookie}) for path in paths]
    text = api.log + "".join(f"{answer.headers} {answer.text}" for answer in said)
    for secret in (cookie.partition("=")[2], "other@example.com", "$2b$", "password", json.dumps("x" * 43)):
        assert secret not in text
    assert text.count(EMAIL) == 1
