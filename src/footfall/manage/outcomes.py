"""What the scripts that change records answer, as errors."""

from collections.abc import Sequence
from typing import Literal

from footfall.errors import (
    BrokenKeyError,
    ConflictError,
    ConnectionLostError,
    FootfallError,
    LoadingError,
    NotFoundError,
    UnavailableError,
    WrongTypeError,
)
from footfall.store.pipeline import Argument, Pipeline, Reply
from footfall.store.scripts import Key, Script

Kind = Literal["user", "location"]

#: how often a change is tried while others change what it was made from
TRIES = 20

_CONFLICTS = {
    "EXISTS": "there is a {} with this id already",
    "REMOVED": "the {} with this id was removed for good; its id is not given out again",
    "UNNAMED": "nobody has added this {}: only check-ins name it; add it first",
    "TAKEN": "another user has this e-mail",
}


async def called(pipeline: Pipeline, command: str, key: bytes, *arguments: Argument) -> Reply:
    """The reply to a command about one key. Raises BrokenKeyError when it holds another type, UnavailableError."""
    try:
        return await pipeline.call(command, key, *arguments)
    except WrongTypeError:
        raise _broken(key.decode(errors="replace")) from None


async def changed(pipeline: Pipeline, script: Script, keys: Sequence[Key], arguments: Sequence[Argument]) -> Reply:
    """What a script that changes records answers. Raises ConnectionLostError when it may have changed them."""
    try:
        return await script.run(pipeline.connection, keys, arguments)
    except ConnectionLostError:
        raise ConnectionLostError("the server was lost before it answered: the change may have been made") from None


def is_done(reply: Reply, kind: Kind) -> bool:
    """Whether it was done; not when what the caller has read has changed meanwhile: then read again.

    Raises NotFoundError, ConflictError, LoadingError, BrokenKeyError; nothing was changed then.
    """
    word: bytes = reply[0] if isinstance(reply, list) else reply
    if word == b"OK":
        return True
    if word == b"RETRY":
        return False
    raise _error(word.decode(errors="replace"), kind)


def too_busy() -> UnavailableError:
    """The error when others have changed it too often."""
    return UnavailableError("others change this record at the same time; nothing was changed")


def _error(word: str, kind: Kind) -> FootfallError:
    if word == "MISSING":
        return NotFoundError(f"there is no such {kind}")
    if word == "LOADING":
        return LoadingError("data is being loaded")
    if word in _CONFLICTS:
        return ConflictError(_CONFLICTS[word].format(kind))
    return _broken(word.removeprefix("BROKEN "))


def _broken(key: str) -> BrokenKeyError:
    return BrokenKeyError(f"{key} is missing or does not hold what it must; `footfall verify` tells what")
