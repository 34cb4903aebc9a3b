"""The live feed's one reader of the stream, for all who listen in a process.

The stream is read once, however many listen: one XREAD over a connection of its own, and only while there are
listeners. What it brings is encoded once, and each listener gets the same bytes.
"""

import asyncio
from collections import deque
from collections.abc import Callable
from enum import StrEnum

from footfall.api.events import BEGINNING, HEARTBEAT, PAGE, Block, Page, block_of, gap_event, page_after
from footfall.config import Settings
from footfall.domain.entries import EntryId
from footfall.errors import BrokenKeyError, ReplyError, UnavailableError, WrongTypeError
from footfall.keys import Keys
from footfall.logs import Outage
from footfall.store.pipeline import Argument, Connection, Pipeline

#: bytes that may wait for one listener. Listeners share them, so a thousand slow ones do not take a thousand times that
MAX_WAITING = 1024 * 1024
#: seconds that a read waits for the next entry, at most; and after one that has failed
_BLOCK_S, RETRY_S = 1.0, 1.0
#: seconds in which a listener has to take something of what it is sent
STALLED_S = 10.0


class EndReason(StrEnum):
    """Why a feed was ended: the closed list."""

    LIMIT = "limit"
    SLOW_READER = "slow-reader"
    STOPPING = "stopping"


class Listener:
    """One who listens: what waits for it, and where it stands."""

    def __init__(self, position: EntryId, on_end: Callable[[EndReason], None]) -> None:
        """`on_end` is called once, when the feed ends it."""
        #: up to here it has heard everything
        self.position = position
        #: loop time since when it does not take what it is sent; None while it does
        self.stuck_since: float | None = None
        self._on_end = on_end
        self._waiting: deque[Block] = deque()
        self._size = 0
        self._is_awaited = asyncio.Event()

    def offer(self, block: Block) -> None:
        """Give it events, to be taken when it can; the end of a listener that leaves too many."""
        self._size += len(block.data)
        if self._size > MAX_WAITING:
            self.end(EndReason.SLOW_READER)
            return
        self._waiting.append(block)
        self._is_awaited.set()

    @property
    def is_idle(self) -> bool:
        """Whether it has taken all that there was."""
        return not self._waiting and self.stuck_since is None

    async def take(self) -> bytes:
        """All that waits, as soon as there is something; it may be nothing new."""
        await self._is_awaited.wait()
        self._is_awaited.clear()
        data = []
        while self._waiting:
            block = self._waiting.popleft()
            data.append(block.after(self.position))
            if block.is_for_all:
                self.position = self.position if block.last is None else block.last
            elif block.last is not None and block.last > self.position:
                self.position = block.last
        self._size = 0
        return data[0] if len(data) == 1 else b"".join(data)

    def end(self, reason: EndReason) -> None:
        self._waiting.clear()
        self._on_end(reason)


