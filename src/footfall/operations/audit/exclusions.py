"""Which entries do not count although they are processed: dead letters, and those that were discarded."""

import re
from typing import Any

from footfall.domain.entries import Fields, read
from footfall.operations.audit.reader import SnapshotReader, StreamChangedError
from footfall.store.calls.audit import Snapshot

#: why reading is given up
SETTLING = "dead letters are being retried or discarded; wait for the end of that"
_is_entry_id = re.compile(rb"[0-9]{1,20}-[0-9]{1,20}").fullmatch


class Exclusions:
    """The dead letters and the discarded entries, of one moment. About 300 bytes for each. `reload` reads them first.

    Each time that dead letters are retried or discarded, `settled` in the metadata changes. That shows that what was
    read is no longer so.
    """

    def __init__(self, reader: SnapshotReader) -> None:
        self._reader = reader
        self._settled = b""
        self._forgotten = 0
        #: id of the newest dead letter that is known, among the dead letters
        self.last = b"0-0"
        #: entry id -> its check-in, None when it is malformed
        self._dead: dict[bytes, Fields | None] = {}
        self._discarded: set[bytes] = set()

    def __contains__(self, entry_id: bytes) -> bool:
        return entry_id in self._dead or entry_id in self._discarded

    def __len__(self) -> int:
        """How many dead letters there are."""
        return len(self._dead)

    def reload(self) -> list[tuple[bytes, Fields]]:
        """Read all of them again. Returns those that were dead letters and have been applied since.

        Raises UnavailableError while others keep on retrying or discarding; StreamChangedError when one was discarded
        and forgotten since: it would look like one that was applied.
        """
        before = self._dead
        while True:
            first = self._reader.snapshot()
            discarded = self._reader.scan("HSCAN", self._reader.keys.discarded)
            self._discarded = {entry_id for page in discarded for entry_id in page[::2]}
            self._dead, self.last = {}, b"0-0"
            self._read(first)
            if self._reader.snapshot().settled == first.settled:
                break
            self._reader.retries.again_later(SETTLING)
        applied = [(entry_id, fields) for entry_id, fields in before.items() if fields and entry_id not in self]
        if applied and first.forgotten != self._forgotten:
            raise StreamChangedError("dead letters were discarded, and forgotten at once")
        self._settled, self._forgotten = first.settled, first.forgotten
        return applied

    def follow(self, snapshot: Snapshot) -> bool:
        """Read those that were added up to `snapshot`; False when some were settled since the last reload."""
        if snapshot.settled != self._settled:
            return False
        return snapshot.last_dead == self.last or self._read(snapshot) == snapshot.settled

    def _read(self, snapshot: Snapshot) -> bytes:
        """Read those up to `snapshot`; what `settled` is after it."""
        settled, size = snapshot.settled, self._reader.sizes.dead_letters
        while self.last != snapshot.last_dead:
            now, page = self._reader.with_snapshot(
                *("XRANGE", self._reader.keys.dead_letters, b"(" + self.last, snapshot.last_dead, "COUNT", size)
            )
            if now.generation != snapshot.generation:
                raise StreamChangedError("the stream was replaced")
            settled = now.settled
            for letter_id, values in page:
                self.last = letter_id
                self._add(values)
            if len(page) < size:
                self.last = snapshot.last_dead
        return settled

    def _add(self, values: list[Any]) -> None:
        if values[0] == b"id" and _is_entry_id(values[1]) and values[2:3] == [b"reason"]:
            fields = read(values[1], values[4:])
            self._dead[values[1]] = fields if isinstance(fields, Fields) else None
