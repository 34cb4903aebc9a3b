"""The stream, folded to what its entries add up to: read once, from one checkpoint to the next."""

from collections.abc import Callable
from typing import TypeVar

from footfall.domain.entries import Fields, read
from footfall.errors import UnavailableError
from footfall.operations.audit.letters import Letters
from footfall.operations.audit.look import Look, MovedError, as_tuple
from footfall.operations.audit.tally import LocationTally, UserTally
from footfall.store.calls.audit import Head

T = TypeVar("T")

#: entries read at once
_PAGE = 2000
#: how often something is read again because dead letters were settled meanwhile
_TRIES = 300

Advance = Callable[[int], None]


class Fold:
    """What the entries up to `position` add up to, except those that do not count.

    An entry counts when it is a check-in and neither a dead letter nor discarded.
    """

    def __init__(self, look: Look, start: Head, position: bytes, users: UserTally, locations: LocationTally) -> None:
        """To be advanced from `position` on. From `start` on, nothing after it may be removed before it is read."""
        self._look = look
        self._start = start
        self.position = position
        #: the last entry that was read up to there: the position's own may be gone
        self.last_entry = position
        self.users, self.locations = users, locations
        self.letters = Letters(look)
        self.letters.reload()
        #: entries read, also those that do not count
        self.entries = 0
        #: those that count
        self.counted = 0

    def at_its_checkpoint(self, read_page: Callable[[], tuple[Head, T]], advance: Advance) -> tuple[Head, T]:
        """What `read_page` gives, with all of this folded exactly up to its head.

        Raises MovedError, and UnavailableError while dead letters are retried without an end.
        """
        for _ in range(_TRIES):
            head, page = read_page()
            if self._advance(head, advance):
                return head, page
            for entry_id, fields in self.letters.reload():
                if as_tuple(entry_id) <= as_tuple(self.position):
                    self._add(entry_id, fields)
        raise UnavailableError("dead letters are being retried or discarded; wait for the end of that")

    def dead_without_entry(self, head: Head) -> int:
        """How many entries that are gone and not noted do not count: they are dead letters, or such are discarded.

        `head`: up to which this is folded. Below 0 when dead letters of noted ones were retried.
        """
        return len(self.letters) + head.discarded - (self.entries - self.counted) - head.noted_dead

    def _advance(self, head: Head, advance: Advance) -> bool:
        """Fold up to a head; False when letters that were known are settled by now."""
        if head.generation != self._start.generation:
            raise MovedError("the stream was replaced")
        if as_tuple(head.checkpoint) < as_tuple(self.position):
            raise MovedError("the server has lost its newest entries")
        if not self.letters.follow(head):
            return False
        while self.position != head.checkpoint:
            now, page = self._look.with_head(
                *("XRANGE", self._look.keys.stream, b"(" + self.position, head.checkpoint, "COUNT", _PAGE)
            )
            self._require_unbroken(now)
            for entry_id, values in page:
                if entry_id not in self.letters:
                    fields = read(entry_id, values)
                    if isinstance(fields, Fields):
                        self._add(entry_id, fields)
            self.entries += len(page)
            self.last_entry = page[-1][0] if page else self.last_entry
            self.position = page[-1][0] if len(page) == _PAGE else head.checkpoint
            advance(len(page))
        return True

    def _require_unbroken(self, now: Head) -> None:
        """Raise MovedError when entries after the position may have been removed before they were read."""
        if now.generation != self._start.generation:
            raise MovedError("the stream was replaced")
        position = as_tuple(self.position)
        trimmed = now.removed > self._start.removed and as_tuple(now.first if now.length else now.last) > position
        if trimmed or as_tuple(now.max_deleted) > max(position, as_tuple(self._start.max_deleted)):
            raise MovedError("entries were removed from the stream before they were read; keep more of them (`retain`)")

    def _add(self, entry_id: bytes, fields: Fields) -> None:
        ms, sequence = as_tuple(entry_id)
        location = int(fields.location_id)
        self.counted += 1
        self.users.add(int(fields.user_id), ms, sequence, location)
        self.locations.add(location, int(fields.star_rating))
