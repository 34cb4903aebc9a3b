"""The intake: the one write path of all check-ins, whichever way they came in.

Check-ins that arrive during one turn of the event loop go to the server in one call of `receive.lua`; while it
is under way the next ones gather (group commit). So the more arrive, the less each costs.
"""

import asyncio
import time
from collections.abc import Callable
from copy import copy

from footfall.config import Settings
from footfall.errors import (
    BacklogFullError,
    BrokenKeyError,
    FootfallError,
    LoadingError,
    OverloadedError,
    ReplyError,
    UnavailableError,
    UnknownLocationError,
    UnknownUserError,
)
from footfall.keys import Keys
from footfall.logs import log
from footfall.model import CheckIn
from footfall.store.pipeline import Argument, Pipeline
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
_LATE = OverloadedError("the server is too slow: the check-in has waited too long")
#: seconds without a refusal after which check-ins count as taken again: a backlog at its limit is full and not
#: full many times a second
_CALM_S = 1.0


class Intake:
    """Writes check-ins to the stream in batches, one batch at a time."""

    def __init__(self, pipeline: Pipeline, keys: Keys, settings: Settings) -> None:
        self._pipeline = pipeline
        self._keys = keys
        self._max_batch = settings.max_batch
        self._max_pending = settings.max_pending
        self._max_wait_s = settings.server_timeout
        self._script_keys = [keys.stream, keys.meta, keys.processed]
        self._script_arguments: list[Argument] = [settings.max_backlog, settings.unknown_ids]
        #: check-ins to write, oldest first, with the time at which they came
        self._gathered: list[tuple[CheckIn, OnOutcome, float]] = []
        self._writer: asyncio.Task[None] | None = None
        self._in_flight = 0
        self._refusing = _Refusing()

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
        self._gathered.append((check_in, on_outcome, time.monotonic()))
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
            raise copy(outcome)  # it is shared between requests, whose traces would pile up on it
        return outcome.decode()

    async def drain(self) -> None:
        """Wait until every check-in that was taken has its outcome."""
        while self._writer is not None:
            await asyncio.shield(self._writer)

    async def _write_all(self) -> None:
        while self._gathered:
            batch = self._gathered[: self._max_batch]
            del self._gathered[: self._max_batch]
            newest = batch[-1][2]
            if time.monotonic() - newest > self._max_wait_s:  # so have all of them; their clients may have gone
                outcomes: list[Outcome] = [_LATE] * len(batch)
            else:
                self._in_flight = len(batch)
                outcomes = await self._write([check_in for check_in, _, _ in batch])
                self._in_flight = 0
            for (_, on_outcome, _), outcome in zip(batch, outcomes, strict=True):
                on_outcome(outcome)
        self._writer = None

    async def _write(self, check_ins: list[CheckIn]) -> list[Outcome]:
        keys, arguments = self._script_keys.copy(), self._script_arguments.copy()
        user, location = self._keys.user, self._keys.location
        for check_in in check_ins:
            keys += (user(check_in.user_id), location(check_in.location_id))
            arguments += (check_in.user_id, check_in.location_id, check_in.star_rating)
        try:
            reply = await RECEIVE.run(self._pipeline.connection, keys, arguments)
            if not isinstance(reply, bytes):
                outcomes = [_outcome(word) for _, word in zip(check_ins, reply, strict=True)]
                self._refusing.end()
                return outcomes
            reason = refusal = _refusal(reply)
        except ReplyError as error:
            reason = error
            refusal = UnavailableError(f"the server refuses check-ins ({error.code})")
        except UnavailableError as error:  # the pipeline logs it
            return [error] * len(check_ins)
        except Exception as error:  # a defect must not leave the clients without an answer
            log.exception("The intake failed")
            return [FootfallError(f"the check-in could not be stored ({type(error).__name__})")] * len(check_ins)
        self._refusing.begin(reason)
        return [refusal] * len(check_ins)


class _Refusing:
    """Logs once that check-ins are refused, and once, with the length, when they are taken again."""

    def __init__(self) -> None:
        self._since: float | None = None
        self._last = 0.0

    def begin(self, reason: FootfallError) -> None:
        self._last = time.monotonic()
        if self._since is None:
            self._since = self._last
            log.error("Check-ins are refused: %s.", reason)

    def end(self) -> None:
        if self._since is not None and (now := time.monotonic()) - self._last > _CALM_S:
            log.info("Check-ins are taken again after %.1f s.", now - self._since)
            self._since = None


def _outcome(word: bytes) -> Outcome:
    return word if b"0" <= word[:1] <= b"9" else _refusal(word)


def _refusal(word: bytes) -> FootfallError:
    known = _REFUSALS.get(word)
    if known is not None:
        return known
    key = word.partition(b" ")[2].decode()
    return BrokenKeyError(f"{key} is missing or does not hold what it must")
