"""What a service needs of its server: the commands of its scripts, and those that it sends itself.

A service asks for all of them when it starts and on every new connection. Scripts ask again, for the very keys, each
time they run (see `scripts.commands`): rights can be taken away at any moment.
"""

import contextlib
from collections.abc import Sequence

from redis.exceptions import RedisError

from footfall.config import ServerSettings, Settings
from footfall.keys import Keys
from footfall.store.calls.commands import check_commands
from footfall.store.client import connect
from footfall.store.scripts import (
    BACKLOG,
    BEGIN_SESSION,
    COUNT_LOST,
    GIVE_BACK_ATTEMPT,
    HOLD_LEASE,
    OPEN,
    PROCESS,
    READ_HISTORY,
    READ_HOURLY,
    READ_PRESENCE,
    READ_RANKED,
    READ_RECORDS,
    READ_TRENDING,
    RECEIVE,
    RELEASE_LEASE,
    RENEW_SESSION,
    RESERVE_QUOTA,
    ROLL_TRENDING,
    TAKE_ATTEMPT,
    TRIM,
    Script,
)


def _of(scripts: Sequence[Script], *own: str) -> tuple[str, ...]:
    return tuple(sorted({"PING", *own, *(command for script in scripts for command in script.commands)}))


_RECEIVER = _of([OPEN, RECEIVE])
_RECEIVER_WITH_SIGN_IN = _of([OPEN, RECEIVE, RENEW_SESSION, RESERVE_QUOTA], "HGET", "GET")
PROCESSOR = _of([OPEN, PROCESS, ROLL_TRENDING, TRIM, COUNT_LOST, HOLD_LEASE, RELEASE_LEASE, BACKLOG], "XRANGE", "TIME")
#: To answer. Who changes users and locations over it, or signs in, needs more: those scripts say what.
API = _of(
    [OPEN, READ_RECORDS, READ_RANKED, READ_HISTORY, READ_PRESENCE, READ_HOURLY, READ_TRENDING],
    *("XRANGE", "XREVRANGE", "ZRANGE", "HGET", "HMGET", "GET", "GEOSEARCH"),
)
AUTH = _of([OPEN, BEGIN_SESSION, RENEW_SESSION, TAKE_ATTEMPT, GIVE_BACK_ATTEMPT], "HGET", "HMGET", "GET")


def receiver(settings: Settings) -> tuple[str, ...]:
    """What a receiver needs, with these settings."""
    commands = _RECEIVER_WITH_SIGN_IN if settings.auth.enabled else _RECEIVER
    return (*commands, "WAIT") if settings.server.replicas else commands


def check_commands_at_start(settings: ServerSettings, commands: Sequence[str]) -> None:
    """Raise DeniedError when the server refuses, or does not have, one of them. Nothing when it is not there yet."""
    with contextlib.closing(connect(settings.url, settings)) as client, contextlib.suppress(RedisError):
        check_commands(Keys(settings.prefix), commands).run_sync(client)
