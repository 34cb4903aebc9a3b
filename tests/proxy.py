"""A TCP proxy for the tests: holds traffic back, cuts connections and changes its target, on demand or by plan."""

import asyncio
import contextlib
import threading
from collections import Counter
from collections.abc import Callable, Coroutine
from typing import Literal, NamedTuple, Self, TypeVar

from servers import free_port, wait_until

T = TypeVar("T")

_CHUNK = 256 * 1024


class Fault(NamedTuple):
    """What befalls one connection."""

    #: `cut`: both sides are closed. `half-close`: the receiving side sees the end of this direction; the other one goes
    #: on. `stall`: nothing more passes in this direction, and both stay open.
    what: Literal["cut", "half-close", "stall"]
    direction: Literal["requests", "replies"]
    #: bytes that pass in this direction before, one at least
    after: int


class Proxy:
    """Passes connections on to a port of this machine; `close()` (or leaving the `with`) ends it.

    A hold is for each connection on its own: it begins with the request that contains given bytes and stays until
    `release()`. What is held is delivered then; `cut()` throws it away.
    """

    def __init__(self, target: int) -> None:
        #: port that new connections are passed on to
        self.target = target
        self.port = free_port()
        self._pattern = b""
        #: what is held from the request with the pattern on: it and all after it, or the replies from then on
        self._what: str | None = None
        #: whether the client of a connection is not told any more that the server has ended it
        self.holds_ends = False
        #: asked for each new connection
        self.plan_fault: Callable[[], Fault | None] = lambda: None
        #: asked each time that something passes: seconds that it takes
        self.plan_delay: Callable[[], float] = lambda: 0.0
        #: how often each has happened
        self.faults = Counter[tuple[str, str]]()
        self._links: set[_Link] = set()
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()
        self._server = self._on_loop(lambda: asyncio.start_server(self._accept, "127.0.0.1", self.port))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @property
    def url(self) -> str:
        """`redis://127.0.0.1:<port>`"""
        return f"redis://127.0.0.1:{self.port}"

    @property
    def open(self) -> int:
        """How many connections there are."""
        return len(self._links)

    @property
    def holding(self) -> int:
        """How many connections are held."""
        return sum(link.is_held for link in self._links)

    def hold_requests(self, containing: bytes) -> None:
        """From the first request with these bytes on, nothing more reaches the server."""
        self._what, self._pattern = "requests", containing

    def hold_replies(self, to: bytes) -> None:
        """The first request with these bytes reaches the server, but nothing comes back from then on."""
        self._what, self._pattern = "replies", to

    def wait_until_holding(self) -> None:
        """Wait until a connection is held."""
        wait_until(lambda: self.holding, "the proxy holds a connection", 30)

    def release(self) -> None:
        """Deliver what was held, and hold nothing any more."""
        self._what = None
        self._each(_Link.release)

    def cut(self) -> None:
        """Abort all connections; what was held is lost."""
        self._what = None
        self._each(_Link.abort)

    def splice(self) -> None:
        """Connect the open connections, too, to `target`: their clients notice nothing."""

        async def splice() -> None:
            for link in list(self._links):
                await link.connect()

        self._on_loop(splice)

    def what_to_hold(self, before: bytes, data: bytes) -> str | None:
        """Which direction of a connection is held from these requests on."""
        overlap = len(self._pattern) - 1  # the pattern may have been split
        return self._what if self._pattern in before[-overlap:] + data else None

    def close(self) -> None:
        """End it and all its connections."""

        async def close() -> None:
            # a connection that was just accepted is a task and no link yet; Server.close() would leave it open
            while tasks := asyncio.all_tasks() - {asyncio.current_task()}:
                for link in list(self._links):
                    link.abort()
                await asyncio.wait(tasks, timeout=0.05)
            self._server.close()

        self._on_loop(close)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    # --- private

    def _on_loop(self, make: Callable[[], Coroutine[object, object, T]]) -> T:
        return asyncio.run_coroutine_threadsafe(make(), self._loop).result(30)

    def _each(self, action: "Callable[[_Link], None]") -> None:
        async def act() -> None:
            for link in list(self._links):
                action(link)

        self._on_loop(act)

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        link = _Link(self, reader, writer)
        self._links.add(link)
        try:
            await link.run()
        finally:
            self._links.discard(link)


class _Link:
    """A client's connection, and the one to the server that belongs to it."""

    def __init__(self, proxy: Proxy, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._proxy = proxy
        self._reader, self._writer = reader, writer
        self._server_reader: asyncio.StreamReader
        self._server_writer: asyncio.StreamWriter | None = None
        self._open = {"requests": asyncio.Event(), "replies": asyncio.Event()}
        self.release()
        self._pumps: list[asyncio.Task[None]] = []
        #: the server has ended its side, and the client does not know
        self._has_ended = False
        self._fault = proxy.plan_fault()
        #: bytes until the fault
        self._left = self._fault.after if self._fault else 0

    @property
    def is_held(self) -> bool:
        return not all(event.is_set() for event in self._open.values())

    async def connect(self) -> None:
        """Open the connection to the server, instead of the one that there is."""
        old = self._server_writer
        self._server_reader, self._server_writer = await asyncio.open_connection("127.0.0.1", self._proxy.target)
        if old is not None:
            old.transport.abort()

    async def run(self) -> None:
        try:
            await self.connect()
            self._pumps = [asyncio.create_task(pump) for pump in (self._requests(), self._replies())]
            await asyncio.wait(self._pumps, return_when=asyncio.FIRST_COMPLETED)
        except OSError:
            pass  # there is no server
        finally:
            self.abort()
            await asyncio.gather(*self._pumps, return_exceptions=True)

    def release(self) -> None:
        for event in self._open.values():
            event.set()

    def abort(self) -> None:
        for pump in self._pumps:
            pump.cancel()
        for writer in (self._writer, self._server_writer):
            if writer is not None:
                writer.transport.abort()

    async def _requests(self) -> None:
        before = b""
        while data := await self._reader.read(_CHUNK):
            what = self._proxy.what_to_hold(before, data)
            before = data
            if what:
                self._open[what].clear()
            if self._has_ended:  # the server has nobody left to read it, and says so
                return
            await self._open["requests"].wait()
            assert self._server_writer
            if not await self._pass("requests", data, self._server_writer):
                return

    async def _replies(self) -> None:
        while True:
            reader, data = self._server_reader, b""
            with contextlib.suppress(OSError):
                data = await reader.read(_CHUNK)
            if not data and reader is self._server_reader:
                if self._proxy.holds_ends:
                    self._has_ended = True
                    self._open["replies"].clear()
                    await self._open["replies"].wait()
                return
            await self._open["replies"].wait()
            if not await self._pass("replies", data, self._writer):
                return

    async def _pass(self, direction: str, data: bytes, writer: asyncio.StreamWriter) -> bool:
        """Hand data on; whether the connection goes on."""
        if delay := self._proxy.plan_delay():
            await asyncio.sleep(delay)
        fault = self._fault
        if fault is None or fault.direction != direction:
            writer.write(data)
            await writer.drain()
            return True
        left, self._left = self._left, self._left - len(data)
        if left <= 0:
            return True  # it goes nowhere: the fault has happened
        writer.write(data[:left])
        await writer.drain()
        if self._left > 0:
            return True
        self._proxy.faults[fault.what, direction] += 1
        if fault.what == "half-close":
            writer.write_eof()
        return fault.what != "cut"
