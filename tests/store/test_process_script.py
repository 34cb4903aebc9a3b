"""process.lua: all of a batch is applied or nothing, whatever the server holds by then."""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import contextmanager
from random import Random
from typing import Any

import pytest

from chaos.replay import Entry, Replay, assert_replayed, entries, held, raw_client, writes_of
from chaos.scene import (
    LOCATIONS,
    USERS,
    add,
    add_some,
    load_records,
    load_rows,
    location_row,
    processed,
    seeded,
    user_row,
)
from footfall.errors import BrokenKeyError, LoadingError, TemporaryReplyError
from footfall.keys import Keys
from footfall.processor.batch import Applied, Batch
from footfall.processor.calls import Calls
from footfall.store.calls.metadata import Position
from footfall.store.calls.reply import FencedError
from footfall.store.metadata import open_metadata
from footfall.store.pipeline import Connection
from servers import Server

KEYS = Keys("ncc")


class Watched(Connection):
    """Counts the calls of scripts, and lets a test act between two of them."""

    def __init__(self) -> None:
        super().__init__(timeout=30)
        self.calls = 0
        #: done before the second call since `calls` was set to 0
        self.between: Callable[[], object] | None = None

    def call_packed(self, command: bytes) -> Any:
        if b"EVALSHA" in command:
            self.calls += 1
            if self.calls == 2 and self.between:
                self.between()
        return super().call_packed(command)


class Bench:
    """Applies batches over a connection, to the metadata of `load_records`."""

    def __init__(self, client: Any, connection: Watched) -> None:
        self.client = client
        self.connection = connection
        self.rng = seeded()
        self.replay = load_records(client)

    async def read(self) -> tuple[list[Entry], Position]:
        """The entries after the checkpoint, and the position they were read at."""
        position = await open_metadata(self.connection, KEYS)
        return self.client.xrange("ncc:checkins", b"(" + position.checkpoint), position

    async def apply(self, batch: list[Entry], position: Position, *, create: bool = False) -> Applied:
        """Apply a batch that was read at this position."""
        self.connection.calls = 0
        calls = Calls(self.connection, position)
        calls.send(calls.prepare(Batch(batch, KEYS, create=create)))
        return (await calls.finish_oldest()).applied

    async def apply_new(self, *, create: bool = False) -> Applied:
        """Read what is new, and apply it as one batch."""
        return await self.apply(*await self.read(), create=create)

    def assert_replayed(self) -> None:
        """The metadata is what follows from the stream."""
        assert_replayed(self.client, self.replay.after(entries(self.client)))

    @contextmanager
    def unchanged(self) -> Iterator[None]:
        """What happens inside changes nothing on the server, and nothing is changed and undone, either."""
        before, digest, writes = (
            held(self.client),
            self.client.execute_command("DEBUG", "DIGEST"),
            writes_of(self.client),
        )
        yield
        assert writes_of(self.client) == writes
        assert held(self.client) == before
        assert self.client.execute_command("DEBUG", "DIGEST") == digest


@pytest.fixture
async def bench(server: Server) -> AsyncIterator[Bench]:
    loop = asyncio.get_running_loop()
    _, connection = await loop.create_connection(Watched, "127.0.0.1", server.port)
    client = raw_client(server.port)
    yield Bench(client, connection)
    client.close()
    connection.abort("done")
    await asyncio.sleep(0)


async def test_a_batch_does_what_its_entries_say_and_nothing_else(bench: Bench) -> None:
    add_some(bench.client, bench.rng, 500)
    assert await bench.apply_new() == Applied(checkins=500, dead_letters=0, processed=500)
    bench.assert_replayed()
    assert bench.connection.calls == 1


async def test_a_batch_of_more_records_than_luas_stack_holds(bench: Bench) -> None:
    pipeline = bench.client.pipeline(transaction=False)
    for number in range(10_000):
        add(pipeline, 100_000 + number, 200_000 + number, number % 6)
    pipeline.execute()
    bench.replay.create = True
    await bench.apply_new(create=True)
    bench.assert_replayed()


