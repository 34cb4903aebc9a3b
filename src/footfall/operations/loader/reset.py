"""Taking all users and locations back to their baselines."""

from collections.abc import Callable, Iterator
from typing import cast

from redis import Redis

from footfall.domain.baseline import LocationBaseline, UserBaseline
from footfall.keys import Keys
from footfall.operations.loader.lease import Lease, check_types
from footfall.operations.loader.write_records import location_index_keys, user_index_keys
from footfall.store.calls.load_records import reset_locations, reset_removed, reset_users

#: users or locations per call of a script: about 5 ms of the server's time
KEYS_AT_ONCE = 100
_PAGE = 1000

Ids = list[bytes]


def find(client: Redis, keys: Keys) -> tuple[Ids, Ids]:
    """Ids of all users and of all locations that were loaded or have check-ins: about 100 bytes each.

    Raises BrokenKeyError when one of the keys that a reset writes has another type than it must.
    """
    written = [*user_index_keys(keys), *location_index_keys(keys), keys.users_removed, keys.locations_removed]
    check_types(client, keys, written)
    users = _ids(client, keys.users_by_checkins, keys.users_baseline)
    locations = _ids(client, keys.locations_by_checkins, keys.locations_baseline)
    check_types(client, keys, map(keys.user, users))
    check_types(client, keys, map(keys.location, locations))
    return users, locations


def reset(lease: Lease, users: Ids, locations: Ids, *, advance: Callable[[int], None]) -> None:
    """Take these records to their baselines, or delete those that only check-ins have made; drop their
    activity.

    Of removed ones nothing is counted any more, either.
    """
    for chunk in _chunks(users):
        lease.run(reset_users, chunk)
        advance(len(chunk))
    for chunk in _chunks(locations):
        lease.run(reset_locations, chunk)
        advance(len(chunk))
    keys = lease.keys
    for removed, nothing in ((keys.users_removed, UserBaseline()), (keys.locations_removed, LocationBaseline())):
        for chunk in _chunks([field for field, _ in lease.client.hscan_iter(removed.decode(), count=_PAGE)]):
            lease.run(reset_removed, removed, nothing, chunk)


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
    return (ids[start : start + KEYS_AT_ONCE] for start in range(0, len(ids), KEYS_AT_ONCE))
