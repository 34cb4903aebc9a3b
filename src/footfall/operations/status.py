"""How things stand: what is on the server, how far processing is, and what is wrong, with its repair.

Only reads: on an empty server it leaves nothing behind.
"""

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Literal

import msgspec
from redis import Redis
from redis.exceptions import NoPermissionError, ResponseError

from footfall.config import Settings
from footfall.errors import BrokenKeyError, LoadingError, TornError
from footfall.keys import Keys
from footfall.operations import dead_letters
from footfall.operations.loader.present import LoadInfo, load_info
from footfall.operations.loader.stream import ways_out
from footfall.store.advice import advice, appends
from footfall.store.calls.lease import holder
from footfall.store.calls.metadata import RESTORE_OR_RELOAD, open_books
from footfall.store.client import with_plain_entries
from footfall.store.trimming import held_back

#: entries read in one command
_PAGE = 1000
#: entries after the checkpoint that are counted one by one, to compare them with the books' number
_COUNTED = 10_000

_HOW_TO_LOAD = "`footfall load users --from FILE` and so on load your data, `footfall load all --sample` the sample"

State = Literal["empty", "new", "loading", "ready", "broken"]


class ServerStatus(msgspec.Struct, rename="camel", kw_only=True):
    """The server, as its INFO has it; None is what it does not tell."""

    kind: str
    version: str
    #: bytes
    used_memory: int | None
    used_memory_human: str | None
    #: bytes; 0 is no limit
    max_memory: int | None
    max_memory_policy: str | None
    append_only: bool | None


class LeaseStatus(msgspec.Struct, rename="camel", kw_only=True):
    """Which processor works; the others stand by."""

    held: bool
    holder: str | None = None
    #: how long it is held unless it is renewed
    ttl_ms: int | None = None


class Status(msgspec.Struct, rename="camel", kw_only=True):
    """Everything that `footfall status` shows; None is what is not there or cannot be read."""

    server: ServerStatus
    #: `empty`: no key is there. `new`: keys, but no books yet. `broken`: nothing is taken or processed until the
    #: first of `problems` is repaired.
    state: State
    generation: int | None
    stream_length: int
    newest_entry: str | None
    checkpoint: str | None
    #: how many entries the checkpoint has passed
    processed: int | None
    #: entries added, less those processed
    backlog: int | None
    #: how long the oldest unprocessed entry has waited, by the server's clock; None without one
    oldest_unprocessed_ms: int | None
    lease: LeaseStatus
    #: entries that others have removed from the stream before they were processed
    lost_entries: int
    #: reason -> how many
    dead_letters: dict[str, int]
    users: int
    locations: int
    #: what is not as it must be, each with the key and the repair
    problems: list[str]
    #: what works, but maybe not as wanted
    warnings: list[str]


@dataclass(frozen=True)
class _Snapshot:
    """The books and their stream, read in one transaction; None is what cannot be read."""

    types: dict[bytes, str]
    meta: dict[bytes, bytes]
    checkpoint: bytes | None
    processed: bytes | None
    #: what XINFO STREAM says
    stream: dict[str, Any]
    users: int
    locations: int
    #: how many of each were loaded
    loaded_users: int
    loaded_locations: int
    #: the lease's token
    lease: bytes | None
    #: negative: without an end
    lease_ttl_ms: int
    now_ms: int

    @property
    def backlog(self) -> int | None:
        """Entries added, less those processed."""
        processed = _number(self.processed)
        return None if processed is None else self.stream.get("entries-added", 0) - processed


