"""The rows to load: from a file or the sample, all of them read and checked before anything is written."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, Literal, TypeVar, cast

from msgspec import Struct
from redis import Redis

from footfall import sample
from footfall.domain.model import LoadedCheckIn, LoadedLocation, LoadedUser
from footfall.keys import Keys
from footfall.logs import log
from footfall.operations.loader import files
from footfall.operations.loader.bad_rows import BadRows, BadRowsError
from footfall.operations.loader.checkins import CheckIns
from footfall.operations.loader.checks import check_check_ins, check_locations, check_users
from footfall.operations.loader.lease import check_types
from footfall.operations.loader.recognise import name_of
from footfall.operations.loader.removed import Removed, removed_ids
from footfall.process.terminal import Bars

What = Literal["users", "locations", "checkins", "all"]
RowT = TypeVar("RowT", bound=Struct)


@dataclass
class Rows:
    """The rows to load, all of them good, and which were skipped."""

    users: list[LoadedUser] = field(default_factory=list)
    locations: list[LoadedLocation] = field(default_factory=list)
    check_ins: CheckIns = field(default_factory=CheckIns)
    removed_users: Removed = field(default_factory=lambda: Removed("user"))
    removed_locations: Removed = field(default_factory=lambda: Removed("location"))

    @property
    def skipped(self) -> list[Removed]:
        """What was skipped, of each kind of which anything was."""
        return [removed for removed in (self.removed_users, self.removed_locations) if len(removed)]


def read(what: What, path: Path | None, client: Redis, keys: Keys, bars: Bars) -> Rows:
    """Read and check the file at `path`, or the sample.

    Raises BadRowsError when a row is bad, or there is none; UsageError; BrokenKeyError.
    """
    bad = BadRows()
    rows = Rows()
    seconds, microseconds = client.time()
    now_ms = seconds * 1000 + microseconds // 1000
    check_types(client, keys, [keys.users_email, keys.users_removed, keys.locations_removed])

    def input_rows(kind: type[RowT], of_sample: Callable[[], list[RowT]]) -> Iterator[tuple[str, RowT]]:
        if path is None:
            return ((f"row {number}", row) for number, row in enumerate(of_sample(), 1))
        bar = bars.bar(f"reading {name_of(Path(path.name))}", files.size(path), "bytes")
        return files.read(path, what, kind, bad, bar)

    def values(key: bytes, fields: list[Any]) -> list[bytes | None]:
        return cast("list[bytes | None]", client.hmget(key.decode(), fields))

    if what in ("users", "all"):
        rows.removed_users = Removed("user", removed_ids(client, keys.users_removed))
        rows.users = check_users(
            input_rows(LoadedUser, sample.users),
            bad,
            now_ms=now_ms,
            owners=partial(values, keys.users_email),
            removed=rows.removed_users,
        )
    if what in ("locations", "all"):
        rows.removed_locations = Removed("location", removed_ids(client, keys.locations_removed))
        rows.locations = check_locations(
            input_rows(LoadedLocation, sample.locations), bad, removed=rows.removed_locations
        )
    if what in ("checkins", "all"):
        rows.check_ins = check_check_ins(input_rows(LoadedCheckIn, sample.check_ins), bad, now_ms=now_ms)
    for removed in rows.skipped:
        log.warning("Skipping %s.", removed)
    source = name_of(path) if path else "the sample"
    bad.raise_if_any(source)
    if not (rows.users or rows.locations or rows.check_ins or rows.skipped):
        raise BadRowsError(f"{source}: there is no row in it; nothing was changed")
    return rows
