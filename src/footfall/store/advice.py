"""Settings of a server that break promises: said by services when they start, and by `footfall status`."""

import contextlib
from typing import Any

from redis.exceptions import RedisError

from footfall.config import ServerSettings
from footfall.logs import log
from footfall.store.address import parse
from footfall.store.client import connect


def advice(max_memory_policy: str | None, append_only: bool | None) -> list[str]:
    """What is not as it must be, each with the fix; of what the server does not tell (None), nothing is said."""
    found = []
    if max_memory_policy not in ("noeviction", None):
        found.append(
            f"maxmemory-policy is {max_memory_policy}: a full server deletes keys; it must be noeviction "
            "(CONFIG SET maxmemory-policy noeviction, and the same in the server's configuration file)"
        )
    if append_only is False:
        found.append(
            "there is no append-only file: a restart of the server loses what came since its last snapshot "
            "(CONFIG SET appendonly yes, and the same in the server's configuration file)"
        )
    return found


def appends(info: dict[str, Any]) -> bool | None:
    """Whether the server keeps an append-only file, by its INFO."""
    return bool(info["aof_enabled"]) if "aof_enabled" in info else None


def warn_at_start(settings: ServerSettings) -> None:
    """Log the advice for the server. One that is away, or does not tell how it is set up, is not talked about."""
    url = settings.url
    with contextlib.closing(connect(url, settings)) as client:
        try:
            info: Any = client.info("memory", "persistence")
        except RedisError as error:
            log.debug("How the server at %s is set up is not known: %s", parse(url), error)
            return
    for text in advice(info.get("maxmemory_policy"), appends(info)):
        log.warning("The server at %s: %s.", parse(url), text)
