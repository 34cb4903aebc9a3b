"""Requests that arrive just before a connection or a service ends: they are answered, however busy the process was.

It is stopped for that time: when it goes on, what has arrived and what is over are there at once.
"""

import asyncio
import contextlib
import signal
import socket
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import uvloop

from footfall import config
from footfall.http import server as serve
from footfall.http.protocol import HttpProtocol
from footfall.http.state import ServiceState, share
from processes import Api, AsgiReceiver, Receiver, Service
from raw_http import Answer, RawConnection, request
from receiver_scene import GOOD, open_metadata
from servers import Server, process_is_stopped, wait_until, wait_until_async

#: seconds that are over while the process is stopped
_SHORT = 0.5
_HEALTH = request(method="GET", path="/healthz")
#: a service, what it is asked, and the status that says that it was done
KINDS = [
    pytest.param(Receiver, request(GOOD), 202, id="fast path"),
    pytest.param(AsgiReceiver, request(GOOD), 202, id="other path"),
    pytest.param(Receiver, _HEALTH, 200, id="receiver's other routes"),
    pytest.param(Api, _HEALTH, 200, id="API server"),
]
Start = Callable[..., Service]


@pytest.fixture
def start(server: Server) -> Iterator[Start]:
    """Starts a service with these settings."""
    open_metadata(server)
    with contextlib.ExitStack() as stack:
        yield lambda kind, **settings: stack.enter_context(kind(server.url, **settings))


@contextlib.contextmanager
def stopped(service: Service, seconds: float = 0) -> Iterator[None]:
    """The service does nothing for as long as the `with` lasts, and for so many seconds at least."""
    service.signal(signal.SIGSTOP)
    wait_until(lambda: process_is_stopped(service.pid), "it has stopped")
    yield
    pass_time(seconds)
    service.signal(signal.SIGCONT)


def pass_time(seconds: float) -> None:
    ends = time.monotonic() + seconds
    wait_until(lambda: time.monotonic() > ends, "the time is over")


def ask(connection: RawConnection, data: bytes) -> Answer:
    connection.send(data)
    return connection.read()


@pytest.mark.parametrize(("kind", "data", "done"), KINDS)
def test_a_request_that_came_before_an_idle_connection_ends_is_answered(
    start: Start, kind: type[Service], data: bytes, done: int
) -> None:
    service = start(kind, keepalive_timeout_s=_SHORT)
    with RawConnection(service.port) as connection:
        for _ in range(3):
            assert ask(connection, data).status == done
            with stopped(service, 2 * _SHORT):
                connection.send(data)
            assert connection.read().status == done
        assert connection.is_ended(), "when nothing comes"


@pytest.mark.parametrize(("kind", "data", "done"), KINDS)
def test_a_request_that_came_within_its_time_is_answered(
    start: Start, kind: type[Service], data: bytes, done: int
) -> None:
    service = start(kind, request_timeout=_SHORT)
    with RawConnection(service.port) as connection, RawConnection(service.port) as other:
        connection.send(data[:30])
        other.send(data[:30])
        assert ask_health(service) == 200, "both are accepted"
        with stopped(service, 2 * _SHORT):
            connection.send(data[30:])
            other.send(data[30:40])
        assert connection.read().status == done
        assert other.read().status == 408, "this one was not whole"


def ask_health(service: Service) -> int:
    return service.client.get("/healthz").status_code


@pytest.mark.parametrize(("kind", "data", "done"), KINDS)
def test_a_request_that_came_before_the_service_stops_is_answered(
    start: Start, kind: type[Service], data: bytes, done: int
) -> None:
    """On a connection that was used before, on one that was not, and on one that nobody had accepted."""
    service = start(kind)
    with contextlib.ExitStack() as stack:
        used, unused = (stack.enter_context(RawConnection(service.port)) for _ in range(2))
        assert ask(used, data).status == done
        assert ask_health(service) == 200, "both are accepted"
        service.client.close()
        with stopped(service):
            new = stack.enter_context(RawConnection(service.port))
            connections = [used, unused, new]
            for connection in connections:
                connection.send(data)
            service.signal(signal.SIGTERM)
        for connection in connections:
            assert connection.read().status == done
            assert connection.is_ended()
    assert service.wait() == 0


