"""What is wrong, each with the key and the repair; and what works, but maybe not as wanted."""

from datetime import UTC, datetime

from redis import Redis

from footfall.config import Settings
from footfall.keys import Keys
from footfall.operations.status.document import ServerStatus, State
from footfall.operations.status.reading import Reading, read_of
from footfall.store.advice import advice
from footfall.store.calls.metadata import RESTORE_OR_RELOAD
from footfall.store.trimming import held_back

_HOW_TO_LOAD = "`footfall load users --from FILE` and so on load your data, `footfall load all --sample` the sample"


def wrong_types(now: Reading, keys: Keys) -> list[str]:
    """Keys that do not hold what they must."""
    lease, problems = keys.processor_lease, []
    for key in read_of(keys):
        kind = keys.type_of(key)
        if now.types[key] not in (kind, "none"):
            repair = RESTORE_OR_RELOAD
            if kind == "zset":
                repair = "`footfall rebuild` repairs it"
            what = f"it is a {now.types[key]}, not a {kind}"
            problems.append(f"{key.decode()}: {what}; {'delete it' if key == lease else repair}")
    if now.lease is not None and now.lease_ttl_ms < 0:
        problems.append(f"{lease.decode()}: it does not expire; delete it")
    return problems


def short_indexes(now: Reading, keys: Keys) -> list[str]:
    """Whoever was loaded is in these two: where somebody is missing, the index was deleted, at least in part."""
    return [
        f"{key.decode()}: of {loaded:,} that were loaded it has only {there:,}; `footfall rebuild` repairs it"
        for key, there, loaded in (
            (keys.users_by_checkins, now.users, now.loaded_users),
            (keys.locations_by_checkins, now.locations, now.loaded_locations),
        )
        if there < loaded and now.types[key] in ("zset", "none")
    ]


def warnings_of(client: Redis, server: ServerStatus, state: State, now: Reading, settings: Settings) -> list[str]:
    """What works, but maybe not as wanted."""
    warnings = advice(server.max_memory_policy, server.append_only)
    if server.version == "?":
        warnings.append(
            "the server does not tell about itself (INFO is refused to this user): version and memory are not known, "
            "nor whether it may evict keys, or keeps an append-only file"
        )
    if state == "empty":
        warnings.append(f"nothing is loaded; {_HOW_TO_LOAD}")
    elif state == "loading":
        warnings.append(f"{load_text(now)}: until its end receivers refuse check-ins, and processors stand by")
    elif state == "new":
        warnings.append("there is no metadata of this stream yet; the first service that starts creates it")
    elif state == "ready" and (held := held_back(client, settings)):
        warnings.append(
            f"the consumer group {held.group} holds back trimming: {held.plural} kept for it, "
            f"{settings.checkins.retain_for_groups:,} at most"
        )
    if state == "ready" and settings.checkins.unknown_ids == "reject" and not (now.users and now.locations):
        warnings.append(f"without users and locations every check-in is refused; {_HOW_TO_LOAD}")
    return warnings


def load_text(now: Reading) -> str:
    """Which load is under way, or was."""
    info = now.load
    if info is None:
        return "a load of check-ins has begun"
    since = datetime.fromtimestamp(info.since / 1000, UTC).isoformat(" ", "seconds")
    return f"`{info.command}` has begun at {since} (process {info.pid} on {info.host})"