async def test_a_batch_says_how_long_it_has_held_the_server(bench: Bench) -> None:
    add_some(bench.client, bench.rng, 2000)
    batch, position = await bench.read()
    calls = Calls(bench.connection, position)
    calls.send(calls.prepare(Batch(batch, KEYS, create=False)))
    done = await calls.finish_oldest()
    assert 0 < done.held_s < done.took_s * 2


async def test_a_user_who_may_not_use_info_can_process(bench: Bench) -> None:
    add_some(bench.client, bench.rng, 100)
    bench.client.execute_command("ACL", "SETUSER", "default", "-info")
    try:
        assert (await bench.apply_new()).processed == 100
    finally:
        bench.client.execute_command("ACL", "SETUSER", "default", "+info")
    bench.assert_replayed()


async def test_create_makes_no_record_for_those_that_were_removed(bench: Bench) -> None:
    bench.client.delete("ncc:users:7", "ncc:locations:8")
    bench.client.hset("ncc:users:removed", "7", "{}")
    bench.client.hset("ncc:locations:removed", "8", "{}")
    for user, location in ((7, 1), (1, 8), (1, 1), (10**6, 10**6)):
        add(bench.client, user, location, 5)
    assert await bench.apply_new(create=True) == Applied(checkins=2, dead_letters=2, processed=4)
    assert not bench.client.exists("ncc:users:7", "ncc:locations:8")
    letters = bench.client.xrange("ncc:checkins:dead")
    assert [values[3] for _, values in letters] == [b"unknown-user", b"unknown-location"]
    assert bench.client.hget("ncc:users:1000000", "numCheckins") == b"1"


# --- fenced


async def test_a_batch_is_applied_once_however_often_it_is_sent(bench: Bench) -> None:
    add_some(bench.client, bench.rng, 20)
    batch, position = await bench.read()
    await bench.apply(batch, position)
    with bench.unchanged(), pytest.raises(FencedError):
        await bench.apply(batch, position)
    bench.assert_replayed()


@pytest.mark.parametrize("checkpoint", ["before", "after", "nonsense"])
async def test_a_batch_read_from_another_checkpoint_is_fenced(bench: Bench, checkpoint: str) -> None:
    add_some(bench.client, bench.rng, 20)
    await bench.apply_new()
    add_some(bench.client, bench.rng, 20)
    batch, position = await bench.read()
    other = {"before": b"0", "after": batch[3][0], "nonsense": b""}[checkpoint]
    with bench.unchanged(), pytest.raises(FencedError):
        await bench.apply(batch, Position(other, position.generation))


@pytest.mark.parametrize("generation", [b"0", b"2", b""])
async def test_a_batch_read_under_another_generation_is_fenced(bench: Bench, generation: bytes) -> None:
    add_some(bench.client, bench.rng, 20)
    batch, position = await bench.read()
    assert position.generation == b"1"
    with bench.unchanged(), pytest.raises(FencedError):
        await bench.apply(batch, Position(position.checkpoint, generation))


#: what becomes of the stream whose last entry is (1, 2, 3)
LOST: dict[str, Callable[[Any, bytes], object]] = {
    "deleted": lambda client, last: client.xdel("ncc:checkins", last),
    "trimmed": lambda client, _last: client.xtrim("ncc:checkins", maxlen=0),
    "stream deleted": lambda client, _last: client.delete("ncc:checkins"),
    "other values": lambda client, last: client.delete("ncc:checkins") and add(client, 1, 2, 4, last.decode()),
    "fewer fields": lambda client, last: (
        client.delete("ncc:checkins") and client.xadd("ncc:checkins", {"locationId": 2, "userId": 1}, last)
    ),
    "more fields": lambda client, last: (
        client.delete("ncc:checkins")
        and client.xadd("ncc:checkins", {"locationId": 2, "userId": 1, "starRating": 3, "more": 1}, last)
    ),
}


