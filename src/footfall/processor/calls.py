"""Calls of process.lua under way: so that the server has the next one when it is done with one."""

import asyncio
import contextlib
import time
from collections import deque
from dataclasses import dataclass
from typing import NamedTuple

from footfall.errors import FootfallError
from footfall.processor.batch import Applied, Batch
from footfall.store.calls import process
from footfall.store.calls.metadata import Position
from footfall.store.pipeline import Connection
from footfall.store.scripts import Call


class Prepared(NamedTuple):
    """A batch whose call is ready to be sent."""

    batch: Batch
    #: where it is to be applied
    position: Position
    call: Call[process.Processed | process.Mistaken]


@dataclass
class _Sent:
    prepared: Prepared
    result: asyncio.Future[process.Processed | process.Mistaken]
    #: of `time.perf_counter`
    sent_at: float


@dataclass(frozen=True)
class Done:
    """A call that has applied its batch."""

    batch: Batch
    applied: Applied
    #: seconds until its reply, without those in which the server was busy with the one before it
    took_s: float
    #: seconds of CPU that its script took: so long it held the server
    held_s: float


class Calls:
    """Calls over one connection, each to be applied on top of the one before it.

    None needs to wait for the reply to the one before: it names the checkpoint that one will set, so the fence keeps
    it from being applied when that one was not.
    """

    def __init__(self, connection: Connection, position: Position) -> None:
        #: where processing stands when everything under way is applied
        self.position = position
        self.connection = connection
        self._under_way: deque[_Sent] = deque()
        self._free_since = 0.0

    def __len__(self) -> int:
        return len(self._under_way)

    def prepare(self, batch: Batch) -> Prepared:
        """Make the call for a batch that was read after `position` over the same connection. It is to be sent next."""
        return _prepared(batch, self.position)

    def send(self, prepared: Prepared) -> None:
        """Send what `prepare` has made of a batch."""
        self._under_way.append(self._sent(prepared))
        self.position = Position(prepared.batch.last_id, self.position.generation)

    async def finish_oldest(self) -> Done:
        """Wait for the oldest call.

        Raises FencedError when its batch must be dropped, and LoadingError, BrokenKeyError or another FootfallError
        when it cannot be applied now; then nothing was changed, unless the connection was lost (ConnectionLostError):
        whether it was applied, the stored checkpoint tells.
        """
        while True:
            oldest = self._under_way[0]
            result = await oldest.result
            applied = oldest.prepared.batch.outcome(result)
            if applied is not None and isinstance(result, process.Processed):
                break
            await self._send_again()
        self._under_way.popleft()
        now = time.perf_counter()
        took_s, self._free_since = now - max(oldest.sent_at, self._free_since), now
        return Done(oldest.prepared.batch, applied, took_s, result.held_s)

    async def answered(self) -> None:
        """Wait until everything under way has a reply, be it an error."""
        if self._under_way:
            await asyncio.wait([call.result for call in self._under_way])

    def abandon(self) -> None:
        """Give up on everything under way: its replies are ignored."""
        for call in self._under_way:
            call.result.cancel()
        self._under_way.clear()

    def _sent(self, prepared: Prepared) -> _Sent:
        return _Sent(prepared, asyncio.ensure_future(prepared.call.start(self.connection)), time.perf_counter())

    async def _send_again(self) -> None:
        """The oldest batch was corrected and not applied, so those behind it were fenced: send all of them again."""
        for call in list(self._under_way)[1:]:
            with contextlib.suppress(FootfallError):
                await call.result
        again = [_prepared(sent.prepared.batch, sent.prepared.position) for sent in self._under_way]
        self._under_way = deque(map(self._sent, again))


def _prepared(batch: Batch, position: Position) -> Prepared:
    call = batch.call(position)
    call.pack()
    return Prepared(batch, position, call)