@pytest.mark.parametrize(("kind", "data", "done"), KINDS)
def test_a_request_that_comes_while_the_service_stops_ends_its_connection(
    start: Start, kind: type[Service], data: bytes, done: int
) -> None:
    service = start(kind)
    service.client.close()
    with RawConnection(service.port) as asks, RawConnection(service.port) as silent:
        assert ask(asks, data).status == done
        assert ask(silent, data).status == done
        service.signal(signal.SIGTERM)
        while "connection" not in (answer := ask(asks, data)).headers:  # it does not know yet
            assert answer.status == done
        assert answer.status == done
        assert answer.headers["connection"] == "close"
        assert asks.is_ended()
        assert silent.is_ended()
    assert service.wait() == 0


@pytest.mark.parametrize("kind", [Receiver, AsgiReceiver], ids=["fast path", "other path"])
def test_such_a_request_has_its_time(own_server: Callable[..., Server], kind: type[Receiver]) -> None:
    """The server behind is slower than what the service waits for requests that may come."""
    server = own_server()
    open_metadata(server)
    for _ in range(5):
        with kind(server.url, server_timeout=10) as service, RawConnection(service.port) as connection:
            assert ask(connection, request(GOOD)).status == 202
            server.pause()
            service.signal(signal.SIGTERM)
            wait_until(lambda: not listens(service.port), "it takes no more connections")
            connection.send(request(GOOD))
            pass_time(_SHORT)
            server.resume()
            try:
                answer = connection.read()
            except ConnectionError:  # this test was held up until the connection had ended
                continue
            assert answer.status == 202
            assert answer.headers["connection"] == "close"
            return
    raise AssertionError("no such request is answered")


def process_of(service: Service) -> str:
    """What tells the process that answers now from others."""
    with RawConnection(service.port) as connection:
        return ask(connection, _HEALTH).headers["x-request-id"][:8]


def listens(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port)).close()
    except ConnectionError:
        return False
    return True


def test_while_several_processes_finish_their_work_nobody_can_connect(own_server: Callable[..., Server]) -> None:
    """A connection that the system takes, and no process, would be reset at the end, with the request on it."""
    server = own_server()
    open_metadata(server)
    with (
        Receiver(server.url, receiver_workers=2, server_timeout=10) as receiver,
        RawConnection(receiver.port) as connection,
    ):
        one = process_of(receiver)
        wait_until(lambda: process_of(receiver) != one, "both processes serve")
        server.pause()
        connection.send(request(GOOD))
        receiver.signal(signal.SIGTERM)
        wait_until(lambda: not listens(receiver.port), "nobody can connect")
        server.resume()
        assert connection.read().status == 202


class _Late(serve._Server):
    """A server that somebody connects to when it has just looked for the last time who does."""

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        assert sockets
        self.client = socket.create_connection(sockets[0].getsockname())
        self.client.sendall(_HEALTH)
        await super().shutdown(sockets)


def test_a_client_that_is_connected_and_not_accepted_is_served_by_a_service_that_stops() -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "lifespan":
            share(scope["state"], ServiceState, config.load().http)
            for kind in ("startup", "shutdown"):
                await receive()
                await send({"type": f"lifespan.{kind}.complete"})
            return
        await send({"type": "http.response.start", "status": 204, "headers": []})
        await send({"type": "http.response.body"})

    async def run() -> bytes:
        server = _Late(serve._config(app, HttpProtocol))
        listener = socket.create_server(("127.0.0.1", 0))
        task = asyncio.create_task(server.serve(sockets=[listener]))
        await wait_until_async(lambda: server.started, "it serves")
        server.should_exit = True
        await task
        with server.client as client:
            client.settimeout(10)
            return client.recv(65536)

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        assert runner.run(run()).startswith(b"HTTP/1.1 204 ")
