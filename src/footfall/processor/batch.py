"""A batch of entries: folded to one row per user and one per location, as process.lua takes it."""

from collections.abc import Iterator
from typing import Any, NamedTuple

from footfall.config import NO_ACTIVITY, ActivitySettings
from footfall.domain.entries import Fields, RawEntry, Reason, read
from footfall.keys import Keys
from footfall.processor.activity import activity_of
from footfall.store.calls import process
from footfall.store.calls.metadata import Position
from footfall.store.calls.process import MISSING, Activity, DeadLetter, Mistaken, Rows
from footfall.store.scripts import Call


class Applied(NamedTuple):
    """What one batch did."""

    checkins: int
    dead_letters: int
    #: entries that the checkpoint has passed since the stream began
    processed: int


class Batch:
    """Entries in stream order, read after the checkpoint. Never empty."""

    def __init__(
        self,
        entries: list[RawEntry],
        keys: Keys,
        *,
        create: bool,
        activity: ActivitySettings = NO_ACTIVITY,
        now_ms: int = 0,
    ) -> None:
        """`create`: unknown users and locations get a record instead of making the entry a dead letter.

        `activity`: which kinds of it are kept; `now_ms`: about the server's time, which decides what is too old.
        """
        self._entries = entries
        self._keys = keys
        self._create = create
        self._kinds, self._now_ms = activity, now_ms
        self._read = [(entry_id, read(entry_id, fields)) for entry_id, fields in entries]
        self._missing_users: set[bytes] = set()
        self._missing_locations: set[bytes] = set()
        self._fold()

    def __len__(self) -> int:
        return len(self._entries)

    @property
    def last_id(self) -> bytes:
        """The checkpoint when the batch is applied."""
        return self._entries[-1][0]

    @property
    def checkins(self) -> list[tuple[bytes, Fields]]:
        """Id and fields of each entry that can be applied, as far as is known yet."""
        return list(self._applicable())

    @property
    def dead_letters(self) -> list[tuple[bytes, Reason]]:
        """Id and reason of each entry that cannot be applied, as far as is known yet."""
        return [(letter.entry_id, Reason(letter.reason)) for letter in self._dead]

    # --- private

    def _applicable(self) -> Iterator[tuple[bytes, Fields]]:
        for entry_id, fields in self._read:
            if isinstance(fields, Fields) and not self._unknown(fields):
                yield entry_id, fields

    def _fold(self) -> None:
        users: dict[bytes, list[Any]] = {}
        locations: dict[bytes, list[int]] = {}
        self._dead: list[DeadLetter] = []
        self._users, self._locations = users, locations
        known = not (self._missing_users or self._missing_locations)
        for (entry_id, fields), (_, raw) in zip(self._read, self._entries, strict=True):
            if isinstance(fields, Reason):
                self._dead.append(DeadLetter(entry_id, fields.value, raw))
                continue
            location, user, stars = fields
            user_row, location_row = users.get(user), locations.get(location)
            if user_row is None:
                user_row = users[user] = [0, b"0", b"0"]
            if location_row is None:
                location_row = locations[location] = [0, 0]
            if not known and (reason := self._unknown(fields)):
                self._dead.append(DeadLetter(entry_id, reason.value, raw))
                continue
            user_row[0] += 1
            user_row[1] = entry_id.partition(b"-")[0]
            user_row[2] = location
            location_row[0] += 1
            location_row[1] += int(stars)
        for user in self._missing_users:
            users[user][0] = MISSING
        for location in self._missing_locations:
            locations[location][0] = MISSING
        kinds = self._kinds
        self._activity = activity_of(self._applicable(), kinds, self._now_ms) if kinds.keeps_any else Activity()

    def _unknown(self, fields: Fields) -> Reason | None:
        if fields.user_id in self._missing_users:
            return Reason.UNKNOWN_USER
        if fields.location_id in self._missing_locations:
            return Reason.UNKNOWN_LOCATION
        return None

    def call(self, position: Position) -> Call[process.Processed | Mistaken]:
        """The call of process.lua that applies the batch at `position`, over the connection that it was read on."""
        rows = Rows(len(self._entries), self._entries[-1], self._users, self._locations, self._dead, self._activity)
        return process.process(self._keys, position, rows, create=self._create)

    def outcome(self, result: process.Processed | Mistaken) -> Applied | None:
        """What the call has done; None when the batch was corrected and must be sent again."""
        if isinstance(result, Mistaken):
            # what was taken for there is missing, and the other way round: process.lua has looked
            self._missing_users ^= set(result.users)
            self._missing_locations ^= set(result.locations)
            self._fold()
            return None
        dead = len(self._dead)
        return Applied(len(self._entries) - dead, dead, result.processed)
