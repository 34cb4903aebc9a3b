"""The intake on a real server: what goes in one call, that every check-in has one outcome, and what is pending."""

import asyncio
from collections import Counter
from typing import Any

import pytest

from footfall.domain.model import CheckIn
from footfall.errors import (
    UnknownUserError,
)
from footfall.store.calls.receive import Outcome
from footfall.store.scripts import RECEIVE, Call
from receiver_scene import CHECK_IN, STREAM, Outcomes, intake_at, open_metadata, stored
from servers import Server

UNKNOWN = CheckIn(user_id=9, location_id=2, star_rating=3)


@pytest.fixture
def client(server: Server) -> Any:
    client = open_metadata(server)
    client.script_load(RECEIVE.source)
    return client


@pytest.fixture
def group_sizes(monkeypatch: pytest.MonkeyPatch) -> list[list[int]]:
    """How many check-ins are in each group of each call of receive.lua, from now on."""
    sizes: list[list[int]] = []
    start = Call.start

    def recorded(self: Call[Any], connection: Any) -> Any:
        if self.script is RECEIVE:
            counts, rest = [], list[Any](self.arguments[4:])
            while rest:
                counts.append(rest[0])
                rest = rest[2 + 3 * rest[0] :]
            sizes.append(counts)
        return start(self, connection)

    monkeypatch.setattr(Call, "start", recorded)
    return sizes


# --- group commit


async def test_what_is_added_in_one_turn_goes_in_one_call(
    server: Server, client: Any, group_sizes: list[list[int]]
) -> None:
    outcomes = Outcomes()
    async with intake_at(server.url) as intake:
        for number in range(30):
            outcomes.add(intake, number)
        assert not any(outcomes.by_number.values()), "nothing is told in the same turn"
        await intake.drain()
    assert group_sizes == [[30]]
    assert [entry_id for entry_id, _ in stored(client)] == outcomes.ids()


async def test_what_gathers_during_a_call_goes_in_the_next_up_to_max_batch(
    server: Server, client: Any, group_sizes: list[list[int]]
) -> None:
    outcomes = Outcomes()
    async with intake_at(server.url, max_batch=7) as intake:
        outcomes.add(intake, 0)
        await asyncio.sleep(0)  # the call of the first begins
        for number in range(1, 18):
            outcomes.add(intake, number)
        await intake.drain()
    assert group_sizes == [[1], [7], [7], [3]]
    assert [entry_id for entry_id, _ in stored(client)] == outcomes.ids()


async def test_those_with_a_key_go_along_each_in_a_group_of_its_own(
    server: Server, client: Any, group_sizes: list[list[int]]
) -> None:
    outcomes = Outcomes()
    check_ins = [CheckIn(user_id=1, location_id=2, star_rating=n % 6) for n in range(12)]
    async with intake_at(server.url) as intake:
        for number, check_in in enumerate(check_ins):
            outcomes.add(intake, number, check_in, f"key-{number}" if number % 3 == 0 else None)
        await intake.drain()
    assert group_sizes == [[8, 1, 1, 1, 1]]
    entries = dict(stored(client))
    assert [entries[entry_id] for entry_id in outcomes.ids()] == check_ins, "each is told its own"
    assert len(entries) == 12


async def test_a_check_in_goes_between_the_chunks_of_a_batch(
    server: Server, client: Any, group_sizes: list[list[int]]
) -> None:
    async with intake_at(server.url) as intake:
        batch = asyncio.create_task(intake.store_all([CHECK_IN] * 10_000))
        while not group_sizes:
            await asyncio.sleep(0)
        singles = 0
        while not batch.done():
            await intake.store(CHECK_IN)
            singles += 1
        assert (await batch).accepted == 10_000
    assert singles >= 5
    sizes = [size for sizes in group_sizes for size in sizes]
    assert Counter(sizes) == {500: 20, 1: singles}
    assert sizes.index(1) < 5
    assert len(stored(client)) == 10_000 + singles


