"""Writing users and locations, with their baselines and index entries, also while check-ins come in."""

from collections.abc import Callable, Iterable, Iterator
from functools import partial
from typing import TypeVar

import msgspec

from footfall.domain.model import LoadedLocation, LoadedUser
from footfall.keys import Keys
from footfall.operations.loader.hashing import Hasher
from footfall.operations.loader.lease import Lease
from footfall.operations.loader.removed import Removed
from footfall.store.calls.load_records import Written, load_locations, load_users

#: records per call of a script: about 5 ms of the server's time
USERS_AT_ONCE = 100
LOCATIONS_AT_ONCE = 50

RecordT = TypeVar("RecordT", LoadedUser, LoadedLocation)


def user_keys(keys: Keys, users: Iterable[LoadedUser]) -> Iterator[bytes]:
    """The keys that `write_users` writes."""
    yield from user_index_keys(keys)
    yield from (keys.users_email, keys.users_removed)
    yield from (keys.user(user.id) for user in users)


def user_index_keys(keys: Keys) -> list[bytes]:
    """The keys that loading and resetting users write besides the users' own."""
    return [keys.users_by_checkins, keys.users_recent, keys.users_last_seen, keys.users_baseline]


def location_keys(keys: Keys, locations: list[LoadedLocation]) -> Iterator[bytes]:
    """The keys that `write_locations` writes."""
    yield from location_index_keys(keys)
    yield from (keys.locations_geo, keys.locations_removed)
    yield from (keys.category(category) for category in sorted({location.category for location in locations}))
    for location in locations:
        yield from (keys.location(location.id), keys.location_details(location.id))


def location_index_keys(keys: Keys) -> list[bytes]:
    """The keys that loading and resetting locations write besides the locations' own."""
    return [keys.locations_by_checkins, keys.locations_baseline]


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
            if len(chunk) == USERS_AT_ONCE:
                written += _write_present(partial(_write_user_chunk, lease), chunk, removed)
                chunk = []
    return written + _write_present(partial(_write_user_chunk, lease), chunk, removed)


def _write_user_chunk(lease: Lease, users: list[LoadedUser]) -> Written:
    stored = _stored(lease, [lease.keys.user(user.id) for user in users], "email")
    return lease.run(load_users, users, stored)


def write_locations(
    lease: Lease, locations: list[LoadedLocation], removed: Removed, *, advance: Callable[[int], None]
) -> int:
    """The same of locations."""
    written = 0
    for start in range(0, len(locations), LOCATIONS_AT_ONCE):
        chunk = locations[start : start + LOCATIONS_AT_ONCE]
        written += _write_present(partial(_write_location_chunk, lease), chunk, removed)
        advance(len(chunk))
    return written


def _write_location_chunk(lease: Lease, locations: list[LoadedLocation]) -> Written:
    stored = _stored(lease, [lease.keys.location(location.id) for location in locations], "category")
    return lease.run(load_locations, locations, stored)


def _write_present(write: Callable[[list[RecordT]], Written], chunk: list[RecordT], removed: Removed) -> int:
    """Write a chunk, but for those that were removed since they were read. How many were written."""
    while chunk:
        is_done, gone = write(chunk)
        if is_done:
            return len(chunk)
        if gone is not None:
            removed.add(gone)
            chunk = [record for record in chunk if record.id != gone]
        # else an e-mail or a category has changed after it was read here
    return 0


def _stored(lease: Lease, record_keys: list[bytes], field: str) -> list[bytes]:
    """A field of each record; empty where there is none."""
    pipeline = lease.client.pipeline(transaction=False)
    for key in record_keys:
        pipeline.hget(key.decode(), field)
    return [value or b"" for value in pipeline.execute()]
