"""backlog.lua, count_lost.lua and trim.lua: how much is to be processed, was removed by others, and is kept."""

from typing import NamedTuple

from footfall.keys import Keys
from footfall.store.calls.metadata import Position
from footfall.store.calls.reply import Errors, after_ok, broken
from footfall.store.pipeline import Reply
from footfall.store.scripts import BACKLOG, COUNT_LOST, TRIM, Call

_ERRORS: Errors = {b"BROKEN": broken("does not hold what it must")}


class Backlog(NamedTuple):
    """What is not processed yet."""

    entries: int
    #: age in seconds of the oldest, by its id and the server's clock; 0 without one
    oldest_s: float


class Trimmed(NamedTuple):
    """What one call of trim.lua has done."""

    #: entries that were removed
    removed: int
    #: how many more processed entries there are by now than are to be retained; below 0, how many fewer
    excess: int
    #: how many of the removed ones a consumer group still needed, or came after one that it needed
    needed: int
    #: the consumer group that needs the oldest processed entry; empty when none needs one
    group: str
    #: the id of that entry; empty when there is none
    oldest: bytes


def backlog(keys: Keys) -> Call[Backlog]:
    """Tell how much is not processed yet. Only reads. Raises BrokenKeyError."""
    return Call(BACKLOG, [keys.stream, keys.checkpoint, keys.processed], [], _backlog)


def count_lost(keys: Keys, position: Position) -> Call[int]:
    """Set the number of processed entries right by those that others have removed before they were processed.

    How many these are; below 0: so many were said to be lost and never were. 0 as well when it cannot be told, and when
    processing does not stand at `position`. Never raises BrokenKeyError.
    """
    metadata = [keys.stream, keys.checkpoint, keys.processed, keys.meta]
    return Call(COUNT_LOST, metadata, [position.checkpoint, position.generation], _number)


def trim(keys: Keys, *, retain: int, most: int, for_groups: int) -> Call[Trimmed]:
    """Remove the oldest processed entries beyond `retain`, at most so many; with 0, only look.

    None that a consumer group needs is removed, unless there are more than `for_groups` of them. Nothing is done, and
    nothing raised, when a key does not hold what it must.
    """
    metadata = [keys.stream, keys.checkpoint, keys.processed, keys.meta]
    return Call(TRIM, metadata, [retain, most, for_groups], _trimmed)


def _backlog(reply: Reply) -> Backlog:
    entries, oldest_ms = after_ok(reply, _ERRORS)
    return Backlog(entries, oldest_ms / 1000)


def _number(reply: Reply) -> int:
    (number,) = after_ok(reply)
    return int(number)


def _trimmed(reply: Reply) -> Trimmed:
    removed, excess, needed, group, oldest = after_ok(reply)
    return Trimmed(removed, excess, needed, group.decode(errors="backslashreplace"), oldest)
