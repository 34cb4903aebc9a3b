"""The processor's loop: read after the checkpoint, apply, read on; wait when the stream is drained."""

import asyncio
import logging
import random
from collections.abc import Awaitable
from typing import TypeVar

from footfall.config import Settings
from footfall.entries import RawEntry
from footfall.errors import ConnectionLostError, FootfallError
from footfall.keys import Keys
from footfall.logs import checkin_log, log
from footfall.processor.batch import Applied, Batch, FencedError
from footfall.processor.calls import Calls
from footfall.store.books import Position, open_books, open_pipeline
from footfall.store.pipeline import Connection
from footfall.store.scripts import TRIM

T = TypeVar("T")

#: ms that a read waits for new entries; well below the time after which a silent server counts as lost
_BLOCK_MS = 500
#: A script call holds the server for its whole length, so the size of batches adapts to keep it this short.
_LONGEST_CALL_S = 0.010
_FIRST_BATCH, _SMALLEST_BATCH = 250, 50
#: weight of one call in what an entry is reckoned to take: one disturbed call does not change much
_SMOOTHING = 0.1
#: seconds before another try when the server is there but the batch cannot be applied
_RETRY_S = 0.25
#: seconds, from and to, of the pause after each check-in with `--delay`: whoever sees a check-in has the time to stop
#: before the next one
_PAUSE_S = (0.3, 0.9)
#: entries between two trims, and most entries that one call removes
_TRIM_EVERY = 10_000
_TRIM_AT_ONCE = 1_000


class Processor:
    """Applies the entries of one stream, for ever or (`processor_once`) until it is drained.

    Any number may run on one stream: process.lua lets only one of them apply a batch. A batch is applied over the
    connection that it was read on; when that is lost, the batch is dropped and read again from the checkpoint.
    """

    def __init__(self, settings: Settings, url: str) -> None:
        self._settings = settings
        self._keys = Keys(settings.prefix)
        self._pipeline = open_pipeline(url, settings)
        self._stopping = asyncio.Event()
        self._watched = settings.processor_delay
        self._logs_checkins = checkin_log.isEnabledFor(logging.DEBUG)
        self._batch_size = 1 if self._watched else min(settings.processor_batch, _FIRST_BATCH)
        #: seconds that the server takes for one entry, smoothed over the last calls
        self._entry_s = _LONGEST_CALL_S / _FIRST_BATCH
        self._since_trim = _TRIM_EVERY
        #: why nothing is applied at the moment; logged when it changes
        self._trouble: str | None = None

    def stop(self) -> None:
        """Finish the batch under way; then `run` returns."""
        self._stopping.set()

    async def run(self) -> None:
        """Process until `stop` is called, through every outage."""
        self._pipeline.start()
        try:
            while not self._stopping.is_set():
                connection = await self._unless_stopped(self._pipeline.connected())
                if connection is None:
                    return
                try:
                    await self._process(connection)
                    return
                except FencedError as error:
                    log.debug("A batch was dropped: %s.", error)
                except ConnectionLostError:
                    pass  # the pipeline says so
                except FootfallError as error:
                    self._in_trouble(str(error))
                    await self._pause(_RETRY_S)
        finally:
            await self._pipeline.close()

    # --- private

    async def _process(self, connection: Connection) -> None:
        """Apply batch after batch; return when told to stop, or when drained with `processor_once`."""
        position = await open_books(connection, self._keys)
        log.info("Reading stream from last ID %s.", position.checkpoint.decode())
        calls = Calls(connection, position)
        try:
            page: list[RawEntry] = await self._read(connection, position.checkpoint)
            while not self._stopping.is_set():
                if not page:
                    await self._finish(calls, down_to=0)
                    page = await self._next_entries(connection, calls.position)
                    if not page:
                        return
                batch = self._fold(page)
                self._announce(batch)
                # The read goes before the call, so its reply does not wait for it: while the server applies this batch,
                # the next is folded here.
                reading = self._read(connection, batch.last_id)
                calls.send(batch)
                connection.flush()
                if self._watched:
                    await self._finish(calls, down_to=0)
                page = await reading
                await self._finish(calls, down_to=1)
            await self._finish(calls, down_to=0)
        finally:
            calls.abandon()

    async def _finish(self, calls: Calls, *, down_to: int) -> None:
        """Wait until no more than so many calls are under way."""
        while len(calls) > down_to:
            done = await calls.finish_oldest()
            self._adapt(len(done.batch), done.took_s)
            await self._applied(calls.connection, done.batch, done.applied)

    async def _next_entries(self, connection: Connection, position: Position) -> list[RawEntry]:
        """What comes after the position, as soon as there is something; nothing when there will be nothing.

        Raises FencedError when the position has changed meanwhile: after a load, entries come with lower ids.
        """
        while not self._settings.processor_once:
            blocking = connection.call(
                *("XREAD", "COUNT", self._batch_size, "BLOCK", _BLOCK_MS),
                *("STREAMS", self._keys.stream, position.checkpoint),
            )
            reply = await self._unless_stopped(blocking)
            if self._stopping.is_set():
                break
            if reply:
                page: list[RawEntry] = reply[0][1]
                return page
            if await open_books(connection, self._keys) != position:
                raise FencedError("another processor or a load was faster")
            self._out_of_trouble()
        return []

    def _read(self, connection: Connection, after: bytes) -> "asyncio.Future[list[RawEntry]]":
        return connection.call("XRANGE", self._keys.stream, b"(" + after, "+", "COUNT", self._batch_size)

    def _fold(self, page: list[RawEntry]) -> Batch:
        return Batch(page, self._keys, create=self._settings.unknown_ids == "create")

    def _adapt(self, entries: int, took_s: float) -> None:
        """Move the batch size towards the one whose call takes `_LONGEST_CALL_S`, by what one entry took."""
        if self._watched or entries < _SMALLEST_BATCH:
            return
        self._entry_s += (took_s / entries - self._entry_s) * _SMOOTHING
        wanted = int(_LONGEST_CALL_S / self._entry_s)
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
            plural = "" if applied.checkins == 1 else "s"
            log.info("Processed %d check-in%s up to %s.", applied.checkins, plural, batch.last_id.decode())
        self._since_trim += len(batch)
        if self._since_trim >= _TRIM_EVERY:
            await self._trim(connection)

    async def _trim(self, connection: Connection) -> None:
        keys = self._keys
        script_keys = [keys.stream, keys.checkpoint, keys.processed, keys.meta]
        removed = _TRIM_AT_ONCE
        while removed == _TRIM_AT_ONCE and not self._stopping.is_set():
            removed = await TRIM.run(connection, script_keys, [self._settings.retain, _TRIM_AT_ONCE])
        self._since_trim = 0

    def _in_trouble(self, reason: str) -> None:
        if reason != self._trouble:
            self._trouble = reason
            log.error("Nothing is processed: %s. Trying until it is mended.", reason)

    def _out_of_trouble(self) -> None:
        if self._trouble is not None:
            log.info("Processing goes on.")
            self._trouble = None

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
