"""How answers are written: a head and its body at once, and a head without a body in time."""

import asyncio
from collections.abc import Iterable, Iterator
from typing import Any

import pytest

from footfall.http import reading
from footfall.http.protocol import HttpProtocol
from footfall.http.reading import Answering
from processes import Api
from raw_http import RawConnection, request
from servers import Server


class _Transport:
    """Notes what becomes a system call."""

    def __init__(self) -> None:
        self.writes: list[bytes] = []
        self.is_closed = False
        #: bytes that the client has not taken
        self.unsent = 0

    def write(self, data: bytes) -> None:
        self.writes.append(data)

    def writelines(self, parts: Iterable[bytes]) -> None:
        self.writes.append(b"".join(parts))

    def is_closing(self) -> bool:
        return self.is_closed

    def close(self) -> None:
        self.is_closed = True

    abort = close

    def write_eof(self) -> None:
        """Nothing more is written."""

    def get_write_buffer_size(self) -> int:
        return self.unsent


@pytest.fixture(scope="module")
def api(shared_server: Server) -> Iterator[Api]:
    with Api(shared_server.url) as process:
        yield process


@pytest.fixture
def transport() -> _Transport:
    return _Transport()


@pytest.fixture
async def answering(transport: _Transport) -> Answering:
    return Answering(transport, asyncio.get_running_loop(), transport.close)  # type: ignore[arg-type]


async def test_a_head_and_its_body_are_one_write(answering: Answering, transport: _Transport) -> None:
    for _ in range(2):  # what was scheduled for the first writes nothing of the second too early
        answering.write(b"head ")
        answering.write(b"body ")
    assert transport.writes == [b"head body "] * 2
    await asyncio.sleep(0)
    assert transport.writes == [b"head body "] * 2


async def test_what_comes_alone_is_written_when_the_loop_goes_on(answering: Answering, transport: _Transport) -> None:
    answering.write(b"head")
    assert transport.writes == []
    await asyncio.sleep(0)
    assert transport.writes == [b"head"]
    answering.write(b"event")
    await asyncio.sleep(0)
    assert transport.writes == [b"head", b"event"]


async def test_what_comes_alone_is_written_before_the_end(answering: Answering, transport: _Transport) -> None:
    answering.write(b"head")
    answering.close()
    assert transport.writes == [b"head"]
    assert transport.is_closed
    await asyncio.sleep(0)
    assert transport.writes == [b"head"]


async def test_nothing_is_written_to_a_client_that_has_gone(answering: Answering, transport: _Transport) -> None:
    answering.write(b"head")
    transport.close()
    await asyncio.sleep(0)
    assert transport.writes == []


async def test_a_client_that_reads_its_last_answer_slowly_is_waited_for_and_one_that_does_not_read_is_not(
    answering: Answering, transport: _Transport, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("DROPPING_S", "READING_S"):
        monkeypatch.setattr(reading, name, 0.001)
    protocol: Any = HttpProtocol.__new__(HttpProtocol)
    protocol.loop = asyncio.get_running_loop()
    protocol.transport, protocol._answers_over = transport, answering
    protocol.cycle = protocol.timeout_keep_alive_task = None
    protocol.flow = reading._Flow(transport, lambda: True)  # type: ignore[arg-type]
    answering.end = protocol._linger
    transport.unsent = 9
    answering.close()
    for _ in range(5):
        look = protocol._dropping
        while protocol._dropping is look:
            await asyncio.sleep(0.001)
        assert not transport.is_closed
        transport.unsent -= 1
    while not transport.is_closed:  # it takes no more
        await asyncio.sleep(0.001)


@pytest.mark.parametrize("rest", [b"nonsense\r\n\r\n", request(method="GET", path="/healthz", version="1.0")])
def test_the_answer_to_head_comes_before_what_follows(api: Api, rest: bytes) -> None:
    with RawConnection(api.port) as connection:
        connection.send(request(method="HEAD", path="/healthz") + rest)
        first = connection.read(to_head=True)
        assert (first.status, first.headers["content-length"]) == (200, "18")
        assert connection.read().status == (200 if b"GET" in rest else 400)
        assert connection.is_ended()
