"""The processor's loop: read after the checkpoint, apply, read on; wait when the stream is drained."""

import asyncio
import contextlib
import logging
import random
from collections.abc import Awaitable
from typing import TYPE_CHECKING, Literal, TypeVar

from footfall.activity import Kept
from footfall.config import Settings
from footfall.domain.entries import LAST_ID, RawEntry
from footfall.errors import ConnectionLostError, FootfallError
from footfall.keys import Keys
from footfall.logs import checkin_log, log
from footfall.processor.batch import Applied, Batch
from footfall.processor.calls import Calls
from footfall.processor.gaps import Gaps
from footfall.processor.lease import Lease, LeaseLostError
from footfall.processor.summary import Summary
from footfall.processor.trending import ServerClock, Trending
from footfall.processor.trim import Trim
from footfall.store import permissions
from footfall.store.calls.metadata import Position
from footfall.store.calls.reply import FencedError
from footfall.store.metadata import Books, open_pipeline
from footfall.store.pipeline import Connection

if TYPE_CHECKING:
    from footfall.processor.metrics import Metrics

T = TypeVar("T")
State = Literal["connecting", "standing by", "working"]

#: seconds that a read waits for new entries at most: meanwhile nothing else is done over its connection
_BLOCK_S = 0.25
#: A script call holds the server for its whole length, so the size of batches adapts to keep it this short.
_LONGEST_CALL_S = 0.010
_FIRST_BATCH, _SMALLEST_BATCH = 250, 50
#: Entries whose reply the server sends in one go: 64 KB. The rest of a longer one waits until it has executed what it
#: has received by then.
_SENT_AT_ONCE = 640
#: weight of one call in what an entry is reckoned to take: one disturbed call does not change much
_SMOOTHING = 0.1
#: seconds that no entry takes less than: a clock may stand still
_LEAST_ENTRY_S = 1e-7
#: seconds before another try when the server is there but the batch cannot be applied
_RETRY_S = 0.25
#: seconds, from and to, of the pause after each check-in with `--delay`: whoever sees a check-in has the time to stop
#: before the next one
_PAUSE_S = (0.3, 0.9)


