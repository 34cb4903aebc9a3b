"""The hottest reads: that they are answered below the framework, and exactly as the framework answers them."""

import asyncio
import re
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from footfall import config
from footfall.api.app import create
from footfall.api.hot import HotReads
from footfall.api.state import ApiState
from footfall.domain.model import MAX_ID
from footfall.http.state import begin_request, share
from processes import Api
from raw_http import RawConnection, request
from servers import Server

#: what differs between two answers to the same
_VARIABLE = re.compile(rb'(date|x-request-id): [^\r]*\r\n|(?<="requestId":)"[0-9a-f]{16}"')
_SINGLE = ("/api/user/5", f"/api/location/{MAX_ID}", "/api/checkins/latest", "/checkins/latest")
_LISTS = ("/api/checkins/0/9", "/api/users/bycheckins", "/api/locations/bycheckins", "/api/locations/37.7/-122.4/50")
_HOT = _SINGLE + _LISTS
#: what the lists are read from, but for the stream
_INDEX_KEYS = ("ncc:users:bycheckins", "ncc:locations:bycheckins", "ncc:locations:geo")
#: what the server will not do in one of the tests
_COMMANDS = ["-hmget", "-xrange", "-xrevrange", "-zrange", "-geosearch"]


class FrameworkApi(Api):
    """An API server whose framework answers everything."""

    program = (str(Path(__file__).parents[1].joinpath("framework_api.py")),)


class Pair:
    """An API server with hot reads and one without, on one server."""

    def __init__(self, server: Server, **options: Any) -> None:
        self.server = server
        self.processes = [Api(server.url, **options), FrameworkApi(server.url, **options)]

    def close(self) -> None:
        for process in self.processes:
            process.close()

    def emptied(self) -> Any:
        """The server, without what a test has stored."""
        client: Any = self.server.client()
        client.delete("ncc:users:5", "ncc:locations:5", f"ncc:locations:{MAX_ID}", "ncc:checkins", *_INDEX_KEYS)
        return client

    def compare(self, data: bytes) -> bytes:
        """What both answer to these bytes, which must be alike."""
        answers = []
        for process in self.processes:
            with RawConnection(process.port) as connection:
                connection.send(data)
                answers.append(_VARIABLE.sub(b"", connection.read_all()))
        assert answers[0] == answers[1]
        return answers[0]


def get(path: str, method: str = "GET", headers: Mapping[str, str] | None = None) -> bytes:
    return request(method=method, path=path, headers={"Connection": "close", **(headers or {})})


@pytest.fixture(scope="module")
def pair(shared_server: Server) -> Iterator[Pair]:
    shared_server.reset()
    pair = Pair(shared_server, cors_origins="https://app.example.com")
    yield pair
    pair.close()


# --- what is answered below the framework


def test_just_the_plain_requests_for_the_hottest_are_taken_from_the_framework() -> None:
    left: list[str] = []

    async def framework(scope: Any, _receive: Any, _send: Any) -> None:
        left.append(scope["path"])

    reads = HotReads(create(config.load()), framework)

    async def answer(path: str, method: str = "GET", query: bytes = b"") -> int | None:
        messages: list[Any] = []

        async def send(message: Any) -> None:
            messages.append(message)

        scope: dict[str, Any] = {"type": "http", "method": method, "path": path, "query_string": query, "headers": []}
        # nothing can be read here: what is answered all the same is answered with a problem
        scope["state"] = {}
        share(scope["state"], ApiState, config.load().http, reader=None)
        begin_request(scope, lambda: None)
        await reads(scope, None, send)
        return messages[0]["status"] if messages else None

    async def ask() -> None:
        for path in _HOT:
            assert await answer(path) == 500
        for path in _LISTS:
            assert await answer(path, query=b"limit=10") == 500
        assert not left
        for path in _HOT:
            assert await answer(path, query=b"x=1") is None
            assert await answer(path, query=b"limit=0") is None
            assert await answer(path, query=b"limit=1&limit=1") is None
            assert await answer(path, method="DELETE") is None
        others = ["/api/user/05", "/api/user/5/", "/api/user/", "/api/user/x", "/api/location/0", "/", "/api/users/5"]
        others += ["/api/locations/x/0/1", "/api/locations/0/0/0", "/api/users/bycheckins/", "/api/checkins/9/x"]
        for path in others:
            assert await answer(path) is None
        assert left == [path for path in _HOT for _ in range(4)] + others

    asyncio.run(ask())