@pytest.mark.parametrize("loss", LOST)
async def test_a_batch_whose_last_entry_the_stream_no_longer_has_is_fenced(bench: Bench, loss: str) -> None:
    add_some(bench.client, bench.rng, 20)
    last = add(bench.client, 1, 2, 3)
    batch, position = await bench.read()
    LOST[loss](bench.client, last)
    with bench.unchanged(), pytest.raises(FencedError):
        await bench.apply(batch, position)


async def test_nothing_is_applied_while_check_ins_are_loaded(bench: Bench) -> None:
    add_some(bench.client, bench.rng, 20)
    batch, position = await bench.read()
    bench.client.hset("ncc:meta", "state", "loading")
    with bench.unchanged(), pytest.raises(LoadingError):
        await bench.apply(batch, position)


async def test_a_server_that_is_out_of_memory_refuses_a_batch_as_a_whole(bench: Bench) -> None:
    add_some(bench.client, bench.rng, 20)
    add(bench.client, 10**6, 1, 1)  # a dead letter
    batch, position = await bench.read()
    bench.client.config_set("maxmemory", 1)
    with bench.unchanged(), pytest.raises(TemporaryReplyError, match="OOM"):
        await bench.apply(batch, position)
    bench.client.config_set("maxmemory", 0)
    await bench.apply(batch, position)
    bench.assert_replayed()


# --- records that are there although taken for missing, or the other way round


async def test_unknown_users_and_locations_are_found_out_with_a_second_call(bench: Bench) -> None:
    for user, location in ((1, 1), (USERS + 1, 1), (1, LOCATIONS + 1), (USERS + 1, LOCATIONS + 1), (2, 2)):
        add(bench.client, user, location, 5)
    assert await bench.apply_new() == Applied(checkins=2, dead_letters=3, processed=5)
    assert bench.connection.calls == 2
    bench.assert_replayed()


async def test_records_that_are_loaded_between_the_two_calls_are_found_out_with_a_third(bench: Bench) -> None:
    unknown = [(USERS + 1, 1), (1, LOCATIONS + 1)]
    for user, location in (*unknown, (1, 1), *unknown):
        add(bench.client, user, location, 5)

    def load() -> None:
        load_rows(bench.client, "users", [user_row(USERS + 1)])
        load_rows(bench.client, "locations", [location_row(LOCATIONS + 1)])
        bench.replay = Replay.of_loaded(bench.client)

    bench.connection.between = load
    assert await bench.apply_new() == Applied(checkins=5, dead_letters=0, processed=5)
    assert bench.connection.calls == 3
    bench.assert_replayed()


async def test_a_record_that_is_gone_after_a_batch_was_read_makes_its_check_ins_dead_letters(bench: Bench) -> None:
    add_some(bench.client, bench.rng, 100)
    for user in (1, 2):
        bench.client.delete(f"ncc:users:{user}")
        for index in ("bycheckins", "recent"):
            bench.client.zrem(f"ncc:users:{index}", user)
    bench.client.zremrangebylex("ncc:users:lastseen", "-", "+")
    for user in range(3, USERS + 1):
        bench.client.hdel(f"ncc:users:{user}", "lastCheckin", "lastSeenAt")
    bench.client.delete("ncc:users:recent")
    bench.replay = Replay.of_loaded(bench.client)
    await bench.apply_new()
    bench.assert_replayed()


# --- broken keys

INDEXES = ["users:bycheckins", "users:recent", "users:lastseen", "locations:bycheckins"]
TYPED = [
    *("checkins", "checkins:dead", "checkinprocessor:lastid", "checkinprocessor:processed", "meta"),
    *(*INDEXES, "users:3", "locations:3", "users:removed", "locations:removed"),
]


async def _assert_refused(bench: Bench, key: str, damage: Callable[[], object]) -> None:
    add_some(bench.client, bench.rng, 100)
    add(bench.client, 3, 3, 3)
    add(bench.client, 10**6, 1, 1)  # a dead letter
    add(bench.client, 3, 3, 3)
    batch, position = await bench.read()
    kept = {name: bench.client.dump(name) for name in bench.client.keys("*")}
    damage()
    for _ in range(3):
        with bench.unchanged(), pytest.raises(BrokenKeyError, match=f"^ncc:{key} "):
            await bench.apply(batch, position)
    bench.client.flushall()
    for name, value in kept.items():
        bench.client.restore(name, 0, value)
    await bench.apply(batch, position)
    bench.assert_replayed()


