"""What all changes of records have in common: how often they are tried, and what goes wrong with them."""

from typing import TypeVar

from footfall.errors import BrokenKeyError, ConnectionLostError, UnavailableError, WrongTypeError
from footfall.store.pipeline import Argument, Pipeline, Reply
from footfall.store.scripts import Call

T = TypeVar("T")

#: how often a change is tried while others change what it was made from
TRIES = 20


async def called(pipeline: Pipeline, command: str, key: bytes, *arguments: Argument) -> Reply:
    """The reply to a command about one key. Raises BrokenKeyError when it holds another type, UnavailableError."""
    try:
        return await pipeline.call(command, key, *arguments)
    except WrongTypeError:
        text = key.decode(errors="replace")
        what = "is missing or does not hold what it must; `footfall verify` tells what"
        raise BrokenKeyError(f"{text} {what}") from None


async def changed(pipeline: Pipeline, call: Call[T]) -> T:
    """What a call that changes records results in. Raises ConnectionLostError when it may have changed them."""
    try:
        return await call.start(pipeline.connection)
    except ConnectionLostError:
        raise ConnectionLostError("the server was lost before it answered: the change may have been made") from None


def too_busy() -> UnavailableError:
    """The error when others have changed it too often."""
    return UnavailableError("others change this record at the same time; nothing was changed")