class Feed:
    """All listeners of a process, and what reads the stream for them."""

    def __init__(
        self,
        pipeline: Pipeline,
        connect: Callable[[], Pipeline],
        keys: Keys,
        settings: Settings,
        count: Callable[[int], None],
    ) -> None:
        """`pipeline` is for what only one listener wants; `connect` makes the one for what all want.

        `count` is told how many listeners there are.
        """
        self._pipeline = pipeline
        self._connect = connect
        self._count = count
        self._stream = keys.stream
        self._heartbeat_s = settings.api.live_heartbeat_s
        self._block_ms = max(1, round(1000 * min(_BLOCK_S, settings.server.timeout_s / 2)))
        #: all, and those of them who hear what the stream brings; the others still read what came before
        self._listeners: set[Listener] = set()
        self._joined: set[Listener] = set()
        #: up to here the stream was read
        self._tail = BEGINNING
        self._reading: asyncio.Task[None] | None = None
        self._beating: asyncio.Task[None] | None = None
        self._is_stopped = False
        #: what no kind of outage explains
        self._failures = Outage("The live feed could not read the stream: %s", "The live feed reads the stream again")

    async def page_after(self, position: EntryId | None) -> Page:
        """What follows the position; None: the end of the stream. Raises BrokenKeyError, UnavailableError."""
        return await page_after(self._pipeline.call, self._stream, position)

    def enter(self, listener: Listener) -> None:
        """Keep a listener's feed alive from now on, until it leaves."""
        self._listeners.add(listener)
        self._count(len(self._listeners))
        if self._beating is None:
            self._beating = asyncio.create_task(self._beat())
        if self._is_stopped:
            listener.end(EndReason.STOPPING)

    def join(self, listener: Listener) -> EntryId:
        """Let the listener hear what the stream brings from now on: everything after the entry with this id."""
        if self._reading is None:
            self._tail = listener.position
            self._reading = asyncio.create_task(self._read())
        self._joined.add(listener)
        return self._tail

    def go_back(self, page: Page) -> None:
        """Begin again after this page: the stream does not come as far as it was read, so it was replaced."""
        assert self._reading is not None
        self._reading.cancel()
        self._publish(Block(True, (), (), gap_event(b"%d-%d" % self._tail, None), page.end))
        self._reading = asyncio.create_task(self._read())

    def leave(self, listener: Listener) -> None:
        self._listeners.discard(listener)
        self._count(len(self._listeners))
        self._joined.discard(listener)
        if not self._joined and self._reading is not None:
            self._reading.cancel()
            self._reading = None
        if not self._listeners and self._beating is not None:
            self._beating.cancel()
            self._beating = None

    def stop(self) -> None:
        """End all feeds: the service stops."""
        self._is_stopped = True
        for listener in list(self._listeners):
            listener.end(EndReason.STOPPING)

    # --- private

    async def _read(self) -> None:
        pipeline = self._connect()
        pipeline.start()
        # the listener for whom this begins has just looked
        looked_until = asyncio.get_running_loop().time() + _BLOCK_S
        try:
            while True:
                connection = await pipeline.connected()
                try:
                    if asyncio.get_running_loop().time() > looked_until:
                        await self._look(connection)
                    looked_until = 0.0
                    await self._follow(connection)
                except (WrongTypeError, BrokenKeyError):  # it may be fixed
                    await asyncio.sleep(RETRY_S)
                except ReplyError as error:  # such as UNBLOCKED, when it is no primary any more
                    connection.abort(str(error))
                except UnavailableError:
                    pass
                except Exception as error:  # whatever it is, listeners wait for what comes after it
                    self._failures.begin(repr(error), error=error)
                    await asyncio.sleep(RETRY_S)
        finally:
            await pipeline.close()

    async def _look(self, connection: Connection) -> None:
        """Say what is missing after the tail, and what follows it."""
        page = await page_after(connection.call, self._stream, self._tail)
        self._failures.end()
        self._publish(page.events)

    async def _follow(self, connection: Connection) -> None:
        """Read on for as long as the connection is there."""
        arguments: list[Argument] = ["COUNT", PAGE, "BLOCK", self._block_ms, "STREAMS", self._stream]
        while True:
            reply = await connection.call("XREAD", *arguments, b"%d-%d" % self._tail)
            self._failures.end()
            if reply and reply[0][1]:  # Redis 7.0 answers with no entries when those that came are gone again
                self._publish(block_of(reply[0][1]))
            elif (await page_after(connection.call, self._stream, None)).newest < self._tail:
                await self._look(connection)  # it was replaced

    def _publish(self, block: Block) -> None:
        if block.last is not None:
            self._tail = block.last
        if block.data:
            for listener in list(self._joined):
                listener.offer(block)

    async def _beat(self) -> None:
        """Say something where nothing is said, so that all on the way see that the feed lives."""
        loop = asyncio.get_running_loop()
        while True:
            await asyncio.sleep(self._heartbeat_s)
            latest = loop.time() - STALLED_S
            for listener in list(self._listeners):
                if listener.stuck_since is not None and listener.stuck_since < latest:
                    listener.end(EndReason.SLOW_READER)
                elif listener in self._joined and listener.is_idle:
                    listener.offer(HEARTBEAT)