@pytest.mark.parametrize("kind", ["set", "list", "string"])
@pytest.mark.parametrize("key", TYPED)
async def test_a_key_of_the_wrong_type_is_named_and_nothing_is_changed(bench: Bench, key: str, kind: str) -> None:
    if kind == "string" and key.startswith("checkinprocessor"):
        kind = "hash"

    def damage() -> None:
        bench.client.delete(f"ncc:{key}")
        match kind:
            case "set":
                bench.client.sadd(f"ncc:{key}", "1")
            case "list":
                bench.client.lpush(f"ncc:{key}", "1")
            case "string":
                bench.client.set(f"ncc:{key}", "1")
            case "hash":
                bench.client.hset(f"ncc:{key}", "1", "1")

    await _assert_refused(bench, key, damage)


@pytest.mark.parametrize("key", ["checkinprocessor:lastid", "checkinprocessor:processed", "meta"])
async def test_a_missing_key_of_the_bookkeeping_is_named_and_nothing_is_changed(bench: Bench, key: str) -> None:
    await _assert_refused(bench, key, lambda: bench.client.delete(f"ncc:{key}"))


@pytest.mark.parametrize("value", ["", "many", "-1", "1.5", "nan", "inf", "9007199254740992"])
@pytest.mark.parametrize(
    ("key", "field"),
    [
        ("checkinprocessor:processed", None),
        ("users:3", "numCheckins"),
        ("users:3", "lastCheckin"),
        ("users:3", "lastSeenAt"),
        ("users:4", "lastSeenAt"),
        ("locations:3", "numCheckins"),
        ("locations:3", "numStars"),
    ],
)
async def test_a_number_that_is_none_is_named_and_nothing_is_changed(
    bench: Bench, key: str, field: str | None, value: str
) -> None:
    def damage() -> None:
        if field is None:
            bench.client.set(f"ncc:{key}", value)
        else:
            bench.client.hset(f"ncc:{key}", field, value)

    if key == "users:4":
        add(bench.client, 4, 4, 4)  # never seen before
    await _assert_refused(bench, key, damage)


@pytest.mark.parametrize("value", ["1e3", "0x1f", " 7", "7.0", "0" * 16 + "7"])
@pytest.mark.parametrize("field", ["lastCheckin", "lastSeenAt"])
async def test_a_number_that_is_not_written_as_the_last_seen_index_has_it_is_named(
    bench: Bench, field: str, value: str
) -> None:
    await _assert_refused(bench, "users:3", lambda: bench.client.hset("ncc:users:3", field, value))


@pytest.mark.parametrize(("field", "value"), [("state", "?"), ("state", None), ("generation", None)])
async def test_a_meta_without_its_fields_is_named_and_nothing_is_changed(
    bench: Bench, field: str, value: str | None
) -> None:
    def damage() -> None:
        bench.client.hdel("ncc:meta", field)
        if value:
            bench.client.hset("ncc:meta", field, value)

    await _assert_refused(bench, "meta", damage)


async def test_dead_letters_that_take_no_more_ids_are_named_and_nothing_is_changed(bench: Bench) -> None:
    last = f"{2**64 - 1}-{2**64 - 1}"
    await _assert_refused(bench, "checkins:dead", lambda: bench.client.xadd("ncc:checkins:dead", {"a": "b"}, last))


async def test_a_user_with_a_time_but_no_place_is_counted(bench: Bench) -> None:
    for user in (1, 2, 3):
        bench.client.hdel(f"ncc:users:{user}", "lastSeenAt")
    bench.client.delete("ncc:users:lastseen")
    for user in (3, 1, 2):
        add(bench.client, user, 7, 5)
    await bench.apply_new()
    seen = bench.client.zrange("ncc:users:lastseen", 0, -1)
    assert [member[:17] for member in seen] == [b"0000000000000007:"] * 3
    assert bench.client.hmget("ncc:users:1", "numCheckins", "lastSeenAt") == [b"4", b"7"]


