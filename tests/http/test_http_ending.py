"""How connections are ended: a client that still sends has its last answer, and none holds one open for long."""

import contextlib
import socket
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from processes import Api, AsgiReceiver, Auth, Receiver, Service
from raw_http import RawConnection, request
from receiver_scene import GOOD, accepted_id, ask, assert_problem, open_metadata
from servers import Server, wait_until

#: seconds for which more is read of a client that has its last answer, and bytes
_DROPPING, _DROPPED = 2.0, 8 * 1024 * 1024
#: more than the system takes for a process that does not read
_MUCH = b"x" * 3_000_000
#: what is answered before all of it is there, and how
_REFUSED: dict[str, tuple[bytes, int]] = {
    "no HTTP": (b"what is that\r\n\r\n" + _MUCH, 400),
    "no method": (b"\x16\x03\x01" + _MUCH, 400),
    "no chunk": (request(chunks=10)[:-5] + b"zz\r\n" + _MUCH, 400),
    "no host": (b"POST /api/checkin HTTP/1.1\r\nContent-Length: 3000000\r\n\r\n" + _MUCH, 400),
    "another version": (request(_MUCH, version="2.0"), 505),
    "an encoding": (request(_MUCH, chunks=65_536, headers={"Transfer-Encoding": "gzip, chunked"}), 501),
    "a long target": (request(path="/" + "p" * 3_000_000), 414),
    "a long head": (request(headers={"X": "x" * 3_000_000}), 431),
    "no route, and the last request": (request(_MUCH, path="/nope", headers={"Connection": "close"}), 404),
    "no route, of HTTP/1.0": (request(_MUCH, path="/nope", version="1.0"), 404),
    "much too large, and the last request": (request(_MUCH * 2, headers={"Connection": "close"}), 413),
}


@pytest.fixture(params=[Receiver, AsgiReceiver], ids=["fast path", "other path"])
def receiver(request: pytest.FixtureRequest, server: Server) -> Iterator[Receiver]:
    open_metadata(server)
    with request.param(server.url) as receiver:
        yield receiver


@pytest.mark.parametrize("name", _REFUSED)
def test_a_client_that_sends_all_before_it_reads_has_the_answer(receiver: Receiver, name: str) -> None:
    data, status = _REFUSED[name]
    with RawConnection(receiver.port) as connection:
        connection.send(*(data[start : start + 65_536] for start in range(0, len(data), 65_536)))
        answer = connection.read()
        assert_problem(answer, status)
        assert answer.headers["connection"] == "close"
        began = time.monotonic()
        assert connection.is_ended()
        assert time.monotonic() - began < _DROPPING / 2, "the answer is ended at once"


@pytest.mark.parametrize("version", ["1.1", "1.0"])
def test_what_is_sent_behind_the_last_request_takes_no_answer_away(receiver: Receiver, version: str) -> None:
    last = request(method="GET", path="/healthz", version=version, headers={"Connection": "close"})
    data = last + _MUCH
    with RawConnection(receiver.port) as connection:
        connection.send(*(data[start : start + 65_536] for start in range(0, len(data), 65_536)))
        assert connection.read().status == 200
        assert connection.is_ended()


@pytest.mark.parametrize("kind", [Api, Auth])
def test_so_it_is_with_the_other_services(server: Server, kind: type[Service]) -> None:
    open_metadata(server)
    with kind(server.url) as service, RawConnection(service.port) as connection:
        data = _REFUSED["no HTTP"][0]
        connection.send(*(data[start : start + 65_536] for start in range(0, len(data), 65_536)))
        assert_problem(connection.read(), 400)


def test_what_comes_after_the_last_answer_is_no_request(receiver: Receiver, server: Server) -> None:
    with RawConnection(receiver.port) as connection:
        connection.send(b"what is that\r\n\r\n")
        assert_problem(connection.read(), 400)
        for _ in range(3):
            connection.send(request(GOOD))
        assert connection.is_ended()
    accepted_id(ask(receiver, request(GOOD)))
    assert server.client().xlen("ncc:checkins") == 1


def test_more_than_that_is_not_read(receiver: Receiver) -> None:
    with RawConnection(receiver.port) as connection:
        connection.send(b"what is that\r\n\r\n")
        sent = 0
        with contextlib.suppress(OSError):  # it has ended the connection
            while sent < 10 * _DROPPED:
                connection.send(_MUCH[:65_536])
                sent += 65_536
        assert _DROPPED / 2 < sent < 4 * _DROPPED


def test_nor_for_longer(receiver: Receiver) -> None:
    with RawConnection(receiver.port) as connection:

        def is_ended() -> bool:
            try:
                connection.send(b"x")
            except OSError:
                return True
            return False

        connection.send(b"what is that\r\n\r\n")
        began = time.monotonic()
        wait_until(is_ended, "it ends the connection", _DROPPING + 2)
        assert time.monotonic() - began > _DROPPING / 2


def test_a_client_that_sends_nothing_more_is_waited_for_no_longer(receiver: Receiver) -> None:
    receiver.client.close()
    with RawConnection(receiver.port) as connection:
        connection.send(b"what is that\r\n\r\n")
        assert_problem(connection.read(), 400)
        began = time.monotonic()
        wait_until(lambda: not held_open(receiver.port), "the connection is gone", _DROPPING + 2)
        assert time.monotonic() - began > _DROPPING / 2
    with RawConnection(receiver.port) as connection:
        connection.send(b"what is that\r\n\r\n")
        connection.end()
        assert_problem(connection.read(), 400)
        wait_until(lambda: not held_open(receiver.port), "the connection is gone", _DROPPING / 2)


def held_open(port: int) -> int:
    """How many connections a service holds open."""
    rows = [line.split() for line in Path("/proc/net/tcp").read_text().splitlines()][1:]
    local = f"0100007F:{port:04X}"
    # 0A: it listens; no inode: no process holds it any more
    return sum(row[1] == local and row[3] != "0A" and row[9] != "0" for row in rows)


def test_who_is_one_too_many_has_the_answer_and_is_not_served(server: Server) -> None:
    open_metadata(server)
    with Receiver(server.url, max_connections=2) as receiver:
        receiver.client.close()
        wait_until(lambda: not held_open(receiver.port), "nobody is connected")
        with RawConnection(receiver.port), RawConnection(receiver.port), RawConnection(receiver.port) as third:
            assert_problem(third.read(), 503)
            third.send(request(GOOD))
            assert third.is_ended()
        assert server.client().xlen("ncc:checkins") == 0


def test_a_stopping_service_does_not_wait_for_such_clients(receiver: Receiver) -> None:
    with socket.create_connection(("127.0.0.1", receiver.port)) as connection:
        connection.sendall(b"what is that\r\n\r\n")
        connection.recv(1)
        began = time.monotonic()
        assert receiver.terminate() == 0
        assert time.monotonic() - began < _DROPPING + 3


def test_a_client_that_waits_for_100_and_is_refused_meanwhile_is_told_nothing_after_that(receiver: Receiver) -> None:
    waits = request(path="/api/checkins", chunks=1, headers={"Expect": "100-continue"}).removesuffix(b"0\r\n\r\n")
    for _ in range(20):
        with RawConnection(receiver.port) as connection:
            connection.send(waits + b"no size\r\n")
            assert connection.read_all().startswith(b"HTTP/1.1 400 ")
    assert "failed" not in receiver.log
