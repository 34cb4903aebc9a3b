"""Loading users and locations, and taking them back to what was loaded: load_users.lua, reset_users.lua and so on.

All take the token of the load's lease, and raise LoadLeaseLostError, with nothing changed, when the lease is by now
another load's; BrokenKeyError when a key does not hold what it must. All may be called again.
"""

from collections.abc import Callable, Sequence
from typing import NamedTuple

import msgspec

from footfall.domain.baseline import LocationBaseline, UserBaseline
from footfall.domain.model import LoadedLocation, LoadedUser, indexed_place
from footfall.keys import Keys
from footfall.store.calls.load import ERRORS
from footfall.store.calls.manage import lower
from footfall.store.calls.reply import nothing, one_of
from footfall.store.pipeline import Argument, Reply
from footfall.store.scripts import LOAD_LOCATIONS, LOAD_USERS, RESET_LOCATIONS, RESET_REMOVED, RESET_USERS, Call


class Written(NamedTuple):
    """What became of a chunk of records: all of it is written, or none."""

    is_done: bool
    #: why it is not: this one was removed for good; else what the caller has read is not so any more
    removed: int | None = None


def load_users(keys: Keys, token: str, users: Sequence[LoadedUser], stored_emails: Sequence[bytes]) -> Call[Written]:
    """Write users, for the first time or again; what check-ins have counted since the last load stays."""
    script_keys = [
        keys.loader_lease,
        keys.users_by_checkins,
        keys.users_recent,
        keys.users_last_seen,
        keys.users_email,
        keys.users_baseline,
        keys.users_removed,
        *(keys.user(user.id) for user in users),
    ]
    arguments: list[Argument] = [token]
    for user, stored in zip(users, stored_emails, strict=True):
        arguments += (
            user.id,
            user.first_name,
            user.last_name,
            user.email,
            user.email.lower(),
            stored,
            lower(stored),  # the script cannot do this: Lua's lower case is ASCII's
            user.password,
            user.num_checkins,
            _or_empty(user.last_checkin),
            _or_empty(user.last_seen_at),
            msgspec.json.encode(UserBaseline(user.num_checkins, user.last_checkin, user.last_seen_at)),
        )
    return Call(LOAD_USERS, script_keys, arguments, _written)


def load_locations(
    keys: Keys, token: str, locations: Sequence[LoadedLocation], stored_categories: Sequence[bytes]
) -> Call[Written]:
    """The same of locations, with their details."""
    script_keys = [
        *(keys.loader_lease, keys.locations_by_checkins, keys.locations_geo, keys.locations_baseline),
        keys.locations_removed,
    ]
    arguments: list[Argument] = [token]
    for location, stored in zip(locations, stored_categories, strict=True):
        category = keys.category(location.category)
        script_keys += (keys.location(location.id), keys.location_details(location.id), category)
        script_keys.append(keys.category(stored.decode(errors="replace")) if stored else category)
        arguments += (
            location.id,
            location.name,
            location.category,
            stored,
            location.location,
            *indexed_place(*map(float, location.location.split(","))),
            location.num_checkins,
            location.num_stars,
            msgspec.json.encode(location.details) if location.details else b"",
            msgspec.json.encode(LocationBaseline(location.num_checkins, location.num_stars)),
        )
    return Call(LOAD_LOCATIONS, script_keys, arguments, _written)


def reset_users(keys: Keys, token: str, ids: Sequence[bytes]) -> Call[None]:
    """Take users back to their baselines; those whom only check-ins have made are deleted, and all histories."""
    indexes = [keys.users_by_checkins, keys.users_recent, keys.users_last_seen, keys.users_baseline]
    script_keys = [keys.loader_lease, *indexes, *_each(ids, keys.user, keys.user_history)]
    return Call(RESET_USERS, script_keys, [token, *ids], nothing(ERRORS))


def reset_locations(keys: Keys, token: str, ids: Sequence[bytes]) -> Call[None]:
    """The same of locations; who is there is forgotten, too."""
    own = _each(ids, keys.location, keys.location_history, keys.location_presence)
    script_keys = [keys.loader_lease, keys.locations_by_checkins, keys.locations_baseline, *own]
    return Call(RESET_LOCATIONS, script_keys, [token, *ids], nothing(ERRORS))


def reset_removed(
    keys: Keys, token: str, removed: bytes, counters: UserBaseline | LocationBaseline, ids: Sequence[bytes]
) -> Call[None]:
    """Forget what was counted for removed records: it is `counters` now; the ids stay. `removed`: their hash."""
    arguments: list[Argument] = [token, msgspec.json.encode(counters), *ids]
    return Call(RESET_REMOVED, [keys.loader_lease, removed], arguments, nothing(ERRORS))


def _each(ids: Sequence[bytes], *families: Callable[[bytes], bytes]) -> list[bytes]:
    """The keys of the first family of all ids, then those of the next."""
    return [key_of(record) for key_of in families for record in ids]


def _or_empty(value: int | None) -> Argument:
    return b"" if value is None else value


def _written(reply: Reply) -> Written:
    word, values = one_of((b"OK", b"RETRY", b"REMOVED"), reply, ERRORS)
    return Written(word == b"OK", int(values[0]) if word == b"REMOVED" else None)
