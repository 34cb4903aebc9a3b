"""What verifying reads, and notes: read_snapshot.lua and so on. What only reads may be called in a transaction."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import msgspec

from footfall.domain.baseline import LocationBaseline, UserBaseline
from footfall.errors import LoadingError, RefusedError, UnavailableError
from footfall.keys import Keys
from footfall.store.calls.manage import category_key
from footfall.store.calls.reply import Errors, after_ok, broken, nothing
from footfall.store.pipeline import Argument, Reply
from footfall.store.scripts import NOTE_GONE, READ_INDEX, READ_LOCATIONS, READ_SNAPSHOT, READ_USERS, Call

#: the scripts that only read
READ_ONLY = (READ_SNAPSHOT, READ_USERS, READ_LOCATIONS, READ_INDEX)


class Snapshot(NamedTuple):
    """Metadata and stream at one moment."""

    generation: bytes
    checkpoint: bytes
    processed: int
    #: how often dead letters were retried or discarded
    settled: bytes
    #: entries of which the dead letters were discarded
    discarded: int
    #: those of them that are no longer remembered one by one, because the stream has lost them too
    forgotten: int
    #: entries that were removed before they were processed
    lost: int
    #: entries that others removed after they were processed, of which it is noted what they have counted; and those of
    #: them that do not count
    noted: int
    noted_dead: int
    #: processed entries that were trimmed, and since when, in ms
    trimmed: int
    trimmed_since: int | None
    #: entries that another program had processed when its stream was taken over; None when it was not
    taken_over: int | None
    added: int
    #: entries in the stream
    length: int
    first: bytes
    last: bytes
    max_deleted: bytes
    #: id of the newest dead letter, among the dead letters
    last_dead: bytes

    @property
    def removed(self) -> int:
        """Entries that are no longer in the stream."""
        return self.added - self.length

    @property
    def unexplained(self) -> int:
        """Entries that are no longer in the stream, and nothing tells why."""
        return self.removed - self.lost - self.trimmed - self.noted


class User(msgspec.Struct, array_like=True):
    """A user's record, and what the indexes have of it; None is what is not there, or has another type."""

    id: bytes | None
    email: bytes | None
    num_checkins: bytes | None
    last_checkin: bytes | None
    last_seen_at: bytes | None
    by_checkins: bytes | None
    recent: bytes | None
    last_seen: bytes | None
    email_owner: bytes | None
    baseline: bytes | None
    removed: bytes | None

    def loaded(self) -> UserBaseline:
        """What it was loaded with. Raises msgspec.DecodeError."""
        return UserBaseline() if self.baseline is None else _user_baseline.decode(self.baseline)

    def counted(self) -> UserBaseline:
        """What had been counted for it when it was removed. Raises msgspec.DecodeError."""
        return _user_baseline.decode(self.removed or b"")


class Location(msgspec.Struct, array_like=True):
    """A location's record, and what the indexes have of it; None is what is not there, or has another type."""

    id: bytes | None
    name: bytes | None
    category: bytes | None
    location: bytes | None
    num_checkins: bytes | None
    num_stars: bytes | None
    average_stars: bytes | None
    by_checkins: bytes | None
    longitude: bytes | None
    latitude: bytes | None
    category_score: bytes | None
    details_type: bytes
    baseline: bytes | None
    removed: bytes | None

    def loaded(self) -> LocationBaseline:
        """What it was loaded with. Raises msgspec.DecodeError."""
        return LocationBaseline() if self.baseline is None else _location_baseline.decode(self.baseline)

    def counted(self) -> LocationBaseline:
        """What had been counted for it when it was removed. Raises msgspec.DecodeError."""
        return _location_baseline.decode(self.removed or b"")


_user_baseline, _location_baseline = msgspec.json.Decoder(UserBaseline), msgspec.json.Decoder(LocationBaseline)


def read_snapshot(keys: Keys) -> Call[Snapshot]:
    """Metadata and stream as they are now. Raises LoadingError, BrokenKeyError."""
    return Call(
        READ_SNAPSHOT, [keys.meta, keys.checkpoint, keys.processed, keys.stream, keys.dead_letters], [], _snapshot
    )


