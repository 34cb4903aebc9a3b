"""What uvicorn's protocol does not do by itself: here, to end every connection that nobody uses."""

import contextlib
import time
from collections.abc import Iterator

import pytest

from processes import AsgiReceiver, Receiver
from raw_http import RawConnection, request
from receiver_scene import GOOD, open_books
from servers import Server

#: seconds after which uvicorn ends a connection that nobody uses
_KEEP_ALIVE = 5.0
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
    open_books(server)
    with request.param(server.url) as receiver:
        yield receiver


def test_a_connection_that_nobody_uses_is_ended_whatever_came_after_the_last_answer(receiver: Receiver) -> None:
    with contextlib.ExitStack() as stack:
        connections = {name: stack.enter_context(RawConnection(receiver.port)) for name in _REST}
        for name, (parts, rest) in _REST.items():
            connections[name].send(*parts)
            connections[name].read()
            connections[name].send(rest)
        sent = time.monotonic()
        for name, connection in connections.items():
            assert connection.is_ended(), name
        assert _KEEP_ALIVE * 0.9 < time.monotonic() - sent < _KEEP_ALIVE + 3
