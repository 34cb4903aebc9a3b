"""A route has one path: no other way of writing it leads there, past a proxy that guards the route by its path."""

from collections.abc import Iterator
from typing import Any

import pytest

from auth_scene import add_user
from openapi_documents import operations
from processes import Api, AsgiReceiver, Auth, Processor, Receiver, Service
from raw_http import RawConnection, request
from receiver_scene import GOOD, accepted_id, assert_problem, open_metadata
from servers import Server

KINDS: dict[str, type[Service]] = {"receiver": Receiver, "api": Api, "auth": Auth, "processor": Processor}


@pytest.fixture
def client(server: Server) -> Any:
    return open_metadata(server)


@pytest.fixture
def api(server: Server, client: Any) -> Iterator[Api]:
    add_user(client, 1, "a/b@example.com", "x")
    with Api(server.url) as api:
        yield api


def status(service: Service, method: str, path: str) -> int:
    """The status of a request with this very path, which is 404 as a problem document."""
    body = GOOD if method == "POST" else b""
    with RawConnection(service.port) as connection:
        connection.send(request(body, method=method, path=path))
        answer = connection.read(to_head=method == "HEAD")
        if answer.status == 404 and method != "HEAD":
            assert_problem(answer, 404)
        return answer.status


def found(service: Service, method: str, path: str) -> bool:
    """Whether a route takes it, which may have nothing to say."""
    with RawConnection(service.port) as connection:
        connection.send(request(method=method, path=path))
        answer = connection.read()
        return answer.status != 404 or answer.json()["detail"] != "Not Found"


def spellings(path: str) -> list[str]:
    """Other ways of writing a path that some server takes for the same."""
    first, *more = path[1:].split("/")
    rest = "".join(f"/{part}" for part in more)
    found = [f"/{path}", f"{path}/", f"{path}//", f"{path}%2f", f"/%{ord(first[0]):02x}{first[1:]}{rest}"]
    found += [f"/.{path}", f"/{first}/..{path}", f"/%2e{path}", f"{path};a", f"{path}%00", f"http://test/{path}"]
    if more:
        found += [f"/{first}//{'/'.join(more)}", f"/{first}%2f{'/'.join(more)}", f"/{first}%2F{'/'.join(more)}"]
        found += [f"/{first}/%{ord(more[0][0]):02X}{more[0][1:]}{rest[len(more[0]) + 1 :]}", f"/{first}%5c{more[0]}"]
    return found


@pytest.mark.parametrize("name", KINDS)
def test_a_route_has_one_path(server: Server, client: Any, name: str) -> None:
    del client
    with KINDS[name](server.url) as service:
        for service_name, method, path, _ in operations():
            if service_name == name and "{" not in path and path != "/api/checkins/live":
                assert found(service, method.upper(), path), path
                for other in spellings(path):
                    assert status(service, method.upper(), other) == 404, other
        for path in ("/docs", "/schema", "/schema/openapi.json", "/schema/postman.json"):
            assert status(service, "GET", path) == 200
            for other in {*spellings(path)} - {"/docs/", "/schema/"}:
                assert status(service, "GET", other) == 404, other


@pytest.mark.parametrize("kind", [Receiver, AsgiReceiver])
def test_a_check_in_is_stored_on_its_own_path_alone(server: Server, client: Any, kind: type[Receiver]) -> None:
    with kind(server.url) as receiver:
        for other in spellings("/api/checkin"):
            assert status(receiver, "POST", other) == 404, other
        assert client.xlen("ncc:checkins") == 0
        for good in ("/api/checkin", "/api/checkin?a=//%2f/", "http://test/api/checkin", "/api/checkin?"):
            assert status(receiver, "POST", good) == 202, good


def test_a_fragment_is_400(server: Server, client: Any) -> None:
    del client
    with AsgiReceiver(server.url) as receiver, RawConnection(receiver.port) as connection:
        connection.send(request(GOOD, path="/api/checkin?#a"))
        assert_problem(connection.read(), 400)
    with Receiver(server.url) as fast, RawConnection(fast.port) as connection:
        connection.send(request(GOOD) + request(GOOD, path="/api/checkin#a"))
        accepted_id(connection.read())
        assert_problem(connection.read(), 400)


def test_the_value_of_a_parameter_may_be_escaped_but_no_slash_in_it(api: Api) -> None:
    for good in ("/api/user/1", "/api/user/%31", "/api/user/1?x=%2F//"):
        assert status(api, "GET", good) == 200, good
    for bad in (*spellings("/api/user/1")[:6], "/api/user%2f1", "/api/user/1%2ffullname", "/api/user/1/fulln%61me"):
        assert status(api, "GET", bad) in (404, 422), bad
        assert status(api, "HEAD", bad) in (404, 422), bad


def test_an_email_address_is_decoded_once_slashes_and_all(api: Api, client: Any) -> None:
    def found(path: str) -> Any:
        with RawConnection(api.port) as connection:
            connection.send(request(method="GET", path=f"/api/user/email/{path}"))
            answer = connection.read()
            return answer.json()["id"] if answer.status == 200 else answer.status

    add_user(client, 2, "/a/b@example.com", "x")
    add_user(client, 3, "a//b@example.com", "x")
    add_user(client, 4, "a%2fb@example.com", "x")
    add_user(client, 5, "a/b@example.com/", "x")
    for path, user in {
        "a%2Fb@example.com": 1,
        "a/b%40example.com": 1,
        "%61%2Fb@ex%61mple.com": 1,
        "%2Fa%2Fb@example.com": 2,
        "a%2F%2Fb@example.com": 3,
        "a%252fb@example.com": 4,
        "a%2Fb@example.com%2F": 5,
        "a//b@example.com": 404,
        "/a/b@example.com": 404,
        "a/b@example.com/": 404,
    }.items():
        assert found(path) == user, path
    assert status(api, "GET", "/api/user/email%2fa%2Fb@example.com") == 404
    assert status(api, "GET", "/api/us%65r/email/a%2Fb@example.com") == 404
