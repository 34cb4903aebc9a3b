"""Taking all users and locations back to their baselines."""

from collections.abc import Callable, Iterator
from typing import cast

import msgspec
from redis import Redis

from footfall.keys import Keys
from footfall.loader.lease import Lease, check_types
from footfall.loader.records import LocationBaseline, UserBaseline, location_index_types, user_index_types
from footfall.store.scripts import RESET_LOCATIONS, RESET_REMOVED, RESET_USERS

#: users or locations per call of a script: about 5 ms of the server's time
_CHUNK = 100
_PAGE = 1000

Ids = list[bytes]


def find(client: Redis, keys: Keys) -> tuple[Ids, Ids]:
    """Ids of all users and of all locations that were loaded or have check-ins: about 100 bytes each.

    Raises BrokenKeyError when one of the keys that a reset writes has another type than it must.
    """
    check_types(client, user_index_types(keys) + location_index_types(keys))
    check_types(client, [(keys.users_removed, "hash"), (keys.locations_removed, "hash")])
    users = _ids(client, keys.users_by_checkins, keys.users_baseline)
    locations = _ids(client, keys.locations_by_checkins, keys.locations_baseline)
    check_types(client, ((keys.user(user), "hash") for user in users))
    check_types(client, ((keys.location(location), "hash") for location in locations))
    return users, locations


def reset(lease: Lease, users: Ids, locations: Ids, *, advance: Callable[[int], None]) -> None:
    """Take these records to their baselines, or delete those that only check-ins have made; drop what is kept of
    their newest check-ins.

    Of removed ones nothing is counted any more, either.
    """
    keys = lease.keys
    for chunk in _chunks(users):
        indexes = [keys.users_by_checkins, keys.users_recent, keys.users_last_seen, keys.users_baseline]
        lease.run(RESET_USERS, indexes + _each(chunk, keys.user, keys.user_history), list(chunk))
        advance(len(chunk))
    for chunk in _chunks(locations):
        indexes = [keys.locations_by_checkins, keys.locations_baseline]
        own = _each(chunk, keys.location, keys.location_history, keys.location_now)
        lease.run(RESET_LOCATIONS, indexes + own, list(chunk))
        advance(len(chunk))
    for removed, nothing in ((keys.users_removed, UserBaseline()), (keys.locations_removed, LocationBaseline())):
        for chunk in _chunks([field for field, _ in lease.client.hscan_iter(removed.decode(), count=_PAGE)]):
            lease.run(RESET_REMOVED, [removed], [msgspec.json.encode(nothing), *chunk])


def _each(ids: Ids, *families: Callable[[bytes], bytes]) -> list[bytes]:
    """The keys of the first family of all ids, then those of the next."""
    return [key_of(record) for key_of in families for record in ids]


def _ids(client: Redis, by_checkins: bytes, baseline: bytes) -> Ids:
    ids: set[bytes] = set()
    start = 0
    while page := client.zrange(by_checkins, start, start + _PAGE - 1):
        ids.update(cast("list[bytes]", page))
        start += _PAGE
    for field, _ in client.hscan_iter(baseline.decode(), count=_PAGE):
        ids.add(field)
    return list(ids)


def _chunks(ids: Ids) -> Iterator[Ids]:
    return (ids[start : start + _CHUNK] for start in range(0, len(ids), _CHUNK))
