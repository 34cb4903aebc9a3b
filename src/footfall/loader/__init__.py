"""Loading the sample or one's own data. All of the input is checked before anything is written.

Users and locations can be loaded at any time, also again: their counters move by the difference, and what check-ins
have counted stays. Loading check-ins replaces the stream and takes all counters back to what was loaded.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Literal, TypeVar, cast

from msgspec import Struct
from redis import Redis
from redis.exceptions import BusyLoadingError, ResponseError
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import TimeoutError as RedisTimeoutError
from rich.progress import Progress

from footfall import sample
from footfall.config import Settings
from footfall.errors import UnavailableError, UsageError, reply_error
from footfall.keys import Keys
from footfall.loader import files
from footfall.loader.bad_rows import BadRows, BadRowsError
from footfall.loader.checkins import CheckIns
from footfall.loader.checks import check_check_ins, check_locations, check_users
from footfall.loader.lease import Lease, LeaseLostError, check_types
from footfall.loader.records import (
    LocationBaseline,
    UserBaseline,
    location_types,
    user_types,
    write_locations,
    write_users,
)
from footfall.loader.reset import find, reset
from footfall.loader.stream import Confirm, begin, finish, require_ready, stage
from footfall.model import LoadedCheckIn, LoadedLocation, LoadedUser
from footfall.terminal import Bars

__all__ = ["BadRowsError", "LeaseLostError", "Loaded", "LocationBaseline", "UserBaseline", "What", "load"]

What = Literal["users", "locations", "checkins", "all"]
RowT = TypeVar("RowT", bound=Struct)

#: bcrypt's least: everybody knows the sample's password anyway
_SAMPLE_BCRYPT_COST = 4


@dataclass(frozen=True)
class Loaded:
    """How many of each were loaded."""

    users: int
    locations: int
    checkins: int


@dataclass
class _Rows:
    """The rows to load, all of them good."""

    users: list[LoadedUser] = field(default_factory=list)
    locations: list[LoadedLocation] = field(default_factory=list)
    check_ins: CheckIns = field(default_factory=CheckIns)


def load(what: What, settings: Settings, client: Redis, *, confirm: Confirm, progress: Progress | None) -> Loaded:
    """Load the sample, or the file that `settings.load_from` names.

    `confirm(prompt)` is asked before check-ins that came through a receiver are dropped (`load_reset` without
    `load_yes`). A load that was killed is finished by loading again. `client` must answer bytes.

    Raises UsageError; BadRowsError, with nothing written; RefusedError; BrokenKeyError; LeaseLostError;
    UnavailableError.
    """
    if what == "all" and settings.load_from is not None:
        raise UsageError(
            "`load all` loads the sample; a file of your own holds one kind: load users, locations or checkins"
        )
    keys = Keys(settings.prefix)
    bars = Bars(progress)
    with _server_errors():
        check_types(client, [(keys.loader_lease, "string")])
        with Lease(client, keys) as lease:
            rows = _read(what, settings, client, keys, bars)
            check_types(client, user_types(keys, rows.users))
            check_types(client, location_types(keys, rows.locations))
            if what in ("checkins", "all"):
                find(client, keys)  # what a reset could not write is found before anything is changed
                if not settings.load_reset:
                    replaced = [(keys.staging, "stream"), (keys.dead_letters, "stream"), (keys.discarded, "hash")]
                    check_types(client, replaced)
                begin(
                    lease,
                    reset=settings.load_reset,
                    confirm=(lambda _prompt: True) if settings.load_yes else confirm,
                )
            else:
                require_ready(lease)
            _write(what, settings, lease, rows, bars)
    return Loaded(len(rows.users), len(rows.locations), len(rows.check_ins))


def _read(what: What, settings: Settings, client: Redis, keys: Keys, bars: Bars) -> _Rows:
    path = settings.load_from
    bad = BadRows()
    rows = _Rows()
    seconds, microseconds = client.time()
    now_ms = seconds * 1000 + microseconds // 1000
    hashes = (keys.users_email, keys.users_removed, keys.locations_removed)
    check_types(client, [(key, "hash") for key in hashes])

    def input_rows(kind: type[RowT], of_sample: Callable[[], list[RowT]]) -> Iterator[tuple[str, RowT]]:
        if path is None:
            return ((f"row {number}", row) for number, row in enumerate(of_sample(), 1))
        return files.read(path, kind, bad, bars.bar(f"reading {path.name}", files.size(path)))

    def values(key: bytes, fields: list[Any]) -> list[bytes | None]:
        return cast("list[bytes | None]", client.hmget(key.decode(), fields))

    if what in ("users", "all"):
        rows.users = check_users(
            input_rows(LoadedUser, sample.users),
            bad,
            now_ms=now_ms,
            owners=partial(values, keys.users_email),
            removed=partial(values, keys.users_removed),
        )
    if what in ("locations", "all"):
        rows.locations = check_locations(
            input_rows(LoadedLocation, sample.locations), bad, removed=partial(values, keys.locations_removed)
        )
    if what in ("checkins", "all"):
        rows.check_ins = check_check_ins(input_rows(LoadedCheckIn, sample.check_ins), bad, now_ms=now_ms)
    bad.raise_if_any(str(path) if path else "the sample")
    return rows


def _write(what: What, settings: Settings, lease: Lease, rows: _Rows, bars: Bars) -> None:
    cost = settings.bcrypt_cost if settings.load_from else _SAMPLE_BCRYPT_COST
    if what in ("users", "all"):
        write_users(lease, rows.users, bcrypt_cost=cost, advance=bars.bar("users", len(rows.users)))
    if what in ("locations", "all"):
        write_locations(lease, rows.locations, advance=bars.bar("locations", len(rows.locations)))
    if what in ("checkins", "all"):
        stage(lease, rows.check_ins, advance=bars.bar("check-ins", len(rows.check_ins)))
        users, locations = find(lease.client, lease.keys)
        reset(lease, users, locations, advance=bars.bar("counters", len(users) + len(locations)))
        finish(lease, len(rows.check_ins))


@contextmanager
def _server_errors() -> Iterator[None]:
    """redis-py's errors as Footfall's."""
    try:
        yield
    except (RedisConnectionError, RedisTimeoutError, BusyLoadingError) as error:
        raise UnavailableError(f"the server cannot be reached: {error}") from error
    except ResponseError as error:
        code = getattr(error, "status_code", None)  # redis-py cuts the codes that it knows off the message
        raise reply_error(f"{code} {error}" if code else str(error)) from error