# --- times and numbers


async def test_older_entries_count_but_never_move_what_was_seen_last(bench: Bench) -> None:
    sequence = 1
    for ms in (0, 0, 5, 5, 1_400_000_000_000, 1_500_000_000_000, 1_500_000_000_001):
        for user, location in ((1, 6), (2, 7), (2, 8)):  # the first was seen at 1500000000000, the second never
            add(bench.client, user, location, 4, f"{ms}-{sequence}")
            sequence += 1
        await bench.apply_new()
        bench.assert_replayed()


async def test_an_older_entry_in_a_new_stream_does_not_move_what_was_seen_last(bench: Bench) -> None:
    rng = Random(0)
    add_some(bench.client, rng, 100)
    await bench.apply_new()
    replay = bench.replay.after(entries(bench.client))
    # as in a stream that another program has filled again
    bench.client.delete("ncc:checkins")
    bench.client.set("ncc:checkinprocessor:lastid", "0")
    for number in range(1, 50):
        add(bench.client, rng.randint(1, USERS), rng.randint(1, LOCATIONS), 3, f"{number}-0")
    bench.client.execute_command("XSETID", "ncc:checkins", "49-0", "ENTRIESADDED", 149)
    await bench.apply_new()
    assert_replayed(bench.client, replay.after(entries(bench.client)))


_POWERS = [10**7, 10**8, 10**9, 10**10, 10**14, 10**15, 10**16 // 2]


@pytest.mark.parametrize("start", [*(power - 1 for power in _POWERS), *_POWERS, 2**53 - 1000])
async def test_large_counters_are_exact_and_written_as_plain_integers(bench: Bench, start: int) -> None:
    rng = bench.rng
    starts = [start - rng.randint(0, 9) for _ in range(10)] + [start, start + 1]
    load_rows(bench.client, "users", [user_row(100 + n, numCheckins=at) for n, at in enumerate(starts)])
    locations = [
        location_row(100 + n, numCheckins=(at + 4) // 5 if n % 2 else at, numStars=at) for n, at in enumerate(starts)
    ]
    load_rows(bench.client, "locations", locations)
    bench.client.set("ncc:checkinprocessor:processed", 0)
    bench.replay = Replay.of_loaded(bench.client)
    for _ in range(10):
        for n in range(len(starts)):
            if rng.random() < 0.8:
                add(bench.client, 100 + n, 100 + n, rng.randint(0, 5))
        await bench.apply_new()
        bench.assert_replayed()
    for n in range(len(starts)):
        assert bench.client.hget(f"ncc:users:{100 + n}", "numCheckins").isdigit()


@pytest.mark.parametrize("start", [9_999_999, 99_999_999, 10**15 - 1, 2**53 - 1000])
async def test_a_large_number_of_processed_entries_is_exact(bench: Bench, start: int) -> None:
    await bench.read()
    bench.client.set("ncc:checkinprocessor:processed", start)
    for number in range(1, 4):
        entry_id = add(bench.client, 1, 1, 5)
        bench.client.execute_command("XSETID", "ncc:checkins", entry_id, "ENTRIESADDED", start + number)
        assert (await bench.apply_new()).processed == start + number
        assert processed(bench.client) == start + number
    assert bench.client.get("ncc:checkinprocessor:processed") == b"%d" % (start + 3)


@pytest.mark.parametrize("number", [2**53 - 1, 10**15])
async def test_the_largest_ids_are_kept_exactly(bench: Bench, number: int) -> None:
    bench.replay.create = True
    for entry_id in ("9999999999999-0", "9999999999999-1", "9999999999999-2"):
        add(bench.client, number, number, 5, entry_id)
        await bench.apply_new(create=True)
        bench.assert_replayed()
