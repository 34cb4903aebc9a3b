"""A batch of entries: folded to one row per user and one per location, and applied by process.lua."""

from collections.abc import Iterator
from typing import NamedTuple

from footfall.entries import Fields, RawEntry, Reason, read
from footfall.errors import BrokenKeyError, FootfallError, LoadingError, TornError
from footfall.kept import NOTHING, Kept
from footfall.keys import Keys
from footfall.processor.recent import Recent
from footfall.store.books import Position
from footfall.store.pipeline import Argument, Reply
from footfall.store.scripts import PROCESS, ScriptCall

#: Field names and values of an entry that its dead letter keeps: Lua cannot pass more to one XADD. The receiver
#: writes six.
_MAX_DEAD_VALUES = 2000
#: index in KEYS of the first user's hash (Lua counts from 1)
_FIRST_USER = 12
#: number of check-ins that tells process.lua: this record was taken for missing
_MISSING = -1


class FencedError(FootfallError):
    """Checkpoint, generation or stream changed since the batch was read: it must be dropped."""


class Applied(NamedTuple):
    """What one batch did."""

    checkins: int
    dead_letters: int
    #: entries that the checkpoint has passed since the stream began
    processed: int


class Batch:
    """Entries in stream order, read after the checkpoint. Never empty."""

    def __init__(
        self, entries: list[RawEntry], keys: Keys, *, create: bool, kept: Kept = NOTHING, now_ms: int = 0
    ) -> None:
        """`create`: unknown users and locations get a record instead of making the entry a dead letter.

        `kept`: what is kept of the newest check-ins; `now_ms`: about the server's time, which decides what they are.
        """
        self._entries = entries
        self._keys = keys
        self._create = create
        self._kept, self._now_ms = kept, now_ms
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
        return [(entry_id, reason) for entry_id, reason, _ in self._dead]

    # --- private

    def _applicable(self) -> Iterator[tuple[bytes, Fields]]:
        for entry_id, fields in self._read:
            if isinstance(fields, Fields) and not self._unknown(fields):
                yield entry_id, fields

    def _fold(self) -> None:
        users: dict[bytes, list[Argument]] = {}
        locations: dict[bytes, list[int]] = {}
        self._dead: list[tuple[bytes, Reason, list[bytes]]] = []
        self._users, self._locations = users, locations
        known = not (self._missing_users or self._missing_locations)
        for (entry_id, fields), (_, raw) in zip(self._read, self._entries, strict=True):
            if isinstance(fields, Reason):
                self._dead.append((entry_id, fields, raw))
                continue
            location, user, stars = fields
            user_row, location_row = users.get(user), locations.get(location)
            if user_row is None:
                user_row = users[user] = [0, b"0", b"0"]
            if location_row is None:
                location_row = locations[location] = [0, 0]
            if not known and (reason := self._unknown(fields)):
                self._dead.append((entry_id, reason, raw))
                continue
            user_row[0] += 1  # type: ignore[operator]
            user_row[1] = entry_id.partition(b"-")[0]
            user_row[2] = location
            location_row[0] += 1
            location_row[1] += int(stars)
        for user in self._missing_users:
            users[user][0] = _MISSING
        for location in self._missing_locations:
            locations[location][0] = _MISSING
        self._recent = Recent(self._kept, self._now_ms, self._applicable()) if any(self._kept) else None

    def _unknown(self, fields: Fields) -> Reason | None:
        if fields.user_id in self._missing_users:
            return Reason.UNKNOWN_USER
        if fields.location_id in self._missing_locations:
            return Reason.UNKNOWN_LOCATION
        return None

    def call(self, position: Position) -> ScriptCall:
        """The call of process.lua that applies the batch at `position`, over the connection that it was read on."""
        keys = self._keys
        script_keys = [
            keys.stream,
            keys.checkpoint,
            keys.processed,
            keys.meta,
            keys.dead_letters,
            keys.users_by_checkins,
            keys.users_recent,
            keys.users_last_seen,
            keys.locations_by_checkins,
            keys.users_removed,
            keys.locations_removed,
            *map(keys.user, self._users),
            *map(keys.location, self._locations),
        ]
        last_id, last_values = self._entries[-1]
        arguments: list[Argument] = [
            position.checkpoint,
            position.generation,
            len(self._entries),
            len(self._users),
            len(self._locations),
            len(self._dead),
            "create" if self._create else "reject",
            len(last_values),
            last_id,
            *last_values,
        ]
        for user, row in self._users.items():
            arguments.append(user)
            arguments += row
        for location, (count, stars) in self._locations.items():
            arguments += (location, count, stars)
        for entry_id, reason, raw in self._dead:
            kept = raw[:_MAX_DEAD_VALUES]
            arguments += (entry_id, reason.value, len(kept), *kept)
        if self._recent:
            script_keys += self._recent.keys(keys, self._users, self._locations)
            arguments += self._recent.arguments(self._users, self._locations)
        return ScriptCall(PROCESS, script_keys, arguments)

    def outcome(self, reply: Reply) -> Applied | None:
        """What process.lua answered; None when the batch was corrected and must be sent again.

        Raises FencedError when it must be dropped, LoadingError or BrokenKeyError when it cannot be applied now.
        """
        word = reply[0]
        if word == b"OK":
            dead = len(self._dead)
            return Applied(len(self._entries) - dead, dead, int(reply[1]))
        if word == b"FENCED":
            raise FencedError("another processor or a load was faster")
        if word == b"LOADING":
            raise LoadingError("data is being loaded")
        if word == b"TORN":
            raise TornError
        if word == b"BROKEN":
            raise self._broken(reply[1])
        self._correct(reply[1:])
        return None

    # --- private

    def _broken(self, key: bytes) -> BrokenKeyError:
        keys = self._keys
        indexes = (keys.users_by_checkins, keys.users_recent, keys.users_last_seen, keys.locations_by_checkins)
        repair = "`footfall rebuild` makes it anew" if key in indexes else "`footfall verify` tells what"
        return BrokenKeyError(f"{key.decode()} is missing or does not hold what it must; {repair}")

    def _correct(self, key_indexes: list[int]) -> None:
        """Take what was taken for there as missing, and the other way round; process.lua has looked."""
        users, locations = list(self._users), list(self._locations)
        for index in key_indexes:
            place = index - _FIRST_USER
            if place < len(users):
                self._missing_users ^= {users[place]}
            else:
                self._missing_locations ^= {locations[place - len(users)]}
        self._fold()
