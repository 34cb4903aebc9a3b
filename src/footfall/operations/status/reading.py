"""Reading all keys that the status is about at one moment."""

from dataclasses import dataclass
from typing import Any

from redis import Redis
from redis.exceptions import ResponseError

from footfall.keys import Keys
from footfall.operations.loader.present import LoadInfo, load_info


@dataclass(frozen=True)
class Reading:
    """Metadata, stream and lease, read in one transaction; None is what cannot be read."""

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
        processed = number_of(self.processed)
        return None if processed is None else self.stream.get("entries-added", 0) - processed

    @property
    def load(self) -> LoadInfo | None:
        """The load of check-ins that is under way, or was; None without one."""
        return load_info(self.meta.get(b"load"))


def read_of(keys: Keys) -> list[bytes]:
    """The keys that are read, those of the metadata first."""
    others = [keys.processor_lease, keys.dead_letters, keys.users_by_checkins, keys.locations_by_checkins]
    return [*metadata_of(keys), *others]


def metadata_of(keys: Keys) -> list[bytes]:
    """The keys without which nothing is taken or processed."""
    return [keys.meta, keys.checkpoint, keys.processed, keys.stream]


def read_keys(client: Redis, keys: Keys) -> Reading:
    """Read them. Raises RedisError when the server cannot be reached."""
    read = read_of(keys)
    with client.pipeline(transaction=True) as transaction:
        for key in read:
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
    types = {key: reply.decode() for key, reply in zip(read, replies, strict=False)}
    # a command on a key of another type, or on a stream that is not there
    values: list[Any] = [None if isinstance(reply, ResponseError) else reply for reply in replies[len(read) :]]
    meta, checkpoint, processed, stream, users, locations, *loaded, lease, lease_ttl_ms, time = values
    return Reading(
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


def number_of(text: bytes | None) -> int | None:
    """A number in the server's text; None when it is none."""
    return int(text) if text is not None and text.isdigit() and len(text) <= 16 else None
