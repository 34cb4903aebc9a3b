"""Gathering the status: what is on the server, how far processing is, and what is wrong, with its repair.

Only reads: on an empty server it leaves nothing behind.
"""

from typing import Any

from redis import Redis
from redis.exceptions import NoPermissionError

from footfall.config import Settings
from footfall.domain.entries import ms_of
from footfall.errors import BrokenKeyError, LoadingError, TornError
from footfall.keys import Keys
from footfall.operations import dead_letters
from footfall.operations.loader.stream import ways_out
from footfall.operations.status.backlog import Counting, oldest_unprocessed
from footfall.operations.status.document import LeaseStatus, ServerStatus, State, Status
from footfall.operations.status.problems import load_text, short_indexes, warnings_of, wrong_types
from footfall.operations.status.reading import Reading, metadata_of, number_of, read_keys
from footfall.store.advice import appends
from footfall.store.calls.lease import holder
from footfall.store.calls.metadata import open_metadata
from footfall.store.client import with_plain_entries


def collect(client: Redis, settings: Settings, counting: Counting | None = None) -> Status:
    """Look at the server. A key that is missing or does not hold what it must becomes one of `problems`.

    Raises RedisError when the server cannot be reached.
    """
    client = with_plain_entries(client)
    keys = Keys(settings.server.prefix)
    server = _server(client)
    now = read_keys(client, keys)
    problems = wrong_types(now, keys) + short_indexes(now, keys)
    state = _state(client, keys, now, problems)
    if state == "loading" and not client.exists(keys.loader_lease):
        problems.append(f"{load_text(now)}, and was interrupted: nothing is taken or processed; {ways_out(now.load)}")
    if b"torn" in now.meta:
        problems.append(str(TornError()))
    oldest = oldest_unprocessed(client, keys, now, problems, counting or Counting()) if state == "ready" else None
    last_entry = now.stream.get("last-entry")
    return Status(
        server=server,
        state=state,
        generation=number_of(now.meta.get(b"generation")),
        stream_length=now.stream.get("length", 0),
        newest_entry=last_entry[0].decode() if last_entry else None,
        checkpoint=None if now.checkpoint is None else now.checkpoint.decode(errors="replace"),
        processed=number_of(now.processed),
        backlog=now.backlog,
        oldest_unprocessed_ms=None if oldest is None else max(0, now.now_ms - ms_of(oldest)),
        lease=_lease(now),
        lost_entries=number_of(now.meta.get(b"lost")) or 0,
        dead_letters=dead_letters.count(client, settings) if now.types[keys.dead_letters] == "stream" else {},
        users=now.users,
        locations=now.locations,
        problems=problems,
        warnings=warnings_of(client, server, state, now, settings),
    )


# --- private


def _server(client: Redis) -> ServerStatus:
    try:
        info: Any = client.info()
    except NoPermissionError:
        info = {}
    return ServerStatus(
        kind=str(info.get("server_name", "redis") if info else "?").capitalize(),
        version=str(info.get("valkey_version") or info.get("redis_version") or "?"),
        used_memory=info.get("used_memory"),
        used_memory_human=info.get("used_memory_human"),
        max_memory=info.get("maxmemory"),
        max_memory_policy=info.get("maxmemory_policy"),
        append_only=appends(info),
    )


def _lease(now: Reading) -> LeaseStatus:
    if now.lease is None:
        return LeaseStatus(held=False)
    return LeaseStatus(held=True, holder=holder(now.lease), ttl_ms=now.lease_ttl_ms)


def _state(client: Redis, keys: Keys, now: Reading, problems: list[str]) -> State:
    """The state of the metadata; what is wrong with it goes to the problems."""
    if any(now.types[key] not in (keys.type_of(key), "none") for key in metadata_of(keys)):
        return "broken"
    if now.types[keys.meta] == now.types[keys.processed] == "none":
        return "empty" if set(now.types.values()) == {"none"} else "new"
    try:
        open_metadata(keys).look_sync(client).position()
    except LoadingError:
        return "loading"
    except BrokenKeyError as error:
        problems.insert(0, str(error))
        return "broken"
    return "ready"
