"""How requests are read: what waits for its turn has a bound, so has what is no body, and trailers are not headers."""

import contextlib
import json
import re
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from footfall.identity.credentials import digest
from footfall.identity.tokens import Token
from footfall.store.scripts import RECEIVE
from processes import Api, AsgiReceiver, Receiver, Service
from proxy import Proxy
from raw_http import Answer, RawConnection, request
from receiver_scene import GOOD, STREAM, accepted_id, ask, assert_problem, open_metadata
from servers import Server

#: growth that a process may have without a reason of ours, in bytes
_NOISE = 40 * 1024 * 1024
#: bytes that the system takes for a process that does not read
_BUFFERS = 10 * 1024 * 1024
_GET = request(method="GET", path="/schema/openapi.json", headers={"If-None-Match": "*"})
_SIGN = {"Idempotency-Key": "k-trailer", "Authorization": f"Bearer ff_{'t' * 43}"}


@pytest.fixture(params=[Receiver, AsgiReceiver], ids=["fast path", "other path"])
def receiver(request: pytest.FixtureRequest, server: Server) -> Iterator[Receiver]:
    open_metadata(server)
    with request.param(server.url) as receiver:
        yield receiver


def memory(pid: int) -> int:
    """Bytes that a process has in memory."""
    [kilobytes] = re.findall(r"VmRSS:\s+(\d+) kB", Path(f"/proc/{pid}/status").read_text())
    return int(kilobytes) * 1024


# --- pipelines


@pytest.mark.parametrize("kind", [Receiver, Api])
@pytest.mark.parametrize("data", [_GET, request(b"{}")], ids=["GET", "POST"])
def test_a_client_that_pipelines_without_end_fills_no_memory_and_holds_nobody_up(
    server: Server, kind: type[Service], data: bytes
) -> None:
    open_metadata(server)
    with kind(server.url) as service, RawConnection(service.port) as connection:
        connection.send(data)
        connection.read()
        before, until = memory(service.pid), time.monotonic() + 4
        answered = 0
        slowest = 0.0

        def send() -> None:
            block = data * 2000
            with contextlib.suppress(OSError):  # closed below
                while time.monotonic() < until:
                    connection.send(block)

        sender = threading.Thread(target=send)
        sender.start()
        while connection.read().status in (200, 304, 404, 422):
            answered += 1
            if answered % 500 == 0:
                asked = time.monotonic()
                service.client.get("/readyz")
                slowest = max(slowest, time.monotonic() - asked)
            if time.monotonic() > until:
                break
        grown = memory(service.pid) - before
        connection.close()
        sender.join()
    assert answered > 1000
    assert grown < _NOISE, f"{grown / 1024 / 1024:.0f} MB more"
    assert slowest < 1.0


def test_a_pipeline_of_all_kinds_is_answered_in_order(receiver: Receiver) -> None:
    batch = json.dumps([json.loads(GOOD)] * 5000).encode()
    kinds = {
        "small": (request(method="GET", path="/healthz"), 200),
        "large": (request(batch, path="/api/checkins"), 202),
        "in chunks": (request(batch, path="/api/checkins", chunks=1000), 202),
        "plain": (request(GOOD), 202),
        "unread": (request(batch, path="/nope"), 404),
        "with an offer": (request(GOOD, headers={"Connection": "Upgrade", "Upgrade": "h2c"}), 202),
    }
    order = [*kinds, *reversed(kinds), *(["small"] * 2000), *(["plain"] * 50), *(["with an offer"] * 500), *kinds]
    with RawConnection(receiver.port) as connection:

        def send() -> None:
            connection.send(b"".join(kinds[kind][0] for kind in order))
            connection.end()

        sender = threading.Thread(target=send)
        sender.start()
        for place, kind in enumerate(order):
            answer = connection.read()
            assert answer.status == kinds[kind][1], (place, kind, answer)
        sender.join()
        assert connection.is_ended()
    assert "Traceback" not in receiver.log


def test_a_request_that_waits_for_its_turn_is_not_cut_off(server: Server) -> None:
    client = open_metadata(server)
    client.script_load(RECEIVE.source)
    with (
        Proxy(server.port) as proxy,
        AsgiReceiver(proxy.url, request_timeout=1, server_timeout=10) as receiver,
        RawConnection(receiver.port) as connection,
    ):
        proxy.hold_replies(to=RECEIVE.sha)
        connection.send(request(GOOD) + request(GOOD)[:-5])
        proxy.wait_until_holding()
        with RawConnection(receiver.port) as other:  # one that began later and sends no more
            other.send(b"GET")
            assert_problem(other.read(), 408)
        assert not connection.has_received()
        proxy.release()
        accepted_id(connection.read())
        connection.send(request(GOOD)[-5:])
        accepted_id(connection.read())


