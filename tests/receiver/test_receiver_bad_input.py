"""The receiver: bad input gets its status and a problem document, and adds nothing to the stream."""

import time
from collections.abc import Iterator
from typing import Any

import pytest

from footfall.domain.model import MAX_ID
from processes import Receiver
from raw_http import RawConnection, request
from receiver_scene import GOOD, STREAM, accepted_id, ask, assert_problem, open_metadata, post
from servers import Server

_MAX_BODY, _MEGABYTE = 16 * 1024, 1024 * 1024
#: seconds after which a connection that nobody uses is ended anyway
_IDLE = 5.0


@pytest.fixture(scope="module")
def receiver(shared_server: Server) -> Iterator[Receiver]:
    shared_server.reset()
    with Receiver(shared_server.url) as receiver:
        yield receiver


@pytest.fixture(autouse=True)
def client(server: Server, receiver: Receiver) -> Iterator[Any]:
    """A client of an empty server; after the test, nothing is stored, and the receiver takes check-ins."""
    client = open_metadata(server)
    yield client
    assert not client.exists(STREAM)
    accepted_id(post(receiver))
    assert "Traceback" not in receiver.log


def with_value(field: str, value: str) -> bytes:
    """A check-in with this JSON in one of its fields."""
    values = {"userId": "1", "locationId": "2", "starRating": "3", field: value}
    return ("{" + ",".join(f'"{name}":{json}' for name, json in values.items()) + "}").encode()


def padded(size: int) -> bytes:
    """A check-in in so many bytes."""
    return GOOD + b" " * (size - len(GOOD))


def assert_ended(connection: RawConnection) -> None:
    """The receiver ends the connection at once."""
    started = time.monotonic()
    assert connection.is_ended()
    assert time.monotonic() - started < _IDLE / 2


# --- bodies


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b" ",
        b"hello",
        b"{",
        GOOD[:-1],
        GOOD + b"x",
        GOOD + GOOD,
        b"userId=1&locationId=2&starRating=3",
        b"{'userId':1,'locationId':2,'starRating':3}",
        b'{"userId":1,"locationId":2,"starRating":3,}',
        with_value("userId", "01"),
        with_value("userId", "+1"),
        with_value("userId", "0x1"),
        with_value("userId", "NaN"),
        with_value("userId", ""),
        GOOD + b"\xef\xbb\xbf",
        b"\xff\xfe",
        GOOD[:-1] + b',"\xff":1}',
        b'{"userId":"\xc3(","locationId":2,"starRating":3}',
        GOOD.decode().encode("utf-16"),
        b"\x00" * 40,
        b"[" * 5000,
    ],
    ids=lambda body: repr(body[:50]),
)
def test_what_is_not_json_is_400(receiver: Receiver, body: bytes) -> None:
    assert_problem(post(receiver, body), 400)


@pytest.mark.parametrize("body", [b"null", b"1", b'"text"', b"true", b"[]", b"[%s]" % GOOD, b"[1,2,3]"])
def test_what_is_not_an_object_is_422(receiver: Receiver, body: bytes) -> None:
    assert assert_problem(post(receiver, body), 422)["errors"] == [{"field": "", "message": "must be an object"}]


@pytest.mark.parametrize("field", ["userId", "locationId", "starRating"])
@pytest.mark.parametrize(
    "value",
    [
        '"5"',
        '"01"',
        '"+1"',
        '""',
        "1.5",
        "1e400",
        "true",
        "null",
        "[]",
        "[1]",
        "{}",
        '{"userId":1}',
        "-1",
        str(MAX_ID + 1),
        str(2**63),
        str(2**64),
        "-" + "9" * 400,
    ],
    ids=lambda value: value[:20],
)
def test_a_value_that_is_wrong_is_422_and_names_its_field(receiver: Receiver, field: str, value: str) -> None:
    document = assert_problem(post(receiver, with_value(field, value)), 422)
    assert [error["field"] for error in document["errors"]] == [field]


@pytest.mark.parametrize(("field", "value"), [("userId", "0"), ("locationId", "0"), ("starRating", "6")])
def test_a_value_out_of_its_range_is_422(receiver: Receiver, field: str, value: str) -> None:
    document = assert_problem(post(receiver, with_value(field, value)), 422)
    assert [error["field"] for error in document["errors"]] == [field]


@pytest.mark.parametrize("field", ["userId", "locationId", "starRating"])
def test_a_field_that_is_missing_is_named(receiver: Receiver, field: str) -> None:
    body = with_value(field, "1").replace(field.encode(), b"other")
    errors = {error["field"]: error["message"] for error in assert_problem(post(receiver, body), 422)["errors"]}
    assert errors == {field: "is missing", "other": "is not a field of a check-in"}


def test_an_empty_object_lacks_every_field(receiver: Receiver) -> None:
    document = assert_problem(post(receiver, b"{}"), 422)
    assert [error["field"] for error in document["errors"]] == ["userId", "locationId", "starRating"]


