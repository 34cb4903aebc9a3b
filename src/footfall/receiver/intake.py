"""The intake: the one write path of all check-ins, whichever way they came in.

Check-ins that arrive during one turn of the event loop go to the server in one call of `receive.lua`; while it
is under way the next ones gather (group commit). So the more arrive, the less each costs. Chunks of batches go along
with them, call by call in turn.
"""

import asyncio
import time
from collections.abc import Callable, Sequence
from copy import copy
from http import HTTPStatus

from footfall.config import Settings
from footfall.domain.model import CheckIn
from footfall.errors import (
    BacklogFullError,
    BrokenKeyError,
    ClusterNodeError,
    ConnectionLostError,
    DeniedError,
    FootfallError,
    KeyReusedError,
    LoadingError,
    OverloadedError,
    ReplyError,
    TemporaryReplyError,
    TooLargeError,
    UnavailableError,
    UnconfirmedError,
)
from footfall.keys import Keys
from footfall.logs import Outage, log
from footfall.receiver.metrics import Metrics
from footfall.store.calls.receive import MAX_CALL, Group, IdempotencyRecord, Outcome, Receive, Result, fingerprint
from footfall.store.pipeline import Pipeline

#: called with what became of a check-in, and whether by an earlier request
OnOutcome = Callable[[Outcome, bool], None]
#: a check-in, its idempotency record, who wants to know, and the loop's time at which it came
_Single = tuple[CheckIn, IdempotencyRecord | None, OnOutcome, float]

_LOST = ConnectionLostError("the server was lost before it answered: the check-in may have been stored")
_LATE = OverloadedError("the server is too slow: the check-in has waited too long")
#: Chunks of batches under way at once, at most: so the server always has the next one, and a single check-in waits
#: for two others.
_CHUNKS_UNDER_WAY = 2
#: seconds without a refusal after which check-ins count as taken again: a backlog at its limit is full and not
#: full many times a second
_CALM_S = 1.0
#: share of the time in which the server has to answer that replicas get to confirm: the rest is for the way back
_REPLICAS_SHARE = 0.6