@pytest.mark.parametrize("path", ["/api/checkin", "/api/checkin?"])
def test_blanks_behind_a_value_are_no_part_of_it(receiver: Receiver, path: str) -> None:
    headers = {"X-Request-Id": "app-1 \t ", "Idempotency-Key": "once ", "Host": "test\t"}
    first, again = (ask(receiver, request(GOOD, path=path, headers=headers)) for _ in range(2))
    assert accepted_id(first) == accepted_id(again)
    assert {answer.headers["x-request-id"] for answer in (first, again)} == {"app-1"}


# --- what is no body


@pytest.mark.parametrize("line", [b"X-T: " + b"t" * 100 + b"\r\n", b"t" * 1000], ids=["many", "one without end"])
@pytest.mark.parametrize("path", ["/api/checkin", "/api/checkins", "/nope"])
def test_trailers_without_end_are_431(receiver: Receiver, line: bytes, path: str) -> None:
    begin = request(GOOD, chunks=10, path=path)[:-2]
    with RawConnection(receiver.port) as connection:
        connection.send(begin + (b"X-T: " if line[:1] == b"t" else b""))
        sent = 0
        with contextlib.suppress(OSError):  # it has ended the connection
            while sent < 4 * _BUFFERS:
                connection.send(line * 50)
                sent += len(line) * 50
    assert sent < 2 * _BUFFERS, "it does not take them without end"


def test_the_answer_to_trailers_without_end_says_so(receiver: Receiver) -> None:
    with RawConnection(receiver.port) as connection:
        connection.send(request(GOOD, chunks=10)[:-2] + b"X-T: " + b"t" * 80_000)
        answer = assert_problem(connection.read(), 431)
        assert "trailers" in answer["detail"]


def test_small_chunks_are_no_headers(receiver: Receiver) -> None:
    lines = b"\n".join([GOOD] * 9000)
    with RawConnection(receiver.port) as connection:
        head = {"Content-Type": "application/x-ndjson"}
        connection.send(request(lines, path="/api/checkins", chunks=len(GOOD) + 1, headers=head))
        assert connection.read().json()["accepted"] == 9000
        connection.send(request(GOOD, chunks=1))
        accepted_id(connection.read())


def test_what_chunks_have_beside_their_size_is_limited(receiver: Receiver) -> None:
    data = request(GOOD, chunks=1).replace(b"\r\n1\r\n", b"\r\n1;x=" + b"y" * 3000 + b"\r\n")
    with RawConnection(receiver.port) as connection:
        connection.send(data)
        assert_problem(connection.read(), 431)


# --- trailers


def with_trailers(**trailers: str) -> bytes:
    """A check-in in chunks, with these after it."""
    fields = "".join(f"{name}: {value}\r\n" for name, value in trailers.items())
    return request(GOOD, chunks=20)[:-2] + fields.encode() + b"\r\n"


def test_a_trailer_is_no_idempotency_key(receiver: Receiver, server: Server) -> None:
    with RawConnection(receiver.port) as connection:
        for _ in range(2):
            connection.send(with_trailers(**_SIGN))
            answer = connection.read()
            accepted_id(answer)
            assert "idempotent-replayed" not in answer.headers
    assert server.client().xlen(STREAM) == 2


def test_a_trailer_signs_nobody_in(server: Server) -> None:
    client = open_metadata(server)
    token = {"name": "t", "role": "checkin", "created": 0, "rate": 0}
    assert set(token) == set(Token.__struct_fields__)
    client.hset("ncc:tokens", digest(_SIGN["Authorization"].removeprefix("Bearer ")), json.dumps(token))
    with Receiver(server.url, auth="true") as receiver, RawConnection(receiver.port) as connection:
        connection.send(with_trailers(**_SIGN))
        assert_problem(connection.read(), 401)
        connection.send(request(GOOD, headers=_SIGN))
        accepted_id(connection.read())