@pytest.mark.parametrize("name", ["id", "userid", "timestamp", "__proto__", "\u00fc", ""])
def test_a_field_too_many_is_named(receiver: Receiver, name: str) -> None:
    document = assert_problem(post(receiver, with_value(name, "1")), 422)
    assert document["errors"] == [{"field": name, "message": "is not a field of a check-in"}]


def test_an_unknown_user_or_location_is_404(receiver: Receiver) -> None:
    for field, what in (("userId", "user"), ("locationId", "location")):
        assert what in assert_problem(post(receiver, with_value(field, "9")), 404)["detail"]


# --- sizes and types


@pytest.mark.parametrize("chunks", [None, 1000], ids=["whole", "chunked"])
def test_a_body_takes_at_most_16_kib(receiver: Receiver, client: Any, chunks: int | None) -> None:
    accepted_id(ask(receiver, request(padded(_MAX_BODY), chunks=chunks)))
    client.delete(STREAM)
    for size in (_MAX_BODY + 1, _MEGABYTE, 3 * _MEGABYTE):
        with RawConnection(receiver.port) as connection:
            connection.send(request(padded(size), chunks=chunks and 16 * chunks))
            assert_problem(connection.read(), 413)
            connection.send(request(b"?"))
            assert_problem(connection.read(), 400)  # the connection goes on behind the body


@pytest.mark.parametrize("content_type", ["text/plain", "text/json", "application/x-www-form-urlencoded", "", "*/*"])
def test_another_content_type_is_415(receiver: Receiver, content_type: str) -> None:
    assert_problem(ask(receiver, request(GOOD, headers={"Content-Type": content_type})), 415)


def test_a_missing_content_type_is_415(receiver: Receiver) -> None:
    assert_problem(ask(receiver, request(GOOD).replace(b"Content-Type: application/json\r\n", b"")), 415)


# --- not HTTP, or not the route


@pytest.mark.parametrize("keep", [-1, -5, -15, -30])
@pytest.mark.parametrize("chunks", [None, 10], ids=["whole", "chunked"])
def test_a_body_that_ends_too_early_is_400(receiver: Receiver, chunks: int | None, keep: int) -> None:
    assert_problem(ask(receiver, request(GOOD, chunks=chunks)[:keep], end=True), 400)


def test_a_body_that_breaks_off_with_its_connection_is_forgotten(receiver: Receiver) -> None:
    for chunks in (None, 10):
        with RawConnection(receiver.port) as connection:
            connection.send(request(GOOD, chunks=chunks)[:-5])


@pytest.mark.parametrize(
    "data",
    [
        b"hello\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n",
        request(GOOD, method="BREW"),
        request(GOOD, path="/api/check in"),
        request(GOOD, headers={"Content-Length": "-5"}),
        request(GOOD, headers={"Content-Length": "5x"}),
        request(GOOD, headers={"Content-Length": "9" * 30}),
        request(GOOD, headers={"content-length": "5"}),
        request(GOOD, headers={"Content-Length": "5"}, chunks=10),
        request(GOOD, headers={"Transfer-Encoding": "gzip, chunked"}),
        request(GOOD, chunks=10).replace(b"\r\na\r\n", b"\r\nzz\r\n"),
        request(GOOD, headers={"Bad Name": "x"}),
        request(GOOD, headers={"Bad": "x\x00y"}),
        b"CONNECT test:80 HTTP/1.1\r\nHost: test\r\n\r\n",
    ],
    ids=lambda data: repr(data[:40]),
)
def test_what_is_not_http_is_400_and_ends_the_connection(receiver: Receiver, data: bytes) -> None:
    with RawConnection(receiver.port) as connection:
        connection.send(data)
        assert_problem(connection.read(), 400)
        assert_ended(connection)


def test_headers_without_end_are_431(receiver: Receiver) -> None:
    with RawConnection(receiver.port) as connection:
        connection.send(b"POST /api/checkin HTTP/1.1\r\nX: ")
        post(receiver, b"?")  # by now, that much has been read
        connection.send(b"x" * (64 * 1024 + 1))
        assert_problem(connection.read(), 431)
        assert_ended(connection)


def test_what_follows_requests_does_not_take_their_answers(receiver: Receiver) -> None:
    with RawConnection(receiver.port) as connection:
        connection.send(request(b"[]") + request(b"?") + b"hello\r\n\r\n")
        assert_problem(connection.read(), 422)
        assert_problem(connection.read(), 400)
        assert_problem(connection.read(), 400)
        assert_ended(connection)


@pytest.mark.parametrize("path", ["/", "/api", "/api/checkins/latest", "/API/checkin", "/api/checkin/1", "/%00"])
def test_an_unknown_route_is_404(receiver: Receiver, path: str) -> None:
    for method in ("GET", "POST"):
        assert_problem(ask(receiver, request(GOOD, path=path, method=method)), 404)


@pytest.mark.parametrize("method", ["GET", "PUT", "PATCH", "DELETE"])
def test_another_method_is_405(receiver: Receiver, method: str) -> None:
    answer = ask(receiver, request(GOOD, method=method))
    assert_problem(answer, 405)
    assert "POST" in answer.headers["allow"]