def collect(client: Redis, settings: Settings) -> Status:
    """Look at the server. A key that is missing or does not hold what it must becomes one of `problems`.

    Raises RedisError when the server cannot be reached.
    """
    client = with_plain_entries(client)
    keys = Keys(settings.prefix)
    server = _server(client)
    now = _snapshot(client, keys)
    problems = _wrong_types(now, keys) + _short_indexes(now, keys)
    state = _state(client, keys, now, problems)
    if state == "loading" and not client.exists(keys.loader_lease):
        problems.append(
            f"{_load(now)}, and was interrupted: nothing is taken or processed; {ways_out(_load_info(now))}"
        )
    if b"torn" in now.meta:
        problems.append(str(TornError()))
    oldest = _oldest_unprocessed(client, keys, now, problems) if state == "ready" else None
    last_entry = now.stream.get("last-entry")
    return Status(
        server=server,
        state=state,
        generation=_number(now.meta.get(b"generation")),
        stream_length=now.stream.get("length", 0),
        newest_entry=last_entry[0].decode() if last_entry else None,
        checkpoint=None if now.checkpoint is None else now.checkpoint.decode(errors="replace"),
        processed=_number(now.processed),
        backlog=now.backlog,
        oldest_unprocessed_ms=None if oldest is None else max(0, now.now_ms - int(oldest.partition(b"-")[0])),
        lease=_lease(now),
        lost_entries=_number(now.meta.get(b"lost")) or 0,
        dead_letters=dead_letters.count(client, settings) if now.types[keys.dead_letters] == "stream" else {},
        users=now.users,
        locations=now.locations,
        problems=problems,
        warnings=_warnings(client, server, state, now, settings),
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


def _kinds(keys: Keys) -> dict[bytes, str]:
    """The keys that are looked at, those of the books first, and their types."""
    others = {keys.processor_lease: "string", keys.dead_letters: "stream"}
    return _books(keys) | others | {keys.users_by_checkins: "zset", keys.locations_by_checkins: "zset"}


def _books(keys: Keys) -> dict[bytes, str]:
    return {keys.meta: "hash", keys.checkpoint: "string", keys.processed: "string", keys.stream: "stream"}


def _snapshot(client: Redis, keys: Keys) -> _Snapshot:
    kinds = _kinds(keys)
    with client.pipeline(transaction=True) as transaction:
        for key in kinds:
            transaction.type(key)
        transaction.hgetall(keys.meta)
        transaction.get(keys.checkpoint)
        transaction.get(keys.processed)
        transaction.xinfo_stream(keys.stream)
        transaction.zcard(keys.users_by_checkins)
        transaction.zcard(keys.locations_by_checkins)
        transaction.hlen(keys.users_baseline)
        transaction.hlen(keys.locations_baseline)
        transaction.get(keys.processor_lease)
        transaction.pttl(keys.processor_lease)
        transaction.time()
        replies: list[Any] = transaction.execute(raise_on_error=False)
    types = {key: reply.decode() for key, reply in zip(kinds, replies, strict=False)}
    # a command on a key of another type, or on a stream that is not there
    values: list[Any] = [None if isinstance(reply, ResponseError) else reply for reply in replies[len(kinds) :]]
    meta, checkpoint, processed, stream, users, locations, *loaded, lease, lease_ttl_ms, time = values
    return _Snapshot(
        types=types,
        meta=meta or {},
        checkpoint=checkpoint,
        processed=processed,
        stream=stream or {},
        users=users or 0,
        locations=locations or 0,
        loaded_users=loaded[0] or 0,
        loaded_locations=loaded[1] or 0,
        lease=lease,
        lease_ttl_ms=lease_ttl_ms,
        now_ms=time[0] * 1000 + time[1] // 1000,
    )


def _wrong_types(now: _Snapshot, keys: Keys) -> list[str]:
    lease, problems = keys.processor_lease, []
    for key, kind in _kinds(keys).items():
        if now.types[key] not in (kind, "none"):
            repair = RESTORE_OR_RELOAD
            if kind == "zset":
                repair = "`footfall rebuild` makes it anew"
            what = f"it is a {now.types[key]}, not a {kind}"
            problems.append(f"{key.decode()}: {what}; {'delete it' if key == lease else repair}")
    if now.lease is not None and now.lease_ttl_ms < 0:
        problems.append(f"{lease.decode()}: it does not expire; delete it")
    return problems


def _short_indexes(now: _Snapshot, keys: Keys) -> list[str]:
    """Whoever was loaded is in these two: where somebody is missing, the index was deleted, at least in part."""
    return [
        f"{key.decode()}: of {loaded:,} that were loaded it has only {there:,}; `footfall rebuild` makes it anew"
        for key, there, loaded in (
            (keys.users_by_checkins, now.users, now.loaded_users),
            (keys.locations_by_checkins, now.locations, now.loaded_locations),
        )
        if there < loaded and now.types[key] in ("zset", "none")
    ]


def _lease(now: _Snapshot) -> LeaseStatus:
    if now.lease is None:
        return LeaseStatus(held=False)
    return LeaseStatus(held=True, holder=holder(now.lease), ttl_ms=now.lease_ttl_ms)


def _state(client: Redis, keys: Keys, now: _Snapshot, problems: list[str]) -> State:
    """The state of the books; what is wrong with them goes to the problems."""
    if any(now.types[key] not in (kind, "none") for key, kind in _books(keys).items()):
        return "broken"
    if now.types[keys.meta] == now.types[keys.processed] == "none":
        return "empty" if set(now.types.values()) == {"none"} else "new"
    try:
        open_books(keys).look_sync(client).position()
    except LoadingError:
        return "loading"
    except BrokenKeyError as error:
        problems.insert(0, str(error))
        return "broken"
    return "ready"


def _oldest_unprocessed(client: Redis, keys: Keys, now: _Snapshot, problems: list[str]) -> bytes | None:
    """The first entry after the checkpoint. On the way the backlog is compared with what lies there."""
    oldest, counted, last = None, 0, now.checkpoint or b"0"
    newest = now.stream.get("last-generated-id", b"0-0")
    while counted < _COUNTED and last != newest:
        page: Any = client.xrange(keys.stream, b"(" + last, newest, _PAGE)
        if not page:
            break
        counted += len(page)
        oldest, last = oldest or page[0][0], page[-1][0]
    backlog = now.backlog or 0
    if backlog != counted and not (backlog > counted >= _COUNTED):
        # another checkpoint by now: it was the processor, or a load, that took them away
        unchanged: Any = client.get(keys.checkpoint), client.hget(keys.meta.decode(), "generation")
        if unchanged == (now.checkpoint, now.meta.get(b"generation")):
            problems.append(_disagreement(keys, now, counted))
    return oldest


def _disagreement(keys: Keys, now: _Snapshot, counted: int) -> str:
    more = " or more" if counted >= _COUNTED else ""
    if counted > (now.backlog or 0) and not more:
        right = now.stream["entries-added"] - counted
        repair = f"unless an older stream was put in its place, SET {keys.processed.decode()} {right} sets it right"
        return (
            f"{keys.processed.decode()}: by it {now.backlog} entries are unprocessed, but {counted} lie after the "
            f"checkpoint; {repair}"
        )
    return (
        f"{keys.processed.decode()}: by it {now.backlog} entries are unprocessed, but {counted}{more} lie after the "
        "checkpoint (were some trimmed or deleted?); a processor says how many, and sets it right when it has caught up"
    )


def _warnings(client: Redis, server: ServerStatus, state: State, now: _Snapshot, settings: Settings) -> list[str]:
    warnings = advice(server.max_memory_policy, server.append_only)
    if server.version == "?":
        warnings.append(
            "the server does not tell about itself (INFO is refused to this user): version and memory are not known, "
            "nor whether it may evict keys, or keeps an append-only file"
        )
    if state == "empty":
        warnings.append(f"nothing is loaded; {_HOW_TO_LOAD}")
    elif state == "loading":
        warnings.append(f"{_load(now)}: until its end receivers refuse check-ins, and processors stand by")
    elif state == "new":
        warnings.append("there are no books of this stream yet; the first service that starts creates them")
    elif state == "ready" and (held := held_back(client, settings)):
        warnings.append(
            f"the consumer group {held.group} holds back trimming: {held.plural} kept for it, "
            f"{settings.retain_for_groups:,} at most"
        )
    if state == "ready" and settings.unknown_ids == "reject" and not (now.users and now.locations):
        warnings.append(f"without users and locations every check-in is refused; {_HOW_TO_LOAD}")
    return warnings


def _load_info(now: _Snapshot) -> LoadInfo | None:
    return load_info(now.meta.get(b"load"))


def _load(now: _Snapshot) -> str:
    """Which load is under way, or was."""
    info = _load_info(now)
    if info is None:
        return "a load of check-ins has begun"
    since = datetime.fromtimestamp(info.since / 1000, UTC).isoformat(" ", "seconds")
    return f"`{info.command}` has begun at {since} (process {info.pid} on {info.host})"


def _number(text: bytes | None) -> int | None:
    return int(text) if text is not None and text.isdigit() and len(text) <= 16 else None
