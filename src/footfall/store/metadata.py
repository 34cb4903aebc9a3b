"""The metadata of a stream: schema, generation, state and checkpoint, created together once and checked ever after."""

import contextlib
from collections.abc import Sequence

from redis import Redis
from redis.exceptions import RedisError

from footfall.config import ServerSettings
from footfall.errors import LoadingError
from footfall.keys import Keys
from footfall.logs import log
from footfall.store.address import parse
from footfall.store.calls.commands import check_commands
from footfall.store.calls.metadata import Opened, Position
from footfall.store.calls.metadata import open_metadata as open_call
from footfall.store.client import connect
from footfall.store.pipeline import Connection, OnConnect, Pipeline


class Metadata:
    """The metadata as one process knows them: once opened, it takes no other for it."""

    def __init__(self, keys: Keys) -> None:
        self._keys = keys
        self._known = b""

    async def open(self, connection: Connection) -> Position:
        """Create the metadata when there is none and was none, check it, and tell where processing stands.

        Raises LoadingError while data is being loaded, and BrokenKeyError, with what to do about it, when the metadata
        cannot be trusted.
        """
        opened = await open_call(self._keys, self._known).start(connection)
        self._known = self._known or opened.name
        _say_if_new(opened)
        return opened.position()


async def open_metadata(connection: Connection, keys: Keys) -> Position:
    """The metadata of a process that has not opened it before."""
    return await Metadata(keys).open(connection)


def position(client: Redis, keys: Keys) -> Position:
    """Open the metadata over redis-py; where processing stands. Raises as `Metadata.open`."""
    return open_call(keys).run_sync(client).position()


def _say_if_new(opened: Opened) -> None:
    if opened.is_new:
        log.info("The server held no metadata: it was created.")


def open_pipeline(
    url: str,
    settings: ServerSettings,
    *,
    metadata: Metadata | None = None,
    commands: Sequence[str] = (),
    check: OnConnect | None = None,
    is_quiet: bool = False,
) -> Pipeline:
    """A pipeline to the server at `url` that takes a connection into use only when the metadata is in order.

    All this is looked at again every `server_check_s` seconds, which also keeps the connection from being idle.
    `books`: as this process knows them. `commands`: those that the server must not refuse. `check`: what else must
    hold. `is_quiet`: see Pipeline.
    """
    keys = Keys(settings.prefix)
    metadata = metadata or Metadata(keys)

    async def on_connect(connection: Connection) -> None:
        if commands:
            await check_commands(keys, commands).start(connection)
        with contextlib.suppress(LoadingError):  # each script that counts says so itself
            await metadata.open(connection)
        if check is not None:
            await check(connection)

    return Pipeline(
        parse(url),
        timeout=settings.timeout_s,
        on_connect=on_connect,
        check_every_s=settings.check_s,
        is_quiet=is_quiet,
    )


def check_at_start(url: str, settings: ServerSettings) -> None:
    """Refuse to start on metadata that cannot be trusted; a server that is not there yet is waited for later.

    Raises BrokenKeyError with what to do about it.
    """
    keys = Keys(settings.prefix)
    with contextlib.closing(connect(url, settings)) as client:
        try:
            opened = open_call(keys).run_sync(client)
            _say_if_new(opened)
            opened.position()
        except LoadingError as error:
            log.warning("%s; until it is done, check-ins are refused and none is processed.", error)
        except RedisError:
            log.debug("The server at %s is not there yet.", parse(url))
