"""Which entries do not count although they are processed: dead letters, and those that were discarded."""

import re
import time
from typing import Any

from footfall.domain.entries import Fields, read
from footfall.errors import UnavailableError
from footfall.operations.audit.look import Look, MovedError
from footfall.store.calls.audit import Head

#: dead letters read at once
_PAGE = 1000
#: how often they are read again because others were settled meanwhile, and seconds between
_TRIES, _PAUSE_S = 600, 0.05
_is_entry_id = re.compile(rb"[0-9]{1,20}-[0-9]{1,20}").fullmatch


class Letters:
    """The dead letters and the discarded entries, as they were when `settled` was that. About 300 bytes for each."""

    def __init__(self, look: Look) -> None:
        self._look = look
        self.settled = b""
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
        """Read all of them anew. Returns those that were dead letters and have been applied since.

        Raises UnavailableError while others go on settling them without an end; MovedError when one was discarded and
        forgotten since: it would look like one that was applied.
        """
        before = self._dead
        for _ in range(_TRIES):
            first = self._look.head()
            discarded = self._look.scan("HSCAN", self._look.keys.discarded)
            self._discarded = {entry_id for page in discarded for entry_id in page[::2]}
            self._dead, self.last = {}, b"0-0"
            self._read(first)
            if self._look.head().settled == first.settled:
                gone = [(entry_id, fields) for entry_id, fields in before.items() if fields and entry_id not in self]
                if gone and first.forgotten != self._forgotten:
                    raise MovedError("dead letters were discarded, and forgotten at once")
                self.settled, self._forgotten = first.settled, first.forgotten
                return gone
            time.sleep(_PAUSE_S)
        raise UnavailableError("dead letters are being retried or discarded; wait for the end of that")

    def follow(self, head: Head) -> bool:
        """Read those that were added up to `head`; False when some were settled since the last reload."""
        if head.settled != self.settled:
            return False
        return head.last_dead == self.last or self._read(head) == head.settled

    def _read(self, head: Head) -> bytes:
        """Read those up to `head`; what `settled` is after it."""
        settled = head.settled
        while self.last != head.last_dead:
            now, page = self._look.with_head(
                *("XRANGE", self._look.keys.dead_letters, b"(" + self.last, head.last_dead, "COUNT", _PAGE)
            )
            if now.generation != head.generation:
                raise MovedError("the stream was replaced")
            settled = now.settled
            for letter_id, values in page:
                self.last = letter_id
                self._add(values)
            if len(page) < _PAGE:
                self.last = head.last_dead
        return settled

    def _add(self, values: list[Any]) -> None:
        if values[0] == b"id" and _is_entry_id(values[1]) and values[2:3] == [b"reason"]:
            fields = read(values[1], values[4:])
            self._dead[values[1]] = fields if isinstance(fields, Fields) else None
