"""Entries that somebody has removed from the stream after they were processed (XDEL, say): what they have counted.

The stream cannot tell that any more. But when all else agrees, what the records have beyond it can only be theirs. Once
that is noted, in hashes with a baseline's form, the rest of the stream proves each record again.
"""

from dataclasses import dataclass, field
from typing import Any

import msgspec

from footfall.domain.baseline import LocationBaseline, UserBaseline
from footfall.errors import BrokenKeyError
from footfall.operations.audit.keyspace import id_of
from footfall.operations.audit.reader import SnapshotReader, StreamChangedError
from footfall.operations.audit.tally import LocationTally, UserTally
from footfall.store.calls.audit import Snapshot, note_gone

_decode_user = msgspec.json.Decoder(UserBaseline).decode
_decode_location = msgspec.json.Decoder(LocationBaseline).decode


@dataclass
class Counted:
    """What removed entries have counted: per user, and per location."""

    users: dict[int, UserBaseline] = field(default_factory=dict)
    locations: dict[int, LocationBaseline] = field(default_factory=dict)

    @property
    def of_users(self) -> int:
        """Check-ins of all users."""
        return sum(one.num_checkins for one in self.users.values())

    @property
    def of_locations(self) -> int:
        """Check-ins at all locations."""
        return sum(one.num_checkins for one in self.locations.values())

    def add_to(self, users: UserTally, locations: LocationTally) -> None:
        """Let the tallies begin with it."""
        for user, counted in self.users.items():
            users.begin_with(user, counted.num_checkins, counted.last_checkin, counted.last_seen_at or 0)
        for location, at in self.locations.items():
            locations.begin_with(location, at.num_checkins, at.num_stars)


def read_noted(reader: SnapshotReader, start: Snapshot) -> Counted:
    """What was noted of entries that are gone. Raises StreamChangedError, and BrokenKeyError when it cannot be read."""
    noted = Counted()
    if not start.noted:
        return noted
    keys = reader.keys
    users, locations = keys.users_gone, keys.locations_gone
    for key, decode in ((users, _decode_user), (locations, _decode_location)):
        records: dict[int, Any] = noted.users if key == users else noted.locations
        if reader.types([key])[0] not in ("hash", "none"):
            raise BrokenKeyError(f"{key.decode()} is not a hash; restore it from a backup")
        for page in reader.scan("HSCAN", key):
            for record, json in zip(page[::2], page[1::2], strict=True):
                try:
                    records[id_of(record) or 0] = decode(json)
                except msgspec.DecodeError:
                    what = f"{key.decode()} does not hold counters for {record.decode(errors='replace')}"
                    raise BrokenKeyError(f"{what}; restore it from a backup") from None
    if reader.snapshot().noted != start.noted:
        raise StreamChangedError("entries that are gone were noted meanwhile")
    return noted


class Gone(msgspec.Struct, rename="camel", kw_only=True):
    """Entries that are gone although they were processed, and not noted yet."""

    #: how many
    entries: int
    #: those of them that do not count: they are dead letters, or such are discarded; below 0: dead letters of entries
    #: that were gone already have been retried since
    dead: int
    #: what the others have counted
    users: dict[int, UserBaseline]
    locations: dict[int, LocationBaseline]
    #: whether what was noted before is not so any more: such entries are in the stream again
    replaces: bool = False
    #: the highest id that was ever removed by XDEL; empty when there is none
    highest: str

    def __str__(self) -> str:
        if self.replaces and not self.entries:
            return "all entries that are noted as gone are in the stream again"
        if not self.entries:
            what = "dead letters were" if self.dead < -1 else "a dead letter was"
            text = f"{what} retried of which the entries are gone from the stream"
        else:
            what = "1 entry is" if self.entries == 1 else f"{self.entries:,} entries are"
            text = f"{what} gone from the stream that had been processed"
        if self.replaces:
            text = f"entries that are noted as gone are in the stream again; {text}"
        if self.highest and self.entries:
            text += f" (the highest id that was removed: {self.highest})"
        counts = [f"user {one} {_times(counted)}" for one, counted in self.users.items()]
        counts += [f"location {one} {_times(at)}, {at.num_stars} stars" for one, at in self.locations.items()]
        if counts:
            text += f"; by all that is left, it has counted for {'; '.join(counts[:_NAMED])}"
            text += f"; and {len(counts) - _NAMED:,} more" if len(counts) > _NAMED else ""
        if self.dead > 0:
            text += f"; {self.dead:,} of them do not count (dead letters)"
        return text


def note(reader: SnapshotReader, gone: Gone, snapshot: Snapshot) -> None:
    """Note what entries that are gone have counted. `snapshot`: of when that was found.

    Raises UnavailableError when it is no longer so, RefusedError when a batch was applied in part.
    """
    noted = Counted() if gone.replaces else read_noted(reader, snapshot)
    users = {user: _sum_of_users(noted.users.get(user), more) for user, more in gone.users.items()}
    locations = {at: _sum_of_locations(noted.locations.get(at), more) for at, more in gone.locations.items()}
    call = note_gone(
        reader.keys,
        snapshot,
        entries=gone.entries,
        dead=gone.dead,
        lost=0,
        replaces=gone.replaces,
        users=users,
        locations=locations,
    )
    call.run_sync(reader.client)


def note_lost(reader: SnapshotReader, snapshot: Snapshot, dead: int) -> None:
    """Note that no entry that is gone counts any more, of which that was not noted: after a rebuild without them.

    `dead`: those of them that did not count. Raises as `note`.
    """
    lost = snapshot.unexplained - dead
    call = note_gone(reader.keys, snapshot, entries=dead, dead=dead, lost=lost, replaces=False, users={}, locations={})
    call.run_sync(reader.client)


# --- private

#: records that a message names
_NAMED = 10


def _times(counted: UserBaseline | LocationBaseline) -> str:
    return "once" if counted.num_checkins == 1 else f"{counted.num_checkins:,} times"


def _sum_of_users(noted: UserBaseline | None, more: UserBaseline) -> UserBaseline:
    if noted is None:
        return more
    last = more if more.last_checkin is not None else noted
    return UserBaseline(noted.num_checkins + more.num_checkins, last.last_checkin, last.last_seen_at)


def _sum_of_locations(noted: LocationBaseline | None, more: LocationBaseline) -> LocationBaseline:
    if noted is None:
        return more
    return LocationBaseline(noted.num_checkins + more.num_checkins, noted.num_stars + more.num_stars)