async def test_batches_at_once_are_each_told_their_own(server: Server, client: Any) -> None:
    long = [CheckIn(user_id=1, location_id=2, star_rating=1)] * 10_000
    short = [CheckIn(user_id=1, location_id=2, star_rating=2)] * 100
    async with intake_at(server.url) as intake:
        results = await asyncio.gather(intake.store_all(long), intake.store_all(long), intake.store_all(short))
    assert [result.accepted for result in results] == [10_000, 10_000, 100]
    for result, batch in zip(results, (long, long, short), strict=True):
        entries = dict(stored(client))
        ids = [outcome.decode() for outcome in result.outcomes if isinstance(outcome, bytes)]
        assert [entries[entry_id] for entry_id in ids] == batch
    assert client.xlen(STREAM) == 20_100


# --- outcomes


async def test_a_listener_that_raises_does_not_disturb_the_others(
    server: Server, client: Any, caplog: pytest.LogCaptureFixture
) -> None:
    def raises(outcome: Outcome, replayed: bool) -> None:
        raise RuntimeError("the client has gone")

    outcomes = Outcomes()
    async with intake_at(server.url) as intake:
        for number in range(5):
            intake.add(CHECK_IN, raises)
            outcomes.add(intake, number)
            intake.add(CHECK_IN, raises, f"key-{number}")
        await intake.drain()
        assert len(outcomes.ids()) == 5
        await intake.store(CHECK_IN)
    assert client.xlen(STREAM) == 16
    assert caplog.text.count("An outcome could not be told") == 10


async def test_a_listener_may_add_the_next_check_in(server: Server, client: Any) -> None:
    outcomes = Outcomes()
    async with intake_at(server.url) as intake:
        intake.add(CHECK_IN, lambda *_: outcomes.add(intake, 0))
        await intake.drain()
        assert len(outcomes.ids()) == 1
    assert client.xlen(STREAM) == 2


async def test_who_has_gone_disturbs_nobody_and_the_check_in_is_stored(server: Server, client: Any) -> None:
    async with intake_at(server.url) as intake:
        gone = asyncio.create_task(intake.store(CHECK_IN))
        stays = asyncio.create_task(intake.store(CHECK_IN))
        await asyncio.sleep(0)
        gone.cancel()
        await stays
        await intake.drain()
        assert intake.pending == 0
    assert client.xlen(STREAM) == 2


async def test_a_batch_whose_sender_has_gone_is_not_pending_any_more(server: Server, client: Any) -> None:
    async with intake_at(server.url) as intake:
        gone = asyncio.create_task(intake.store_all([CHECK_IN] * 10_000))
        while not client.exists(STREAM):
            await asyncio.sleep(0)
        gone.cancel()
        await asyncio.gather(gone, return_exceptions=True)
        assert gone.cancelled()
        assert intake.pending == 0
        assert (await intake.store_all([CHECK_IN] * 3000)).accepted == 3000, "and leaves no slot taken"


# --- batches


@pytest.mark.parametrize("key", [None, "key"])
@pytest.mark.parametrize("size", [0, 1, 500, 501, 1300])
async def test_a_batch_is_accounted_for_item_by_item(server: Server, client: Any, size: int, key: str | None) -> None:
    batch = [UNKNOWN if n % 100 == 0 else CheckIn(user_id=1, location_id=2, star_rating=n % 6) for n in range(size)]
    async with intake_at(server.url) as intake:
        result = await intake.store_all(batch, key)
    assert len(result.outcomes) == size
    entries = stored(client)
    good = [n for n in range(size) if n % 100]
    assert [(result.outcomes[n], batch[n]) for n in good] == [(i.encode(), check_in) for i, check_in in entries]
    assert all(isinstance(result.outcomes[n], UnknownUserError) for n in range(0, size, 100))
    assert result.accepted == len(good)
    assert not result.replayed