@pytest.mark.parametrize(
    "coding", ["gzip, chunked", "gzip", "identity", ", chunked", "identity, chunked", "chunked;q=1"]
)
def test_a_transfer_encoding_that_is_not_understood_is_501(receiver: Receiver, server: Server, coding: str) -> None:
    lines = f"Transfer-Encoding: {coding}".encode()
    with RawConnection(receiver.port) as connection:
        connection.send(request(GOOD, chunks=10).replace(b"Transfer-Encoding: chunked", lines))
        assert_problem(connection.read(), 501)
        assert connection.is_ended()
    assert server.client().xlen(STREAM) == 0


def test_what_chunked_does_not_end_and_what_has_no_chunks_is_400(receiver: Receiver, server: Server) -> None:
    chunked = b"Transfer-Encoding: chunked"
    for other in (b"Transfer-Encoding: chunked, gzip", chunked + b", chunked", b"Transfer-Encoding:", chunked * 2):
        with RawConnection(receiver.port) as connection:
            connection.send(request(GOOD, chunks=10).replace(chunked, other))
            assert connection.read().status in (400, 501), other
    with RawConnection(receiver.port) as connection:
        connection.send(request(GOOD, chunks=10, version="1.0"))
        assert "HTTP/1.0" in assert_problem(connection.read(), 400)["detail"]
    for good in (b"transfer-encoding:Chunked", chunked + b" "):
        with RawConnection(receiver.port) as connection:
            connection.send(request(GOOD, chunks=10).replace(chunked, good))
            accepted_id(connection.read())
    assert server.client().xlen(STREAM) == 2


# --- heads


@pytest.mark.parametrize("parts", [1, 50], ids=["in one piece", "in pieces"])
def test_a_head_has_a_limit_that_does_not_depend_on_how_it_comes(receiver: Receiver, parts: int) -> None:
    def answer(data: bytes) -> Answer:
        size = len(data) // parts + 1
        with RawConnection(receiver.port) as connection:
            connection.send(*(data[start : start + size] for start in range(0, len(data), size)))
            return connection.read()

    for name in ("X-One", "Idempotency-Key", "Cookie"):
        assert_problem(answer(request(GOOD, headers={name: "k" * 66_000})), 431)
    assert_problem(answer(request(GOOD, headers={f"X-{number}": "" for number in range(9000)})), 431)
    accepted_id(answer(request(GOOD, headers={"X-One": "k" * 65_000})))
    for path, status in (("/" + "p" * 8192, 414), ("/" + "p" * 100_000, 414), ("/" + "p" * 8191, 404)):
        assert answer(request(GOOD, path=path)).status == status
        assert answer(request(GOOD, path=f"/api/checkin?{path[13:]}")).status == (414 if status == 414 else 202)


def test_a_request_of_one_line_is_refused(receiver: Receiver) -> None:
    with RawConnection(receiver.port) as connection:
        connection.send(b"GET /healthz\r\n\r\n")
        assert "HTTP/0.9" in assert_problem(connection.read(), 505)["detail"]
        assert connection.is_ended()


# --- hosts


@pytest.mark.parametrize(
    "host", ["test", "test:8082", "127.0.0.1", "[::1]:8082", "", "a_b.example-1.com", "a%20b", "x: "]
)
def test_a_host_is_a_host(receiver: Receiver, host: str) -> None:
    with RawConnection(receiver.port) as connection:
        connection.send(request(GOOD, headers={"Host": host}))
        accepted_id(connection.read())


@pytest.mark.parametrize("host", ["a b", "a/b", "<a>", "a?b", "a#b", "é", "a@b", "[::1", "a:b", "a\\b", '"', "a:1:2"])
@pytest.mark.parametrize("version", ["1.1", "1.0"])
def test_what_is_no_host_is_400(receiver: Receiver, host: str, version: str) -> None:
    with RawConnection(receiver.port) as connection:
        connection.send(request(GOOD, headers={"Host": host}, version=version))
        assert_problem(connection.read(), 400)


def test_a_request_has_one_host(receiver: Receiver) -> None:
    without = request(GOOD).replace(b"Host: test\r\n", b"")
    for data in (
        without,
        request(GOOD, headers={"host": "test"}),
        request(GOOD, headers={"host": "test"}, version="1.0"),
    ):
        with RawConnection(receiver.port) as connection:
            connection.send(data)
            assert_problem(connection.read(), 400)
    with RawConnection(receiver.port) as connection:
        connection.send(without.replace(b"HTTP/1.1", b"HTTP/1.0"))
        accepted_id(connection.read())
