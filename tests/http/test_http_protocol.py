"""What uvicorn's protocol does not do by itself: heads that ask too much, idle connections, and clients that leave."""

import contextlib
import time
from collections.abc import Iterator

import pytest

from footfall.store.scripts import RECEIVE
from processes import Api, AsgiReceiver, Auth, Processor, Receiver, Service
from proxy import Proxy
from raw_http import RawConnection, request
from receiver_scene import GOOD, STREAM, accepted_id, assert_problem, open_metadata, post
from servers import Server, wait_until

#: seconds that an idle connection is kept
_KEEP_ALIVE = 2.0
#: what a client sends after the answer, that is no new request; and before it
_REST: dict[str, tuple[list[bytes], bytes]] = {
    "nothing": ([request(GOOD)], b""),
    "a blank line": ([request(GOOD)], b"\r\n"),
    "a blank line after another route": ([request(method="GET", path="/healthz")], b"\r\n"),
    "the rest of a body that nobody reads": ([request(GOOD, path="/nope")[:-9]], request(GOOD)[-9:]),
    "the last chunk of one": ([request(GOOD, path="/nope", chunks=9)[:-2]], b"\r\n"),
}


@pytest.fixture(params=[Receiver, AsgiReceiver], ids=["fast path", "other path"])
def receiver(request: pytest.FixtureRequest, server: Server) -> Iterator[Receiver]:
    open_metadata(server)
    with request.param(server.url) as receiver:
        yield receiver


@pytest.fixture(params=[Receiver, AsgiReceiver, Api, Auth, Processor], ids=lambda kind: kind.__name__)
def service(request: pytest.FixtureRequest, server: Server) -> Iterator[Service]:
    open_metadata(server)
    with request.param(server.url) as service:
        yield service


def test_every_service_says_which_version_it_speaks_and_what_it_does_not_expect(service: Service) -> None:
    known_as = {"X-Request-Id": "r-1"}
    plain = request(method="GET", path="/schema/openapi.json")
    refused = {
        505: [request(method="GET", path="/schema/openapi.json", headers=known_as, version=v) for v in ("0.9", "2.0")],
        417: [
            request(method="GET", path="/schema/openapi.json", headers={"Expect": expected, **known_as})
            for expected in ("a-beer", "100-continue, a-beer", "100-continue;q=1")
        ],
    }
    for status, requests in refused.items():
        for data in requests:
            with RawConnection(service.port) as connection:
                connection.send(plain + data)
                assert connection.read().status == 200
                assert assert_problem(connection.read(), status)["requestId"] == "r-1"
                assert connection.is_ended()
    for version in ("1.2", "3.0", "9.9"):  # the parser stops there
        with RawConnection(service.port) as connection:
            connection.send(request(method="GET", path="/schema/openapi.json", version=version))
            assert f"HTTP/{version}" in assert_problem(connection.read(), 505)["detail"]
    with RawConnection(service.port) as connection:
        connection.send(request(method="GET", path="/schema/openapi.json", headers={"Expect": "100-CONTINUE, "}))
        assert connection.read().status == 200


@pytest.mark.parametrize("kind", [Receiver, AsgiReceiver], ids=["fast path", "other path"])
def test_a_connection_that_nobody_uses_is_ended_whatever_came_after_the_last_answer(
    server: Server, kind: type[Receiver]
) -> None:
    open_metadata(server)
    with kind(server.url, keepalive_timeout_s=_KEEP_ALIVE) as receiver, contextlib.ExitStack() as stack:
        connections = {name: stack.enter_context(RawConnection(receiver.port)) for name in _REST}
        for name, (parts, rest) in _REST.items():
            connections[name].send(*parts)
            connections[name].read()
            connections[name].send(rest)
        sent = time.monotonic()
        for name, connection in connections.items():
            assert connection.is_ended(), name
        assert _KEEP_ALIVE * 0.9 < time.monotonic() - sent < _KEEP_ALIVE + 3


def test_a_client_that_leaves_with_requests_in_its_pipeline_leaves_no_trace_in_the_log(server: Server) -> None:
    client = open_metadata(server)
    client.script_load(RECEIVE.source)
    with Proxy(server.port) as proxy, AsgiReceiver(proxy.url) as receiver, RawConnection(receiver.port) as connection:
        proxy.hold_replies(to=RECEIVE.sha)
        connection.send(request(GOOD) * 2)
        proxy.wait_until_holding()
        connection.abort()
        wait_until(lambda: client.xlen(STREAM) == 1, "the first is stored")
        proxy.release()
        accepted_id(post(receiver))
        assert receiver.terminate() == 0
        assert "Traceback" not in receiver.log
        assert client.xlen(STREAM) == 2, "the other was never begun"
