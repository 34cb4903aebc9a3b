"""The API server as a whole: its description, errors that no route makes, and outages."""

import socket
import time
from collections.abc import Callable, Iterator
from typing import Any

import httpx
import pytest

from processes import Api
from servers import Server, wait_until

_URLS = (
    "/api/checkins/0/9",
    "/api/checkins/latest",
    "/checkins/latest",
    "/api/user/5",
    "/api/location/5",
    "/api/users/bycheckins",
    "/api/users/at/5",
    "/api/locations/bycheckins",
    "/api/locations/1/1/1",
)


@pytest.fixture(scope="module")
def process(shared_server: Server) -> Iterator[Api]:
    shared_server.reset()
    with Api(shared_server.url) as process:
        yield process


@pytest.fixture(scope="module")
def api(process: Api) -> httpx.Client:
    return process.client


@pytest.fixture(scope="module")
def document(api: httpx.Client) -> dict[str, Any]:
    response = api.get("/schema/openapi.json")
    assert response.status_code == 200
    document: dict[str, Any] = response.json()
    return document


# --- the OpenAPI document


def test_parameters_are_described_with_their_limits(document: dict[str, Any]) -> None:
    parameters = {
        parameter["name"]: parameter
        for parameter in document["paths"]["/api/checkins/{start}/{end}"]["get"]["parameters"]
    }
    for name in ("start", "end"):
        assert parameters[name]["in"] == "path"
        assert parameters[name]["schema"]["type"] == "integer"
        assert parameters[name]["schema"]["minimum"] == 0
        assert parameters[name]["schema"]["maximum"] == 9_999_999_999_999
    limit = parameters["limit"]["schema"]
    assert (limit["type"], limit["minimum"], limit["maximum"], limit["default"]) == ("integer", 1, 1000, 1000)
    assert not parameters["limit"]["required"]
    assert parameters["after"]["schema"]["type"] == "string"
    assert parameters["after"]["schema"]["default"] == "0-0"
    (user_id,) = document["paths"]["/api/user/{id}"]["get"]["parameters"]
    assert (user_id["schema"]["minimum"], user_id["schema"]["maximum"]) == (1, 2**53 - 1)


def test_the_link_to_the_next_page_is_described(document: dict[str, Any]) -> None:
    answer = document["paths"]["/api/checkins/{start}/{end}"]["get"]["responses"]["200"]
    assert answer["headers"]["Link"]["schema"] == {"type": "string"}
    assert 'rel="next"' in answer["headers"]["Link"]["description"]


def test_only_the_schemas_of_oneself_and_of_managing_speak_of_passwords_and_e_mails(document: dict[str, Any]) -> None:
    speaking = {name for name, schema in document["components"]["schemas"].items() if _speaks_of_secrets(schema)}
    assert speaking <= {"Me", "NewUser", "UserChange"}


def _speaks_of_secrets(schema: dict[str, Any]) -> bool:
    return any(word in str(schema).lower() for word in ("password", "email"))


# --- errors that no route makes


@pytest.mark.parametrize(
    "path",
    [
        "/nothing",
        "/api",
        "/api/user",
        "/api/user/email",
        "/api/users/at",
        "/api/locations/1/2",
        "/api/checkins/5",
        "/api/user/5/nothing",
        "/schema/nothing",
        "/schema/nothing.json",
        "/%00",
        "/%0D%0Aapi/user/5",
        "/..%2f..%2fetc/passwd",
        "/%F0%9F%98%80",
        "/%FF%FE",
        "/" + "x" * 8_000,
    ],
    ids=lambda path: path[:30],
)
def test_an_unknown_route_is_a_problem(path: str, api: httpx.Client) -> None:
    response = api.get(path)
    assert response.status_code == 404
    assert response.headers["content-type"] == "application/problem+json"
    assert response.json()["status"] == 404


@pytest.mark.parametrize("url", _URLS)
@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE"])
def test_a_wrong_method_is_a_problem(method: str, url: str, api: httpx.Client) -> None:
    if url in ("/api/user/5", "/api/location/5") and method in ("PATCH", "DELETE"):
        return  # these are for those who manage users and locations
    response = api.request(method, url, content=b"{}")
    assert response.status_code == 405
    assert response.headers["content-type"] == "application/problem+json"
    assert "GET" in response.headers["allow"]


@pytest.mark.parametrize(
    "target",
    [
        b"/api/user/5\r\nX: y",
        b"/api/user/\x00",
        b"/api/user/5\x00",
        b"/api/user/\xff\xfe",
        "/api/user/\U0001f600".encode(),
        b"/api/user/" + "\u0665".encode(),
        b"/api/checkins/0/\r\n\r\n",
        b"/api/checkins/1/2?limit=\x00",
        b"/api/user/%",
        b"/api/user/%zz",
        b"/api/user/" + "\U0001f600".encode() * 10_000,
    ],
    ids=lambda target: repr(target[:30]),
)
def test_bytes_that_are_no_path_are_refused(target: bytes, process: Api) -> None:
    with socket.create_connection(("127.0.0.1", process.port), timeout=5) as connection:
        connection.sendall(b"GET " + target + b" HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        answer = b""
        while data := connection.recv(65536):
            answer += data
    # without a version behind the path it is HTTP/0.9
    assert answer.startswith((b"HTTP/1.1 4", b"HTTP/1.1 505")), answer[:200]


# --- outages


def _unavailable(api: httpx.Client, url: str) -> None:
    started = time.monotonic()
    response = api.get(url)
    assert time.monotonic() - started < 2
    assert response.status_code == 503
    assert response.headers["content-type"] == "application/problem+json"
    assert int(response.headers["retry-after"]) >= 1
    assert response.json()["status"] == 503


def _store(server: Server) -> None:
    client = server.client()
    client.xadd("ncc:checkins", {"locationId": 5, "userId": 5, "starRating": 5}, id="5-0")
    client.hset("ncc:users:5", mapping={"id": 5, "numCheckins": 1})
    client.hset("ncc:locations:5", mapping={"id": 5, "numCheckins": 1})


def _all_answer(api: httpx.Client) -> bool:
    return all(api.get(url).status_code == 200 for url in _URLS)


def test_a_killed_server_is_503_until_it_is_back(own_server: Callable[..., Server]) -> None:
    server = own_server(appendonly=True, appendfsync="always")
    with Api(server.url) as process:
        _store(server)
        assert _all_answer(process.client)
        for _ in range(2):
            server.kill()
            for url in _URLS:
                _unavailable(process.client, url)
            server.start()
            wait_until(lambda: _all_answer(process.client), "the API answers again", timeout=5)


def test_a_server_that_does_not_answer_is_503_until_it_does(own_server: Callable[..., Server]) -> None:
    server = own_server()
    with Api(server.url) as process:
        _store(server)
        assert _all_answer(process.client)
        server.pause()
        for url in _URLS[:3]:
            _unavailable(process.client, url)
        server.resume()
        wait_until(lambda: _all_answer(process.client), "the API answers again", timeout=5)


def test_the_api_starts_before_the_server_is_there(own_server: Callable[..., Server]) -> None:
    server = own_server()
    server.kill()
    with Api(server.url, ready=False) as process:
        for url in _URLS:
            _unavailable(process.client, url)
        server.start()
        _store(server)
        wait_until(lambda: _all_answer(process.client), "the API answers", timeout=5)
