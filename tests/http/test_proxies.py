"""Behind nginx and HAProxy, with the examples of docs/proxies: routes, prefix, live feed, addresses."""

import re
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from api_scene import pages, store_users, user_answer
from auth_scene import EMAIL, PASSWORD, add_user
from live_reader import LIVE, LiveReader
from openapi_documents import DOCUMENTS, Operation, operations
from pages import ROOT, tables
from processes import FastReceiver
from raw_http import RawConnection
from receiver_scene import GOOD, open_metadata, stored
from servers import Server
from web_proxies import KINDS, PREFIX, Services, WebProxy, services

#: what every service has for itself
_OWN = ("/healthz", "/readyz", "/metrics")
_PAGES = ("/docs", "/schema", "/schema/openapi.json", "/schema/postman.json")
_NAMES = {"receiver": "receiver", "API server": "api", "auth service": "auth", "nobody": ""}
#: a value of each parameter of a path
_VALUES = {"email": "ada%40example.com", "day": "0", "start": "0", "end": "9", "category": "cafe", "radius": "5"}


def routes() -> dict[str, tuple[str, str]]:
    """The table of the page: by the path behind the prefix, the service and its own path. `*`: whatever follows."""
    found = {}
    for row in tables(ROOT / "docs" / "proxies.md"):
        if "behind the prefix" in row:
            own = re.findall("`([^`]+)`", row["asked for"])
            paths = re.findall("`([^`]+)`", row["behind the prefix"])
            for path, asked in zip(paths, own or paths, strict=True):
                found[path] = (_NAMES[row["service"]], asked)
    return found


ROUTES = routes()


def row_of(path: str) -> str | None:
    """The row of the table that a path behind the prefix has: the one that says most of it."""
    fitting = [row for row in ROUTES if path == row or (row.endswith("*") and path.startswith(row[:-1]))]
    return max(fitting, key=lambda row: (not row.endswith("*"), len(row)), default=None)


def outside(service: str, path: str) -> str:
    """Where the table has a path of a service."""
    found = []
    for row, (named, own) in ROUTES.items():
        if named == service and path.startswith(own.removesuffix("*")):
            outer = row.removesuffix("*") + path.removeprefix(own.removesuffix("*"))
            if row_of(outer) == row:
                found.append(outer)
    (only,) = found
    return only


# --- the table


def test_the_table_has_every_route_of_every_service_and_nothing_else() -> None:
    used = {"/", "/page/*"}  # the live page: no operation
    assert {ROUTES[row] for row in used} == {("api", "/"), ("api", "/page/*")}
    for operation in operations():
        path = operation.path
        if path in _OWN:
            assert ROUTES[path] == ("", path)
            used.add(path)
        elif operation.service != "processor":
            row = row_of(path)
            assert row is not None, operation
            assert ROUTES[row][0] == operation.service, operation
            assert outside(operation.service, path) == path
            used.add(row)
    for service in ("receiver", "api", "auth"):
        used |= {row for path in _PAGES if (row := row_of(outside(service, path)))}
    assert used == ROUTES.keys()


# --- the proxies


@pytest.fixture(scope="module")
def scene(shared_server: Server) -> Iterator[Services]:
    shared_server.reset()
    client = open_metadata(shared_server)
    store_users(client, [user_answer(number, numCheckins=number) for number in range(1, 8)])
    add_user(client, 9, EMAIL, PASSWORD)
    add_user(client, 8, "a/b@example.com", PASSWORD)
    with services(shared_server, FastReceiver, login_per_email=2, live_heartbeat_s=600) as running:
        yield running


@pytest.fixture(scope="module", params=KINDS)
def proxy(request: pytest.FixtureRequest, scene: Services) -> Iterator[WebProxy]:
    with KINDS[request.param](scene.ports) as running:
        yield running


@pytest.fixture
def web(proxy: WebProxy) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=proxy.url, timeout=20) as client:
        yield client


def answered_by(answer: httpx.Response, scene: Services) -> str:
    """The service that a response is from: the ids that it makes for requests all begin alike."""
    known_as = answer.headers.get("x-request-id", "")
    begins = {
        service.client.get("/healthz").headers["x-request-id"][:8]: name for name, service in scene._asdict().items()
    }
    return begins.get(known_as[:8], "") if known_as else ""


def with_values(path: str) -> str:
    return re.sub("{(.*?)}", lambda match: _VALUES.get(match[1], "1"), path)


_PUBLIC = [operation for operation in operations() if operation.service != "processor"]


@pytest.mark.parametrize("operation", _PUBLIC, ids=str)
def test_each_operation_is_done_by_the_service_that_the_table_names(
    operation: Operation, web: httpx.Client, scene: Services
) -> None:
    path = with_values(operation.path)
    if operation.path == LIVE:
        with web.stream("GET", path) as answer:
            assert answered_by(answer, scene) == "api"
        return
    body: Any = GOOD if operation.method == "post" else None
    answer = web.request(operation.method, path, content=body, headers={"Content-Type": "text/csv"})
    if operation.path in _OWN:
        assert answer.status_code == 404
        assert answered_by(answer, scene) == ""
        return
    assert answered_by(answer, scene) == operation.service, answer.text
    # that it is the operation and no other path of its service: nothing here says that there is no such route
    assert answer.status_code != 405
    assert answer.json().get("detail") != "Not Found" if answer.status_code == 404 else True


