"""Streams to trim."""

from typing import Any

from chaos.scene import add

COUNT = 50


def fill(client: Any, count: int = COUNT, first: int = 1) -> list[bytes]:
    """Write so many entries; their ids, a second apart."""
    pipeline = client.pipeline(transaction=False)
    for number in range(first, first + count):
        add(pipeline, 1, 1, 5, f"{number * 1000}-0")
    found: list[bytes] = pipeline.execute()
    return found


def ids(client: Any) -> list[bytes]:
    """The ids of the stream."""
    return [entry_id for entry_id, _ in client.xrange("ncc:checkins")]


def set_metadata(client: Any, checkpoint: bytes, processed: object) -> None:
    """Let the metadata says this."""
    client.hset("ncc:meta", mapping={"schema": 1, "shards": 1, "generation": 1, "state": "ready", "loaded": 0})
    client.mset({"ncc:checkinprocessor:lastid": checkpoint, "ncc:checkinprocessor:processed": processed})
