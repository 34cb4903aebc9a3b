"""What is to be done beside the batches: lost entries noticed, the stream trimmed, the window of trending moved on.

All of it over the connection of the batches, and always in this order. Trimming goes on beside batches; the others need
that no call is under way.
"""

import asyncio
from typing import TYPE_CHECKING

from footfall.config import Settings
from footfall.keys import Keys
from footfall.processor.activity import Trending
from footfall.processor.clock import ServerClock
from footfall.processor.gaps import Gaps
from footfall.processor.stopping import Stopping
from footfall.processor.trim import Trim
from footfall.store.calls.metadata import Position
from footfall.store.pipeline import Connection

if TYPE_CHECKING:
    from footfall.processor.metrics import Metrics


class Maintenance:
    """Knows what is due. Its methods raise what calls of the server raise; then what was due stays due."""

    def __init__(self, keys: Keys, settings: Settings, metrics: "Metrics", stopping: Stopping) -> None:
        self._metrics = metrics
        self._stopping = stopping
        #: whether the work ends with the stream: then what is lost is said before it does
        self._ends = settings.processor.once
        self.clock = ServerClock()
        self._gaps = Gaps(keys)
        self._trim = Trim(keys, settings)
        #: a trim that goes on beside the calls
        self._trimming: asyncio.Task[None] | None = None
        self._trending = Trending(keys, self.clock, is_kept=settings.activity.trending)

    async def begin(self, connection: Connection, position: Position) -> None:
        """The work begins, or begins again; nothing is under way, and the stream may be another one than before."""
        await self._notice_gaps(connection, position)
        await self._trending.roll(connection)
        self._trim.start_over()

    async def when_drained(self, connection: Connection, position: Position) -> None:
        """Everything up to here is processed, and nothing is under way: do all that is due, to its end."""
        await self._notice_gaps(connection, position)
        self._start_trim_when_due(connection)
        await self._finish_trim()
        await self._roll_when_due(connection)

    @property
    def needs_a_break(self) -> bool:
        """Whether something is due that cannot wait for the end of the backlog. Costs little."""
        return self._trending.is_due

    async def in_a_break(self, connection: Connection) -> None:
        """Do that; nothing is under way."""
        await self._roll_when_due(connection)

    async def beside_batches(self, connection: Connection, applied: int) -> None:
        """So many entries were applied: begin a trim when one is due, without waiting for it.

        What a trim raises, a later call raises.
        """
        self._trim.passed(applied)
        self._start_trim_when_due(connection)
        if self._trimming is not None and self._trimming.done():
            await self._finish_trim()

    async def end(self) -> None:
        """The work ends, or stops for a while: leave a trim where it is."""
        if self._trimming is not None:
            self._trimming.cancel()
            await asyncio.gather(self._trimming, return_exceptions=True)
            self._trimming = None

    # --- private

    async def _notice_gaps(self, connection: Connection, position: Position) -> None:
        if self._ends or self._gaps.is_due:
            await self._gaps.check(connection, position)
            self._metrics.noticed(self._gaps)

    async def _roll_when_due(self, connection: Connection) -> None:
        if self._trending.is_due:
            await self._trending.roll(connection)

    def _start_trim_when_due(self, connection: Connection) -> None:
        if self._trim.is_due and self._trimming is None:
            self._trimming = asyncio.create_task(self._run_trim(connection))

    async def _run_trim(self, connection: Connection) -> None:
        try:
            await self._trim.run(connection, self._stopping)
        finally:
            self._metrics.trimmed(self._trim)

    async def _finish_trim(self) -> None:
        if self._trimming is not None:
            trimming, self._trimming = self._trimming, None
            await trimming
