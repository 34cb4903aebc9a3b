"""What a rebuild writes: rebuild_page.lua and so on. All may be called again; what is right already stays."""

from collections.abc import Sequence
from typing import Any, NamedTuple

from footfall.errors import BrokenKeyError, LoadingError
from footfall.keys import Keys
from footfall.store.calls.audit import Snapshot
from footfall.store.calls.manage import category_key
from footfall.store.calls.reply import Errors, after_ok, one_of, text
from footfall.store.pipeline import Argument, Reply
from footfall.store.scripts import DROP_INDEX_ENTRIES, REBUILD_PAGE, SETTLE_TORN, Call, Key


class UserRow(NamedTuple):
    """What the entries have counted for a user, and what the caller has read of it."""

    id: int
    checkins: int
    #: ms, sequence number and location of the last check-in; empty without one
    ms: Argument
    sequence: Argument
    location: Argument
    #: as it is stored, and in lower case; empty when there is none
    email: bytes
    lower_email: bytes


class LocationRow(NamedTuple):
    """What the entries have counted for a location, and what the caller has read of it."""

    id: int
    checkins: int
    stars: int
    #: as they are stored; empty when there is none
    category: bytes
    location: bytes
    #: as the index takes them; empty when the location is not a place
    longitude: Argument
    latitude: Argument


class Page(NamedTuple):
    """A page that is written."""

    #: records that were changed
    changed: int
    #: records of which there was nothing
    made: int


def rebuild_page(
    keys: Keys,
    snapshot: Snapshot,
    *,
    replayed_to: bytes,
    last_dead: bytes,
    between: int,
    users: Sequence[UserRow] = (),
    locations: Sequence[LocationRow] = (),
) -> Call[Page | None]:
    """Write records: what they were loaded with, and all check-ins up to the checkpoint; and their index entries.

    `replayed_to`: the entry up to which the caller has replayed, `last_dead`: the last dead letter that it knows. What
    has come since is replayed by the script, up to `between` entries. None when nothing was written: stream, dead
    letters or a record have changed, or more lies between; then replay on, and try again. Raises LoadingError,
    BrokenKeyError.
    """
    script_keys: list[Key] = [
        *(keys.meta, keys.checkpoint, keys.stream, keys.dead_letters),
        *(keys.users_by_checkins, keys.users_recent, keys.users_last_seen, keys.users_email, keys.users_baseline),
        *(keys.locations_by_checkins, keys.locations_geo, keys.locations_baseline),
        *(keys.users_removed, keys.locations_removed),
        *(keys.user(row.id) for row in users),
    ]
    arguments: list[Argument] = [snapshot.generation, snapshot.settled, replayed_to, last_dead, between, len(users)]
    for user in users:
        arguments += user
    for row in locations:
        script_keys += (keys.location(row.id), category_key(keys, row.category))
        arguments += row
    return Call(REBUILD_PAGE, script_keys, arguments, _page)


def settle_torn(keys: Keys) -> Call[int | None]:
    """End a batch that was applied in part, and is undone by now: it will be applied again.

    How many of its dead letters were removed; None when there is no such batch.
    """
    return Call(SETTLE_TORN, [keys.meta, keys.checkpoint, keys.dead_letters, keys.processed], [], _settled)


def drop_index_entries(
    index: bytes, entries: Sequence[tuple[bytes, bytes, Sequence[bytes]]], fields: Sequence[str]
) -> Call[int]:
    """Remove entries of an index, but for those whose records have changed; how many.

    Each entry with the hash that it is about, and that one's `fields` as the caller has read them.
    """
    arguments: list[Argument] = [len(fields), *fields]
    for entry, _, values in entries:
        arguments += (entry, *values)
    return Call(DROP_INDEX_ENTRIES, [index, *(record for _, record, _ in entries)], arguments, _number)


def _loading() -> LoadingError:
    return LoadingError("data is being loaded; run the rebuild again when that is done")


def _broken(key: bytes) -> BrokenKeyError:
    return BrokenKeyError(f"{text(key)} does not hold what it must; what is done so far is right")


_ERRORS: Errors = {b"LOADING": _loading, b"BROKEN": _broken}


def _page(reply: Reply) -> Page | None:
    word, values = one_of((b"OK", b"FENCED", b"BEHIND", b"RETRY"), reply, _ERRORS)
    return Page(*values) if word == b"OK" else None


def _settled(reply: Reply) -> int | None:
    word, values = one_of((b"OK", b"NONE"), reply)
    return int(values[0]) if word == b"OK" else None


def _number(reply: Reply) -> Any:
    return after_ok(reply)[0]
