"""Whether the server keeps what `durability` = disk promises: its reply follows the fsync of the write.

WAITAOF is no substitute: with fsync every second it was seen to confirm before the fsync (Valkey 9.1, Redis 7.4).
"""

import contextlib
from collections.abc import Mapping

from redis.exceptions import RedisError, ResponseError

from footfall.config import ServerSettings, env_name
from footfall.errors import DurabilityError, ReplyError, UnavailableError
from footfall.store.client import connect
from footfall.store.pipeline import Connection

#: what the server must be configured with
_NEEDED = {"appendonly": "yes", "appendfsync": "always", "no-appendfsync-on-rewrite": "no"}
_PROMISE = f"{env_name('durability')} is disk"


async def check_durability(connection: Connection, settings: ServerSettings) -> None:
    """Raise DurabilityError when the server at the other end does not keep the promise."""
    if settings.durability != "disk":
        return
    try:
        reply: list[bytes] = await connection.call("CONFIG", "GET", *_NEEDED)
    except ReplyError as error:
        if isinstance(error, UnavailableError):
            raise
        raise _cannot_tell(str(error)) from None
    found = [word.decode() for word in reply]
    _compare(dict(zip(found[::2], found[1::2], strict=True)))


def check_durability_at_start(settings: ServerSettings) -> None:
    """As `check_durability`, before the service starts. A server that is not there yet is looked at later."""
    if settings.durability != "disk":
        return
    with contextlib.closing(connect(settings.url, settings)) as client, contextlib.suppress(RedisError):
        try:
            reply = client.config_get(*_NEEDED)
        except ResponseError as error:
            raise _cannot_tell(str(error)) from None
        _compare({str(name): str(value) for name, value in reply.items()})


def _compare(found: Mapping[str, str]) -> None:
    wrong = [f"{name} {found.get(name, '?')}" for name, needed in _NEEDED.items() if found.get(name) != needed]
    if wrong:
        needed = ", ".join(f"{name} {value}" for name, value in _NEEDED.items())
        raise DurabilityError(f"{_PROMISE}, but the server runs with {', '.join(wrong)}; it needs {needed}")


def _cannot_tell(reason: str) -> DurabilityError:
    return DurabilityError(f"{_PROMISE}, but the server does not tell how it is configured ({reason})")
