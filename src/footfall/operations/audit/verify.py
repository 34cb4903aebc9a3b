"""Verifying: counters, indexes, baselines, the number of processed entries and the stream agree."""

from collections.abc import Callable
from functools import partial
from typing import Any, TypeVar

from rich.progress import Progress

from footfall.errors import RefusedError, UnavailableError
from footfall.operations.audit.compare import Scope
from footfall.operations.audit.compare_locations import LocationComparer
from footfall.operations.audit.compare_users import UserComparer
from footfall.operations.audit.differences import Differences
from footfall.operations.audit.exclusions import Exclusions
from footfall.operations.audit.gone import Counted, note, read_noted
from footfall.operations.audit.indexes import Index, indexes, strays
from footfall.operations.audit.keyspace import Keyspace, scan_keyspace
from footfall.operations.audit.proof import strongest_proof
from footfall.operations.audit.reader import SnapshotReader, StreamChangedError
from footfall.operations.audit.record_pages import read_locations, read_users
from footfall.operations.audit.replay import Replay, count_processed
from footfall.operations.audit.surplus import Surplus
from footfall.operations.audit.tally import LocationTally, Tally, UserTally
from footfall.operations.audit.verify_report import Report
from footfall.operations.audit.verify_totals import Totals
from footfall.process.terminal import Bars
from footfall.store.calls.audit import Snapshot

TallyT = TypeVar("TallyT", bound=Tally)
Confirm = Callable[[str], bool]

#: what cannot be said of a server that does not tell who it is
_NOT_KNOWN = "; INFO is refused to this user: whether another server has taken over meanwhile is not known"


def verify(
    reader: SnapshotReader, progress: Progress | None, *, note_gone: bool = False, confirm: Confirm | None = None
) -> Report:
    """Read everything, and say what does not agree. Only reads; what runs beside it is no hindrance.

    With `note_gone` it notes what entries have counted that are gone, when `confirm` says so; `gone` is what was
    found before.

    Raises LoadingError; BrokenKeyError when meta or checkpoint cannot be trusted; UnavailableError when entries are
    trimmed before they can be read; RefusedError when there is nothing to be noted, or it is not confirmed.
    """
    bars = Bars(progress)
    runs = reader.retries.runs
    for _ in range(runs):
        bars.clear()
        reader.require_metadata()
        server = reader.server_id()
        start = reader.snapshot()
        try:
            report = _Verification(reader, bars, start).run()
        except StreamChangedError as error:
            reason = str(error)
            continue
        if reader.server_id() == server:
            if not server:
                report.reason += _NOT_KNOWN
            if note_gone:
                _note(reader, report, start, confirm)
            return report
        reason = "another server has taken over"
    raise UnavailableError(f"nothing could be verified, {runs} times: {reason}")


def _note(reader: SnapshotReader, report: Report, start: Snapshot, confirm: Confirm | None) -> None:
    gone = report.gone
    if gone is None:
        raise RefusedError("there is nothing to note: no entry is gone of which the records tell what it has counted")
    if not (confirm and confirm(f"{gone}. That will be taken for right from now on.")):
        raise RefusedError(f"{gone}. Not confirmed: nothing was noted (--yes confirms it)")
    note(reader, gone, start)
    report.gone, report.noted = None, gone.entries + (0 if gone.replaces else report.noted)


class _Verification:
    """One run through everything."""

    def __init__(self, reader: SnapshotReader, bars: Bars, start: Snapshot) -> None:
        """`start`: metadata and stream at the beginning."""
        self._reader, self._bars = reader, bars
        self._differences = Differences()
        self._proof, self._reason = strongest_proof(start)
        #: With fewer entries gone than are noted, the note is of another stream: then nothing is taken for noted.
        self._replaces = start.noted > 0 and start.unexplained < 0
        self._start = self._without_replaced(start)

    def run(self) -> Report:
        reader, bars, start, by_records = self._reader, self._bars, self._start, self._proof == "records"
        keyspace = scan_keyspace(reader, self._differences, bars.bar("keys", None))
        users, locations = UserTally(keyspace.users), LocationTally(keyspace.locations)
        keyspace.users.clear()  # the tallies have them, in less memory
        keyspace.locations.clear()
        noted = read_noted(reader, start) if by_records else Counted()
        noted.add_to(users, locations)
        surplus = Surplus(self._differences, max(0, start.unexplained) + max(0, start.noted_dead) if by_records else 0)
        self._replay = self._begin_replay(users, locations)
        before = 0 if by_records else count_processed(reader, start)
        self._stream = bars.bar("stream", start.length if by_records else None)
        scope = Scope(by_records, self._proof != "indexes", frozenset(keyspace.wrong_types))
        self._of_users = UserComparer(reader.keys, self._differences, surplus, scope)
        self._of_locations = LocationComparer(reader.keys, self._differences, surplus, scope)
        self._each(users, read_users, self._of_users.compare, "users")
        self._each(locations, read_locations, self._of_locations.compare, "locations")
        end, _ = self._replay.at_checkpoint(reader.with_snapshot, self._stream)
        end = self._without_replaced(end)
        totals = Totals(reader.keys, self._differences, self._replay, start, end)
        gone = totals.explain_removed(surplus, replaces=self._replaces) if by_records else None
        totals.check(before + self._replay.entries, self._proof, gone)
        self._look_through_indexes(keyspace)
        return Report(
            differences=self._differences.count,
            shown=self._differences.shown,
            users=len(users.ids),
            locations=len(locations.ids),
            entries=self._replay.entries,
            checkpoint=self._replay.position.decode(),
            proof=self._proof,
            reason=self._reason,
            gone=gone,
            noted=end.noted,
        )

    def _begin_replay(self, users: UserTally, locations: LocationTally) -> Replay:
        exclusions = Exclusions(self._reader)
        exclusions.reload()
        position = b"0" if self._proof == "records" else self._start.checkpoint
        return Replay(self._reader, self._start, exclusions, position=position, users=users, locations=locations)

    def _each(
        self,
        tally: TallyT,
        read: Callable[[SnapshotReader, list[int]], tuple[Snapshot, list[Any]]],
        compare: Callable[[int, Any, TallyT], None],
        name: str,
    ) -> None:
        """Compare all records of one kind, page by page."""
        reader = self._reader
        advance = self._bars.bar(name, len(tally.ids))
        for ids in tally.pages(reader.sizes.compared):
            _, rows = self._replay.at_checkpoint(partial(read, reader, ids), self._stream)
            for record, row in zip(ids, rows, strict=True):
                compare(record, row, tally)
            reader.retries.progress()
            advance(len(ids))

    def _look_through_indexes(self, keyspace: Keyspace) -> None:
        """Find entries of indexes that no record leads to."""
        for index in indexes(self._reader, keyspace):
            advance = self._bars.bar(index.key.decode(errors="replace"), None)
            for looked_at, found in strays(self._reader, index):
                for stray in found:
                    if not self._is_reported(index, stray.record, stray.entry):
                        self._differences.add(index.key, stray.entry, stray.value, None)
                advance(looked_at)

    def _is_reported(self, index: Index, record: int | None, entry: bytes) -> bool:
        comparer = self._of_users if index.of_users else self._of_locations
        return record in comparer.reported or entry in self._of_users.wrong_emails

    def _without_replaced(self, snapshot: Snapshot) -> Snapshot:
        return snapshot._replace(noted=0, noted_dead=0) if self._replaces else snapshot
