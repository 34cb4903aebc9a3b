"""What the API answers about users."""

from collections.abc import Callable, Iterator, Mapping
from typing import Any
from urllib.parse import quote

import httpx
import pytest

from api_scene import assert_broken, assert_not_found, assert_refused, quoted, store_users, user_answer
from footfall.domain.model import MAX_ID
from processes import Api
from servers import Server

_SOPHIA = {
    "id": 180,
    "firstName": "Sophia",
    "lastName": "Marshall",
    "email": "sophia.marshall@example.com",
    "password": "$2b$12$abcdefghijklmnopqrstuv",
    "numCheckins": 2332,
    "lastCheckin": 1609605397408,
    "lastSeenAt": 13,
}


@pytest.fixture(scope="module")
def api(shared_server: Server) -> Iterator[httpx.Client]:
    shared_server.reset()
    with Api(shared_server.url) as process:
        yield process.client


def _store(server: Server, user_id: int, fields: Mapping[Any, Any]) -> None:
    server.client().hset(f"ncc:users:{user_id}", mapping=fields)


def test_a_user_has_names_numbers_and_no_secrets(server: Server, api: httpx.Client) -> None:
    _store(server, 180, _SOPHIA)
    response = api.get("/api/user/180")
    assert response.status_code == 200
    assert response.headers["content-type"] == "application/json"
    assert response.text == (
        '{"id":180,"firstName":"Sophia","lastName":"Marshall","numCheckins":2332,'
        '"lastCheckin":1609605397408,"lastSeenAt":13}'
    )


def test_a_user_without_check_ins_was_seen_nowhere(server: Server, api: httpx.Client) -> None:
    _store(server, 7, {"id": 7, "firstName": "Zoë", "lastName": "O'Neill", "email": "z@example.com", "numCheckins": 0})
    assert api.get("/api/user/7").json() == {
        "id": 7,
        "firstName": "Zoë",
        "lastName": "O'Neill",
        "numCheckins": 0,
        "lastCheckin": None,
        "lastSeenAt": None,
    }


def test_a_user_made_by_a_check_in_has_no_names(server: Server, api: httpx.Client) -> None:
    _store(server, MAX_ID, {"id": MAX_ID, "numCheckins": 1, "lastCheckin": 5, "lastSeenAt": MAX_ID})
    assert api.get(f"/api/user/{MAX_ID}").json() == {
        "id": MAX_ID,
        "firstName": None,
        "lastName": None,
        "numCheckins": 1,
        "lastCheckin": 5,
        "lastSeenAt": MAX_ID,
    }


def test_an_unknown_user_is_not_found(server: Server, api: httpx.Client) -> None:
    server.client().zadd("ncc:users:bycheckins", {"5": 1})
    _store(server, 6, {"numCheckins": 3})  # without an id there is no record
    for user_id in (5, 6):
        response = api.get(f"/api/user/{user_id}")
        assert response.status_code == 404
        assert response.headers["content-type"] == "application/problem+json"
        document = response.json()
        assert document.pop("requestId")
        assert document == {
            "type": "about:blank",
            "title": "Not found",
            "status": 404,
            "detail": "there is no such user",
        }


@pytest.mark.parametrize(
    "value",
    [
        "0",
        "-1",
        "+5",
        "05",
        "5.0",
        "1_0",
        "\u0665",
        "bycheckins",
        "recent",
        "5\r\nGET x",
        "5\x00",
        str(MAX_ID + 1),
        "\U0001f600" * 500,
    ],
    ids=lambda value: repr(value[:20]),
)
def test_what_is_no_id_is_named(value: str, server: Server, api: httpx.Client) -> None:
    _store(server, 5, {**_SOPHIA, "id": 5})
    server.client().hset("ncc:users:email", "x", "5")
    response = api.get(f"/api/user/{quote(value, safe='')}")
    assert response.status_code == 422
    assert response.headers["content-type"] == "application/problem+json"
    assert response.json()["errors"] == [
        {"field": "id", "message": "must be a whole number from 1 to 9007199254740991"}
    ]


@pytest.mark.parametrize("field", ["id", "numCheckins", "lastCheckin", "lastSeenAt"])
@pytest.mark.parametrize("value", ["", "x", "-1", "1.5", "1e3", " 1", "\u0661", "9" * 17])
def test_a_number_that_is_none_is_named(field: str, value: str, server: Server, api: httpx.Client) -> None:
    _store(server, 180, {**_SOPHIA, field: value})
    response = api.get("/api/user/180")
    assert response.status_code == 503
    assert response.headers["content-type"] == "application/problem+json"
    assert response.headers["retry-after"] == "10"
    assert response.json()["detail"] == f"ncc:users:180: {field} is not a number"


def test_a_name_that_is_no_text_is_named(server: Server, api: httpx.Client) -> None:
    _store(server, 180, _SOPHIA)
    server.client().hset("ncc:users:180", "firstName", b"\xff\xfe")
    response = api.get("/api/user/180")
    assert response.status_code == 503
    assert response.json()["detail"] == "ncc:users:180: firstName is not UTF-8"


def test_a_key_of_another_type_is_named(server: Server, api: httpx.Client) -> None:
    server.client().set("ncc:users:180", "x")
    response = api.get("/api/user/180")
    assert response.status_code == 503
    assert response.headers["content-type"] == "application/problem+json"
    assert response.json()["detail"] == "ncc:users:180 holds another type than it must"