# --- the same as the framework

_VALUES = st.sampled_from(
    [b"", b"0", b"5", b"%d" % MAX_ID, b"9" * 17, b"-1", b"five", "Zoë".encode(), b"\xff", b'"\\\n']
)
_FIELDS = ["id", "firstName", "lastName", "email", "numCheckins", "lastCheckin", "lastSeenAt"]
_FIELDS += ["name", "category", "location", "numStars", "averageStars"]
_RECORDS = st.one_of(
    st.builds(
        lambda some, changed: dict.fromkeys(some, b"7") | changed,
        st.sets(st.sampled_from(_FIELDS)).map(lambda some: {"id", *some}),
        st.dictionaries(st.sampled_from(_FIELDS), _VALUES, max_size=1),
    ),
    st.dictionaries(st.sampled_from(_FIELDS), _VALUES, max_size=3),
    st.just("no hash"),
)
_ENTRIES = st.lists(
    st.builds(
        lambda changed: {"locationId": b"5", "userId": b"5", "starRating": b"5", **changed},
        st.dictionaries(st.sampled_from(["locationId", "userId", "starRating", "note"]), _VALUES, max_size=1),
    ),
    max_size=4,
)
#: ids of an index by check-ins, and their scores
_INDEXES = st.dictionaries(
    st.sampled_from(["5", "6", "05", "x", str(MAX_ID)]), st.sampled_from([0, 1, 7, 0.5]), min_size=1, max_size=4
) | st.just("no index")
_IDS = st.sampled_from(
    ["5", "6", "05", "0", "-5", "%35", "5/", "5%2F", "", "x", "\u0665", str(MAX_ID), str(MAX_ID + 1)]
)
_PATHS = st.one_of(
    st.sampled_from(_HOT),
    st.builds("/api/{}/{}".format, st.sampled_from(["user", "location", "checkins", "users", "%75ser"]), _IDS),
    st.sampled_from(["/api/checkins/latest/", "//checkins/latest", "/api/checkins/lates%74", "/api/checkins/9/0", "/"]),
    st.builds(
        "/api/locations/{}/{}/{}".format, *[st.sampled_from(["37.7", "-122.4", "0", "1e1", "x", "nan", "91"])] * 3
    ),
    st.builds("/api/checkins/{}/{}".format, *[st.sampled_from(["0", "9", "x", "9999999999999", "-1"])] * 2),
)
_LIMITS = [
    "?limit=0",
    "?limit=1",
    "?limit=1",
    "?limit=2",
    "?limit=1000",
    "?limit=01",
    "?limit=%31",
    "?limit=",
    "?limit",
]
_LIMITS += ["?limit=1&limit=2", "?limit=1&after=1-6", "?Limit=1", "?limit=1&", "?limit=1&category=cafe", "?%6Cimit=1"]
_QUERIES = st.sampled_from(["", "", "", "?", "?x=1", "?withDetails=true", "?after=1-0", "?after=%00", *_LIMITS])
_METHODS = st.sampled_from(["GET", "GET", "GET", "HEAD", "OPTIONS", "POST", "DELETE"])
_HEADERS = st.dictionaries(
    st.sampled_from(["If-None-Match", "Origin", "Accept", "Accept-Encoding", "X-Request-Id", "Cookie", "Range"]),
    st.sampled_from(["*", "https://app.example.com", "gzip", "text/html", "an id", "id-1", "bytes=0-1"]),
)


def _encoded(path: str) -> str:
    return "".join(c if c.isascii() else "".join(f"%{byte:02X}" for byte in c.encode()) for c in path)


