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


def open_arguments(known: bytes = b"") -> list[Argument]:
    """ARGV of open.lua. `known`: the books that were opened before."""
    return [SCHEMA, SHARDS, known]


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
    if word == b"GONE":
        raise BrokenKeyError(
            "all data is gone that was on the server when this process began to use it (FLUSHALL?); restore a backup, "
            "or restart all services to begin anew"
        )
    if word == b"OTHER":
        raise BrokenKeyError(
            "the data on the server is other than when this process began to use it; restart it if that is wanted"
        )
    if word == b"MISMATCH":
        raise BrokenKeyError(
            f"the data on the server was written with {reply[1].decode()} {reply[2].decode()}, this Footfall has "
            f"{SCHEMA if reply[1] == b'schema' else SHARDS}; use the Footfall that wrote it, or another prefix"
        )
    key, what, commands = (part.decode() for part in reply[1:4])
    repair = RESTORE_OR_RELOAD
    if commands:
        as_typed = " && ".join(f"footfall redis {command}" for command in commands.split("; "))
        repair = f"if you know nothing better, this repairs it: {as_typed}"
    raise BrokenKeyError(f"{key}: {what}; {repair}")


class Books:
    """The books as one process knows them: once opened, it takes no others for them."""

    def __init__(self, keys: Keys) -> None:
        self._keys = keys
        self._known = b""

    async def open(self, connection: Connection) -> Position:
        """Create the books when there are none and were none, check them, and tell where processing stands.

        Raises as `position`.
        """
        reply = await OPEN.run(connection, open_keys(self._keys), open_arguments(self._known))
        if reply[0] in (b"READY", b"LOADING"):
            self._known = self._known or reply[3]
        _say_if_new(reply)
        return position(reply)


async def open_books(connection: Connection, keys: Keys) -> Position:
    """The books of a process that has not opened any before."""
    return await Books(keys).open(connection)


def _say_if_new(reply: Reply) -> None:
    if reply[4:] == [b"NEW"]:
        log.info("The server held no books: new ones were made.")


def open_pipeline(
    url: str,
    settings: Settings,
    *,
    books: Books | None = None,
    commands: Sequence[str] = (),
    check: OnConnect | None = None,
    is_quiet: bool = False,
) -> Pipeline:
    """A pipeline to the server at `url` that takes a connection into use only when the books are in order.

    All this is looked at again every `server_check_s` seconds, which also keeps the connection from being idle.
    `books`: as this process knows them. `commands`: those that the server must not refuse. `check`: what else must
    hold. `is_quiet`: see Pipeline.
    """
    keys = Keys(settings.prefix)
    books = books or Books(keys)

    async def on_connect(connection: Connection) -> None:
        if commands:
            await check_commands(connection, keys, commands)
        with contextlib.suppress(LoadingError):  # each script that counts says so itself
            await books.open(connection)
        if check is not None:
            await check(connection)

    return Pipeline(
        parse(url),
        timeout=settings.server_timeout,
        on_connect=on_connect,
        check_every_s=settings.server_check_s,
        is_quiet=is_quiet,
    )


def check_at_start(url: str, settings: Settings) -> None:
    """Refuse to start on books that cannot be trusted; a server that is not there yet is waited for later.

    Raises BrokenKeyError with what to do about it.
    """
    keys = Keys(settings.prefix)
    with contextlib.closing(connect(url, settings)) as client:
        try:
            reply = OPEN.run_sync(client, open_keys(keys), open_arguments())
            _say_if_new(reply)
            position(reply)
        except LoadingError as error:
            log.warning("%s; until it is done, check-ins are refused and none is processed.", error)
        except RedisError:
            log.debug("The server at %s is not there yet.", parse(url))
