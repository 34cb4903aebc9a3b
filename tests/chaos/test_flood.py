"""More clients at once than a receiver can take: what it accepts is stored, the others are refused cleanly."""

import asyncio
import contextlib
import json
import re
import resource
from collections import Counter
from collections.abc import Iterator
from typing import Any

import pytest

from chaos.poster import CheckIn
from chaos.replay import check_ins
from footfall.domain.model import MAX_ID
from footfall.store.scripts import RECEIVE
from processes import Receiver
from proxy import Proxy
from raw_http import request
from receiver_scene import accepted_id, post
from servers import Server, wait_until

WANTED = 5_000
#: open files of the test process beside its clients' connections
_OTHERS = 200
#: seconds that all of it may take
_PATIENCE = 60.0
_LIMIT = 200


@pytest.fixture
def connections() -> Iterator[int]:
    """How many connections the system allows, at most so many as are wanted."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    with contextlib.suppress(OSError, ValueError):
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    # the receiver raises its own limit as far
    allowed = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
    count = WANTED if allowed == resource.RLIM_INFINITY else min(WANTED, allowed - _OTHERS)
    assert count >= 1_000
    yield count
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def program(limits: str) -> tuple[str, str]:
    """`footfall` for the interpreter, with these limits of open files, now and at most."""
    set_limits = f"import resource as r; hard = r.getrlimit(r.RLIMIT_NOFILE)[1]; r.setrlimit(r.RLIMIT_NOFILE, {limits})"
    return "-c", f"{set_limits}; from footfall.cli import main; main()"


class ModestReceiver(Receiver):
    """A receiver that begins with a low limit of open files, as many systems set it."""

    program = program("(256, hard)")


class LimitedReceiver(Receiver):
    """A receiver that may not open many files."""

    program = program(f"({_LIMIT}, {_LIMIT})")


class Flood:
    """Clients that connect all at once and post one check-in each, no two alike."""

    def __init__(self, port: int, count: int) -> None:
        self._port = port
        self._count = count
        self._all_sent = asyncio.Event()
        self._sent = 0
        #: by the id in the answer
        self.accepted: dict[bytes, CheckIn] = {}
        self.statuses: Counter[int] = Counter()
        #: clients that were closed without an answer
        self.closed = 0

    async def run(self) -> None:
        async with asyncio.timeout(_PATIENCE):
            await asyncio.gather(*(self._client(CheckIn(number + 1, 1, number % 6)) for number in range(self._count)))

    async def sent(self) -> None:
        """Wait until every client has sent its check-in, or was closed."""
        await self._all_sent.wait()

    async def _client(self, check_in: CheckIn) -> None:
        fields = {"userId": check_in.user, "locationId": check_in.location, "starRating": check_in.stars}
        writer = None
        try:
            try:
                reader, writer = await asyncio.open_connection("127.0.0.1", self._port)
                writer.write(request(json.dumps(fields).encode()))
            finally:
                self._sent += 1
                if self._sent == self._count:
                    self._all_sent.set()
            head = await reader.readuntil(b"\r\n\r\n")
            length = re.search(rb"content-length: (\d+)", head)
            assert length
            answer = json.loads(await reader.readexactly(int(length[1])))
        except (OSError, EOFError):
            self.closed += 1
        else:
            status = int(head.split(b" ", 2)[1])
            self.statuses[status] += 1
            if status == 202:
                self.accepted[answer["id"].encode()] = check_in
        finally:
            if writer is not None:
                writer.transport.abort()


def stored(client: Any) -> dict[bytes, CheckIn]:
    """The stream, without what `Receiver` posts to see whether it is ready."""
    return {entry_id: CheckIn(*check_in) for entry_id, check_in in check_ins(client).items() if check_in[0] < MAX_ID}


def assert_it_goes_on(receiver: Receiver) -> None:
    def takes_another() -> bool:
        try:
            accepted_id(post(receiver))
        except OSError:  # the connections of the flood are not all gone yet
            return False
        return True

    wait_until(takes_another, "a check-in is accepted")
    assert receiver.exit_code is None
    assert "Traceback" not in receiver.log


def test_of_thousands_of_clients_at_once_each_is_answered_and_what_was_accepted_is_stored_once(
    server: Server, client: Any, connections: int
) -> None:
    with ModestReceiver(server.url, unknown_ids="create", request_timeout=_PATIENCE) as receiver:
        flood = Flood(receiver.port, connections)
        asyncio.run(flood.run())
        print(f"{flood.statuses} of {connections}, {flood.closed} closed")
        assert flood.statuses.keys() <= {202, 503}
        assert flood.statuses.total() + flood.closed == connections
        assert len(flood.accepted) == flood.statuses[202] > connections / 2
        assert stored(client) == flood.accepted
        assert_it_goes_on(receiver)


def test_when_the_server_is_slow_as_many_wait_as_are_allowed_and_all_others_are_refused_at_once(
    server: Server, client: Any, connections: int
) -> None:
    client.script_load(RECEIVE.source)

    async def flood_and_release() -> None:
        running = asyncio.create_task(flood.run())
        await flood.sent()
        async with asyncio.timeout(_PATIENCE):
            while flood.statuses[503] + flood.closed < connections - waiting:
                assert flood.statuses[202] == 0
                await asyncio.sleep(0.01)
        proxy.release()
        await running

    waiting = 100
    limits = {"max_pending": waiting, "server_timeout": _PATIENCE, "request_timeout": _PATIENCE}
    with Proxy(server.port) as proxy, Receiver(proxy.url, ready=True, unknown_ids="create", **limits) as receiver:
        proxy.hold_requests(containing=RECEIVE.sha)
        flood = Flood(receiver.port, connections)
        asyncio.run(flood_and_release())
        assert flood.statuses == {202: waiting, 503: connections - waiting - flood.closed}
        assert flood.closed == 0
        assert stored(client) == flood.accepted
        assert_it_goes_on(receiver)


def test_more_connections_than_open_files_are_allowed_are_closed_or_wait_and_it_goes_on(
    server: Server, client: Any
) -> None:
    with LimitedReceiver(server.url, unknown_ids="create") as receiver:
        flood = Flood(receiver.port, 3 * _LIMIT)
        asyncio.run(flood.run())
        print(f"{flood.statuses}, {flood.closed} closed; {receiver.log[:1000]}")
        assert flood.statuses.keys() == {202}
        assert flood.statuses.total() + flood.closed == 3 * _LIMIT
        assert stored(client) == flood.accepted
        assert_it_goes_on(receiver)
