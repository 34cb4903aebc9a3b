"""Users and locations, one by one: add_user.lua and so on. Each changes all that it is about, or nothing.

All raise LoadingError while data is being loaded, BrokenKeyError when a key is not what it must be, NotFoundError when
there is no such record, ConflictError when it cannot be as others are; nothing was changed then.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Literal

from footfall.errors import ConflictError, NotFoundError
from footfall.keys import Keys
from footfall.store.calls.activity import hourly_and_trending_keys
from footfall.store.calls.reply import Errors, broken, loading, nothing, one_of
from footfall.store.pipeline import Argument, Reply
from footfall.store.scripts import (
    ADD_LOCATION,
    ADD_USER,
    CHANGE_LOCATION,
    CHANGE_USER,
    REMOVE_LOCATION,
    REMOVE_USER,
    Call,
)

#: longitude and latitude, as the index takes them
Place = tuple[float, float]


def add_user(keys: Keys, user_id: int, *, first_name: str, last_name: str, email: str, password: bytes) -> Call[None]:
    """Add a user; one whom so far only check-ins name keeps the counters. `password`: a bcrypt hash."""
    script_keys = [
        keys.meta,
        keys.users_by_checkins,
        keys.users_email,
        keys.users_baseline,
        keys.users_removed,
        keys.user(user_id),
    ]
    arguments: list[Argument] = [user_id, first_name, last_name, email, email.lower(), password]
    return Call(ADD_USER, script_keys, arguments, nothing(_USER_ERRORS))


def change_user(
    keys: Keys,
    user_id: int,
    fields: Mapping[str, Argument],
    *,
    stored_email: bytes,
    new_email: str | None,
    ended: Sequence[str] | None,
) -> Call[bool]:
    """Change these fields of a user. `ended`: digests of all sessions, which end; None when none does.

    Whether it was done: not when the e-mail or the sessions are not those that the caller has read.
    """
    sessions = ended or []
    script_keys = [keys.meta, keys.users_email, keys.user(user_id), keys.user_sessions(user_id)]
    script_keys += map(keys.session, sessions)
    arguments: list[Argument] = [user_id, (new_email or "").lower(), stored_email, lower(stored_email)]
    arguments += ["" if ended is None else len(ended), *sessions, *_pairs(fields)]
    return Call(CHANGE_USER, script_keys, arguments, _is_done(_USER_ERRORS))


def remove_user(keys: Keys, user_id: int, *, stored_email: bytes, sessions: Sequence[str]) -> Call[int | None]:
    """Remove a user for good; how many check-ins had been counted beyond what was loaded.

    None when it was not done: the e-mail or the sessions are not those that the caller has read.
    """
    script_keys = [
        *(keys.meta, keys.users_by_checkins, keys.users_recent, keys.users_last_seen, keys.users_email),
        *(keys.users_baseline, keys.users_removed, keys.user(user_id), keys.user_sessions(user_id)),
        *map(keys.session, sessions),
        keys.user_history(user_id),
    ]
    arguments: list[Argument] = [user_id, stored_email, lower(stored_email), *sessions]
    return Call(REMOVE_USER, script_keys, arguments, _counted(_USER_ERRORS))


def add_location(
    keys: Keys, location_id: int, *, name: str, category: str, location: str, place: Place, details: bytes
) -> Call[None]:
    """Add a location; one that so far only check-ins name keeps the counters. `details`: JSON, empty for none."""
    script_keys = [
        *(keys.meta, keys.locations_by_checkins, keys.locations_geo, keys.locations_baseline),
        *(keys.locations_removed, keys.location(location_id), keys.location_details(location_id)),
        keys.category(category),
    ]
    arguments: list[Argument] = [location_id, name, category, location, *place, details]
    return Call(ADD_LOCATION, script_keys, arguments, nothing(_LOCATION_ERRORS))


def change_location(
    keys: Keys,
    location_id: int,
    fields: Mapping[str, Argument],
    *,
    stored_category: bytes,
    new_category: str | None,
    place: Place | None,
    details: bytes | Literal["keep", "remove"],
) -> Call[bool]:
    """Change these fields of a location. `details`: JSON, or what becomes of those that are there.

    Whether it was done: not when the category is not the one that the caller has read.
    """
    old_category = category_key(keys, stored_category)
    script_keys = [
        *(keys.meta, keys.locations_geo, keys.location(location_id), keys.location_details(location_id)),
        *(old_category, old_category if new_category is None else keys.category(new_category)),
    ]
    of_details = (details, b"") if isinstance(details, str) else ("set", details)
    arguments: list[Argument] = [location_id, stored_category, *(place or ("", "")), *of_details, *_pairs(fields)]
    return Call(CHANGE_LOCATION, script_keys, arguments, _is_done(_LOCATION_ERRORS))


def remove_location(keys: Keys, location_id: int, *, stored_category: bytes, now_ms: int) -> Call[int | None]:
    """Remove a location for good; how many check-ins had been counted beyond what was loaded.

    `now_ms`: the server's time, which says where activity is. None when it was not done: the
    category is not the one that the caller has read.
    """
    script_keys = [
        *(keys.meta, keys.locations_by_checkins, keys.locations_geo, keys.locations_baseline, keys.locations_removed),
        *(category_key(keys, stored_category), keys.location(location_id), keys.location_details(location_id)),
        *(keys.location_history(location_id), keys.location_presence(location_id)),
        *(keys.trending_state, *keys.trending_orders, *hourly_and_trending_keys(keys, now_ms)),
    ]
    return Call(REMOVE_LOCATION, script_keys, [location_id, stored_category], _counted(_LOCATION_ERRORS))


def category_key(keys: Keys, stored: bytes) -> bytes:
    """The key of a category as it is stored; the geo key, which scripts take for none, when there is none."""
    return keys.category(stored.decode(errors="replace")) if stored else keys.locations_geo


def lower(email: bytes) -> str:
    """An e-mail as the index has it; Lua's lower case is ASCII's."""
    return email.decode(errors="replace").lower()


def _pairs(fields: Mapping[str, Argument]) -> list[Argument]:
    return [value for pair in fields.items() for value in pair]


def _errors(kind: str) -> Errors:
    return {
        b"MISSING": lambda: NotFoundError(f"there is no such {kind}"),
        b"EXISTS": lambda: ConflictError(f"there is a {kind} with this id already"),
        b"REMOVED": lambda: ConflictError(
            f"the {kind} with this id was removed for good; its id is not given out again"
        ),
        b"UNNAMED": lambda: ConflictError(f"nobody has added this {kind}: only check-ins name it; add it first"),
        b"TAKEN": lambda: ConflictError("another user has this e-mail"),
        b"LOADING": loading,
        b"BROKEN": broken("is missing or does not hold what it must; `footfall verify` tells what"),
    }


def _is_done(errors: Errors) -> Any:
    return lambda reply: one_of((b"OK", b"RETRY"), reply, errors)[0] == b"OK"


def _counted(errors: Errors) -> Any:
    def read(reply: Reply) -> int | None:
        word, values = one_of((b"OK", b"RETRY"), reply, errors)
        return int(values[0]) if word == b"OK" else None

    return read


_USER_ERRORS, _LOCATION_ERRORS = _errors("user"), _errors("location")
