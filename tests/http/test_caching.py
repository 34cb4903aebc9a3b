"""Answers that a client has already, and large ones: tags, 304, gzip, HEAD."""

import gzip
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from footfall.http.answers import Answers
from footfall.http.caching import LARGE, accepts_gzip
from footfall.http.state import begin_request
from processes import Api
from raw_http import RawConnection, request
from servers import Server

_RANGE = "/api/checkins/0/9999"
_PLAIN = {"Accept-Encoding": "identity"}


@pytest.fixture(scope="module")
def process(shared_server: Server) -> Iterator[Api]:
    shared_server.reset()
    with Api(shared_server.url) as process:
        yield process


@pytest.fixture
def api(server: Server, process: Api) -> httpx.Client:
    """An API with a large answer, at _RANGE, and small ones."""
    client = server.client()
    for n in range(1, 101):
        client.xadd("ncc:checkins", {"locationId": 1, "userId": 2, "starRating": 3}, id=f"{n}-0")
    client.hset("ncc:users:5", mapping={"id": 5, "numCheckins": 1})
    return process.client


# --- what the client has already


@pytest.mark.parametrize("path", [_RANGE, "/api/checkins/latest", "/api/user/5", "/docs", "/schema/openapi.json"])
def test_an_answer_that_the_client_has_is_a_304_without_a_body(path: str, api: httpx.Client) -> None:
    first = api.get(path)
    assert first.status_code == 200
    tag = first.headers["etag"]
    assert api.get(path).headers["etag"] == tag
    for known in (tag, f'"other", {tag}', tag.removeprefix("W/"), "*", f'"a,b" ,{tag}'):
        again = api.get(path, headers={"If-None-Match": known})
        assert (again.status_code, again.content) == (304, b""), known
        assert again.headers["etag"] == tag
        assert again.headers.get("vary") == first.headers.get("vary")
        assert not {"content-type", "content-length", "content-encoding", "transfer-encoding"} & again.headers.keys()


@pytest.mark.parametrize("known", ['"x"', 'W/"x"', "", "x", '"', "W/", '"*"', ",", "*, *", "\xe9", '"' * 99])
def test_an_answer_that_the_client_does_not_have_is_sent(known: str, api: httpx.Client) -> None:
    answer = api.get("/api/user/5", headers={b"If-None-Match": known.encode("latin-1")})
    assert answer.status_code == 200
    assert answer.json()["id"] == 5


def test_another_answer_has_another_tag(server: Server, api: httpx.Client) -> None:
    tag = api.get("/api/user/5").headers["etag"]
    server.client().hset("ncc:users:5", "numCheckins", 2)
    answer = api.get("/api/user/5", headers={"If-None-Match": tag})
    assert answer.status_code == 200
    assert answer.headers["etag"] != tag


def test_only_what_was_found_has_a_tag(api: httpx.Client) -> None:
    for answer in (
        api.get("/api/user/6", headers={"If-None-Match": "*"}),
        api.get("/api/user/x", headers={"If-None-Match": "*"}),
        api.post("/api/user/5", headers={"If-None-Match": "*"}),
    ):
        assert answer.status_code in (404, 405, 422)
        assert "etag" not in answer.headers


def test_the_tag_is_the_same_whichever_way_the_answer_is_sent(api: httpx.Client) -> None:
    packed, plain = api.get(_RANGE, headers={"Accept-Encoding": "gzip"}), api.get(_RANGE, headers=_PLAIN)
    assert packed.headers["etag"] == plain.headers["etag"]
    assert packed.headers["etag"].startswith("W/")


def test_a_connection_goes_on_after_a_304(process: Api, api: httpx.Client) -> None:
    with RawConnection(process.port) as connection:
        for _ in range(3):
            connection.send(request(method="GET", path="/api/user/5", headers={"If-None-Match": "*"}))
            assert connection.read(to_head=True).status == 304
            connection.send(request(method="GET", path="/api/user/5"))
            assert connection.read().json()["id"] == 5


# --- large answers


def test_a_large_answer_is_compressed_for_a_client_that_takes_it(api: httpx.Client) -> None:
    plain = api.get(_RANGE, headers=_PLAIN)
    assert "content-encoding" not in plain.headers
    packed = api.get(_RANGE, headers={"Accept-Encoding": "br, gzip;q=0.5"})
    assert packed.headers["content-encoding"] == "gzip"
    assert int(packed.headers["content-length"]) < len(plain.content) / 4
    assert packed.content == plain.content
    assert packed.headers["content-type"] == plain.headers["content-type"] == "application/json"
    assert "Accept-Encoding" in packed.headers["vary"]
    assert "Accept-Encoding" in plain.headers["vary"]


