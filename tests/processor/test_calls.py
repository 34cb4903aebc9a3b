"""Calls of process.lua under way: each on top of the one before it, or not at all."""

from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest

from chaos.replay import Replay, assert_replayed, entries, raw_client
from chaos.scene import LOCATIONS, USERS, add, add_some, load_records, seeded
from footfall.errors import FootfallError
from footfall.keys import Keys
from footfall.processor.batch import Batch
from footfall.processor.calls import Calls
from footfall.store.calls.reply import FencedError
from footfall.store.metadata import open_metadata
from footfall.store.pipeline import Connection
from pipelines import connected_to
from servers import Server

KEYS = Keys("ncc")
_SIZE = 10


@pytest.fixture
def client(server: Server) -> Iterator[Any]:
    client = raw_client(server.port)
    yield client
    client.close()


@pytest.fixture
async def connection(server: Server) -> AsyncIterator[Connection]:
    async with connected_to(server.url) as connection:
        yield connection


@pytest.fixture
def replay(client: Any) -> Replay:
    return load_records(client)


async def calls_for_all(client: Any, connection: Connection, *, create: bool = False) -> Calls:
    """Calls for the whole stream, all under way at once."""
    calls = Calls(connection, await open_metadata(connection, KEYS))
    stream = entries(client)
    for start in range(0, len(stream), _SIZE):
        calls.send(calls.prepare(Batch(stream[start : start + _SIZE], KEYS, create=create)))
    return calls


async def finish(calls: Calls) -> list[int]:
    """How many check-ins each call has applied, in order."""
    return [(await calls.finish_oldest()).applied.checkins for _ in range(len(calls))]


async def test_none_waits_for_the_one_before_it(client: Any, connection: Connection, replay: Replay) -> None:
    add_some(client, seeded(), 5 * _SIZE)
    calls = await calls_for_all(client, connection)
    assert len(calls) == 5
    assert await finish(calls) == [_SIZE] * 5
    assert calls.position.checkpoint == entries(client)[-1][0]
    assert_replayed(client, replay.after(entries(client)))


@pytest.mark.parametrize("bad", [{0}, {2}, {0, 1, 4}, {4}, set(range(5))])
async def test_those_behind_one_that_is_corrected_are_sent_again(
    client: Any, connection: Connection, replay: Replay, bad: set[int]
) -> None:
    rng = seeded()
    for number in range(5):
        add_some(client, rng, _SIZE - 1)
        unknown = number in bad
        add(client, USERS + 1 if unknown else 1, LOCATIONS, 3)
    calls = await calls_for_all(client, connection)
    assert await finish(calls) == [_SIZE - (number in bad) for number in range(5)]
    assert_replayed(client, replay.after(entries(client)))


async def test_when_one_is_fenced_none_behind_it_is_applied(
    client: Any, connection: Connection, replay: Replay
) -> None:
    add_some(client, seeded(), 3 * _SIZE)
    stream = entries(client)
    calls = Calls(connection, await open_metadata(connection, KEYS))
    other = Calls(connection, calls.position)
    other.send(other.prepare(Batch(stream[: _SIZE // 2], KEYS, create=False)))
    await finish(other)
    for start in range(0, len(stream), _SIZE):
        calls.send(calls.prepare(Batch(stream[start : start + _SIZE], KEYS, create=False)))
    for _ in range(3):
        with pytest.raises(FencedError):
            await calls.finish_oldest()
    assert_replayed(client, replay.after(stream[: _SIZE // 2]))


async def test_when_one_cannot_be_applied_none_behind_it_is(
    client: Any, connection: Connection, replay: Replay
) -> None:
    add_some(client, seeded(), 3 * _SIZE)
    before = client.dump("ncc:users:bycheckins")
    calls = Calls(connection, await open_metadata(connection, KEYS))
    client.set("ncc:users:bycheckins", "not ours")
    calls = await calls_for_all(client, connection)
    with pytest.raises(FootfallError, match="ncc:users:bycheckins"):
        await calls.finish_oldest()
    calls.abandon()
    client.restore("ncc:users:bycheckins", 0, before, replace=True)
    assert_replayed(client, replay)


async def test_scripts_that_were_flushed_are_given_to_the_server_again_in_order(
    client: Any, connection: Connection, replay: Replay
) -> None:
    add_some(client, seeded(), 4 * _SIZE)
    client.script_flush()
    assert await finish(await calls_for_all(client, connection)) == [_SIZE] * 4
    assert_replayed(client, replay.after(entries(client)))
