"""Request ids: in every problem document, the client's own when it sent a good one, and in the log of a failure."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from footfall.http.problems import request_id
from processes import Api, AsgiReceiver, Auth, Receiver, Service
from raw_http import RawConnection, request
from receiver_scene import GOOD, META, ask, assert_problem, open_metadata
from servers import Server

HEADER = "X-Request-Id"
GENERATED = re.compile(r"[0-9a-f]{16}")
#: seconds that a client has for a request
_TIMEOUT = 0.3

#: what runs as the receiver: one whose script call fails with a defect
_DEFECT = """
from footfall.store.calls.receive import Receive

def call(*_):
    raise ZeroDivisionError("a defect")

Receive.call = call
"""


class DefectiveReceiver(Receiver):
    """A receiver with a defect."""

    program = ("-c", _DEFECT + "from footfall.cli import main; main()")


class DefectiveAsgiReceiver(Receiver):
    """The same without the fast path."""

    program = ("-c", _DEFECT + Path(AsgiReceiver.program[0]).read_text())


@pytest.fixture
def client(server: Server) -> Any:
    return open_metadata(server)


@pytest.fixture(params=[Receiver, AsgiReceiver], ids=["fast path", "other path"])
def receiver(request: pytest.FixtureRequest, server: Server, client: Any) -> Iterator[Receiver]:
    with request.param(server.url, request_timeout=_TIMEOUT) as receiver:
        yield receiver


def refused(sent: str) -> Iterator[tuple[int, bytes]]:
    """Each kind of refusal, with this request id: status and request."""
    named = {HEADER: sent}
    yield 400, request(b"nope", headers=named)
    yield 404, request(GOOD.replace(b":1", b":9"), headers=named)
    yield 404, request(path="/nope", headers=named)
    yield 405, request(method="PUT", headers=named)
    yield 413, request(b" " * 20_000, headers=named)
    yield 415, request(GOOD, headers=named).replace(b"/json", b"/xml")
    yield 422, request(GOOD.replace(b":3", b":6"), headers=named)
    yield 400, request(b"nope", path="/api/checkins", headers=named)
    yield 400, request(b"", headers={**named, "X-Other": "x", "X-More ": "?"})
    yield 408, request(GOOD, headers=named)[:-1]
    yield 408, request(GOOD, headers={**named, "X-More": "?"})[: -len(GOOD) - 2]
    yield 431, request(GOOD, headers={**named, "X-More": "x" * 700_000})


def test_the_id_that_was_sent_is_in_every_problem_document(receiver: Receiver, client: Any) -> None:
    for status, data in refused("4bf92f35-77b3/~!"):
        assert assert_problem(ask(receiver, data), status)["requestId"] == "4bf92f35-77b3/~!", data[:200]
    client.hset(META, "state", "loading")
    for path in ("/api/checkin", "/api/checkins"):
        body = GOOD if path == "/api/checkin" else b"[%b]" % GOOD
        answer = ask(receiver, request(body, path=path, headers={HEADER: "r" * 128}))
        assert assert_problem(answer, 503)["requestId"] == "r" * 128
    answer = ask(receiver, request(method="GET", path="/readyz", headers={HEADER: "ready?"}))
    assert assert_problem(answer, 503)["requestId"] == "ready?"


@pytest.mark.parametrize("sent", ["", "a b", "r" * 129, "\u00e9", "a\tb"])
def test_an_id_that_is_not_good_is_replaced(receiver: Receiver, sent: str) -> None:
    for status, data in refused(sent):
        if status not in (408, 431):  # they take time, and the id as the others do
            assert GENERATED.fullmatch(assert_problem(ask(receiver, data), status)["requestId"])


def test_every_answer_has_the_id_of_its_request(receiver: Receiver, client: Any) -> None:
    plain, batch = request(GOOD), request(b"[%b]" % GOOD, path="/api/checkins")
    others = [request(method="GET", path=path) for path in ("/healthz", "/readyz", "/metrics", "/docs")]
    head = request(method="HEAD", path="/healthz")
    for data in (plain, request(GOOD, headers={"Idempotency-Key": "a"}), batch, *others, head):
        sent = data.replace(b"\r\n", b"\r\nX-Request-Id: 4bf92f35-77b3/~!\r\n", 1)
        with RawConnection(receiver.port) as connection:
            for _ in range(2):  # the second time its head is known
                connection.send(sent)
                answer = connection.read(to_head=data is head)
                assert (answer.status < 300, answer.headers["x-request-id"]) == (True, "4bf92f35-77b3/~!"), data
            connection.send(data)
            assert GENERATED.fullmatch(connection.read(to_head=data is head).headers["x-request-id"]), data
    for status, data in refused("sent"):
        answer = ask(receiver, data)
        assert answer.headers["x-request-id"] == assert_problem(answer, status)["requestId"] == "sent", data[:200]


@pytest.mark.parametrize("kind", [Api, Auth])
def test_so_it_is_with_the_other_services(server: Server, client: Any, kind: type[Service]) -> None:
    with kind(server.url, cors_origins="https://app.example.com") as service:
        paths = {"/healthz": 200, "/readyz": 200, "/docs": 200, "/nope": 404}
        for path, status in (paths | ({"/api/user/x": 422} if kind is Api else {"/login": 405})).items():
            for sent in ({"X-Request-Id": "sent"}, {}):
                answer = service.client.get(path, headers=sent)
                assert answer.status_code == status
                assert re.fullmatch("sent" if sent else GENERATED.pattern, answer.headers["x-request-id"])
        preflight = {
            "Origin": "https://app.example.com",
            "Access-Control-Request-Method": "GET",
            "X-Request-Id": "sent",
        }
        assert service.client.options("/login", headers=preflight).headers["x-request-id"] == "sent"


def test_ids_that_are_made_are_never_the_same(receiver: Receiver) -> None:
    unknown = request(GOOD.replace(b":1", b":9"))
    with RawConnection(receiver.port) as connection:
        ids = set()
        for _ in range(200):
            for data in (unknown, request(GOOD)):
                connection.send(data)
                ids.add(connection.read().headers["x-request-id"])
    assert len(ids) == 400
    assert all(map(GENERATED.fullmatch, ids))
    assert len({request_id(None) for _ in range(10_000)}) == 10_000


def test_a_request_does_not_get_the_id_of_the_one_before_it(receiver: Receiver) -> None:
    with RawConnection(receiver.port) as connection:
        connection.send(request(GOOD, headers={HEADER: "first"}))
        connection.read()
        connection.send(request(GOOD.replace(b":1", b":9")))
        assert GENERATED.fullmatch(assert_problem(connection.read(), 404)["requestId"])
        connection.send(request(b"?", headers={HEADER: "third"}))
        assert assert_problem(connection.read(), 400)["requestId"] == "third"
        connection.send(b"?\r\n\r\n")
        assert GENERATED.fullmatch(assert_problem(connection.read(), 400)["requestId"])


@pytest.mark.parametrize("kind", [DefectiveReceiver, DefectiveAsgiReceiver], ids=["fast path", "other path"])
def test_a_defect_is_logged_with_the_id_of_the_request_and_told_without_its_trace(
    server: Server, client: Any, kind: type[Receiver]
) -> None:
    with kind(server.url) as receiver:
        for path, body in (("/api/checkin", GOOD), ("/api/checkins", b"[%b]" % GOOD)):
            sent = f"of:{path}"
            document = assert_problem(ask(receiver, request(body, path=path, headers={HEADER: sent})), 500)
            assert document["requestId"] == sent
            assert document["detail"] == "the request could not be handled"
            [line] = [line for line in receiver.log.splitlines() if sent in line]
            assert line.startswith(f"error: POST {path} failed (request {sent})")
        assert "ZeroDivisionError: a defect" in receiver.log
