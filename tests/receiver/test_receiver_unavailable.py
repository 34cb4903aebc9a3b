"""The receiver without a server that takes check-ins: 503 and Retry-After, until it takes them again, by itself."""

import contextlib
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from footfall.store.scripts import RECEIVE
from processes import Receiver
from proxy import Proxy
from raw_http import RawConnection, request
from receiver_scene import (
    GOOD,
    META,
    PROCESSED,
    STREAM,
    accepted_id,
    ask,
    assert_problem,
    assert_unavailable,
    open_metadata,
    post,
)
from servers import Server, wait_until


@pytest.fixture
def client(server: Server) -> Any:
    return open_metadata(server)


@pytest.fixture
def receiver(server: Server, client: Any) -> Iterator[Receiver]:
    with Receiver(server.url) as receiver:
        yield receiver


def wait_until_accepted(receiver: Receiver) -> None:
    """Wait until a check-in is accepted; refusals on the way are as they should be."""

    def accepted() -> bool:
        answer = post(receiver)
        if answer.status != 202:
            assert_problem(answer, 503)
        return answer.status == 202

    wait_until(accepted, "check-ins are accepted", 5)


# --- the server is away


def test_a_receiver_waits_for_a_server_that_is_not_there_yet(own_server: Callable[..., Server]) -> None:
    server = own_server()
    server.kill()
    with Receiver(server.url, ready=False) as receiver:
        for _ in range(3):
            assert assert_unavailable(receiver)["detail"] == "the server is not available", "and not where it is"
        assert receiver.log.count(f"error: Cannot reach the server at redis://127.0.0.1:{server.port}/0 (") == 1
        server.start()
        open_metadata(server)
        wait_until_accepted(receiver)
        assert (
            receiver.log.count(f"info: The server at redis://127.0.0.1:{server.port}/0 is available again after ") == 1
        )


def test_a_killed_server_is_503_until_it_is_back_and_that_is_logged_once(own_server: Callable[..., Server]) -> None:
    server = own_server(appendonly=True, appendfsync="always")
    open_metadata(server)
    with Receiver(server.url) as receiver:
        for outage in (1, 2):
            accepted_id(post(receiver))
            server.kill()
            for _ in range(5):
                assert_unavailable(receiver)
            server.start()
            wait_until_accepted(receiver)
            assert receiver.log.count("Cannot reach the server") == outage
            assert receiver.log.count("is available again after") == outage
        assert "Traceback" not in receiver.log


def test_a_server_that_does_not_answer_is_503_until_it_does_and_that_is_logged_once(
    own_server: Callable[..., Server],
) -> None:
    server = own_server()
    open_metadata(server)
    with Receiver(server.url) as receiver:
        for outage in (1, 2):
            server.pause()
            for _ in range(5):
                assert_unavailable(receiver)
            server.resume()
            wait_until_accepted(receiver)
            assert receiver.log.count("Cannot reach the server") == outage
            assert receiver.log.count("is available again after") == outage


def test_check_ins_that_wait_for_a_server_are_answered_when_it_is_lost(server: Server, client: Any) -> None:
    with Proxy(server.port) as proxy, Receiver(proxy.url) as receiver, contextlib.ExitStack() as connections:
        proxy.hold_requests(containing=RECEIVE.sha)
        waiting = [connections.enter_context(RawConnection(receiver.port)) for _ in range(20)]
        for connection in waiting:
            connection.send(request(GOOD))
        proxy.wait_until_holding()
        proxy.cut()
        for connection in waiting:
            assert_problem(connection.read(), 503)
        wait_until_accepted(receiver)
    assert client.xlen(STREAM) == 1


def test_no_more_check_ins_wait_than_are_allowed(server: Server, client: Any) -> None:
    with (
        Proxy(server.port) as proxy,
        Receiver(proxy.url, max_pending=3) as receiver,
        contextlib.ExitStack() as connections,
    ):
        proxy.hold_requests(containing=RECEIVE.sha)
        waiting = [connections.enter_context(RawConnection(receiver.port)) for _ in range(3)]
        for connection in waiting:
            connection.send(request(GOOD))
        proxy.wait_until_holding()
        wait_until(lambda: "too many" in assert_unavailable(receiver)["detail"], "the queue is full")
        proxy.release()
        for connection in waiting:
            accepted_id(connection.read())
        accepted_id(post(receiver))


# --- the server refuses


def test_a_full_backlog_is_503_until_some_of_it_is_processed(server: Server, client: Any) -> None:
    with Receiver(server.url, max_backlog=3) as receiver:
        for _ in range(3):
            accepted_id(post(receiver))
        for _ in range(2):
            assert "backlog" in assert_unavailable(receiver)["detail"]
        assert client.xlen(STREAM) == 3
        client.incr(PROCESSED)
        accepted_id(post(receiver))
        assert_unavailable(receiver)
        assert client.xlen(STREAM) == 4
        assert receiver.log.count("error: Check-ins are refused: the backlog is full") == 1


def test_while_data_is_loaded_check_ins_are_refused(receiver: Receiver, client: Any) -> None:
    client.hset(META, "state", "loading")
    assert "loaded" in assert_unavailable(receiver)["detail"]
    client.hset(META, "state", "ready")
    accepted_id(post(receiver))
    assert client.xlen(STREAM) == 1


def test_a_receiver_that_starts_while_data_is_loaded_takes_check_ins_when_it_is_done(
    server: Server, client: Any
) -> None:
    client.hset(META, "state", "loading")
    with Receiver(server.url, ready=False) as receiver:
        wait_until(lambda: "loaded" in assert_unavailable(receiver)["detail"], "it has reached the server")
        client.hset(META, "state", "ready")
        accepted_id(post(receiver))


def test_a_server_without_memory_left_refuses_and_the_reason_is_given(receiver: Receiver, client: Any) -> None:
    client.config_set("maxmemory", 1)
    for _ in range(3):
        assert "OOM" in assert_unavailable(receiver)["detail"]
    assert not client.exists(STREAM)
    client.config_set("maxmemory", 0)
    wait_until_accepted(receiver)
    assert receiver.log.count("error: Check-ins are refused: OOM") == 1


@pytest.mark.parametrize("key", [META, PROCESSED, STREAM])
def test_a_broken_key_is_named_and_nothing_is_stored_until_it_is_repaired(
    receiver: Receiver, client: Any, key: str
) -> None:
    accepted_id(post(receiver))
    good = client.dump(key)
    client.delete(key)
    client.sadd(key, "not what it was")
    assert key in assert_unavailable(receiver)["detail"]
    client.restore(key, 0, good, replace=True)
    accepted_id(post(receiver))
    assert client.xlen(STREAM) == 2


def test_a_command_that_is_refused_is_said_once_however_often_it_is_asked_whether_it_is_ready(
    own_server: Callable[..., Server],
) -> None:
    server = own_server()
    client = open_metadata(server)

    with Receiver(server.url, server_check_s=60) as asked:

        def status() -> int:
            return ask(asked, request(method="GET", path="/readyz")).status

        client.acl_setuser("default", enabled=True, commands=["-xadd"])
        assert [status() for _ in range(5)] == [503] * 5
        client.acl_setuser("default", enabled=True, commands=["+xadd"])
        assert [status() for _ in range(2)] == [200] * 2
        assert asked.log.count("error: No check-in is taken: the server refuses XADD ") == 1
        assert asked.log.count("info: The server allows what check-ins need after ") == 1
