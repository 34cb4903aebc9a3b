"""read_records.lua and read_ranked.lua: records, and pages of indexes."""

from collections.abc import Sequence
from typing import Any

from footfall.store.calls.reply import Errors, after_ok, broken
from footfall.store.pipeline import Reply
from footfall.store.scripts import READ_RANKED, READ_RECORDS, Call

_ERRORS: Errors = {b"BROKEN": broken("holds another type than it must")}


def read_records(records: Sequence[bytes], fields: Sequence[str]) -> Call[Sequence[Sequence[bytes | None]]]:
    """The fields of these hashes, as they are at one moment; None where there is none. Raises BrokenKeyError."""
    return Call(READ_RECORDS, records, fields, _first)


def read_ranked(
    index: bytes, *, score: bytes | str | int, member: bytes | str, least: int, most: int
) -> Call[list[bytes]]:
    """Members and scores of a zset in turn, highest first, behind this place and down to `least`, at most so many.

    Those with the same score are in the order that ZRANGE REV has: by member, last first. The place need not be taken
    by anybody any more. Raises BrokenKeyError.
    """
    return Call(READ_RANKED, [index], [score, member, least, most], _first)


def _first(reply: Reply) -> Any:
    return after_ok(reply, _ERRORS)[0]
