"""The intake: the one write path of all check-ins, whichever way they came in.

Check-ins that arrive during one turn of the event loop go to the server in one call of `receive.lua`; while it
is under way the next ones gather (group commit). So the more arrive, the less each costs.
"""

import asyncio
from collections.abc import Callable

from footfall.config import Settings
from footfall.errors import (
    BacklogFullError,
    BrokenKeyError,
    FootfallError,
    LoadingError,
    OverloadedError,
    UnknownLocationError,
    UnknownUserError,
)
from footfall.keys import Keys
from footfall.logs import log
from footfall.model import CheckIn
from footfall.store.pipeline import Argument, Pipeline, Reply
from footfall.store.scripts import RECEIVE

#: what became of a check-in: the id of its entry, or why it was refused
Outcome = bytes | FootfallError
OnOutcome = Callable[[Outcome], None]

_REFUSALS: dict[bytes, FootfallError] = {
    b"FULL": BacklogFullError("the backlog is full: processing is behind"),
    b"LOADING": LoadingError("data is being loaded"),
    b"UNKNOWN_USER": UnknownUserError("there is no such user"),
    b"UNKNOWN_LOCATION": UnknownLocationError("there is no such location"),
}


class Intake:
    """Writes check-ins to the stream in batches, one batch at a time."""

    def __init__(self, pipeline: Pipeline, keys: Keys, settings: Settings) -> None:
        self._pipeline = pipeline
        self._keys = keys
        self._max_batch = settings.max_batch
        self._max_pending = settings.max_pending
        self._script_keys = [keys.stream, keys.meta, keys.processed]
        self._script_arguments: list[Argument] = [settings.max_backlog, settings.unknown_ids]
        self._gathered: list[tuple[CheckIn, OnOutcome]] = []
        self._writer: asyncio.Task[None] | None = None
        self._in_flight = 0

    @property
    def pending(self) -> int:
        """Check-ins whose outcome is not known yet."""
        return len(self._gathered) + self._in_flight

    def add(self, check_in: CheckIn, on_outcome: OnOutcome) -> None:
        """Take one check-in; `on_outcome` is called once, in a later turn of the loop, and must not raise.

        Raises OverloadedError when `max_pending` check-ins wait already.
        """
        if self.pending >= self._max_pending:
            raise OverloadedError("too many check-ins wait for the server")
        self._gathered.append((check_in, on_outcome))
        if self._writer is None:
            # a task starts in the next turn of the loop, so what else arrives in this turn goes along
            self._writer = asyncio.get_running_loop().create_task(self._write_all())

    async def store(self, check_in: CheckIn) -> str:
        """Take one check-in and return the id of its entry once the server has confirmed it.

        Raises the FootfallError that says why it was refused.
        """
        future: asyncio.Future[Outcome] = asyncio.get_running_loop().create_future()

        def on_outcome(outcome: Outcome) -> None:
            if not future.done():  # its client may have gone
                future.set_result(outcome)

        self.add(check_in, on_outcome)
        outcome = await future
        if isinstance(outcome, FootfallError):
            raise outcome.with_traceback(None)  # shared between requests: their traces must not pile up
        return outcome.decode()

    async def drain(self) -> None:
        """Wait until every check-in that was taken has its outcome."""
        while self._writer is not None:
            await asyncio.shield(self._writer)

    async def _write_all(self) -> None:
        while self._gathered:
            batch = self._gathered[: self._max_batch]
            del self._gathered[: self._max_batch]
            self._in_flight = len(batch)
            outcomes = await self._write([check_in for check_in, _ in batch])
            self._in_flight = 0
            for (_, on_outcome), outcome in zip(batch, outcomes, strict=True):
                on_outcome(outcome)
        self._writer = None

    async def _write(self, check_ins: list[CheckIn]) -> list[Outcome]:
        keys, arguments = self._script_keys.copy(), self._script_arguments.copy()
        user, location = self._keys.user, self._keys.location
        for check_in in check_ins:
            keys += (user(check_in.user_id), location(check_in.location_id))
            arguments += (check_in.user_id, check_in.location_id, check_in.star_rating)
        try:
            reply: Reply = await RECEIVE.run(self._pipeline.connection, keys, arguments)
        except FootfallError as error:
            return [error] * len(check_ins)
        except Exception as error:  # a defect must not leave the clients without an answer
            log.exception("The intake failed")
            return [FootfallError(f"the check-in could not be stored ({type(error).__name__})")] * len(check_ins)
        if isinstance(reply, bytes):
            return [_outcome(reply)] * len(check_ins)
        return [_outcome(word) for word in reply]


def _outcome(word: bytes) -> Outcome:
    if b"0" <= word[:1] <= b"9":
        return word
    known = _REFUSALS.get(word)
    if known is not None:
        return known
    key = word.partition(b" ")[2].decode()
    return BrokenKeyError(f"{key} is missing or does not hold what it must")
