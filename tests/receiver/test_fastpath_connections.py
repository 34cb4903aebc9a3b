"""Clients that go away, wait, or never end a request: they disturb nobody else."""

import signal
import time
from collections.abc import Iterator
from typing import Any

import pytest

from footfall.store.scripts import RECEIVE
from processes import AsgiReceiver, Receiver
from proxy import Proxy
from raw_http import RawConnection, request
from receiver_scene import GOOD, STREAM, accepted_id, assert_problem, open_metadata, post
from servers import Server, wait_until

#: seconds that a client has for a request
_TIMEOUT = 0.6
#: seconds that an idle connection is kept
_KEEP_ALIVE = 2.0


@pytest.fixture
def client(server: Server) -> Any:
    return open_metadata(server)


@pytest.fixture(params=[Receiver, AsgiReceiver], ids=["fast path", "other path"])
def hasty(request: pytest.FixtureRequest, server: Server, client: Any) -> Iterator[Receiver]:
    """A receiver that waits for requests for a short time only."""
    with request.param(server.url, request_timeout=_TIMEOUT) as receiver:
        yield receiver


@pytest.mark.parametrize("kind", [Receiver, AsgiReceiver], ids=["fast path", "other path"])
def test_a_client_that_leaves_while_its_check_in_is_under_way_disturbs_nobody(
    server: Server, client: Any, kind: type[Receiver]
) -> None:
    client.script_load(RECEIVE.source)
    with Proxy(server.port) as proxy, kind(proxy.url) as receiver:
        stayed = RawConnection(receiver.port)
        proxy.hold_replies(to=RECEIVE.sha)
        left = [RawConnection(receiver.port) for _ in range(20)]
        for connection in [*left[:10], stayed, *left[10:]]:
            connection.send(request(GOOD))
        proxy.wait_until_holding()
        for connection in left:
            connection.abort()
        wait_until(lambda: client.xlen(STREAM), "the first are stored")
        proxy.release()
        entry_id = accepted_id(stayed.read())
        stayed.send(request(GOOD))
        accepted_id(stayed.read())
        stayed.close()
        assert entry_id in dict(client.xrange(STREAM))
        assert client.xlen(STREAM) == 22
        assert "Traceback" not in receiver.log
        assert "error" not in receiver.log


@pytest.mark.parametrize(
    "part", [b"P", request(GOOD)[:30], request(GOOD)[:-1]], ids=["a byte", "its head", "all but one"]
)
def test_a_request_that_does_not_end_is_cut_off_with_408(hasty: Receiver, part: bytes) -> None:
    with RawConnection(hasty.port) as connection:
        started = time.monotonic()
        connection.send(part)
        assert_problem(connection.read(), 408)
        assert _TIMEOUT * 0.9 < time.monotonic() - started < _TIMEOUT + 3
        assert connection.is_ended()


def test_bytes_that_trickle_in_do_not_extend_the_time(hasty: Receiver) -> None:
    with RawConnection(hasty.port) as connection:
        data = iter(request(GOOD))

        def is_cut_off() -> bool:
            try:
                connection.send(bytes([next(data)]))
            except OSError:
                return True
            return connection.has_received()

        wait_until(is_cut_off, "the connection is cut off", _TIMEOUT + 3)
        assert_problem(connection.read(), 408)


def test_a_connection_that_says_nothing_is_ended(hasty: Receiver) -> None:
    with RawConnection(hasty.port) as connection:
        assert connection.is_ended()


def test_a_client_may_take_its_time_between_requests(hasty: Receiver) -> None:
    with RawConnection(hasty.port) as connection:
        for _ in range(3):
            connection.send(request(GOOD))
            accepted_id(connection.read())
            time.sleep(_TIMEOUT * 1.5)  # what is tested: nothing happens meanwhile


def test_a_thousand_stalled_clients_do_not_slow_the_others(server: Server, client: Any) -> None:
    with Receiver(server.url) as receiver:
        stalled = [RawConnection(receiver.port) for _ in range(1000)]
        for connection in stalled:
            connection.send(request(GOOD)[:-5])
        started = time.monotonic()
        for _ in range(50):
            accepted_id(post(receiver))
        assert time.monotonic() - started < 5, "as many take 0.1 s without them"
        for connection in stalled:
            connection.close()


def test_a_connection_is_kept_while_it_is_used_and_ended_when_it_is_not(server: Server, client: Any) -> None:
    with (
        Receiver(server.url, keepalive_timeout_s=_KEEP_ALIVE) as receiver,
        RawConnection(receiver.port) as connection,
    ):
        for pause in (0.6 * _KEEP_ALIVE, 0):
            connection.send(request(GOOD))
            accepted_id(connection.read())
            last = time.monotonic()
            time.sleep(pause)  # a use in between must count
        assert connection.is_ended()
        assert _KEEP_ALIVE * 0.9 < time.monotonic() - last < _KEEP_ALIVE + 3


def test_what_comes_while_a_check_in_is_under_way_is_answered_after_it(server: Server, client: Any) -> None:
    client.script_load(RECEIVE.source)
    with Proxy(server.port) as proxy, Receiver(proxy.url) as receiver, RawConnection(receiver.port) as connection:
        proxy.hold_replies(to=RECEIVE.sha)
        connection.send(request(GOOD))
        proxy.wait_until_holding()
        connection.send(request(GOOD), request(b"?"), request(GOOD) + request(method="GET", path="/healthz"))
        proxy.release()
        answers = [connection.read() for _ in range(5)]
    assert [answer.status for answer in answers] == [202, 202, 400, 202, 200]
    assert [entry for entry, _ in client.xrange(STREAM)] == [accepted_id(answers[i]) for i in (0, 1, 3)]


def test_half_a_request_is_not_blamed_on_its_client_when_the_service_stops(server: Server, client: Any) -> None:
    client.script_load(RECEIVE.source)
    with (
        Proxy(server.port) as proxy,
        Receiver(proxy.url, server_timeout=10) as receiver,
        RawConnection(receiver.port) as connection,
    ):
        proxy.hold_replies(to=RECEIVE.sha)
        connection.send(request(GOOD))
        proxy.wait_until_holding()
        connection.send(request(GOOD)[:30])
        receiver.signal(signal.SIGTERM)
        wait_until(lambda: not listens(receiver.port), "it takes no more connections")
        proxy.release()
        accepted_id(connection.read())
        assert connection.is_ended()
        assert receiver.wait() == 0


def listens(port: int) -> bool:
    """Whether somebody can connect."""
    try:
        RawConnection(port).close()
    except ConnectionError:
        return False
    return True


def test_connections_beyond_the_limit_are_refused_and_the_others_go_on(server: Server, client: Any) -> None:
    with Receiver(server.url, max_connections=5) as receiver:
        receiver.client.close()  # it keeps one
        wait_until(lambda: fits(receiver), "its connection is gone")
        kept = [RawConnection(receiver.port) for _ in range(5)]
        for connection in kept:
            connection.send(request(GOOD))
            accepted_id(connection.read())
        with RawConnection(receiver.port) as connection:
            answer = connection.read()
            assert assert_problem(answer, 503)["detail"] == "too many connections"
            assert answer.headers["retry-after"] == "1"
            assert connection.is_ended()
        for connection in kept:
            connection.send(request(GOOD))
            accepted_id(connection.read())
            connection.close()
        wait_until(lambda: fits(receiver), "there is room again")


def fits(receiver: Receiver) -> bool:
    """Whether the receiver takes another connection."""
    with RawConnection(receiver.port) as connection:
        connection.send(request(method="GET", path="/healthz"))
        return connection.read().status == 200