def test_a_small_answer_is_not_compressed(api: httpx.Client) -> None:
    answer = api.get("/api/user/5", headers={"Accept-Encoding": "gzip"})
    assert "content-encoding" not in answer.headers
    assert "vary" not in answer.headers


@pytest.mark.parametrize(
    ("accepted", "taken"),
    [
        ("gzip", True),
        ("GZIP", True),
        ("x-gzip", True),
        ("*", True),
        ("deflate, gzip;q=1.0, *;q=0.5", True),
        ("gzip ; q=0.001", True),
        ("", False),
        ("identity", False),
        ("br", False),
        ("gzip;q=0", False),
        ("gzip;q=0.000", False),
        ("*;q=0", False),
        ("gzip;q=0, *", False),
        ("*;q=0, gzip", True),
        ("gzip;q=nan", False),
        ("gzip;q=1e9", False),
        ("gzip;q=-1", False),
        ("notgzip", False),
    ],
)
def test_gzip_is_for_who_takes_it(accepted: str, taken: bool) -> None:
    assert accepts_gzip(accepted.encode()) == taken


@given(st.binary(max_size=60))
def test_any_bytes_may_say_what_is_accepted(accepted: bytes) -> None:
    assert accepts_gzip(accepted) in (True, False)


# --- HEAD


@pytest.mark.parametrize("path", [_RANGE, "/api/user/5", "/docs", "/schema/openapi.json", "/api/user/6", "/nothing"])
def test_head_is_answered_as_get_without_the_body(path: str, process: Api, api: httpx.Client) -> None:
    got = api.get(path, headers=_PLAIN)
    head = api.head(path, headers=_PLAIN)
    assert (head.status_code, head.content) == (got.status_code, b"")
    different = {"date", "x-request-id"}
    assert {n: v for n, v in head.headers.items() if n not in different} == {
        n: v for n, v in got.headers.items() if n not in different
    }
    with RawConnection(process.port) as connection:
        connection.send(request(method="HEAD", path=path))
        assert connection.read(to_head=True).status == got.status_code
        connection.send(request(method="GET", path="/api/user/5"))
        assert connection.read().json()["id"] == 5


# --- any app


async def _answer(messages: list[dict[str, object]], **headers: str) -> list[dict[str, object]]:
    async def app(_scope: object, _receive: object, send: object) -> None:
        for message in messages:
            await send(dict(message))  # type: ignore[operator]

    sent: list[dict[str, object]] = []

    async def send(message: dict[str, object]) -> None:
        sent.append(message)

    lines = [(name.replace("_", "-").encode(), value.encode()) for name, value in headers.items()]
    scope: dict[str, Any] = {"type": "http", "method": "GET", "headers": lines, "state": {}}
    begin_request(scope, lambda: None)
    await Answers(app, None)(scope, None, send)
    head: Any = sent[0]
    head["headers"] = [line for line in head["headers"] if line[0] != b"x-request-id"]
    return sent


_HEAD: dict[str, object] = {"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"9999")]}
_BODY = b"x" * 2 * LARGE


async def test_a_stream_stays_as_it_is() -> None:
    part: dict[str, object] = {"type": "http.response.body", "body": _BODY, "more_body": True}
    messages = [_HEAD, part, part, {**part, "more_body": False}]
    assert await _answer(messages, accept_encoding="gzip", if_none_match="*") == messages


async def test_what_must_not_be_stored_stays_as_it_is() -> None:
    head = {**_HEAD, "headers": [(b"content-length", b"9999"), (b"cache-control", b"no-store")]}
    messages: list[dict[str, object]] = [head, {"type": "http.response.body", "body": _BODY}]
    assert await _answer(messages, accept_encoding="gzip", if_none_match="*") == messages


async def test_a_compressed_body_has_its_own_length() -> None:
    head, body = await _answer([_HEAD, {"type": "http.response.body", "body": _BODY}], accept_encoding="gzip")
    packed = body["body"]
    assert isinstance(packed, bytes)
    assert gzip.decompress(packed) == _BODY
    assert (b"content-length", b"%d" % len(packed)) in head["headers"]  # type: ignore[operator]
    assert b"9999" not in dict(head["headers"]).values()  # type: ignore[call-overload]
