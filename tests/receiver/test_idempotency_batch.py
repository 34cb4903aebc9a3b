"""A batch with a key, in several chunks, is stored once in all, however much of it a try has stored."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

import pytest

from footfall.domain.model import CheckIn
from footfall.errors import BacklogFullError, BrokenKeyError, FootfallError, KeyReusedError, UnavailableError
from footfall.receiver.intake import Intake
from footfall.store.scripts import RECEIVE
from proxy import Proxy
from receiver_scene import STREAM, intake_at, open_metadata, stored
from servers import Server, wait_until_async

#: chunks of the batch: three whole ones and a part
_CHUNKS = 4
#: each chunk has a location of its own
BATCH = [CheckIn(user_id=1, location_id=2 + n // 500, star_rating=n % 6) for n in range(1700)]
#: a check-in of an unknown user, and one for other requests
UNKNOWN, OTHER = CheckIn(user_id=9, location_id=2, star_rating=3), CheckIn(user_id=1, location_id=2, star_rating=5)


@pytest.fixture
def client(server: Server) -> Any:
    client = open_metadata(server)
    for location in range(2, 2 + _CHUNKS):
        client.hset(f"ncc:locations:{location}", "id", location)
    client.script_load(RECEIVE.source)
    return client


async def try_to_store(intake: Intake, batch: Sequence[CheckIn] = BATCH) -> list[bytes | FootfallError]:
    """Its outcomes; when it was refused as a whole, that for each."""
    try:
        return list((await intake.store_all(batch, "key")).outcomes)
    except FootfallError as error:
        return [error] * len(batch)


def assert_all_stored_once(client: Any, *tries: Sequence[bytes | FootfallError]) -> None:
    """The last try has an id for each check-in, the others the same or none, and the stream has nothing else."""
    ids = [outcome.decode() for outcome in tries[-1] if isinstance(outcome, bytes)]
    assert dict(stored(client)) == dict(zip(ids, BATCH, strict=True))
    assert client.xlen(STREAM) == len(BATCH)
    for outcomes in tries[:-1]:
        assert all(
            outcome.decode() == entry_id
            for outcome, entry_id in zip(outcomes, ids, strict=True)
            if isinstance(outcome, bytes)
        )


# --- tries that stored a part


@pytest.mark.parametrize("chunks", range(_CHUNKS + 1))
async def test_a_batch_is_completed_when_the_backlog_was_full_after_some_chunks(
    server: Server, client: Any, chunks: int
) -> None:
    client.xadd(STREAM, {"a": "b"})
    client.xtrim(STREAM, maxlen=0)
    async with intake_at(server.url, max_backlog=1 + 500 * chunks) as intake:
        first = await try_to_store(intake)
    assert client.xlen(STREAM) == min(500 * chunks, len(BATCH))
    assert [isinstance(outcome, bytes) for outcome in first] == [n < 500 * chunks for n in range(len(BATCH))]
    assert all(isinstance(outcome, BacklogFullError) for outcome in first[500 * chunks :])
    async with intake_at(server.url, max_batch=3, unknown_ids="create", duplicate_window_s=0) as intake:
        second = await try_to_store(intake)
        result = await intake.store_all(BATCH, "key")
    assert result.replayed
    assert_all_stored_once(client, first, second, list(result.outcomes))


@pytest.mark.parametrize("what", ["requests", "replies"])
@pytest.mark.parametrize("chunk", range(_CHUNKS))
async def test_a_batch_is_completed_when_the_server_was_lost_at_some_chunk(
    server: Server, client: Any, chunk: int, what: str
) -> None:
    with Proxy(server.port) as proxy:
        async with intake_at(proxy.url) as intake:
            hold = proxy.hold_requests if what == "requests" else proxy.hold_replies
            hold(b"ncc:locations:%d\r\n" % (2 + chunk))
            sending = asyncio.create_task(try_to_store(intake))
            await wait_until_async(lambda: proxy.holding, "the chunk is held")
            if what == "replies":
                await wait_until_async(
                    lambda: client.xlen(STREAM) >= min(500 * (chunk + 1), len(BATCH)), "it is stored"
                )
            proxy.cut()
            first = await sending
            assert all(isinstance(outcome, bytes | UnavailableError) for outcome in first)
            assert any(isinstance(outcome, UnavailableError) for outcome in first)
            second: list[bytes | FootfallError] = []

            async def completed() -> bool:
                second[:] = await try_to_store(intake)
                return all(isinstance(outcome, bytes) for outcome in second)

            await wait_until_async(completed, "the server is back")
    assert_all_stored_once(client, first, second)


async def test_a_batch_sent_several_times_at_once_is_stored_once(server: Server, client: Any) -> None:
    async with intake_at(server.url) as one, intake_at(server.url) as another:
        tries = await asyncio.gather(*(try_to_store(intake) for intake in (one, another, one, another, one)))
    assert_all_stored_once(client, *tries)


async def test_what_was_refused_in_a_chunk_stays_so(server: Server, client: Any) -> None:
    batch = [UNKNOWN if n in {7, 600} else check_in for n, check_in in enumerate(BATCH[:1000])]
    async with intake_at(server.url) as intake:
        first = await intake.store_all(batch, "key")
        client.hset("ncc:users:9", "id", 9)
        second = await intake.store_all(batch, "key")
    assert first.accepted == second.accepted == 998
    assert second.replayed
    assert list(map(str, first.outcomes)) == list(map(str, second.outcomes))
    assert client.xlen(STREAM) == 998


# --- whose the key is


async def first_try_all(intake: Intake, client: Any) -> None:
    assert (await intake.store_all(BATCH, "key")).accepted == len(BATCH)


async def first_try_part(intake: Intake, client: Any) -> None:
    client.delete("ncc:locations:3")
    client.sadd("ncc:locations:3", "not ours")
    result = await intake.store_all(BATCH, "key")
    assert any(isinstance(outcome, BrokenKeyError) for outcome in result.outcomes)
    client.delete("ncc:locations:3")
    client.hset("ncc:locations:3", "id", 3)


async def first_try_begins_with_refused(intake: Intake, client: Any) -> None:
    assert (await intake.store_all([UNKNOWN] * 500 + BATCH[500:], "key")).accepted == len(BATCH) - 500


async def first_try_all_refused(intake: Intake, client: Any) -> None:
    assert (await intake.store_all([UNKNOWN] * 1700, "key")).accepted == 0


@pytest.mark.parametrize(
    "first_try", [first_try_all, first_try_part, first_try_begins_with_refused, first_try_all_refused]
)
async def test_a_key_that_is_another_batchs_is_refused_and_nothing_is_stored(
    server: Server, client: Any, first_try: Callable[[Intake, Any], Awaitable[None]]
) -> None:
    others = {
        "shorter": BATCH[:-1],
        "one chunk": BATCH[:500],
        "part of a chunk": BATCH[:20],
        "longer": [*BATCH, OTHER],
        "another order": BATCH[::-1],
        "another last one": [*BATCH[:-1], OTHER],
        "of one": BATCH[:1],
    }
    async with intake_at(server.url) as intake:
        await first_try(intake, client)
        before = client.xlen(STREAM)
        for name, batch in others.items():
            with pytest.raises(KeyReusedError):
                await intake.store_all(batch, "key")
            assert client.xlen(STREAM) == before, name
        with pytest.raises(KeyReusedError):
            await intake.store(BATCH[0], "key")
    assert client.xlen(STREAM) == before


async def test_a_key_that_is_a_check_ins_is_refused_for_a_batch(server: Server, client: Any) -> None:
    async with intake_at(server.url) as intake:
        await intake.store(BATCH[0], "key")
        for batch in (BATCH, BATCH[:1], BATCH[:2]):
            with pytest.raises(KeyReusedError):
                await intake.store_all(batch, "key")
    assert client.xlen(STREAM) == 1


async def test_of_different_batches_with_one_key_at_once_one_is_stored(server: Server, client: Any) -> None:
    batches = [[CheckIn(user_id=1, location_id=2, star_rating=stars)] * 1500 for stars in range(5)]
    async with intake_at(server.url) as one, intake_at(server.url) as another:
        tries = [
            try_to_store(intake, batch)
            for intake, batch in zip((one, another, one, another, one), batches, strict=True)
        ]
        outcomes = await asyncio.gather(*tries)
    refused = [all(isinstance(outcome, KeyReusedError) for outcome in found) for found in outcomes]
    assert sorted(refused) == [False, True, True, True, True]
    assert [check_in for _, check_in in stored(client)] == batches[refused.index(False)]


async def test_nothing_is_stored_of_a_batch_whose_first_chunk_is_not(server: Server, client: Any) -> None:
    """Else the key could be taken by another batch, of which some chunks would be stored and some not."""
    client.sadd("ncc:users:9", "not ours")
    batch = [*BATCH[:499], UNKNOWN, *BATCH[500:]]
    async with intake_at(server.url) as intake:
        with pytest.raises(BrokenKeyError):
            await intake.store_all(batch, "key")
        assert not client.exists(STREAM)
        assert (await intake.store_all(BATCH, "key")).accepted == len(BATCH)


async def test_of_a_batch_that_was_refused_all_is_judged_anew(server: Server, client: Any) -> None:
    async with intake_at(server.url) as intake:
        first = await intake.store_all([UNKNOWN] * 700, "key")
        client.hset("ncc:users:9", "id", 9)
        second, third = [await intake.store_all([UNKNOWN] * 700, "key") for _ in range(2)]
    assert (first.accepted, second.accepted, third.accepted) == (0, 700, 700)
    assert (first.replayed, second.replayed, third.replayed) == (False, False, True)
    assert client.xlen(STREAM) == 700


# --- how long a key is known


async def test_each_use_of_a_key_begins_its_time_anew(server: Server, client: Any) -> None:
    records = ["ncc:idempotency:key", "ncc:idempotency:key 1"]
    async with intake_at(server.url, idempotency_ttl_s=100) as intake:
        await intake.store_all(BATCH[:600], "key")
        assert sorted(client.keys("ncc:idempotency:*")) == records
        for record in records:
            assert 50 < client.ttl(record) <= 100
            client.expire(record, 50)
        assert (await intake.store_all(BATCH[:600], "key")).replayed
        assert all(50 < client.ttl(record) <= 100 for record in records)


async def test_after_its_time_a_key_is_forgotten(server: Server, client: Any) -> None:
    async with intake_at(server.url, idempotency_ttl_s=1) as intake:
        await intake.store_all(BATCH[:600], "key")
        await wait_until_async(lambda: not client.keys("ncc:idempotency:*"), "its time has passed")
        assert not (await intake.store_all(BATCH[:10], "key")).replayed, "it may be another request's now"
    assert client.xlen(STREAM) == 610
