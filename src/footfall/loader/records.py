"""Writing users and locations, with their baselines and index entries, also while check-ins come in."""

from collections.abc import Callable, Iterable, Iterator
from functools import partial
from typing import TypeVar

import msgspec

from footfall.keys import Keys
from footfall.loader.hashing import Hasher
from footfall.loader.lease import Lease
from footfall.loader.removed import Removed
from footfall.model import LoadedLocation, LoadedUser, indexed_place
from footfall.store.pipeline import Argument, Reply
from footfall.store.scripts import LOAD_LOCATIONS, LOAD_USERS

#: records per call of a script: about 5 ms of the server's time
_USERS = 100
_LOCATIONS = 50

RecordT = TypeVar("RecordT", LoadedUser, LoadedLocation)


class UserBaseline(msgspec.Struct, rename="camel", omit_defaults=True):
    """What a user was loaded with, as `users:baseline` keeps it."""

    num_checkins: int = msgspec.field(default_factory=int)  # by a factory, so that it is always written
    last_checkin: int | None = None
    last_seen_at: int | None = None


class LocationBaseline(msgspec.Struct, rename="camel"):
    """What a location was loaded with, as `locations:baseline` keeps it."""

    num_checkins: int = 0
    num_stars: int = 0


def user_types(keys: Keys, users: Iterable[LoadedUser]) -> Iterator[tuple[bytes, str]]:
    """The keys that `write_users` writes, and their types."""
    yield from user_index_types(keys)
    yield keys.users_email, "hash"
    yield keys.users_removed, "hash"
    for user in users:
        yield keys.user(user.id), "hash"


def user_index_types(keys: Keys) -> list[tuple[bytes, str]]:
    """The keys that loading and resetting users write besides the users' own, and their types."""
    return [
        (keys.users_by_checkins, "zset"),
        (keys.users_recent, "zset"),
        (keys.users_last_seen, "zset"),
        (keys.users_baseline, "hash"),
    ]


def location_types(keys: Keys, locations: list[LoadedLocation]) -> Iterator[tuple[bytes, str]]:
    """The keys that `write_locations` writes, and their types."""
    yield from location_index_types(keys)
    yield keys.locations_geo, "zset"
    yield keys.locations_removed, "hash"
    for category in sorted({location.category for location in locations}):
        yield keys.category(category), "zset"
    for location in locations:
        yield keys.location(location.id), "hash"
        yield keys.location_details(location.id), "string"


def location_index_types(keys: Keys) -> list[tuple[bytes, str]]:
    """The keys that loading and resetting locations write besides the locations' own, and their types."""
    return [(keys.locations_by_checkins, "zset"), (keys.locations_baseline, "hash")]


def write_users(
    lease: Lease, users: list[LoadedUser], removed: Removed, *, bcrypt_cost: int, advance: Callable[[int], None]
) -> int:
    """Write all users, but for those who were removed since they were read. How many were written.

    What was written before an error stays; writing all of them again is right then.
    """
    written = 0
    chunk: list[LoadedUser] = []
    with Hasher(bcrypt_cost) as hasher:
        hasher.say_how_long(user.password for user in users)
        for user, password in zip(users, hasher.hash_all(user.password for user in users), strict=True):
            chunk.append(msgspec.structs.replace(user, password=password.decode()))
            advance(1)
            if len(chunk) == _USERS:
                written += _write_present(partial(_write_user_chunk, lease), chunk, removed)
                chunk = []
    return written + _write_present(partial(_write_user_chunk, lease), chunk, removed)


def _write_user_chunk(lease: Lease, users: list[LoadedUser]) -> Reply:
    keys = lease.keys
    user_keys = [keys.user(user.id) for user in users]
    arguments: list[Argument] = []
    for user, stored in zip(users, _stored(lease, user_keys, "email"), strict=True):
        baseline = UserBaseline(user.num_checkins, user.last_checkin, user.last_seen_at)
        arguments += (
            user.id,
            user.first_name,
            user.last_name,
            user.email,
            user.email.lower(),
            stored,
            # the script cannot do this: Lua's lower case is ASCII's
            stored.decode(errors="replace").lower(),
            user.password,
            user.num_checkins,
            _or_empty(user.last_checkin),
            _or_empty(user.last_seen_at),
            msgspec.json.encode(baseline),
        )
    indexes = [
        keys.users_by_checkins,
        keys.users_recent,
        keys.users_last_seen,
        keys.users_email,
        keys.users_baseline,
        keys.users_removed,
    ]
    return lease.run(LOAD_USERS, indexes + user_keys, arguments)


def write_locations(
    lease: Lease, locations: list[LoadedLocation], removed: Removed, *, advance: Callable[[int], None]
) -> int:
    """The same of locations."""
    written = 0
    for start in range(0, len(locations), _LOCATIONS):
        chunk = locations[start : start + _LOCATIONS]
        written += _write_present(partial(_write_location_chunk, lease), chunk, removed)
        advance(len(chunk))
    return written


def _write_location_chunk(lease: Lease, locations: list[LoadedLocation]) -> Reply:
    keys = lease.keys
    location_keys: list[bytes] = []
    arguments: list[Argument] = []
    stored = _stored(lease, [keys.location(location.id) for location in locations], "category")
    for location, old_category in zip(locations, stored, strict=True):
        category = keys.category(location.category)
        location_keys += (
            keys.location(location.id),
            keys.location_details(location.id),
            category,
            keys.category(old_category.decode(errors="replace")) if old_category else category,
        )
        longitude, latitude = indexed_place(*map(float, location.location.split(",")))
        arguments += (
            location.id,
            location.name,
            location.category,
            old_category,
            location.location,
            longitude,
            latitude,
            location.num_checkins,
            location.num_stars,
            msgspec.json.encode(location.details) if location.details else b"",
            msgspec.json.encode(LocationBaseline(location.num_checkins, location.num_stars)),
        )
    indexes = [keys.locations_by_checkins, keys.locations_geo, keys.locations_baseline, keys.locations_removed]
    return lease.run(LOAD_LOCATIONS, indexes + location_keys, arguments)


def _write_present(write: Callable[[list[RecordT]], Reply], chunk: list[RecordT], removed: Removed) -> int:
    """Write a chunk, but for those that were removed since they were read. How many were written."""
    while chunk:
        reply = write(chunk)
        if reply == b"OK":
            return len(chunk)
        if reply.startswith(b"REMOVED "):
            gone = int(reply.removeprefix(b"REMOVED "))
            removed.add(gone)
            chunk = [record for record in chunk if record.id != gone]
        # else RETRY: an e-mail or a category has changed after it was read here
    return 0


def _stored(lease: Lease, record_keys: list[bytes], field: str) -> list[bytes]:
    """A field of each record; empty where there is none."""
    pipeline = lease.client.pipeline(transaction=False)
    for key in record_keys:
        pipeline.hget(key.decode(), field)
    return [value or b"" for value in pipeline.execute()]


def _or_empty(value: int | None) -> Argument:
    return b"" if value is None else value
