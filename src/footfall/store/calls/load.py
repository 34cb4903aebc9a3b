"""A load of check-ins, step by step: begin_load.lua and so on.

Each step takes the token of the load's lease, and raises LoadLeaseLostError, with nothing changed, when the lease is
another load's by now; BrokenKeyError when a key does not hold what it must.
"""

from collections.abc import Sequence
from typing import Any, Literal, NamedTuple

from footfall.errors import BrokenKeyError, FootfallError, RefusedError
from footfall.keys import Keys
from footfall.store.calls.activity import hourly_and_trending_keys
from footfall.store.calls.metadata import SCHEMA, SHARDS
from footfall.store.calls.reply import Errors, after_ok, nothing, one_of, text
from footfall.store.pipeline import Argument, Reply
from footfall.store.scripts import (
    ABORT_LOAD,
    APPEND_STAGED,
    BEGIN_LOAD,
    FINISH_LOAD,
    MARK_SAMPLE,
    STAGE_CHECKINS,
    SWITCH_LOAD,
    Call,
)

#: what becomes of the check-ins that are there
Mode = Literal["keep", "drop", "append"]


class LoadLeaseLostError(FootfallError):
    """This load stood still for so long that another may have begun; it has written nothing since."""


class Present(NamedTuple):
    """Check-ins are there that the load would drop: it has not begun."""

    loaded: int
    received: int


class Older(NamedTuple):
    """The first check-in does not come after the newest one that is there: the load has not begun."""

    newest: bytes


class Moved(NamedTuple):
    """A chunk of what was staged is at the end of the stream."""

    entries: int
    #: those of them that could not come there any more
    dropped: int


def begin_load(keys: Keys, token: str, about: bytes, mode: Mode, limit: bytes = b"") -> Call[Present | Older | None]:
    """Begin a load, or take over one that was killed: nothing that is there is touched. None when it has begun.

    `about`: JSON about the load. `limit`: with `append` the id of the first check-in, with `drop` how many check-ins
    may be lost; with that a broken meta is rebuilt.
    """
    script_keys = [keys.loader_lease, keys.meta, keys.stream, keys.processed, keys.staging]
    return Call(BEGIN_LOAD, script_keys, [token, SCHEMA, SHARDS, about, mode, limit], _begun)


def stage_checkins(keys: Keys, token: str, last: bytes, check_ins: Sequence[Argument]) -> Call[None]:
    """Add a chunk to the staging stream, of which `last` was the last id before: id, location, user, stars of each.

    It may be called again when the reply was lost.
    """
    return Call(STAGE_CHECKINS, [keys.loader_lease, keys.staging], [token, last, *check_ins], nothing(ERRORS))


def switch_load(keys: Keys, token: str, staged: int, *, append: bool, is_sample: bool, now_ms: int) -> Call[None]:
    """Let the staged check-ins, so many, be the stream, or be about to be added to it. It may be called again."""
    script_keys = [
        *(keys.loader_lease, keys.meta, keys.staging, keys.stream, keys.checkpoint, keys.processed),
        *(keys.dead_letters, keys.discarded, keys.users_gone, keys.locations_gone),
        *(keys.trending_state, *keys.trending_orders, *hourly_and_trending_keys(keys, now_ms)),
    ]
    arguments: list[Argument] = [token, staged, "append" if append else "replace", "sample" if is_sample else "file"]
    return Call(SWITCH_LOAD, script_keys, arguments, nothing(ERRORS))


def append_staged(keys: Keys, token: str, most: int) -> Call[Moved]:
    """Move staged check-ins to the end of the stream, at most so many; none are left when none was moved."""
    script_keys = [keys.loader_lease, keys.meta, keys.staging, keys.stream]
    return Call(APPEND_STAGED, script_keys, [token, most], lambda reply: Moved(*after_ok(reply, ERRORS)))


def finish_load(keys: Keys, token: str) -> Call[None]:
    """End a load that has switched, when all that was left to do is done. It may be called again."""
    return Call(FINISH_LOAD, [keys.loader_lease, keys.meta, keys.staging], [token], nothing(ERRORS))


def abort_load(keys: Keys, token: str) -> Call[Literal["as before", "rebuilt", "switched", "none"]]:
    """End a load that was killed before it has switched.

    `rebuilt`: all is as before but for broken metadata, which the load has rebuilt. `switched`: it has, and can only be
    finished. `none`: none is under way.
    """
    return Call(ABORT_LOAD, [keys.loader_lease, keys.meta, keys.staging], [token], _aborted)


def mark_sample(keys: Keys, token: str, records: tuple[int, int] | None) -> Call[None]:
    """Note that all data is the sample, if there are just so many users and locations; None: that it is not."""
    script_keys = [keys.loader_lease, keys.meta, keys.users_by_checkins, keys.locations_by_checkins]
    arguments: list[Argument] = [token, "clear"] if records is None else [token, "set", *records]
    return Call(MARK_SAMPLE, script_keys, arguments, nothing(ERRORS))


def broken_key(key: str, what: str) -> BrokenKeyError:
    """The error for a key that the load cannot work on."""
    return BrokenKeyError(
        f"{key} {what}; when it is not another program's (then use another prefix), delete it and load all data again"
    )


def _lost() -> LoadLeaseLostError:
    return LoadLeaseLostError("this load stood still for too long and another may have begun; run it again")


def _broken(key: bytes) -> BrokenKeyError:
    return broken_key(text(key), "does not hold what it must")


def _switched() -> RefusedError:
    return RefusedError("a load of check-ins has switched meanwhile, and must be finished first; run it again")


#: what the words of all of a load's scripts stand for
ERRORS: Errors = {b"LOST": _lost, b"BROKEN": _broken}


def _begun(reply: Reply) -> Present | Older | None:
    word, values = one_of((b"OK", b"HISTORY", b"OLDER"), reply, {**ERRORS, b"SWITCHED": _switched})
    if word == b"HISTORY":
        return Present(*map(int, values))
    return Older(values[0]) if word == b"OLDER" else None


_ABORTED: dict[bytes, Any] = {b"OK": "as before", b"REBUILT": "rebuilt", b"SWITCHED": "switched", b"NONE": "none"}


def _aborted(reply: Reply) -> Any:
    word, _ = one_of(tuple(_ABORTED), reply, ERRORS)
    return _ABORTED[word]