@settings(max_examples=300)
@given(
    user=_RECORDS,
    location=_RECORDS,
    entries=_ENTRIES | st.just("no stream"),
    index=_INDEXES,
    asked=st.lists(st.tuples(_PATHS, _QUERIES, _METHODS, _HEADERS), min_size=1, max_size=6),
)
def test_both_answer_alike(
    pair: Pair,
    user: Any,
    location: Any,
    entries: Any,
    index: Any,
    asked: list[tuple[str, str, str, dict[str, str]]],
) -> None:
    client = pair.emptied()
    for key, record in (("ncc:users:5", user), ("ncc:locations:5", location), (f"ncc:locations:{MAX_ID}", location)):
        if isinstance(record, str):
            client.set(key, record)
        elif record:
            client.hset(key, mapping=record)
    if isinstance(entries, str):
        client.set("ncc:checkins", entries)
    else:
        for entry in entries:
            client.xadd("ncc:checkins", entry)
    if isinstance(index, str):
        for key in _INDEX_KEYS:
            client.set(key, index)
    else:
        client.zadd("ncc:users:bycheckins", index)
        client.zadd("ncc:locations:bycheckins", index)
        client.geoadd("ncc:locations:geo", [value for member in index for value in (-122.4, 37.7, member)])
    for path, query, method, headers in asked:
        pair.compare(get(_encoded(path) + query, method, headers))


@pytest.mark.parametrize("path", _HOT)
def test_both_answer_what_is_there(path: str, pair: Pair) -> None:
    client = pair.emptied()
    client.hset("ncc:users:5", mapping={"id": 5, "firstName": "Zoë", "numCheckins": 1})
    client.hset(f"ncc:locations:{MAX_ID}", mapping={"id": MAX_ID, "name": "A place", "numCheckins": 1})
    client.xadd("ncc:checkins", {"locationId": 5, "userId": 5, "starRating": 5}, id="5-0")
    client.zadd("ncc:users:bycheckins", {"5": 1, "6": 1})
    client.zadd("ncc:locations:bycheckins", {str(MAX_ID): 1})
    client.geoadd("ncc:locations:geo", (-122.4, 37.7, str(MAX_ID)))
    answer = pair.compare(get(path, headers={"Origin": "https://app.example.com"}))
    assert answer.startswith(b"HTTP/1.1 200 OK\r\n")
    assert b"\r\naccess-control-allow-origin: https://app.example.com\r\n" in answer
    tag = re.search(rb"etag: ([^\r]+)", answer)
    assert tag is not None
    again = pair.compare(get(path, headers={"If-None-Match": tag[1].decode()}))
    assert again.startswith(b"HTTP/1.1 304 Not Modified\r\n")
    if path in _LISTS:
        assert answer.endswith(b"]")
        assert not answer.endswith(b"[]")
        assert pair.compare(get(f"{path}?limit=1")).startswith(b"HTTP/1.1 200 OK\r\n")


# --- failures


def test_both_answer_alike_while_the_server_is_away(own_server: Callable[..., Server]) -> None:
    server = own_server(appendonly=True, appendfsync="no")
    pair = Pair(server, server_timeout=0.5)
    try:
        server.pause()
        for path in _HOT:
            assert pair.compare(get(path)).startswith(b"HTTP/1.1 503 ")
        server.resume()
        server.kill()
        for path in _HOT:
            assert pair.compare(get(path, headers={"X-Request-Id": "id-1"})).startswith(b"HTTP/1.1 503 ")
    finally:
        pair.close()


def test_both_answer_alike_what_the_server_refuses_and_say_why_in_the_log(own_server: Callable[..., Server]) -> None:
    server = own_server(appendonly=True, appendfsync="no")
    pair = Pair(server)
    try:
        server.client().acl_setuser("default", enabled=True, commands=_COMMANDS)
        for path in _HOT:
            answer = pair.compare(get(path, headers={"X-Request-Id": "id-1"}))
            assert answer.startswith(b"HTTP/1.1 500 ")
            assert b"the server refuses" not in answer
            for process in pair.processes:
                assert "failed (request id-1)" in process.log
                assert "the server refuses " in process.log
    finally:
        pair.close()
