"""Who may ask for the user with an e-mail address: while sign-in is on, nobody learns from it who has an account."""

from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from auth_scene import EMAIL, add_user, new_token, signed_in, with_user
from processes import Api, Auth
from servers import Server

OTHER, NOBODY = "Grace.Hopper@example.com", "nobody@example.com"


@pytest.fixture
def client(server: Server) -> Any:
    client = with_user(server)
    add_user(client, 2, OTHER, "nanosecond")
    return client


@pytest.fixture
def api(server: Server, client: Any) -> Iterator[Api]:
    del client
    with Api(server.url, auth="true", session_ttl_s=100) as api:
        yield api


@pytest.fixture
def cookie(server: Server, client: Any) -> str:
    del client
    with Auth(server.url, session_ttl_s=100) as auth:
        return signed_in(auth)


def look(api: Api, email: str, **headers: str) -> httpx.Response:
    api.client.cookies.clear()
    answer = api.client.get(f"/api/user/email/{email}", headers=headers)
    api.client.cookies.clear()
    return answer


def said(answer: httpx.Response) -> Any:
    """All that an answer says but its date and its request id."""
    document = answer.json()
    document.pop("requestId", None)
    headers = {name: value for name, value in answer.headers.items() if name not in ("date", "x-request-id")}
    return answer.status_code, headers, document


def test_without_sign_in_anybody_may_ask(server: Server, client: Any) -> None:
    del client
    with Api(server.url) as api:
        assert look(api, EMAIL).json()["id"] == 1
        assert look(api, NOBODY).status_code == 404


def test_nobody_learns_whether_an_email_has_an_account(api: Api) -> None:
    strangers: list[dict[str, str]] = [
        {},
        {"Authorization": "Bearer ff_" + "t" * 43},
        {"Authorization": "Basic YTpi"},
        {"Cookie": "footfall_session=" + "x" * 43},
    ]
    for headers in strangers:
        answers = [said(look(api, email, **headers)) for email in (EMAIL, NOBODY, "no e-mail")]
        assert answers[0][0] == 401
        assert answers == [answers[0]] * 3
        assert "www-authenticate" in answers[0][1]
    head = [api.client.head(f"/api/user/email/{email}") for email in (EMAIL, NOBODY)]
    assert [answer.status_code for answer in head] == [401, 401]


def test_a_session_finds_its_own_user_and_nothing_of_others(api: Api, cookie: str) -> None:
    own = look(api, EMAIL.upper(), Cookie=cookie)
    assert (own.status_code, own.json()["id"]) == (200, 1)
    assert own.headers["cache-control"] == "no-store"
    others = [said(look(api, email, Cookie=cookie)) for email in (OTHER, NOBODY)]
    assert others[0][0] == 403
    assert others[0] == others[1]


def test_being_used_for_it_renews_the_session_and_its_cookie(api: Api, client: Any, cookie: str) -> None:
    [key] = client.keys("ncc:session:*")
    client.pexpire(key, 80_000)
    renewed = look(api, EMAIL, Cookie=cookie)
    assert renewed.headers["set-cookie"] == f"{cookie}; HttpOnly; Max-Age=100; Path=/; SameSite=Lax"
    assert client.pttl(key) > 99_000


@pytest.mark.parametrize("role", ["checkin", "admin"])
def test_a_token_finds_anybody(api: Api, server: Server, role: Any, cookie: str) -> None:
    token = new_token(server, role=role)
    for headers in ({"Authorization": token}, {"Authorization": token, "Cookie": cookie}):
        found = look(api, OTHER, **headers)
        assert (found.status_code, found.json()["id"]) == (200, 2)
        assert found.headers["cache-control"] == "no-store"
        assert look(api, NOBODY, **headers).status_code == 404


def test_an_ended_session_finds_nothing(api: Api, client: Any, cookie: str) -> None:
    client.delete(*client.keys("ncc:session:*"))
    assert look(api, EMAIL, Cookie=cookie).status_code == 401


def test_other_routes_stay_open(api: Api) -> None:
    assert api.client.get("/api/user/1").status_code == 200


def test_the_document_says_whether_it_is_needed(api: Api, server: Server) -> None:
    def ways(api: Api) -> Any:
        paths = api.client.get("/schema/openapi.json").json()["paths"]
        return paths["/api/user/email/{email}"]["get"]["security"]

    needed: list[dict[str, list[str]]] = [{"session": []}, {"token": []}]
    assert ways(api) == needed
    with Api(server.url) as open_api:
        assert ways(open_api) == [*needed, {}]