# --- full name


def test_a_full_name_is_first_and_last_name(server: Server, api: httpx.Client) -> None:
    _store(server, 180, _SOPHIA)
    _store(server, 7, {"id": 7, "firstName": "Zoë", "lastName": "O'Neill \U0001f600"})
    _store(server, 8, {"id": 8, "firstName": "Madonna"})
    assert api.get("/api/user/180/fullname").text == '{"fullName":"Sophia Marshall"}'
    assert api.get("/api/user/7/fullname").json() == {"fullName": "Zoë O'Neill \U0001f600"}
    assert api.get("/api/user/8/fullname").json() == {"fullName": "Madonna"}


def test_a_user_made_by_a_check_in_has_no_full_name(server: Server, api: httpx.Client) -> None:
    _store(server, 5, {"id": 5, "numCheckins": 1})
    assert api.get("/api/user/5/fullname").json() == {"fullName": None}


def test_full_names_are_of_users_that_are_there(server: Server, api: httpx.Client) -> None:
    assert_not_found(api.get("/api/user/5/fullname"), "there is no such user")
    for value in ("0", "x", "5.0", "%00", "%0D%0A", str(MAX_ID + 1)):
        assert_refused(api.get(f"/api/user/{value}/fullname"), "id")
    _store(server, 5, {"id": 5, "lastName": b"\xff"})
    assert_broken(api.get("/api/user/5/fullname"), "ncc:users:5: lastName is not UTF-8")


# --- by e-mail


@pytest.mark.parametrize(
    "email",
    [
        "sophia.marshall@example.com",
        "zoë+check.ins@exämple.com",
        "o'neill/2@example.com",
        "a*?[b]%41@{example}.com",
        '"quoted"@example.com',
        "\U0001f600" * 64 + "@" + "x" * 190,
    ],
    ids=lambda email: email[:20],
)
def test_a_user_is_found_by_e_mail_in_any_case(email: str, server: Server, api: httpx.Client) -> None:
    user = user_answer(180, numCheckins=3, lastCheckin=5, lastSeenAt=13)
    store_users(server.client(), [user])
    server.client().hset("ncc:users:email", email.lower(), 180)
    for written in (email, email.upper(), email.title()):
        if written.lower() != email.lower():  # such as ß
            continue
        response = api.get(f"/api/user/email/{quoted(written)}")
        assert response.json() == user
        assert "example.com" not in response.text
        assert "secret" not in response.text


def test_an_e_mail_that_nobody_has_is_not_found_and_not_repeated(server: Server, api: httpx.Client) -> None:
    store_users(server.client(), [user_answer(180)])
    for email in ("nobody@example.com", "user180@example.co", "*@*", "x\x00@y", "user180@example.com@"):
        response = api.get(f"/api/user/email/{quoted(email)}")
        assert response.status_code == (422 if email.count("@") > 1 or "\x00" in email else 404)
        assert email not in response.text
    server.client().delete("ncc:users:180")
    assert_not_found(api.get("/api/user/email/user180@example.com"), "there is no such user")


@pytest.mark.parametrize(
    "text", ["x", "@", "a@", "@b", "a b@c", "a@b\r\nSET x y", "a@b\n", "a" * 65 + "@b", "a@" + "b" * 191, "fullname"]
)
def test_what_is_no_e_mail_is_named(text: str, server: Server, api: httpx.Client) -> None:
    response = api.get(f"/api/user/email/{quoted(text)}")
    assert_refused(response, "email")
    assert response.json()["detail"] == "email: must be an e-mail address"


@pytest.mark.parametrize("value", ["x", "", "0", "-1", "bycheckins", "9" * 17, b"\xff"])
def test_an_e_mail_index_that_leads_to_no_id_is_named(value: str | bytes, server: Server, api: httpx.Client) -> None:
    server.client().hset("ncc:users:email", "a@b", value)
    assert_broken(api.get("/api/user/email/a@b"), "ncc:users:email has an entry that is about no record")


def test_an_e_mail_index_of_another_type_is_named(server: Server, api: httpx.Client) -> None:
    server.client().set("ncc:users:email", "x")
    assert_broken(api.get("/api/user/email/a@b"), "ncc:users:email holds another type than it must")


def test_no_route_writes_an_e_mail_to_the_log(server: Server) -> None:
    with Api(server.url, log_level="debug") as process:
        store_users(server.client(), [user_answer(180)])
        for path in ("email/user180@example.com", "email/nobody@example.com", "email/user180", "180", "180/fullname"):
            assert process.client.get(f"/api/user/{path}").status_code in (200, 404, 422)
        server.client().set("ncc:users:180", "x")
        assert process.client.get("/api/user/email/user180@example.com").status_code == 503
        assert "@" not in process.log
        assert "user180" not in process.log


def test_a_defect_writes_no_e_mail_to_the_log(own_server: Callable[..., Server]) -> None:
    server = own_server()
    with Api(server.url) as process:
        server.client().acl_setuser("default", enabled=True, commands=["-hget"])
        assert process.client.get("/api/user/email/user180@example.com").status_code == 500
        assert "error: GET /api/user/email/{email} failed (request " in process.log
        assert "@" not in process.log
