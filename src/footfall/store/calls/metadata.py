"""open.lua: the metadata of a stream, made once and checked ever after."""

from typing import NamedTuple

from footfall.errors import BrokenKeyError, LoadingError
from footfall.keys import Keys
from footfall.store.calls.reply import Errors, one_of
from footfall.store.pipeline import Reply
from footfall.store.scripts import OPEN, Call

SCHEMA = 1
SHARDS = 1
#: what helps when nothing else does; which data it was, only its owner knows
RESTORE_OR_RELOAD = (
    "restore it from a backup, or load check-ins again (`footfall load checkins --reset`, as they were loaded)"
)


class OtherMetadataError(BrokenKeyError):
    """The metadata is not broken, but another process's, or another version's."""


class Position(NamedTuple):
    """Where processing stands: the checkpoint, and the generation that it belongs to."""

    checkpoint: bytes
    generation: bytes


class Opened(NamedTuple):
    """Books that are in order."""

    is_loading: bool
    generation: bytes
    checkpoint: bytes
    #: which metadata this is: to be named when it is opened again
    name: bytes
    #: whether they were made just now
    is_new: bool

    def position(self) -> Position:
        """Where processing stands. Raises LoadingError while data is being loaded."""
        if self.is_loading:
            raise LoadingError("data is being loaded")
        return Position(self.checkpoint, self.generation)


def open_metadata(keys: Keys, known: bytes = b"") -> Call[Opened]:
    """Create the metadata when there is none and was none, and check it. `known`: which was opened before.

    Raises BrokenKeyError, with what to do about it, when it cannot be trusted; OtherMetadataError when it is another.
    """
    return Call(OPEN, [keys.meta, keys.checkpoint, keys.processed, keys.stream], [SCHEMA, SHARDS, known], _opened)


def _opened(reply: Reply) -> Opened:
    word, (generation, checkpoint, name, *new) = one_of((b"READY", b"LOADING"), reply, _ERRORS)
    return Opened(word == b"LOADING", generation, checkpoint, name, is_new=new == [b"NEW"])


def _gone() -> OtherMetadataError:
    return OtherMetadataError(
        "all data is gone that was on the server when this process began to use it (FLUSHALL?); restore a backup, "
        "or restart all services to start from scratch"
    )


def _other() -> OtherMetadataError:
    return OtherMetadataError(
        "the data on the server is other than when this process began to use it; restart it if that is wanted"
    )


def _mismatch(field: bytes, found: bytes) -> OtherMetadataError:
    return OtherMetadataError(
        f"the data on the server was written with {field.decode()} {found.decode()}, this Footfall has "
        f"{SCHEMA if field == b'schema' else SHARDS}; use the Footfall that wrote it, or another prefix"
    )


def _broken(key: bytes, what: bytes, commands: bytes) -> BrokenKeyError:
    repair = RESTORE_OR_RELOAD
    if commands:
        as_typed = " && ".join(f"footfall redis {command}" for command in commands.decode().split("; "))
        repair = f"if you know nothing better, this repairs it: {as_typed}"
    return BrokenKeyError(f"{key.decode()}: {what.decode()}; {repair}")


_ERRORS: Errors = {b"GONE": _gone, b"OTHER": _other, b"MISMATCH": _mismatch, b"BROKEN": _broken}
