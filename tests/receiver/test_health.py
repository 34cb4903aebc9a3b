"""/healthz and /readyz: whether the receiver lives, and whether it takes check-ins."""

import signal
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from footfall.store.scripts import RECEIVE
from processes import AsgiReceiver, Receiver
from proxy import Proxy
from raw_http import Answer, RawConnection, request
from receiver_scene import GOOD, META, PROCESSED, STREAM, accepted_id, ask, assert_problem, open_metadata, post
from servers import Server, wait_until


@pytest.fixture
def client(server: Server) -> Any:
    return open_metadata(server)


@pytest.fixture
def receiver(server: Server, client: Any) -> Iterator[Receiver]:
    with Receiver(server.url) as receiver:
        yield receiver


def get(receiver: Receiver, path: str) -> Answer:
    """The answer to a GET."""
    return ask(receiver, request(method="GET", path=path))


def assert_ready(receiver: Receiver, backlog: int) -> None:
    """Ready at once, and it lives."""
    answer = get(receiver, "/readyz")
    assert (answer.status, answer.json()) == (200, {"backlog": backlog, "status": "ready"})
    assert_alive(receiver)


def assert_alive(receiver: Receiver) -> None:
    answer = get(receiver, "/healthz")
    assert (answer.status, answer.json()) == (200, {"status": "alive"})


def why_not_ready(receiver: Receiver) -> str:
    """What /readyz says is in the way; the process lives all the same."""
    assert_alive(receiver)
    answer = get(receiver, "/readyz")
    assert int(answer.headers["retry-after"]) >= 1
    return str(assert_problem(answer, 503)["detail"])


def wait_until_ready(receiver: Receiver) -> None:
    wait_until(lambda: get(receiver, "/readyz").status == 200, "it is ready")


def test_a_receiver_that_takes_check_ins_is_ready_and_tells_the_backlog(receiver: Receiver, client: Any) -> None:
    assert_ready(receiver, 0)
    for _ in range(3):
        accepted_id(post(receiver))
    assert_ready(receiver, 3)
    client.incr(PROCESSED)
    assert_ready(receiver, 2)
    client.xtrim(STREAM, maxlen=0, approximate=False)
    assert_ready(receiver, 2)


def test_without_a_server_it_lives_and_is_not_ready(own_server: Callable[..., Server]) -> None:
    server = own_server(appendonly=True, appendfsync="always")
    open_metadata(server)
    with Receiver(server.url) as receiver:
        server.kill()
        for _ in range(3):
            assert "the server is not available" in why_not_ready(receiver)
        server.start()
        wait_until_ready(receiver)
        assert receiver.log.count("Cannot reach the server") == 1, "the connection of /readyz says nothing of its own"
        assert receiver.log.count("is available again after") == 1


def test_a_server_that_does_not_answer_is_not_waited_for_without_end(own_server: Callable[..., Server]) -> None:
    server = own_server()
    open_metadata(server)
    with Receiver(server.url, server_timeout=0.3) as receiver:
        server.pause()
        assert "did not answer within 0.3 s" in why_not_ready(receiver)
        server.resume()
        wait_until_ready(receiver)


def test_a_server_that_is_lost_while_it_is_asked_leaves_no_trace_in_the_log(server: Server, client: Any) -> None:
    with Proxy(server.port) as proxy, Receiver(proxy.url) as receiver, RawConnection(receiver.port) as connection:
        proxy.hold_replies(to=b"HGET")
        connection.send(request(method="GET", path="/readyz"))
        proxy.wait_until_holding()
        proxy.cut()
        assert_problem(connection.read(), 503)
        wait_until_ready(receiver)
        assert receiver.terminate() == 0
        assert "Traceback" not in receiver.log
        assert "never" not in receiver.log


def test_while_data_is_loaded_it_is_not_ready(receiver: Receiver, client: Any) -> None:
    client.hset(META, "state", "loading")
    assert why_not_ready(receiver) == "data is being loaded"
    client.hset(META, "state", "ready")
    assert_ready(receiver, 0)


def test_while_the_backlog_is_full_it_is_not_ready(server: Server, client: Any) -> None:
    with Receiver(server.url, max_backlog=2) as receiver:
        accepted_id(post(receiver))
        assert_ready(receiver, 1)
        accepted_id(post(receiver))
        assert why_not_ready(receiver) == "the backlog is full: 2 entries are not processed"
        assert_problem(post(receiver), 503)
        client.incr(PROCESSED)
        assert_ready(receiver, 1)


@pytest.mark.parametrize("what", ["missing", "of another type"])
@pytest.mark.parametrize("key", [META, PROCESSED, STREAM])
def test_with_a_broken_key_it_is_not_ready_as_it_takes_no_check_in(
    receiver: Receiver, client: Any, key: str, what: str
) -> None:
    accepted_id(post(receiver))
    client.incr(PROCESSED)
    good = client.dump(key)
    client.delete(key)
    if what != "missing":
        client.sadd(key, "not what it was")
    assert why_not_ready(receiver) == "the keys of the stream do not hold what they must"
    assert_problem(post(receiver), 503)
    client.restore(key, 0, good, replace=True)
    assert_ready(receiver, 0)


def test_a_stream_that_is_not_there_yet_is_no_trouble(receiver: Receiver, client: Any) -> None:
    assert not client.exists(STREAM)
    assert_ready(receiver, 0)


def test_a_receiver_that_stops_is_not_ready_but_answers_what_it_has_taken(server: Server, client: Any) -> None:
    client.script_load(RECEIVE.source)
    with Proxy(server.port) as proxy, Receiver(proxy.url) as receiver, RawConnection(receiver.port) as connection:
        proxy.hold_replies(to=RECEIVE.sha)
        connection.send(request(GOOD))
        proxy.wait_until_holding()
        connection.send(request(method="GET", path="/readyz"))
        receiver.signal(signal.SIGTERM)
        wait_until(lambda: not accepts_connections(receiver), "it takes no more connections")
        proxy.release()
        accepted_id(connection.read())
        assert assert_problem(connection.read(), 503)["detail"] == "the receiver is stopping"
        assert connection.is_ended()
        assert receiver.wait() == 0


def accepts_connections(receiver: Receiver) -> bool:
    try:
        RawConnection(receiver.port).close()
    except OSError:
        return False
    return True


@pytest.mark.parametrize("kind", [Receiver, AsgiReceiver], ids=["fast path", "other path"])
def test_health_is_answered_while_the_intake_waits(server: Server, client: Any, kind: type[Receiver]) -> None:
    with Proxy(server.port) as proxy, kind(proxy.url) as receiver, RawConnection(receiver.port) as waiting:
        proxy.hold_requests(containing=RECEIVE.sha)
        waiting.send(request(GOOD))
        proxy.wait_until_holding()
        assert_ready(receiver, 0)
        proxy.release()
        accepted_id(waiting.read())
