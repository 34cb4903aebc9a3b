"""One stretch of work: batch after batch over one connection, from the checkpoint on."""

import asyncio
import random
from collections.abc import Callable
from typing import TYPE_CHECKING

from footfall.config import Settings
from footfall.domain.entries import LAST_ID, RawEntry
from footfall.keys import Keys
from footfall.processor.batch import Batch
from footfall.processor.batch_size import BatchSize
from footfall.processor.calls import Calls, Done
from footfall.processor.lease import Lease
from footfall.processor.maintenance import Maintenance
from footfall.processor.report import Report
from footfall.processor.stopping import Stopping
from footfall.store.calls.metadata import Position
from footfall.store.calls.reply import FencedError
from footfall.store.metadata import Metadata
from footfall.store.pipeline import Connection, Reply

if TYPE_CHECKING:
    from footfall.processor.metrics import Metrics

#: seconds that a read waits for new entries at most: meanwhile nothing else is done over its connection
_BLOCK_S = 0.25
#: seconds, from and to, of the pause after each check-in with `--delay`: whoever sees a check-in has the time to stop
#: before the next one
_PAUSE_S = (0.3, 0.9)


class Work:
    """Applies batch after batch, each over the connection that it was read on.

    One of it lives as long as the processor, so that what it has learnt (the size of batches, what is due) outlives a
    connection.
    """

    def __init__(
        self,
        keys: Keys,
        settings: Settings,
        *,
        lease: Lease,
        metadata: Metadata,
        report: Report,
        metrics: "Metrics",
        stopping: Stopping,
        on_progress: Callable[[], None],
    ) -> None:
        """`on_progress` is called whenever it has turned out that entries are processed."""
        self._keys, self._lease, self._metadata = keys, lease, metadata
        self._report, self._metrics, self._stopping = report, metrics, stopping
        self._on_progress = on_progress
        self._ends = settings.processor.once
        self._creates = settings.checkins.unknown_ids == "create"
        self._activity = settings.activity
        block_s = min(_BLOCK_S, lease.renewal_s, settings.server.timeout_s / 2)
        self._block_ms = max(1, round(1000 * block_s))
        #: with `--delay`: a check-in, a pause, the next one
        self._pauses = settings.processor.delay
        self._size = BatchSize(1 if self._pauses else settings.processor.batch)
        self._maintenance = Maintenance(keys, settings, metrics, stopping)

    async def run(self, connection: Connection, position: Position) -> None:
        """Work from the position on; return when told to stop, or when the stream is drained with `processor_once`.

        Raises FencedError when somebody else was faster, LeaseLostError, with nothing under way, when another processor
        has taken over, and what calls of the server raise.
        """
        await self._maintenance.begin(connection, position)
        await self._report.begin(connection)
        calls = Calls(connection, position)
        try:
            await self._apply_all(calls)
        except FencedError:
            self._metrics.fenced(len(calls))
            raise
        finally:
            self._report.say()
            calls.abandon()
            await self._maintenance.end()

    def read(self, connection: Connection, after: bytes, most: int | None = None) -> asyncio.Future[list[RawEntry]]:
        """What comes after an entry: at most so many, or a batch of it."""
        if after == LAST_ID:
            nothing: asyncio.Future[list[RawEntry]] = asyncio.get_running_loop().create_future()
            nothing.set_result([])
            return nothing
        return connection.call("XRANGE", self._keys.stream, b"(" + after, "+", "COUNT", most or self._size.entries)

    # --- private

    async def _apply_all(self, calls: Calls) -> None:
        page: list[RawEntry] = await self.read(calls.connection, calls.position.checkpoint)
        while self._lease.is_held and not self._stopping.is_set():
            if not page:
                await self._finish(calls, down_to=0)
                page = await self._next_entries(calls.connection, calls.position)
                if not page:
                    return
            if self._maintenance.needs_a_break:
                await self._finish(calls, down_to=0)
                await self._maintenance.in_a_break(calls.connection)
            page = await self._apply(calls, page)
        await self._finish(calls, down_to=0)
        if not self._stopping.is_set():
            self._lease.require_held()

    async def _apply(self, calls: Calls, page: list[RawEntry]) -> list[RawEntry]:
        """Send a batch while the one before it is applied; what comes after it.

        The read goes before the call, so its reply does not wait for it: while the server applies this batch, the next
        is folded here.
        """
        reading = self.read(calls.connection, page[-1][0])
        calls.connection.flush()
        batch = Batch(
            page, self._keys, create=self._creates, activity=self._activity, now_ms=self._maintenance.clock.ms
        )
        self._report.announce(batch)
        prepared = calls.prepare(batch)
        if self._size.exceeds_one_reply:
            await calls.answered()
        calls.send(prepared)
        calls.connection.flush()
        if self._pauses:
            await self._finish(calls, down_to=0)
        next_page = await reading
        await self._finish(calls, down_to=1)
        return next_page

    async def _finish(self, calls: Calls, *, down_to: int) -> None:
        """Wait until no more than so many calls are under way."""
        while len(calls) > down_to:
            done = await calls.finish_oldest()
            await self._finished(calls.connection, done)

    async def _finished(self, connection: Connection, done: Done) -> None:
        self._size.adapt(len(done.batch), done.held_s)
        self._metrics.applied(done)
        self._on_progress()
        self._report.applied(done)
        if self._pauses:
            await self._stopping.pause(random.uniform(*_PAUSE_S))
        await self._maintenance.beside_batches(connection, len(done.batch))

    async def _next_entries(self, connection: Connection, position: Position) -> list[RawEntry]:
        """What comes after the position, as soon as there is something; nothing when there will be nothing.

        Raises FencedError when the position has changed meanwhile: after a load, entries come with lower ids.
        """
        while True:
            self._lease.require_held()
            self._report.say_when_due()
            await self._maintenance.when_drained(connection, position)
            if self._ends:
                return []
            reply = await self._stopping.unless_set(self._wait_for_entries(connection, position))
            if self._stopping.is_set():
                return []
            # Redis 7.0 answers with no entries when those that came are gone again.
            page: list[RawEntry] = reply[0][1] if reply else []
            if page:
                return page
            if await self._metadata.open(connection) != position:
                raise FencedError("another processor or a load was faster")
            self._on_progress()

    def _wait_for_entries(self, connection: Connection, position: Position) -> asyncio.Future[Reply]:
        return connection.call(
            *("XREAD", "COUNT", self._size.entries, "BLOCK", self._block_ms),
            *("STREAMS", self._keys.stream, position.checkpoint),
        )
