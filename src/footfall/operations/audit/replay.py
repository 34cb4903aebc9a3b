"""Replaying the stream: what its entries add up to, read once, from one checkpoint to the next.

This says once more what processor/batch.py and process.lua do with an entry. It stays apart, since an audit that used
their code would share their mistakes. In common is only which entry is a check-in (domain/entries.py).
"""

from collections.abc import Callable
from typing import TypeVar

from footfall.domain.entries import Fields, entry_id_of, read
from footfall.operations.audit.exclusions import SETTLING, Exclusions
from footfall.operations.audit.reader import SnapshotReader, StreamChangedError
from footfall.operations.audit.tally import LocationTally, UserTally
from footfall.store.calls.audit import Snapshot

T = TypeVar("T")

Advance = Callable[[int], None]
_REMOVED = "entries were removed from the stream before they were read; keep more of them (`retain`)"


class Replay:
    """What the entries up to `position` add up to, except those that do not count.

    An entry counts when it is a check-in and neither a dead letter nor discarded.
    """

    def __init__(
        self,
        reader: SnapshotReader,
        start: Snapshot,
        exclusions: Exclusions,
        *,
        position: bytes,
        users: UserTally,
        locations: LocationTally,
    ) -> None:
        """To be continued from `position`. From `start` on, nothing after it may be removed before it is read.

        `exclusions`: as they were read after `start`.
        """
        self._reader = reader
        self._start = start
        self.exclusions = exclusions
        self.position = position
        #: the last entry that was read up to there: the position's own may be gone
        self.last_entry = position
        self.users, self.locations = users, locations
        #: entries read, also those that do not count
        self.entries = 0
        #: those that count
        self.counted = 0

    def at_checkpoint(self, read_page: Callable[[], tuple[Snapshot, T]], advance: Advance) -> tuple[Snapshot, T]:
        """What `read_page` gives, with the stream replayed exactly up to its snapshot's checkpoint.

        Raises StreamChangedError, and UnavailableError while others keep on retrying or discarding dead letters.
        """
        while True:
            snapshot, page = read_page()
            if self._advance(snapshot, advance):
                return snapshot, page
            for entry_id, fields in self.exclusions.reload():
                if entry_id_of(entry_id) <= entry_id_of(self.position):
                    self._add(entry_id, fields)
            self._reader.retries.again(SETTLING)

    def dead_without_entry(self, snapshot: Snapshot) -> int:
        """How many entries that are gone and not noted do not count: they are dead letters, or such are discarded.

        `snapshot`: the one up to which this is replayed. Below 0 when dead letters of noted ones were retried.
        """
        return len(self.exclusions) + snapshot.discarded - (self.entries - self.counted) - snapshot.noted_dead

    def _advance(self, snapshot: Snapshot, advance: Advance) -> bool:
        """Replay up to a snapshot; False when dead letters that were known were retried or discarded by now."""
        if snapshot.generation != self._start.generation:
            raise StreamChangedError("the stream was replaced")
        if entry_id_of(snapshot.checkpoint) < entry_id_of(self.position):
            raise StreamChangedError("the server has lost its newest entries")
        if not self.exclusions.follow(snapshot):
            return False
        size = self._reader.sizes.entries
        while self.position != snapshot.checkpoint:
            now, page = self._reader.with_snapshot(
                *("XRANGE", self._reader.keys.stream, b"(" + self.position, snapshot.checkpoint, "COUNT", size)
            )
            self._require_unbroken(now)
            for entry_id, values in page:
                if entry_id not in self.exclusions:
                    fields = read(entry_id, values)
                    if isinstance(fields, Fields):
                        self._add(entry_id, fields)
            self.entries += len(page)
            self.last_entry = page[-1][0] if page else self.last_entry
            self.position = page[-1][0] if len(page) == size else snapshot.checkpoint
            advance(len(page))
        return True

    def _require_unbroken(self, now: Snapshot) -> None:
        """Raise StreamChangedError when entries after the position may have been removed before they were read."""
        if now.generation != self._start.generation:
            raise StreamChangedError("the stream was replaced")
        position = entry_id_of(self.position)
        trimmed = now.removed > self._start.removed and entry_id_of(now.first if now.length else now.last) > position
        if trimmed or entry_id_of(now.max_deleted) > max(position, entry_id_of(self._start.max_deleted)):
            raise StreamChangedError(_REMOVED)

    def _add(self, entry_id: bytes, fields: Fields) -> None:
        ms, sequence = entry_id_of(entry_id)
        location = int(fields.location_id)
        self.counted += 1
        self.users.add(int(fields.user_id), ms, sequence, location)
        self.locations.add(location, int(fields.star_rating))


def count_processed(reader: SnapshotReader, start: Snapshot) -> int:
    """How many entries the checkpoint has passed, counted from the stream's other end.

    Raises StreamChangedError when the stream was replaced, or entries after the checkpoint removed, meanwhile.
    """
    behind, last, size = 0, start.checkpoint, reader.sizes.entries
    while True:
        now, page = reader.with_snapshot("XRANGE", reader.keys.stream, b"(" + last, start.last, "COUNT", size)
        behind += len(page)
        if len(page) < size:
            break
        last = page[-1][0]
    is_whole = now.removed == start.removed or entry_id_of(now.first) <= entry_id_of(start.checkpoint)
    if now.generation != start.generation or not is_whole:
        raise StreamChangedError(_REMOVED)
    return start.added - behind
