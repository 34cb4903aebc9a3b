"""What check-ins add up to, record by record, in flat arrays."""

from array import array
from bisect import bisect_left
from collections.abc import Collection, Iterator

#: the greatest sequence number that an id can have
LAST_SEQUENCE = 2**64 - 1


class Tally:
    """How many check-ins each record has. It takes 17 bytes per record, and what a subclass adds.

    The records are those that it is made with, in the order of their ids, then others as they come.
    """

    def __init__(self, ids: Collection[int]) -> None:
        self.ids = array("Q", sorted(ids))
        self._known = len(self.ids)
        self._late: dict[int, int] = {}
        self._marked = bytearray(self._known)
        self.counts = _zeros(self._known)
        self._marked_total = 0

    @property
    def total(self) -> int:
        """What all of them have together: those that were marked by what they had then, and what came since."""
        late = range(self._known, len(self.ids))
        return self._marked_total + sum(self.counts[place] for place in late if not self._marked[place])

    def place(self, record: int) -> int:
        """Where a record is in the arrays; it gets a place when it has none."""
        place = bisect_left(self.ids, record, 0, self._known)
        if place < self._known and self.ids[place] == record:
            return place
        late = self._late.get(record)
        if late is None:
            late = self._late[record] = len(self.ids)
            self.ids.append(record)
            self._grow()
        return late

    def pages(self, size: int) -> Iterator[list[int]]:
        """The ids, so many at a time, at last those that have come meanwhile."""
        for start in range(0, self._known, size):
            yield list(self.ids[start : min(start + size, self._known)])
        for start in range(self._known, len(self.ids), size):
            yield list(self.ids[start : start + size])

    def mark(self, place: int, counted: int) -> None:
        """This record was read, and has so many check-ins."""
        self._marked[place] = 1
        self._marked_total += counted

    def _count(self, place: int) -> None:
        self.counts[place] += 1
        self._marked_total += self._marked[place]

    def _grow(self) -> None:
        self.counts.append(0)
        self._marked.append(0)


class UserTally(Tally):
    """Also the last check-in's time, sequence number and location: 24 bytes more."""

    def __init__(self, ids: Collection[int]) -> None:
        super().__init__(ids)
        self.ms, self.sequences, self.locations = (_zeros(self._known) for _ in range(3))

    def add(self, user: int, ms: int, sequence: int, location: int) -> None:
        """One more check-in."""
        place = self.place(user)
        self._count(place)
        if (ms, sequence) >= (self.ms[place], self.sequences[place]):
            self.ms[place], self.sequences[place], self.locations[place] = ms, sequence, location

    def begin_with(self, user: int, checkins: int, ms: int | None, location: int) -> None:
        """So many check-ins come before all others; the last of them at this time, when it is known."""
        place = self.place(user)
        self.counts[place] += checkins
        if ms is not None:  # later than every other entry of that ms: so it was when it was removed
            self.ms[place], self.sequences[place], self.locations[place] = ms, LAST_SEQUENCE, location

    def _grow(self) -> None:
        super()._grow()
        for column in (self.ms, self.sequences, self.locations):
            column.append(0)


class LocationTally(Tally):
    """Also the sum of stars: 8 bytes more."""

    def __init__(self, ids: Collection[int]) -> None:
        super().__init__(ids)
        self.stars = _zeros(self._known)

    def add(self, location: int, stars: int) -> None:
        """One more check-in."""
        place = self.place(location)
        self.stars[place] += stars
        self._count(place)

    def begin_with(self, location: int, checkins: int, stars: int) -> None:
        """So many check-ins come before all others."""
        place = self.place(location)
        self.counts[place] += checkins
        self.stars[place] += stars

    def _grow(self) -> None:
        super()._grow()
        self.stars.append(0)


def _zeros(count: int) -> "array[int]":
    return array("Q", bytes(8 * count))
