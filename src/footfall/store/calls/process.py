"""process.lua: the effects of a batch of entries, all of them or none."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import NamedTuple

from footfall.errors import BrokenKeyError
from footfall.keys import ID_DIGITS, Keys
from footfall.store.calls.metadata import Position
from footfall.store.calls.reply import Errors, FencedError, loading, one_of, text, torn
from footfall.store.pipeline import Argument, Reply
from footfall.store.scripts import PROCESS, Call, Key

#: number of check-ins that says: this record was taken for missing
MISSING = -1
#: Field names and values of an entry that its dead letter keeps: Lua cannot pass more to one XADD. The receiver
#: writes six.
_MAX_DEAD_VALUES = 2000


class DeadLetter(NamedTuple):
    """An entry that cannot be applied."""

    entry_id: bytes
    reason: str
    #: field names and values in turn
    fields: list[bytes]


@dataclass(frozen=True)
class Activity:
    """What a batch adds to activity; each kind is empty when it is not kept."""

    #: length of a history; 0: none are kept
    history: int = 0
    #: user, then location -> its check-ins of the batch, oldest first
    of_users: Mapping[bytes, list[bytes]] = field(default_factory=dict)
    of_locations: Mapping[bytes, list[bytes]] = field(default_factory=dict)
    #: location -> -ms and user (16 digits) of each check-in there, oldest first
    presence: Mapping[bytes, list[bytes]] = field(default_factory=dict)
    #: hour, then bucket of trending -> location -> check-ins
    hours: Mapping[int, Mapping[bytes, int]] = field(default_factory=dict)
    buckets: Mapping[int, Mapping[bytes, int]] = field(default_factory=dict)


@dataclass(frozen=True)
class Rows:
    """A batch, folded: a row per user and one per location."""

    #: how many entries it has, and the last one: its id, then field names and values in turn
    entries: int
    last: tuple[bytes, list[bytes]]
    #: user -> number of check-ins, or MISSING; ms and location of the last one
    users: Mapping[bytes, Sequence[Argument]]
    #: location -> number of check-ins, or MISSING; sum of stars
    locations: Mapping[bytes, Sequence[Argument]]
    dead: Sequence[DeadLetter]
    activity: Activity


class Processed(NamedTuple):
    """All of the batch is applied, and the checkpoint has passed it."""

    #: entries that the checkpoint has passed since the stream began
    processed: int
    #: seconds of CPU that the script took: so long it held the server
    held_s: float


class Mistaken(NamedTuple):
    """Nothing was applied: these of the batch's users and locations are there although MISSING, or the other way."""

    users: list[bytes]
    locations: list[bytes]


def process(keys: Keys, position: Position, rows: Rows, *, create: bool) -> Call[Processed | Mistaken]:
    """Apply a batch that was read after `position`: effects, dead letters and the checkpoint, or nothing of it.

    `create`: unknown users and locations get a record. Raises FencedError when the batch must be dropped, LoadingError,
    TornError or BrokenKeyError when it cannot be applied now.
    """
    last_id, last_values = rows.last
    script_keys: list[Key] = [
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
        *map(keys.user, rows.users),
        *map(keys.location, rows.locations),
    ]
    arguments: list[Argument] = [
        position.checkpoint,
        position.generation,
        rows.entries,
        len(rows.users),
        len(rows.locations),
        len(rows.dead),
        "create" if create else "reject",
        len(last_values),
        last_id,
        *last_values,
    ]
    for each in (rows.users, rows.locations):
        for record, row in each.items():
            arguments.append(record)
            arguments += row
    for entry_id, reason, fields in rows.dead:
        kept = fields[:_MAX_DEAD_VALUES]
        arguments += (entry_id, reason, len(kept), *kept)
    _add_activity(keys, rows, script_keys, arguments)
    return Call(PROCESS, script_keys, arguments, partial(_outcome, keys, rows))


def _add_activity(keys: Keys, rows: Rows, script_keys: list[Key], arguments: list[Argument]) -> None:
    activity = rows.activity
    counts = (activity.history, len(activity.presence), len(activity.hours), len(activity.buckets))
    if not any(counts):
        return
    if activity.history:
        script_keys += map(keys.user_history, rows.users)
        script_keys += map(keys.location_history, rows.locations)
    script_keys += map(keys.location_presence, activity.presence)
    script_keys += map(keys.hour, activity.hours)
    if activity.buckets:
        script_keys += map(keys.trending_bucket, activity.buckets)
        script_keys += (keys.trending_state, *keys.trending_orders)
    arguments += counts
    for present in activity.presence.values():
        arguments.append(len(present))
        arguments += present
    for period, locations in (*activity.hours.items(), *activity.buckets.items()):
        arguments += (period, len(locations))
        arguments += [location.zfill(ID_DIGITS) for location in locations]
        arguments += locations.values()
    if activity.history:
        arguments += _items(rows.users, activity.of_users, activity.history)
        arguments += _items(rows.locations, activity.of_locations, activity.history)


def _items(records: Iterable[bytes], items_of: Mapping[bytes, list[bytes]], most: int) -> list[Argument]:
    return [b",".join(items_of[record][-most:]) for record in records if record in items_of]


def _outcome(keys: Keys, rows: Rows, reply: Reply) -> Processed | Mistaken:
    word, (first, second) = one_of((b"OK", b"RECORDS"), reply, {**_ERRORS, b"BROKEN": partial(_broken, keys)})
    if word == b"OK":
        return Processed(int(first), second / 1e6)
    users, locations = list(rows.users), list(rows.locations)
    return Mistaken([users[number - 1] for number in first], [locations[number - 1] for number in second])


def _fenced() -> FencedError:
    return FencedError("another processor or a load was faster")


def _broken(keys: Keys, key: bytes) -> BrokenKeyError:
    indexes = (keys.users_by_checkins, keys.users_recent, keys.users_last_seen, keys.locations_by_checkins)
    repair = "`footfall rebuild` repairs it" if key in indexes else "`footfall verify` tells what"
    return BrokenKeyError(f"{text(key)} is missing or does not hold what it must; {repair}")


_ERRORS: Errors = {b"FENCED": _fenced, b"LOADING": loading, b"TORN": torn}
