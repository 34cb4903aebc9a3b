"""The entries after the checkpoint: which is the first, and whether there are as many as the metadata says."""

from typing import Any, NamedTuple

from redis import Redis

from footfall.keys import Keys
from footfall.operations.status.reading import Reading


class Counting(NamedTuple):
    """How entries after the checkpoint are counted one by one, to compare them with the metadata's number."""

    #: so many at most
    most: int = 10_000
    #: read in one command
    page: int = 1000


def oldest_unprocessed(
    client: Redis, keys: Keys, now: Reading, problems: list[str], counting: Counting
) -> bytes | None:
    """The first entry after the checkpoint. On the way the backlog is compared with what lies there."""
    oldest, counted, last = None, 0, now.checkpoint or b"0"
    newest = now.stream.get("last-generated-id", b"0-0")
    while counted < counting.most and last != newest:
        page: Any = client.xrange(keys.stream, b"(" + last, newest, counting.page)
        if not page:
            break
        counted += len(page)
        oldest, last = oldest or page[0][0], page[-1][0]
    backlog = now.backlog or 0
    if backlog != counted and not (backlog > counted >= counting.most):
        # another checkpoint by now: it was the processor, or a load, that took them away
        unchanged: Any = client.get(keys.checkpoint), client.hget(keys.meta.decode(), "generation")
        if unchanged == (now.checkpoint, now.meta.get(b"generation")):
            problems.append(_disagreement(keys, now, counted, counting.most))
    return oldest


def _disagreement(keys: Keys, now: Reading, counted: int, most: int) -> str:
    more = " or more" if counted >= most else ""
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