def read_users(keys: Keys, ids: Sequence[int], emails: Sequence[bytes]) -> Call[list[User | str]]:
    """These users, each with the e-mail in lower case that the caller has read; the type of a key that is no hash."""
    script_keys = [
        keys.users_by_checkins,
        keys.users_recent,
        keys.users_last_seen,
        keys.users_email,
        keys.users_baseline,
        keys.users_removed,
        *map(keys.user, ids),
    ]
    arguments = [value for pair in zip(ids, emails, strict=True) for value in pair]
    return Call(READ_USERS, script_keys, arguments, _users)


def read_locations(keys: Keys, ids: Sequence[int], categories: Sequence[bytes]) -> Call[list[Location | str]]:
    """These locations, each with the category that the caller has read; the type of a key that is no hash."""
    script_keys = [keys.locations_by_checkins, keys.locations_geo, keys.locations_baseline, keys.locations_removed]
    for location, category in zip(ids, categories, strict=True):
        script_keys += (keys.location(location), keys.location_details(location), category_key(keys, category))
    return Call(READ_LOCATIONS, script_keys, ids, _locations)


def read_index(
    index: bytes, entries: Sequence[bytes], records: Sequence[bytes], fields: Sequence[str]
) -> Call[list[list[bytes | None]]]:
    """Of each entry of a zset or hash its score or value, then these fields of the hash that it is about."""
    return Call(READ_INDEX, [index, *records], [len(fields), *fields, *entries], _first)


def note_gone(
    keys: Keys,
    snapshot: Snapshot,
    *,
    entries: int,
    dead: int,
    lost: int,
    replaces: bool,
    users: Mapping[int, UserBaseline],
    locations: Mapping[int, LocationBaseline],
) -> Call[None]:
    """Note that so many entries are gone, those of them that do not count, and what all such ones have counted.

    `snapshot`: how things were when it was found. `lost`: entries that do not count from now on. `replaces`: what was
    noted before is forgotten. Raises UnavailableError when things stand otherwise by now, RefusedError when a batch was
    applied in part.
    """
    arguments: list[Argument] = [
        snapshot.generation,
        snapshot.settled,
        snapshot.removed,
        snapshot.noted,
        snapshot.noted_dead,
    ]
    arguments += [entries, dead, lost, "forget" if replaces else "keep", len(users)]
    for record, counted in (*users.items(), *locations.items()):
        arguments += (record, msgspec.json.encode(counted))
    script_keys = [keys.meta, keys.stream, keys.users_gone, keys.locations_gone]
    return Call(NOTE_GONE, script_keys, arguments, nothing(_NOTE_ERRORS))


def _loading() -> LoadingError:
    return LoadingError("data is being loaded; wait for its end")


def _torn() -> RefusedError:
    return RefusedError("a batch was applied in part: `footfall rebuild` undoes that first")


def _moved() -> UnavailableError:
    return UnavailableError("it has changed meanwhile; nothing was noted; run it again")


_SNAPSHOT_ERRORS: Errors = {
    b"LOADING": _loading,
    b"BROKEN": broken("is missing or does not hold what it must; see `footfall status`"),
}
_NOTE_ERRORS: Errors = {b"TORN": _torn, b"MOVED": _moved}


def _snapshot(reply: Reply) -> Snapshot:
    generation, checkpoint, processed, settled, *numbers = after_ok(reply, _SNAPSHOT_ERRORS)
    discarded, forgotten, lost, noted, noted_dead, trimmed, trimmed_since, taken_over, *stream = numbers
    return Snapshot(
        generation,
        checkpoint,
        int(processed),
        settled,
        int(discarded),
        int(forgotten),
        int(lost),
        int(noted),
        int(noted_dead),
        int(trimmed),
        int(trimmed_since) if trimmed_since else None,
        int(taken_over) if taken_over else None,
        *stream,
    )


def _users(reply: Reply) -> list[User | str]:
    return [User(*row) if isinstance(row, list) else row.decode() for row in _first(reply)]


def _locations(reply: Reply) -> list[Location | str]:
    return [Location(*row) if isinstance(row, list) else row.decode() for row in _first(reply)]


def _first(reply: Reply) -> Any:
    return after_ok(reply)[0]
