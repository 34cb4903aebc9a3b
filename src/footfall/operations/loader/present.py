"""What is on the server before a load: whose data it is, and what would be lost."""

from collections.abc import Iterable
from dataclasses import dataclass
from itertools import islice
from typing import Any

import msgspec
from redis import Redis
from redis.exceptions import ResponseError

from footfall.keys import Keys

#: ids that are looked up in one round trip
_PAGE = 1000


class LoadInfo(msgspec.Struct, rename="camel"):
    """What `ncc:meta` tells of a load of check-ins that is under way, or was killed."""

    #: what was typed
    command: str
    host: str
    pid: int
    #: ms since 1970, by the server's clock
    since: int


@dataclass(frozen=True)
class Present:
    """What is there. A number that a broken key keeps from being known is 0; the load finds it later."""

    users: int
    locations: int
    #: check-ins that were loaded or have come in, also when they are in the stream no longer
    checkins: int
    #: entries that are in the stream now
    length: int
    #: whether all of it is the sample, but for check-ins
    is_sample: bool
    #: a load of check-ins that has not ended
    load: LoadInfo | None
    #: whether that one has replaced, or has begun to add: it can only be finished
    switched: str | None

    @property
    def is_other(self) -> bool:
        """Whether there is anything that is not the sample's."""
        return not self.is_sample and bool(self.users or self.locations or self.checkins)


def look(client: Redis, keys: Keys) -> Present:
    """Look at what is there."""
    with client.pipeline(transaction=True) as transaction:
        transaction.hmget(keys.meta, "state", "sample", "load", "switched")
        transaction.zcard(keys.users_by_checkins)
        transaction.zcard(keys.locations_by_checkins)
        transaction.xinfo_stream(keys.stream)
        transaction.get(keys.processed)
        replies: list[Any] = transaction.execute(raise_on_error=False)
    if isinstance(replies[0], ResponseError):
        replies[0] = [None] * 4
    (state, sample, load, switched), *others = replies
    users, locations, stream, processed = (None if isinstance(one, ResponseError) else one for one in others)
    added = stream["entries-added"] if stream else 0
    return Present(
        users=users or 0,
        locations=locations or 0,
        checkins=max(added, int(processed) if processed and processed.isdigit() else 0),
        length=stream["length"] if stream else 0,
        is_sample=sample == b"1",
        load=load_info(load) if state == b"loading" else None,
        switched=switched.decode() if switched and state == b"loading" else None,
    )


def load_info(text: bytes | None) -> LoadInfo | None:
    """What `ncc:meta` tells of a load; None when it does not."""
    try:
        return msgspec.json.decode(text or b"", type=LoadInfo)
    except msgspec.DecodeError:
        return None


def missing(client: Redis, record_keys: Iterable[tuple[int, bytes]]) -> set[int]:
    """Of these records (id, key), the ids of those that are not there."""
    found: set[int] = set()
    remaining = iter(record_keys)
    while part := list(islice(remaining, _PAGE)):
        pipeline = client.pipeline(transaction=False)
        for _, key in part:
            pipeline.exists(key)
        found.update(one for (one, _), exists in zip(part, pipeline.execute(), strict=True) if not exists)
    return found
