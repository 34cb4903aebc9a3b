"""Proving the books: counters, indexes, baselines, the processed count and the stream agree."""

from collections.abc import Callable
from functools import partial
from typing import Any, TypeVar

import msgspec
from redis import Redis
from rich.console import Console
from rich.progress import Progress

from footfall.config import Settings
from footfall.errors import RefusedError, UnavailableError
from footfall.keys import Keys
from footfall.operations.audit.compare import Comparer
from footfall.operations.audit.differences import Difference, Differences
from footfall.operations.audit.fold import Fold
from footfall.operations.audit.gone import Counted, Gone, Surplus, note, read_noted
from footfall.operations.audit.indexes import Index, indexes, strays
from footfall.operations.audit.keyspace import Keyspace
from footfall.operations.audit.look import Look, MovedError, as_tuple
from footfall.operations.audit.plan import Proof, provable
from footfall.operations.audit.records import read_locations, read_users
from footfall.operations.audit.tally import LocationTally, Tally, UserTally
from footfall.process.terminal import Bars
from footfall.store.calls.audit import Head

TallyT = TypeVar("TallyT", bound=Tally)
Confirm = Callable[[str], bool]

#: records read at once: a few ms of the server's time
_PAGE = 200
#: entries counted at once
_COUNTED = 2000
#: what cannot be said of a server that does not tell who it is
_NOT_KNOWN = "; INFO is refused to this user: whether another server has taken over meanwhile is not known"
_HOW_TO_NOTE = "`footfall verify --note-gone` notes that, once; until then nothing can be rebuilt."
#: how often all of it is done when the stream is replaced or trimmed too fast
_TRIES = 3


class Report(msgspec.Struct, rename="camel", kw_only=True):
    """What `footfall verify` found."""

    #: how many things do not agree
    differences: int
    #: the first of them
    shown: list[Difference]
    users: int
    locations: int
    #: entries of the stream that were read
    entries: int
    #: what was read is as it was when this was the checkpoint
    checkpoint: str
    proof: Proof
    #: why the proof is no better
    reason: str
    #: entries that are gone although they were processed, and are not noted; None without any
    gone: Gone | None
    #: such entries that are noted: each record is proven with them
    noted: int


def verify(client: Redis, settings: Settings, progress: Progress | None, confirm: Confirm | None = None) -> Report:
    """Read everything, and say what does not agree. Only reads; what runs beside it is no hindrance.

    With `verify_note_gone` it notes what entries have counted that are gone, when `confirm` says so; `gone` is what was
    found before.

    Raises LoadingError; BrokenKeyError when meta or checkpoint cannot be trusted; UnavailableError when entries are
    trimmed before they can be read; RefusedError when there is nothing to be noted, or it is not confirmed.
    """
    look = Look(client, Keys(settings.prefix))
    bars = Bars(progress)
    for _ in range(_TRIES):
        bars.clear()
        look.require_books()
        server = look.server_id()
        try:
            verification = _Verification(look, bars)
            report = verification.run()
        except MovedError as error:
            reason = str(error)
            continue
        if look.server_id() == server:
            if not server:
                report.reason += _NOT_KNOWN
            if settings.verify_note_gone:
                _note(look, report, verification, settings.verify_yes, confirm)
            return report
        reason = "another server has taken over"
    raise UnavailableError(f"nothing could be verified, {_TRIES} times: {reason}")


def _note(look: Look, report: Report, found: "_Verification", yes: bool, confirm: Confirm | None) -> None:
    gone = report.gone
    if gone is None:
        raise RefusedError("there is nothing to note: no entry is gone of which the records tell what it has counted")
    if not yes and not (confirm and confirm(f"{gone}. That will be taken for right from now on.")):
        raise RefusedError(f"{gone}. Not confirmed: nothing was noted (--yes confirms it)")
    note(look, gone, found.start)
    report.gone, report.noted = None, gone.entries + (0 if gone.replaces else report.noted)