@pytest.mark.parametrize(
    "path",
    [
        *(
            "",
            "/pages",
            "/page",
            "/api",
            "/apis",
            "/apiary/user/1",
            "/nothing",
            "/receiver",
            "/receiver/",
            "/receiver/api/checkin",
        ),
        *("/auth/login", "/receiver/healthz", "/auth/metrics", "/api/checkin/../../metrics", "/docs/x", "/login/"),
        *("/checkins", "/healthz?a=/footfall/api/", "//api/user/1", "/receiver/docs/../../healthz", "/api%2fuser/1"),
        *("/%61pi/user/1", "/LOGIN", "/receiver/schemas", "/receiver/docs?/../healthz/x", "/metrics#/api/"),
    ],
)
def test_what_is_in_no_row_reaches_no_service(path: str, proxy: WebProxy, scene: Services) -> None:
    with RawConnection(proxy.port) as connection:
        connection.send(f"GET {PREFIX}{path} HTTP/1.1\r\nHost: a\r\n\r\n".encode())
        answer = connection.read()
    row = row_of(path.partition("?")[0])
    if row is None or not ROUTES[row][0]:
        assert answer.status in (400, 404)
        assert "x-request-id" not in answer.headers
    else:  # the service sees the path as it was sent, and has none like it
        assert answer.status == (200 if path.startswith("/receiver/docs?") else 404), answer


@pytest.mark.parametrize(
    "path", ["/api/user/1", "/footfal/api/user/1", "/footfallx/api/user/1", "/FOOTFALL/api/user/1"]
)
def test_without_the_prefix_nothing_is_there(path: str, proxy: WebProxy) -> None:
    answer = httpx.get(f"http://127.0.0.1:{proxy.port}{path}")
    assert answer.status_code == 404
    assert "x-request-id" not in answer.headers


@pytest.mark.parametrize("email", ["a%2Fb%40example.com", "a%2fb@example.com", "A%2FB%40EXAMPLE.COM?"])
def test_a_path_reaches_the_service_as_the_client_writes_it(email: str, web: httpx.Client) -> None:
    """With a slash in a value: who decodes it makes another path of it."""
    assert web.get(f"/api/user/email/{email}").json()["id"] == 8


def test_posts_take_the_fast_path(web: httpx.Client, shared_server: Server) -> None:
    """The other one answers 500 here. The proxies leave no header in a request that keeps it from the fast path."""
    before = len(stored(shared_server.client()))
    for _ in range(5):  # this client sends head and body in two writes
        answer = web.post("/api/checkin", content=GOOD, headers={"Content-Type": "application/json"})
        assert answer.status_code == 202, answer.text
    assert len(stored(shared_server.client())) == before + 5


# --- where clients see it


def test_links_documents_and_collections_have_the_address_of_the_proxy(
    web: httpx.Client, proxy: WebProxy, scene: Services
) -> None:
    with httpx.Client(base_url=proxy.url.removesuffix(PREFIX)) as client:
        found = pages(client, f"{PREFIX}/api/users/bycheckins?limit=3")
    assert [[user["id"] for user in page] for page in found] == [[7, 6, 5], [4, 3, 2], [1]]
    for service in ("receiver", "api", "auth"):
        document = web.get(outside(service, "/schema/openapi.json")).json()
        assert document["servers"] == [{"url": proxy.url}]
        assert document["info"] == DOCUMENTS[service]["info"]
        base, *_ = web.get(outside(service, "/schema/postman.json")).json()["variable"]
        assert base["value"] == proxy.url
        for page in ("/docs", "/schema"):
            answer = web.get(outside(service, page))
            assert answer.status_code == 200
            assert answer.headers["content-type"] == "text/html; charset=utf-8"


def test_what_a_client_says_of_addresses_does_not_pass_the_proxy(web: httpx.Client, proxy: WebProxy) -> None:
    said = {"X-Forwarded-Prefix": "/evil", "X-Forwarded-Host": "evil.example", "X-Forwarded-Proto": "https"}
    assert web.get("/schema/openapi.json", headers=said).json()["servers"] == [{"url": proxy.url}]
    assert (
        web.get("/api/users/bycheckins?limit=3", headers=said).links["next"]["url"].startswith(f"{PREFIX}/api/users/")
    )


def test_attempts_to_sign_in_are_counted_by_the_address_of_the_client(proxy: WebProxy, shared_server: Server) -> None:
    client = shared_server.client()
    for key in client.keys("ncc:loginattempts:*"):
        client.delete(key)
    for source in ("127.0.0.7", "127.0.0.8"):
        with httpx.Client(base_url=proxy.url, transport=httpx.HTTPTransport(local_address=source)) as web:
            wrong = [
                web.post(
                    "/login",
                    json={"email": EMAIL, "password": "wrong"},
                    headers={"X-Forwarded-For": f"10.0.0.{number}"},  # who says so is nobody's proxy
                ).status_code
                for number in range(3)
            ]
            assert wrong == [401, 401, 429]


# --- the live feed


def test_each_event_of_the_live_feed_passes_at_once(proxy: WebProxy, web: httpx.Client, scene: Services) -> None:
    """With heartbeats once a minute: nothing but the event itself can bring it along."""
    with LiveReader(proxy.port, path=f"{PREFIX}{LIVE}") as reader:
        for _ in range(3):
            posted = web.post("/api/checkin", content=GOOD, headers={"Content-Type": "application/json"}).json()["id"]
            event = reader.next()
            assert event is not None
            assert event.id == posted
