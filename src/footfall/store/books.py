"""The books of a stream: schema, generation, state and checkpoint, created together once and checked ever after."""

import contextlib
from collections.abc import Sequence
from dataclasses import dataclass

from redis.exceptions import RedisError

from footfall.config import Settings
from footfall.errors import BrokenKeyError, LoadingError
from footfall.keys import Keys
from footfall.logs import log
from footfall.store.address import parse
from footfall.store.client import connect
from footfall.store.permissions import check_commands
from footfall.store.pipeline import Argument, Connection, OnConnect, Pipeline, Reply
from footfall.store.scripts import OPEN

SCHEMA = 1
SHARDS = 1
#: what helps when nothing else does; which data it was, only its owner knows
RESTORE_OR_RELOAD = (
    "restore it from a backup, or load check-ins again (`footfall load checkins --reset`, as they were loaded)"
)


@dataclass(frozen=True)
class Position:
    """Where processing stands: the checkpoint, and the generation that it belongs to."""

    checkpoint: bytes
    generation: bytes


def open_keys(keys: Keys) -> list[bytes]:
    """KEYS of open.lua."""
    return [keys.meta, keys.checkpoint, keys.processed, keys.stream]


def open_arguments() -> list[Argument]:
    """ARGV of open.lua."""
    return [SCHEMA, SHARDS]


def position(reply: Reply) -> Position:
    """What open.lua answered.

    Raises LoadingError while data is being loaded, and BrokenKeyError, with what to do about it, when the books
    cannot be trusted.
    """
    word = reply[0]
    if word == b"READY":
        return Position(checkpoint=reply[2], generation=reply[1])
    if word == b"LOADING":
        raise LoadingError("data is being loaded")
    if word == b"MISMATCH":
        raise BrokenKeyError(
            f"the data on the server was written with {reply[1].decode()} {reply[2].decode()}, this Footfall has "
            f"{SCHEMA if reply[1] == b'schema' else SHARDS}; use the Footfall that wrote it, or another prefix"
        )
    key, what, suggestion = (part.decode() for part in reply[1:4])
    if suggestion:
        command = "HSET" if " " in suggestion else "SET"
        repair = f"if you know nothing better, this repairs it: {command} {key} {suggestion}"
    else:
        repair = RESTORE_OR_RELOAD
    raise BrokenKeyError(f"{key}: {what}; {repair}")


async def open_books(connection: Connection, keys: Keys) -> Position:
    """Create the books when they are new, check them, and tell where processing stands. Raises as `position`."""
    return position(await OPEN.run(connection, open_keys(keys), open_arguments()))


def open_pipeline(
    url: str,
    settings: Settings,
    *,
    commands: Sequence[str] = (),
    check: OnConnect | None = None,
    is_quiet: bool = False,
) -> Pipeline:
    """A pipeline to the server at `url` that takes a connection into use only when the books are in order.

    `commands`: those that the server must not refuse. `check`: what else must hold. `is_quiet`: see Pipeline.
    """
    keys = Keys(settings.prefix)

    async def on_connect(connection: Connection) -> None:
        if commands:
            await check_commands(connection, keys, commands)
        with contextlib.suppress(LoadingError):  # each script that counts says so itself
            await open_books(connection, keys)
        if check is not None:
            await check(connection)

    return Pipeline(parse(url), timeout=settings.server_timeout, on_connect=on_connect, is_quiet=is_quiet)


def check_at_start(url: str, settings: Settings) -> None:
    """Refuse to start on books that cannot be trusted; a server that is not there yet is waited for later.

    Raises BrokenKeyError with what to do about it.
    """
    keys = Keys(settings.prefix)
    with contextlib.closing(connect(url, settings)) as client:
        try:
            position(OPEN.run_sync(client, open_keys(keys), open_arguments()))
        except LoadingError as error:
            log.warning("%s; until it is done, check-ins are refused and none is processed.", error)
        except RedisError:
            log.debug("The server at %s is not there yet.", parse(url))