class Processor:
    """Applies the entries of one stream, for ever or (`processor_once`) until it is drained.

    Any number may run on one stream: the one with the lease works, and process.lua lets only one of them apply a batch
    whatever the lease says. A batch is applied over the connection that it was read on; when that is lost, the batch is
    dropped and read again from the checkpoint.
    """

    def __init__(self, settings: Settings, url: str, metrics: "Metrics") -> None:
        self._settings = settings
        self._metrics = metrics
        self._keys = Keys(settings.prefix)
        self._lease = Lease(self._keys, settings.processor_lease_s)
        block_s = min(_BLOCK_S, self._lease.renewal_s, settings.server_timeout / 2)
        self._block_ms = max(1, round(1000 * block_s))
        self._trim = Trim(self._keys, settings)
        #: a trim that runs beside the calls
        self._trimming: asyncio.Task[None] | None = None
        self._gaps = Gaps(self._keys)
        self._summary = Summary(self._keys, ends=settings.processor_once)
        self._kept = Kept.by(settings)
        self._clock = ServerClock()
        self._trending = Trending(self._keys, self._clock, is_kept=settings.trending)
        self._books = Books(self._keys)
        self._pipeline = open_pipeline(url, settings, books=self._books, commands=permissions.PROCESSOR)
        self._stopping = asyncio.Event()
        self._watched = settings.processor_delay
        self._logs_checkins = checkin_log.isEnabledFor(logging.DEBUG)
        self._batch_size = 1 if self._watched else min(settings.processor_batch, _FIRST_BATCH)
        #: seconds that the server takes for one entry, smoothed over the last calls
        self._entry_s = _LONGEST_CALL_S / _FIRST_BATCH
        self.state: State = "connecting"
        #: why nothing is applied at the moment; logged when it changes
        self.trouble: str | None = None

    @property
    def is_stopping(self) -> bool:
        return self._stopping.is_set()

    def stop(self) -> None:
        """Finish the batches under way and give the lease back; then `run` returns."""
        self._stopping.set()

    async def run(self) -> None:
        """Process until `stop` is called, through every outage."""
        self._pipeline.start()
        try:
            with self._summary:
                await self._work()
            with contextlib.suppress(FootfallError):  # it ends by itself
                await self._lease.release(self._pipeline.connection)
        finally:
            await self._pipeline.close()

    # --- private

    async def _work(self) -> None:
        while not self._stopping.is_set():
            connection = await self._unless_stopped(self._pipeline.connected())
            if connection is None:
                return
            try:
                if await self._stand_by(connection):
                    async with self._lease.renewed_over(connection):
                        await self._process(connection)
                return
            except FencedError as error:
                log.debug("A batch was dropped: %s.", error)
            except LeaseLostError as error:
                log.debug("The lease was lost: %s.", error)
            except ConnectionLostError:
                self.state = "connecting"  # the pipeline says so
            except FootfallError as error:
                self._in_trouble(str(error))
                await self._pause(_RETRY_S)

    async def _stand_by(self, connection: Connection) -> bool:
        """Wait for the lease; whether it is ours.

        It is not when told to stop, or (`processor_once`) when its holder has drained the stream.
        """
        while not self._stopping.is_set():
            holder = await self._lease.take(connection)
            if holder is None:
                return True
            self._out_of_trouble()
            if self.state != "standing by":
                self.state = "standing by"
                log.info("Another processor works on the stream (%s); standing by.", holder)
            if self._settings.processor_once:
                position = await self._books.open(connection)
                if not await self._read(connection, position.checkpoint, at_most=1):
                    return False
            await self._pause(self._lease.look_s)
        return False

    async def _process(self, connection: Connection) -> None:
        """Apply batch after batch; return when told to stop, or when drained with `processor_once`.

        Raises LeaseLostError, with nothing under way, when another processor has taken over.
        """
        position = await self._books.open(connection)
        self.state = "working"
        level = logging.INFO if self.trouble is None else logging.DEBUG  # tried four times a second meanwhile
        log.log(level, "Reading stream from last ID %s.", position.checkpoint.decode())
        await self._notice_gaps(connection, position)
        await self._trending.roll(connection)
        await self._summary.begin(connection)
        self._trim.start_over()
        calls = Calls(connection, position)
        try:
            page: list[RawEntry] = await self._read(connection, position.checkpoint)
            while self._lease.is_held and not self._stopping.is_set():
                if not page:
                    await self._finish(calls, down_to=0)
                    page = await self._next_entries(connection, calls.position)
                    if not page:
                        return
                if self._trending.is_due:
                    await self._finish(calls, down_to=0)
                    await self._roll_when_due(connection)
                # The read goes before the call, so its reply does not wait for it: while the server applies this batch,
                # the next is folded here.
                reading = self._read(connection, page[-1][0])
                connection.flush()
                batch = self._fold(page)
                self._announce(batch)
                prepared = calls.prepare(batch)
                if self._batch_size > _SENT_AT_ONCE:
                    await calls.answered()
                calls.send(prepared)
                connection.flush()
                if self._watched:
                    await self._finish(calls, down_to=0)
                page = await reading
                await self._finish(calls, down_to=1)
            await self._finish(calls, down_to=0)
            if not self._stopping.is_set():
                self._lease.require_held()
        except FencedError:
            self._metrics.fenced(len(calls))
            raise
        finally:
            self._summary.say()
            calls.abandon()
            if self._trimming is not None:
                self._trimming.cancel()
                await asyncio.gather(self._trimming, return_exceptions=True)
                self._trimming = None

    async def _finish(self, calls: Calls, *, down_to: int) -> None:
        """Wait until no more than so many calls are under way."""
        while len(calls) > down_to:
            done = await calls.finish_oldest()
            self._adapt(len(done.batch), done.held_s)
            self._metrics.applied(done)
            await self._applied(calls.connection, done.batch, done.applied)

    async def _next_entries(self, connection: Connection, position: Position) -> list[RawEntry]:
        """What comes after the position, as soon as there is something; nothing when there will be nothing.

        Raises FencedError when the position has changed meanwhile: after a load, entries come with lower ids.
        """
        while True:
            self._lease.require_held()
            self._summary.say_when_due()
            await self._notice_gaps(connection, position)
            await self._trim_when_due(connection)
            await self._roll_when_due(connection)
            if self._settings.processor_once:
                break
            blocking = connection.call(
                *("XREAD", "COUNT", self._batch_size, "BLOCK", self._block_ms),
                *("STREAMS", self._keys.stream, position.checkpoint),
            )
            reply = await self._unless_stopped(blocking)
            if self._stopping.is_set():
                break
            # Redis 7.0 answers with no entries when those that came are gone again.
            page: list[RawEntry] = reply[0][1] if reply else []
            if page:
                return page
            if await self._books.open(connection) != position:
                raise FencedError("another processor or a load was faster")
            self._out_of_trouble()
        return []

    def _read(
        self, connection: Connection, after: bytes, at_most: int | None = None
    ) -> "asyncio.Future[list[RawEntry]]":
        if after == LAST_ID:
            nothing: asyncio.Future[list[RawEntry]] = asyncio.get_running_loop().create_future()
            nothing.set_result([])
            return nothing
        return connection.call("XRANGE", self._keys.stream, b"(" + after, "+", "COUNT", at_most or self._batch_size)

    def _fold(self, page: list[RawEntry]) -> Batch:
        create = self._settings.unknown_ids == "create"
        return Batch(page, self._keys, create=create, kept=self._kept, now_ms=self._clock.ms)

    def _adapt(self, entries: int, held_s: float) -> None:
        """Move the batch size towards the one whose call takes `_LONGEST_CALL_S`, by what one entry took.

        By the server's own measure: until a reply is looked at here, other work of this process passes, too.
        """
        if self._watched or entries < _SMALLEST_BATCH:
            return
        self._entry_s += (held_s / entries - self._entry_s) * _SMOOTHING
        wanted = int(_LONGEST_CALL_S / max(self._entry_s, _LEAST_ENTRY_S))
        self._batch_size = max(_SMALLEST_BATCH, min(wanted, self._settings.processor_batch))

    def _announce(self, batch: Batch) -> None:
        if self._logs_checkins:
            for _, fields in batch.checkins:
                user, location = self._keys.user(fields.user_id), self._keys.location(fields.location_id)
                checkin_log.debug("Updating user %s and location %s.", user.decode(), location.decode())

    async def _applied(self, connection: Connection, batch: Batch, applied: Applied) -> None:
        self._out_of_trouble()
        for entry_id, reason in batch.dead_letters:
            log.warning("Entry %s became a dead letter: %s.", entry_id.decode(), reason.value)
        if self._logs_checkins:
            level = logging.INFO if self._watched else logging.DEBUG
            for entry_id, _ in batch.checkins:
                checkin_log.log(level, "Processed checkin %s.", entry_id.decode())
        if self._watched:
            await self._pause(random.uniform(*_PAUSE_S))
        else:
            self._summary.add(len(batch), applied.checkins, batch.last_id)
        self._trim.passed(len(batch))
        await self._trim_when_due(connection, beside=True)

    async def _trim_when_due(self, connection: Connection, *, beside: bool = False) -> None:
        """`beside`: do not wait for it; what it raises, a later call raises."""
        if self._trim.is_due and self._trimming is None:
            self._trimming = asyncio.create_task(self._run_trim(connection))
        if self._trimming is not None and (self._trimming.done() or not beside):
            trimming, self._trimming = self._trimming, None
            await trimming

    async def _run_trim(self, connection: Connection) -> None:
        try:
            await self._trim.run(connection, self._stopping)
        finally:
            self._metrics.trimmed(self._trim)

    async def _roll_when_due(self, connection: Connection) -> None:
        """To be called with nothing under way."""
        if self._trending.is_due:
            await self._trending.roll(connection)

    async def _notice_gaps(self, connection: Connection, position: Position) -> None:
        """To be called with nothing under way."""
        if self._settings.processor_once or self._gaps.is_due:
            await self._gaps.check(connection, position)
            self._metrics.noticed(self._gaps)

    def _in_trouble(self, reason: str) -> None:
        if reason != self.trouble:
            self.trouble = reason
            log.error("Nothing is processed: %s. Trying until it is mended.", reason)

    def _out_of_trouble(self) -> None:
        if self.trouble is not None:
            log.info("Processing goes on.")
            self.trouble = None

    async def _unless_stopped(self, awaitable: Awaitable[T]) -> T | None:
        """The result, or None when `stop` is called before it is there."""
        wanted = asyncio.ensure_future(awaitable)
        stopped = asyncio.ensure_future(self._stopping.wait())
        try:
            await asyncio.wait((wanted, stopped), return_when=asyncio.FIRST_COMPLETED)
            return wanted.result() if wanted.done() else None
        finally:
            wanted.cancel()
            stopped.cancel()

    async def _pause(self, seconds: float) -> None:
        await self._unless_stopped(asyncio.sleep(seconds))
