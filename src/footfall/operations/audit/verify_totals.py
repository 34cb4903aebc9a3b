"""What can be said of all records and entries together: which entries are gone, and whether sums agree."""

from footfall.keys import Keys
from footfall.operations.audit.differences import Differences
from footfall.operations.audit.gone import Gone
from footfall.operations.audit.proof import Proof
from footfall.operations.audit.reader import StreamChangedError
from footfall.operations.audit.replay import Replay
from footfall.operations.audit.surplus import Surplus
from footfall.store.calls.audit import Snapshot


class Totals:
    """Sums, compared once every record is. `end`: the snapshot up to which the stream was replayed."""

    def __init__(self, keys: Keys, differences: Differences, replay: Replay, start: Snapshot, end: Snapshot) -> None:
        self._keys, self._differences, self._replay = keys, differences, replay
        self._start, self._end = start, end

    def explain_removed(self, surplus: Surplus, *, replaces: bool) -> Gone | None:
        """Entries that are gone, when all that the records have beyond the stream can be theirs; else None.

        `replaces`: what was noted of such entries before is no longer so. Raises StreamChangedError when entries were
        removed meanwhile.
        """
        end, dead = self._end, self._replay.dead_without_entry(self._end)
        counted = surplus.counted
        # unless all that is gone was processed, it cannot be told from what was not
        is_explained = self._is_all_processed and counted.of_users == counted.of_locations == end.unexplained - dead
        if end.removed != self._start.removed and (counted.users or end.unexplained):
            raise StreamChangedError("entries were removed from the stream meanwhile")
        is_nothing = not (counted.users or end.unexplained or dead or replaces)
        if is_nothing or not is_explained:
            surplus.give_up()
            self._not_explained(surplus)
            return None
        return Gone(
            entries=end.unexplained,
            dead=dead,
            users=counted.users,
            locations=counted.locations,
            replaces=replaces,
            highest="" if end.max_deleted == b"0-0" else end.max_deleted.decode(),
        )

    def check(self, passed: int, proof: Proof, gone: Gone | None) -> None:
        """Compare the sums. `passed`: entries that the checkpoint has passed, as they were counted."""
        differences, keys, replay, end = self._differences, self._keys, self._replay, self._end
        if proof == "records":
            passed += end.removed
        if end.processed != passed:
            differences.add(keys.processed, None, end.processed, passed, "entries up to the checkpoint", is_count=True)
        dead = len(replay.exclusions)
        settled = dead + end.discarded
        wanted = replay.entries - replay.counted + end.noted_dead + (gone.dead if gone else 0)
        if proof == "records" and wanted != settled:
            found = f"{dead} dead letters and {end.discarded} discarded"
            differences.add(
                keys.dead_letters, None, found, f"{wanted} together", "entries that do not count", is_count=True
            )
        if proof == "indexes" or differences.has_count:
            return
        applied = passed - settled - end.lost
        why = f"{passed} processed, {dead} dead letters, {end.discarded} discarded, {end.lost} lost"
        for kind, key, total in (
            ("users", keys.users_baseline, replay.users.total),
            ("locations", keys.locations_baseline, replay.locations.total),
        ):
            if total != applied:
                differences.add(key, None, f"{total} check-ins that the {kind} have beyond it", applied, why)

    @property
    def _is_all_processed(self) -> bool:
        """Whether all entries that are gone were processed."""
        return self._end.processed == self._replay.entries + self._end.removed

    def _not_explained(self, surplus: Surplus) -> None:
        keys, lost, unexplained = self._keys, self._end.lost, self._end.unexplained
        if unexplained < 0:
            self._differences.add(keys.meta, "lost", lost, lost + unexplained, "entries gone unprocessed")
        elif unexplained and not surplus.has_differences and self._is_all_processed:
            found = f"without {unexplained:,} processed entries"
            why = "what was loaded and the stream make all that is counted"
            self._differences.add(keys.stream, None, found, "whole", why, is_count=True)