class _Verification:
    """One run through everything."""

    def __init__(self, look: Look, bars: Bars) -> None:
        self._look, self._bars = look, bars
        self._differences = Differences()
        #: where things stood at the beginning
        self.start = look.head()

    def run(self) -> Report:
        look, bars = self._look, self._bars
        start = self.start
        proof, reason = provable(start)
        keyspace = Keyspace(look, self._differences, bars.bar("keys", None))
        self._users, self._locations = UserTally(keyspace.users), LocationTally(keyspace.locations)
        del keyspace.users, keyspace.locations
        begin = b"0" if proof == "records" else start.checkpoint
        self._replaces = start.noted > 0 and start.unexplained < 0
        start = self._without_replaced(start)
        noted = read_noted(look, start) if proof == "records" else Counted()
        noted.add_to(self._users, self._locations)
        limit = max(0, start.unexplained) + max(0, start.noted_dead) if proof == "records" else 0
        self._surplus = Surplus(self._differences, limit)
        self._fold = Fold(look, start, begin, self._users, self._locations)
        before = 0 if proof == "records" else self._count_processed(start)
        self._comparer = Comparer(
            *(look, self._differences, self._surplus), against_stream=proof == "records", has_origin=proof != "indexes"
        )
        self._comparer.unreadable |= keyspace.wrong_types.keys()
        self._stream = bars.bar("stream", start.length if proof == "records" else None)
        self._each(self._users, read_users, self._comparer.user, "users")
        end = self._each(self._locations, read_locations, self._comparer.location, "locations")
        end = self._without_replaced(end)
        gone = self._gone(end) if proof == "records" else None
        self._check_sums(end, before + self._fold.entries, proof, gone)
        for index in indexes(look, keyspace):
            self._look_through(index)
        return Report(
            differences=self._differences.count,
            shown=self._differences.shown,
            users=len(self._users.ids),
            locations=len(self._locations.ids),
            entries=self._fold.entries,
            checkpoint=self._fold.position.decode(),
            proof=proof,
            reason=reason,
            gone=gone,
            noted=end.noted,
        )

    def _each(
        self,
        tally: TallyT,
        read: Callable[[Look, list[int]], tuple[Head, list[Any]]],
        compare: Callable[[int, Any, TallyT], None],
        name: str,
    ) -> Head:
        """Compare all records of one kind, page by page; where things stood at last."""
        advance = self._bars.bar(name, len(tally.ids))
        for ids in tally.pages(_PAGE):
            _, rows = self._fold.at_its_checkpoint(partial(read, self._look, ids), self._stream)
            for record, row in zip(ids, rows, strict=True):
                compare(record, row, tally)
            advance(len(ids))
        return self._fold.at_its_checkpoint(self._look.with_head, self._stream)[0]

    def _count_processed(self, start: Head) -> int:
        """How many entries the checkpoint has passed, counted from the stream's other end."""
        stream = self._look.keys.stream
        for _ in range(_TRIES):
            behind, last = 0, start.checkpoint
            while True:
                now, page = self._look.with_head("XRANGE", stream, b"(" + last, start.last, "COUNT", _COUNTED)
                behind += len(page)
                if len(page) < _COUNTED:
                    break
                last = page[-1][0]
            if now.generation == start.generation and (
                now.removed == start.removed or as_tuple(now.first) <= as_tuple(start.checkpoint)
            ):
                return start.added - behind
        raise MovedError("entries were removed from the stream before they were read; keep more of them (`retain`)")

    def _look_through(self, index: Index) -> None:
        comparer = self._comparer
        noted = comparer.noted_users if index.of_users else comparer.noted_locations
        advance = self._bars.bar(index.key.decode(errors="replace"), None)
        for looked_at, found in strays(self._look, index):
            for stray in found:
                if stray.record not in noted and stray.entry not in comparer.wrong_emails:
                    self._differences.add(index.key, stray.entry, stray.value, None)
            advance(looked_at)

    def _without_replaced(self, head: Head) -> Head:
        """With fewer entries gone than are noted, the note is of another stream: then nothing is taken for noted."""
        return head._replace(noted=0, noted_dead=0) if self._replaces else head

    def _gone(self, end: Head) -> Gone | None:
        """Entries that are gone, when all that the records have beyond the stream can be theirs; else None."""
        surplus, fold = self._surplus, self._fold
        dead = fold.dead_without_entry(end)
        counted = surplus.counted
        # unless all that is gone was processed, it cannot be told from what was not
        is_processed = end.processed == fold.entries + end.removed
        is_explained = is_processed and counted.of_users == counted.of_locations == end.unexplained - dead
        if end.removed != self.start.removed and (counted.users or end.unexplained):
            raise MovedError("entries were removed from the stream meanwhile")
        is_nothing = not (counted.users or end.unexplained or dead or self._replaces)
        if is_nothing or not is_explained:
            surplus.give_up()
            self._not_explained(end)
            return None
        return Gone(
            entries=end.unexplained,
            dead=dead,
            users=counted.users,
            locations=counted.locations,
            replaces=self._replaces,
            highest="" if end.max_deleted == b"0-0" else end.max_deleted.decode(),
        )

    def _not_explained(self, end: Head) -> None:
        keys, unexplained = self._look.keys, end.unexplained
        if unexplained < 0:
            self._differences.add(keys.meta, "lost", end.lost, end.lost + unexplained, "entries gone unprocessed")
        elif unexplained and not self._surplus.has_differences and end.processed == self._fold.entries + end.removed:
            found = f"without {unexplained:,} processed entries"
            why = "what was loaded and the stream make all that is counted"
            self._differences.add(keys.stream, None, found, "whole", why, is_count=True)

    def _check_sums(self, end: Head, passed: int, proof: Proof, gone: Gone | None) -> None:
        """What can be said of all together; `passed`: entries that the checkpoint has passed, as counted here."""
        differences, keys, fold = self._differences, self._look.keys, self._fold
        if proof == "records":
            passed += end.removed
        if end.processed != passed:
            differences.add(keys.processed, None, end.processed, passed, "entries up to the checkpoint", is_count=True)
        settled = len(fold.letters) + end.discarded
        wanted = fold.entries - fold.counted + end.noted_dead + (gone.dead if gone else 0)
        if proof == "records" and wanted != settled:
            found = f"{len(fold.letters)} dead letters and {end.discarded} discarded"
            differences.add(
                keys.dead_letters, None, found, f"{wanted} together", "entries that do not count", is_count=True
            )
        if proof == "indexes" or differences.has_count:
            return
        applied = passed - settled - end.lost
        why = f"{passed} processed, {len(fold.letters)} dead letters, {end.discarded} discarded, {end.lost} lost"
        for key, tally in ((keys.users_baseline, self._users), (keys.locations_baseline, self._locations)):
            if tally.total != applied:
                kind = "users" if tally is self._users else "locations"
                found = f"{tally.total} check-ins that the {kind} have beyond it"
                differences.add(key, None, found, applied, why)


def as_json(report: Report) -> str:
    """The report for `--json`."""
    return msgspec.json.encode(report).decode()


def render(report: Report, console: Console) -> None:
    """Print the report for a person."""

    def show(text: str, style: str | None = None) -> None:
        console.print(text, style=style, highlight=False, markup=False, soft_wrap=True)

    for difference in report.shown:
        show(str(difference), "red")
    if report.gone:
        show(f"{report.gone}. {_HOW_TO_NOTE}", "red")
    if report.differences > len(report.shown):
        show(f"... and {report.differences - len(report.shown):,} more", "red")
    show(f"Verified {report.users:,} users and {report.locations:,} locations up to {report.checkpoint}.")
    show({
        "records": f"Each is compared with what was loaded and all {report.entries:,} entries of the stream"
        + (f", and what is noted of {report.noted:,} that are gone from it." if report.noted else "."),
        "sums": "Sums and indexes are compared, single counters are not:",
        "indexes": "Only indexes are compared, counters are not:",
    }[report.proof] + (f" {report.reason}." if report.reason else ""))  # fmt: skip
    plural = "" if report.differences == 1 else "s"
    if report.differences or not report.gone:
        show(f"{report.differences:,} difference{plural}." if report.differences else "No differences.")
