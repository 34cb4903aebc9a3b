"""Comparing a record with its index entries, and with what it was loaded with and the stream adds: the shared part."""

import re
from typing import NamedTuple

import msgspec

from footfall.domain.baseline import LocationBaseline, UserBaseline
from footfall.keys import Keys
from footfall.operations.audit.differences import Differences
from footfall.operations.audit.surplus import Surplus
from footfall.operations.audit.tally import Tally
from footfall.store.calls.audit import Location, User

#: why the counters of a removed record must be what they are
REMOVED = "counted before it was removed"
_number = re.compile(rb"0|[1-9][0-9]{0,15}").fullmatch


class Scope(NamedTuple):
    """What can be compared."""

    #: counters must be what was loaded and what the tallies have; otherwise they need only be numbers
    against_stream: bool
    #: records that were loaded have a baseline: so it is unless the stream was taken over
    has_origin: bool
    #: indexes of another type: nothing can be said of their members
    unreadable: frozenset[bytes]


class Comparer:
    """What comparing users and locations has in common.

    What differs goes to `differences`, but what a record has beyond the stream goes to `surplus`, as long as that takes
    it.
    """

    def __init__(self, keys: Keys, differences: Differences, surplus: Surplus, scope: Scope) -> None:
        self._keys = keys
        self._differences = differences
        self._surplus = surplus
        self._against_stream, self._has_origin, self._unreadable = scope
        #: ids of records that differ, so that it is no news when index entries do not follow from them
        self.reported: set[int] = set()

    def wrong_type(self, key: bytes, record: int, found: str, tally: Tally) -> None:
        """A record's key is of another type."""
        self._differences.add(key, None, f"a {found}", "a hash", is_count=True)
        self.reported.add(record)
        tally.mark(tally.place(record), 0)

    def compare_count(self, key: bytes, name: str, found: bytes | None, wanted: int, why: str) -> int | None:
        """Compare a counter; None when it is none."""
        count = number_of(found)
        if self._against_stream:
            if count != wanted:
                self._differences.add(key, name, found, wanted, why, is_count=True)
        elif count is None and (found is not None or self._has_origin):
            self._differences.add(key, name, found, "a number", is_count=True)
        return count

    def compare_score(self, index: bytes, member: object, found: bytes | None, wanted: int | None) -> None:
        """Compare an index entry; `wanted`: None when there must be none."""
        if index in self._unreadable or (None if found is None else float(found)) == wanted:
            return
        shown = None if found is None else f"{float(found):.17g}"
        self._differences.add(index, member, shown, wanted)

    def surplus_of(
        self, found: bytes | None, wanted: int, score: bytes | None = None, index: bytes | None = None
    ) -> int:
        """How many check-ins a record has beyond the stream, when entries that are gone may explain that.

        They were in its index, too.
        """
        if not (self._against_stream and self._surplus.is_possible):
            return 0
        count = number_of(found) or 0
        if index is not None and index not in self._unreadable and (score is None or float(score) != count):
            return 0
        return max(0, count - wanted)

    def compare_removed(
        self, removed: bytes, record: int, found: User | Location, tally: Tally
    ) -> UserBaseline | LocationBaseline | None:
        """Compare the check-ins that are remembered of a removed record; None when they cannot be read."""
        place = tally.place(record)
        try:
            counted = found.counted()
        except msgspec.DecodeError:
            self._differences.add(removed, record, found.removed, "JSON of counters", is_count=True)
            tally.mark(place, 0)
            return None
        tally.mark(place, counted.num_checkins)
        wanted = tally.counts[place]
        more = self.surplus_of(b"%d" % counted.num_checkins, wanted)
        if more and isinstance(counted, UserBaseline):
            difference = (removed, record, f"numCheckins {counted.num_checkins}", wanted, REMOVED)
            self._surplus.user(record, UserBaseline(more), difference)
        if self._against_stream and counted.num_checkins != wanted + more:
            self._differences.add(
                removed, record, f"numCheckins {counted.num_checkins}", wanted, REMOVED, is_count=True
            )
        return counted

    def require_no_baseline(self, baselines: bytes, record: int, found: User | Location) -> None:
        """A removed record has no baseline."""
        if found.baseline is not None:
            self._differences.add(baselines, record, found.baseline, None, "it was removed")


def number_of(text: bytes | None) -> int | None:
    """The number that a counter's text is, in its one canonical form; None when it is none."""
    return int(text) if text is not None and _number(text) else None
