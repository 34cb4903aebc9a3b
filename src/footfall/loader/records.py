"""Writing users and locations, with their baselines and index entries, also while check-ins come in."""

from collections.abc import Callable, Iterable, Iterator

import msgspec

from footfall.errors import RefusedError
from footfall.keys import Keys
from footfall.loader.lease import Lease
from footfall.loader.passwords import Hasher
from footfall.model import LoadedLocation, LoadedUser, indexed_place
from footfall.store.pipeline import Argument, Reply
from footfall.store.scripts import LOAD_LOCATIONS, LOAD_USERS

#: records per call of a script: about 5 ms of the server's time
_USERS = 100
_LOCATIONS = 50


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


def write_users(lease: Lease, users: list[LoadedUser], *, bcrypt_cost: int, advance: Callable[[int], None]) -> None:
    """Write all users. What was written before an error stays; writing all of them again is right then."""
    with Hasher(bcrypt_cost) as hasher:
        for start in range(0, len(users), _USERS):
            chunk = users[start : start + _USERS]
            passwords = []
            for password in hasher.hash_all(user.password for user in chunk):
                passwords.append(password)
                advance(1)
            while not _write_user_chunk(lease, chunk, passwords):
                pass


def _write_user_chunk(lease: Lease, users: list[LoadedUser], passwords: list[bytes]) -> bool:
    """Whether it was written: not when an e-mail changed after it was read here."""
    keys = lease.keys
    user_keys = [keys.user(user.id) for user in users]
    arguments: list[Argument] = []
    for user, password, stored in zip(users, passwords, _stored(lease, user_keys, "email"), strict=True):
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
            password,
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
    return _is_written(lease.run(LOAD_USERS, indexes + user_keys, arguments), "user")


def write_locations(lease: Lease, locations: list[LoadedLocation], *, advance: Callable[[int], None]) -> None:
    """Write all locations. What was written before an error stays; writing all of them again is right then."""
    for start in range(0, len(locations), _LOCATIONS):
        chunk = locations[start : start + _LOCATIONS]
        while not _write_location_chunk(lease, chunk):
            pass
        advance(len(chunk))


def _write_location_chunk(lease: Lease, locations: list[LoadedLocation]) -> bool:
    """Whether it was written: not when a category changed after it was read here."""
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
    return _is_written(lease.run(LOAD_LOCATIONS, indexes + location_keys, arguments), "location")


def _is_written(reply: Reply, kind: str) -> bool:
    """Whether a chunk was written. Raises RefusedError when one was removed since the rows were checked."""
    if reply.startswith(b"REMOVED "):
        removed = reply.removeprefix(b"REMOVED ").decode()
        raise RefusedError(f"{kind} {removed} was removed meanwhile; what was loaded before it stays")
    return bool(reply == b"OK")


def _stored(lease: Lease, record_keys: list[bytes], field: str) -> list[bytes]:
    """A field of each record; empty where there is none."""
    pipeline = lease.client.pipeline(transaction=False)
    for key in record_keys:
        pipeline.hget(key.decode(), field)
    return [value or b"" for value in pipeline.execute()]


def _or_empty(value: int | None) -> Argument:
    return b"" if value is None else value