class Intake:
    """Writes check-ins to the stream. Whatever it takes gets an outcome."""

    def __init__(self, pipeline: Pipeline, keys: Keys, settings: Settings, metrics: Metrics) -> None:
        self._pipeline = pipeline
        self._metrics = metrics
        self._keys = keys
        self._receive = Receive(keys, settings.checkins)
        self._time = asyncio.get_running_loop().time
        self._max_batch = settings.checkins.max_batch
        self._max_pending = settings.checkins.max_pending
        self._max_wait_s = settings.server.timeout_s
        self._replicas = settings.server.replicas
        self._wait_ms = int(settings.server.timeout_s * _REPLICAS_SHARE * 1000)
        #: single check-ins to write, oldest first
        self._singles: list[_Single] = []
        self._writer: asyncio.Task[None] | None = None
        self._chunk_slots = asyncio.Semaphore(_CHUNKS_UNDER_WAY)
        self._refusals = Outage("Check-ins are refused: %s.", "Check-ins are taken again", calm_s=_CALM_S)
        #: check-ins whose outcome is not known yet
        self.pending = 0

    def add(self, check_in: CheckIn, on_outcome: OnOutcome, key: str | None = None, owner: str = "") -> None:
        """Take one check-in; `on_outcome` is called once, in a later turn of the loop.

        With an idempotency `key` of this `owner` it is stored once, however often it is added. Raises OverloadedError
        when `max_pending` check-ins wait already.
        """
        if self.pending >= self._max_pending:
            raise OverloadedError("too many check-ins wait for the server")
        self.pending += 1
        record = (
            None if key is None else IdempotencyRecord(self._keys.idempotency(key, 0, owner), fingerprint(check_in))
        )
        self._singles.append((check_in, record, on_outcome, self._time()))
        if self._writer is None:
            # a task starts in the next turn of the loop, so what else arrives in this turn goes along
            self._writer = asyncio.get_running_loop().create_task(self._write_singles())

    async def store(self, check_in: CheckIn, key: str | None = None, owner: str = "") -> tuple[str, bool]:
        """Take one check-in; the id of its entry once the server has confirmed it, and whether it was there before.

        Raises the FootfallError that says why it was refused.
        """
        future: asyncio.Future[tuple[Outcome, bool]] = asyncio.get_running_loop().create_future()

        def on_outcome(outcome: Outcome, replayed: bool) -> None:
            if not future.done():  # its client may have gone
                future.set_result((outcome, replayed))

        self.add(check_in, on_outcome, key, owner)
        outcome, replayed = await future
        if isinstance(outcome, FootfallError):
            raise copy(outcome)  # it is shared between requests, whose traces would pile up on it
        return outcome.decode(), replayed

    async def store_all(self, check_ins: Sequence[CheckIn], key: str | None = None, owner: str = "") -> Result:
        """Take a batch; what became of each check-in.

        With an idempotency `key` of this `owner` it may be sent again, also when only part of it was stored. Raises
        OverloadedError when so many more may not wait, TooLargeError when they never may, and KeyReusedError when the
        key belongs to another request; then nothing was stored. Of a batch with a key nothing is stored before its
        first chunk is: it raises what was in the way.
        """
        if len(check_ins) > self._max_pending:
            raise TooLargeError(f"this receiver takes at most {self._max_pending} check-ins at once")
        if self.pending + len(check_ins) > self._max_pending:
            raise OverloadedError("too many check-ins wait for the server")
        self.pending += len(check_ins)
        self._metrics.in_flight(self.pending)
        try:
            groups = self._chunks(check_ins, key, owner)
            # the record of the first says whose the key is: until it is there, nothing of the others may be stored
            first = [await self._write_chunk(group) for group in groups[: 0 if key is None else 1]]
            for outcome in first[0].outcomes if first else ():
                if isinstance(outcome, FootfallError) and (
                    isinstance(outcome, KeyReusedError) or outcome.status >= HTTPStatus.INTERNAL_SERVER_ERROR
                ):
                    raise copy(outcome)
            rest = await asyncio.gather(*map(self._write_chunk, groups[len(first) :]))
        finally:
            self._settled(len(check_ins))
        results = [*first, *rest]
        return Result(
            outcomes=[outcome for result in results for outcome in result.outcomes],
            replayed=bool(results) and all(result.replayed for result in results),
            accepted=sum(result.accepted for result in results),
        )

    async def drain(self) -> None:
        """Wait until every single check-in that was taken has its outcome; batches are waited for by who sent them."""
        while self._writer is not None:
            await asyncio.shield(self._writer)

    # --- private

    def _chunks(self, check_ins: Sequence[CheckIn], key: str | None, owner: str) -> list[Group]:
        parts = [check_ins[start : start + MAX_CALL] for start in range(0, len(check_ins), MAX_CALL)]
        if key is None:
            return list(map(Group, parts))
        mark = fingerprint(check_ins)
        keys = [self._keys.idempotency(key, number, owner) for number in range(len(parts))]
        return [Group(part, IdempotencyRecord(record, mark)) for part, record in zip(parts, keys, strict=True)]

    async def _write_chunk(self, group: Group) -> Result:
        came = self._time()
        async with self._chunk_slots:
            return (await self._write([group], came))[0]

    async def _write_singles(self) -> None:
        while self._singles:
            taken = self._singles[: self._max_batch]
            del self._singles[: self._max_batch]
            newest = taken[-1][3]
            without = [single for single in taken if single[1] is None]
            groups = [Group([single[0] for single in without])] if without else []
            if len(without) < len(taken):
                recorded = [single for single in taken if single[1] is not None]
                groups += [Group([check_in], record) for check_in, record, *_ in recorded]
                taken = without + recorded
            results = await self._write(groups, newest)
            self._settled(len(taken))
            on_outcomes = iter(taken)
            for result in results:
                replayed = result.replayed
                for outcome, (_, _, on_outcome, _) in zip(result.outcomes, on_outcomes, strict=False):
                    try:
                        on_outcome(outcome, replayed)
                    except Exception:  # one client's failure is not the others'
                        log.exception("An outcome could not be told")
        self._writer = None

    def _settled(self, check_ins: int) -> None:
        self.pending -= check_ins
        self._metrics.in_flight(self.pending)

    async def _write(self, groups: Sequence[Group], came: float) -> list[Result]:
        """Call the script; every check-in has an outcome, whatever happens. `came`: when the newest of them came."""
        if self._time() - came > self._max_wait_s:  # so have all of them; their clients may have gone
            return _all(groups, _LATE)
        try:
            return await self._call(groups)
        except FootfallError as error:
            return _all(groups, self._refused(error))
        except Exception as error:  # a defect must not leave the clients without an answer
            log.exception("The intake failed")
            return _all(groups, FootfallError(f"the check-in may have been stored ({type(error).__name__})"))

    async def _call(self, groups: Sequence[Group]) -> list[Result]:
        connection = self._pipeline.connection
        self._metrics.in_flight(self.pending)
        began = time.perf_counter()
        results = await self._receive.call(groups).start(connection)
        if self._replicas:
            try:
                confirmed: int = await connection.call("WAIT", self._replicas, self._wait_ms)
            except ReplyError as error:  # such as UNBLOCKED, when it is no primary any more: the write was before that
                log.debug("No replica's confirmation could be waited for: %s", error)
                confirmed = 0
            if confirmed < self._replicas:
                unconfirmed = UnconfirmedError(
                    f"{confirmed} of {self._replicas} replicas have confirmed the check-in: it may have been stored"
                )
                results = [_unconfirmed(result, unconfirmed) for result in results]
                self._refusals.begin(str(unconfirmed))
        full = [result for result in results if isinstance(result.outcomes[0], BacklogFullError)]
        if full:
            self._refusals.begin(str(full[0].outcomes[0]))
        check_ins = sum(len(result.outcomes) for result in results)
        accepted = sum(result.accepted for result in results if not result.replayed)
        if accepted:
            self._refusals.end()
        self._metrics.called(check_ins, accepted, time.perf_counter() - began)
        return results

    def _refused(self, error: FootfallError) -> FootfallError:
        """What the clients are told when a call has failed."""
        if isinstance(error, ConnectionLostError):
            return _LOST  # the pipeline logs it
        if isinstance(error, ReplyError):
            self._refusals.begin(str(error))
            # what a server says before it runs a script; anything else may have ended one in its middle
            if isinstance(error, TemporaryReplyError | DeniedError | ClusterNodeError):
                return UnavailableError(f"the server refuses check-ins ({error.code})")
            return UnconfirmedError(f"the server has failed ({error.code}): the check-in may have been stored")
        if isinstance(error, BrokenKeyError | LoadingError):
            self._refusals.begin(str(error))
        return error


def _all(groups: Sequence[Group], error: FootfallError) -> list[Result]:
    return [Result([error] * len(group.check_ins)) for group in groups]


def _unconfirmed(result: Result, error: FootfallError) -> Result:
    return Result([error if isinstance(outcome, bytes) else outcome for outcome in result.outcomes])
