"""What is kept of the newest check-ins: exactly what follows from the entries, at the edges of each window too."""

import asyncio
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from random import Random
from typing import Any

import pytest

from audit_scene import settle_dead_letters
from chaos.activity import Applied, assert_recent, expected, held
from chaos.replay import entries, raw_client, writes_of
from chaos.replay import held as held_metadata
from chaos.scene import LOCATIONS, USERS, add, load_records, load_rows, seeded, user_row
from footfall import config
from footfall.config import NO_ACTIVITY, ActivitySettings
from footfall.domain.activity import BUCKET_MS, HOUR_MS
from footfall.errors import BrokenKeyError, FootfallError
from footfall.keys import Keys
from footfall.processor.activity import Trending
from footfall.processor.batch import Batch
from footfall.processor.calls import Calls
from footfall.processor.clock import ServerClock
from footfall.store.calls.activity import Rolled, roll_trending
from footfall.store.metadata import open_metadata
from footfall.store.pipeline import Connection
from pipelines import connected_to
from servers import Server

KEYS = Keys("ncc")
ALL = config.load().activity
PATTERNS = ("ncc:history:*", "ncc:now:*", "ncc:hourly:*", "ncc:trending:*")
MINUTE_MS = 60_000


class Scene:
    """Loaded records, and a connection over which batches are applied."""

    def __init__(self, client: Any, connection: Connection) -> None:
        self.client, self.connection = client, connection
        self.rng = seeded()
        self.replay = load_records(client)
        self.now_ms = int(time.time() * 1000)

    async def apply(self, activity: ActivitySettings = ALL, most: int = 1000, *, create: bool = False) -> None:
        """Apply what comes after the checkpoint, so many entries at most."""
        position = await open_metadata(self.connection, KEYS)
        page = self.client.xrange("ncc:checkins", b"(" + position.checkpoint, count=most)
        calls = Calls(self.connection, position)
        calls.send(calls.prepare(Batch(page, KEYS, create=create, activity=activity, now_ms=self.now_ms)))
        await calls.finish_oldest()

    async def roll(self, bucket: int | None = None) -> None:
        """Make the window that of this bucket, or of the present one."""
        trending = Trending(KEYS, ServerClock(), is_kept=True)
        assert trending.is_due
        if bucket is None:
            await trending.roll(self.connection)
            assert not trending.is_due
        else:
            await trending.roll_to(self.connection, bucket)

    def applied(self) -> list[Applied]:
        """All entries up to the checkpoint, as the replay applies them."""
        last = self.client.get("ncc:checkinprocessor:lastid")
        stream = [entry for entry in entries(self.client) if _order(entry[0]) <= _order(last)]
        return self.replay.after(stream).applied

    def assert_exact(self, history: int = 100) -> None:
        """What is kept is what follows from the entries."""
        assert_recent(self.client, self.applied(), history=history)

    def kept_keys(self) -> set[bytes]:
        """All keys of what is kept."""
        return {key for pattern in PATTERNS for key in self.client.scan_iter(pattern)}

    @contextmanager
    def unchanged(self) -> Iterator[None]:
        """What happens inside changes nothing on the server, and nothing is changed and undone, either."""
        before, digest = held_metadata(self.client), self.client.execute_command("DEBUG", "DIGEST")
        writes = writes_of(self.client)
        yield
        assert writes_of(self.client) == writes
        assert held_metadata(self.client) == before
        assert self.client.execute_command("DEBUG", "DIGEST") == digest


@pytest.fixture
async def scene(server: Server) -> AsyncIterator[Scene]:
    client = raw_client(server.port)
    async with connected_to(server.url) as connection:
        yield Scene(client, connection)
    client.close()


def _order(entry_id: bytes) -> tuple[int, ...]:
    return tuple(map(int, entry_id.split(b"-"))) if b"-" in entry_id else (0,)


def add_at(scene: Scene, times: list[int]) -> None:
    """Random check-ins at these times, in their order."""
    pipeline, last, sequence = scene.client.pipeline(transaction=True), 0, 0
    for ms in sorted(times):
        sequence = sequence + 1 if ms == last else 0
        last = ms
        add(pipeline, scene.rng.randint(1, USERS), scene.rng.randint(1, LOCATIONS), 3, f"{ms}-{sequence}")
    pipeline.execute()


def edges(rng: Random, now_ms: int, count: int) -> list[int]:
    """Times around everything where a window, a bucket or an hour ends."""
    hour, bucket = now_ms - now_ms % HOUR_MS, now_ms - now_ms % BUCKET_MS
    around = [
        *(hour - 168 * HOUR_MS, hour - 167 * HOUR_MS, hour - HOUR_MS, hour, now_ms - 3 * HOUR_MS),
        *(bucket - 24 * BUCKET_MS, bucket - 23 * BUCKET_MS, bucket - 12 * BUCKET_MS, bucket - 11 * BUCKET_MS, bucket),
    ]
    near = [rng.choice(around) + rng.randint(-3, 3) for _ in range(count // 2)]
    far = [now_ms - rng.randrange(rng.choice((10 * MINUTE_MS, HOUR_MS, 4 * HOUR_MS, 170 * HOUR_MS))) for _ in near]
    return near + far


async def test_what_is_kept_is_exact_at_the_edges_of_all_windows(scene: Scene) -> None:
    await scene.roll()
    add_at(scene, edges(scene.rng, scene.now_ms, 3000))
    while scene.client.get("ncc:checkinprocessor:lastid") != scene.client.xrevrange("ncc:checkins", count=1)[0][0]:
        await scene.apply(most=scene.rng.choice((1, 7, 100, 900)))
        if scene.rng.random() < 0.2:
            scene.assert_exact()
    scene.assert_exact()


async def test_entries_ahead_of_the_clock_count_in_their_time_up_to_an_hour_ahead(scene: Scene) -> None:
    await scene.roll()
    minutes = [scene.rng.randint(-90, 50) for _ in range(200)] + [scene.rng.randint(150, 9000) for _ in range(20)]
    add_at(scene, [scene.now_ms + minute * MINUTE_MS for minute in minutes])
    await scene.apply()
    scene.assert_exact()
    buckets = {int(key.split(b":")[-1]) for key in scene.client.scan_iter("ncc:trending:bucket:*")}
    assert max(buckets) <= scene.now_ms // BUCKET_MS + 12


async def test_each_window_is_exact_as_it_moves_on(scene: Scene) -> None:
    now = scene.now_ms // BUCKET_MS
    await scene.roll(now - 10)
    for bucket in sorted({now, *scene.rng.sample(range(now - 9, now), 6)}):
        ahead = min(bucket + 1, now)  # check-ins may be processed before the window moves on to their bucket
        times = [scene.rng.randint((bucket - 25) * BUCKET_MS, (ahead + 1) * BUCKET_MS - 1) for _ in range(60)]
        newest = scene.client.xrevrange("ncc:checkins", count=1)
        times = [ms for ms in times if not newest or ms > _order(newest[0][0])[0]]
        if times:
            add_at(scene, times)
            await scene.apply()
        scene.assert_exact()
        await scene.roll(bucket)
        scene.assert_exact()


async def test_a_location_without_check_ins_in_the_window_is_no_longer_in_its_order(scene: Scene) -> None:
    now = scene.now_ms // BUCKET_MS
    await scene.roll(now - 24)
    add(scene.client, 1, 1, 5, f"{(now - 24) * BUCKET_MS + 1}-0")
    add(scene.client, 1, 2, 5, f"{(now - 20) * BUCKET_MS + 1}-0")
    await scene.apply()
    assert [location for location, _ in held(scene.client)[0].trending] == [1]
    await scene.roll()
    assert held(scene.client)[0].trending == [(2, -1)]


async def test_while_a_window_is_made_the_one_before_is_answered_and_check_ins_begin_it_anew(scene: Scene) -> None:
    now = scene.now_ms // BUCKET_MS
    load_rows(scene.client, "locations", [
        {"id": location, "name": "x", "category": "bar", "location": "1,2"} for location in range(100, 600)
    ])  # fmt: skip
    scene.replay = type(scene.replay).of_loaded(scene.client)
    for number in range(1200):
        ms = (now - 22) * BUCKET_MS + number * 4000
        add(scene.client, 1 + number % USERS, 100 + scene.rng.randrange(500), 1, f"{ms}-0")
    await scene.roll(now - 6)
    await scene.apply(most=1000)

    async def step(token: str, place: bytes) -> Rolled:
        return await roll_trending(KEYS, token, now, place).start(scene.connection)

    word, place = await step("a", b"")
    assert word == b"NEXT"
    scene.assert_exact()
    assert held(scene.client)[2] == now - 6
    await scene.apply(most=100)
    scene.assert_exact()
    assert (await step("a", place))[0] == b"AGAIN"
    word, place = await step("a", b"")
    word, _ = await step("b", b"")  # another processor
    assert (await step("a", place))[0] == b"AGAIN"
    place, steps = b"", 0
    while True:
        word, place = await step("c", place)
        if word == b"DONE":
            break
        steps += 1
        assert held(scene.client)[2] == now - 6
        scene.assert_exact()
    assert steps > 4, "the server is not held for all of it at once"
    scene.assert_exact()
    assert held(scene.client)[2] == now
    assert len(scene.client.zrange("ncc:trending:0", 0, -1)) * len(scene.client.zrange("ncc:trending:1", 0, -1)) == 0


async def test_a_window_that_was_lost_is_made_anew_from_the_buckets(scene: Scene) -> None:
    await scene.roll()
    add_at(scene, edges(scene.rng, scene.now_ms, 400))
    await scene.apply()
    scene.client.delete("ncc:trending:state", "ncc:trending:0", "ncc:trending:1")
    add(scene.client, 1, 1, 5)
    await scene.apply()
    await scene.roll()
    scene.assert_exact()


@pytest.mark.parametrize("is_kept", [True, False])
async def test_it_is_due_when_a_bucket_has_begun_and_sets_the_clock(scene: Scene, *, is_kept: bool) -> None:
    clock = ServerClock()
    trending = Trending(KEYS, clock, is_kept=is_kept)
    clock._ahead_s = 1000.0
    await trending.roll(scene.connection)
    assert abs(clock._ahead_s) < 10
    assert not trending.is_due
    assert scene.client.exists("ncc:trending:state") == is_kept
    clock._ahead_s += BUCKET_MS / 1000
    assert trending.is_due


async def test_a_bucket_that_has_not_begun_by_the_servers_clock_is_not_rolled_to(scene: Scene) -> None:
    await scene.roll()
    trending = Trending(KEYS, ServerClock(), is_kept=True)
    await trending.roll_to(scene.connection, scene.now_ms // BUCKET_MS + 2)
    assert held(scene.client)[2] - scene.now_ms // BUCKET_MS in (0, 1)
    assert not trending.is_due, "not at once again"


@pytest.mark.parametrize("history", [1, 7, 1000])
async def test_a_history_has_the_newest_of_the_length_that_is_set(scene: Scene, history: int) -> None:
    await scene.roll()
    for _ in range(5):
        first = int(time.time() * 1000)
        add_at(scene, [first + scene.rng.randrange(50) for _ in range(300)])
        while first + 60 > int(time.time() * 1000):
            await asyncio.sleep(0.01)
        await scene.apply(ALL.model_copy(update={"history": history}))
    scene.assert_exact(history)


async def test_retried_dead_letters_come_into_their_place(scene: Scene) -> None:
    await scene.roll()
    load_rows(scene.client, "users", [user_row(user) for user in range(50, 60)])
    scene.client.delete(*(f"ncc:users:{user}" for user in range(50, 60)))
    times = edges(scene.rng, scene.now_ms, 800)
    pipeline = scene.client.pipeline(transaction=True)
    for number, ms in enumerate(sorted(times)):
        user = scene.rng.randint(50, 59) if scene.rng.random() < 0.3 else scene.rng.randint(1, USERS)
        add(pipeline, user, scene.rng.randint(1, LOCATIONS), 2, f"{ms}-{number}")
    pipeline.execute()
    await scene.apply()
    scene.assert_exact()
    assert scene.client.xlen("ncc:checkins:dead") > 100
    load_rows(scene.client, "users", [user_row(user) for user in range(50, 60)])
    settle_dead_letters(scene.client, "retry")
    assert scene.client.xlen("ncc:checkins:dead") == 0
    for user in range(50, 60):
        scene.replay.users[b"%d" % user] = {}
    scene.assert_exact()


@pytest.mark.parametrize("off", ["history", "now", "hourly", "trending"])
async def test_what_is_off_is_not_written(scene: Scene, off: str) -> None:
    await scene.roll()
    scene.client.delete(*scene.kept_keys())
    add_at(scene, edges(scene.rng, scene.now_ms, 200))
    values: dict[str, Any] = {"presence" if off == "now" else off: 0 if off == "history" else False}
    await scene.apply(ALL.model_copy(update=values))
    kinds = {key.split(b":")[1].decode() for key in scene.kept_keys()}
    assert kinds == {"history", "now", "hourly", "trending"} - {off}


async def test_a_batch_of_more_than_luas_stack_holds_is_kept_too(scene: Scene) -> None:
    await scene.roll()
    pipeline = scene.client.pipeline(transaction=False)
    for number in range(10_000):
        add(pipeline, 100_000 + number, 200_000 + number if number % 2 else 7, number % 6)
    pipeline.execute()
    scene.replay.create = True
    await scene.apply(most=10_000, create=True)
    scene.assert_exact()
    assert len(held(scene.client)[0].now[b"7"]) == 5000
    await scene.roll()
    scene.assert_exact()


async def test_with_all_of_it_off_nothing_is_written(scene: Scene) -> None:
    add_at(scene, edges(scene.rng, scene.now_ms, 200))
    await scene.apply(NO_ACTIVITY)
    assert scene.kept_keys() == set()


async def test_old_entries_leave_histories_only(scene: Scene) -> None:
    for number in range(100):
        add(scene.client, 1, 1 + number % LOCATIONS, 5, f"{1_600_000_000_000 + number}-0")
    await scene.apply()
    assert {key.split(b":")[1] for key in scene.kept_keys()} == {b"history"}
    (item,) = scene.client.lrange("ncc:history:user:1", 0, -1)
    assert item.count(b",") == 99


async def test_all_but_histories_expires(scene: Scene) -> None:
    await scene.roll()
    add(scene.client, 1, 1, 5)
    await scene.apply()
    for key in scene.kept_keys():
        if b":history:" not in key:
            assert 3 * 3600 < scene.client.ttl(key) <= 9 * 24 * 3600, key


async def test_what_is_too_old_is_removed_when_it_is_renewed(scene: Scene) -> None:
    add(scene.client, 1, 1, 5)
    await scene.apply()
    scene.client.zadd("ncc:now:1", {f"{user:016}": 10_800_000 + 1000 * user - scene.now_ms for user in range(5, 20)})
    scene.client.zadd("ncc:now:1", {"renewed": 1})
    scene.client.persist("ncc:now:1")
    add(scene.client, 2, 1, 5)
    await scene.apply()
    assert scene.client.zcard("ncc:now:1") == 2 + 1
    assert scene.client.ttl("ncc:now:1") > 7 * 3600


@pytest.mark.parametrize("key", [
    "ncc:history:user:1", "ncc:history:location:1", "ncc:now:1", "ncc:trending:state", "ncc:trending:0", "an hour",
    "a bucket",
])  # fmt: skip
async def test_a_key_of_another_type_is_named_and_nothing_is_changed(scene: Scene, key: str) -> None:
    await scene.roll()
    add(scene.client, 99, 1, 5)  # a dead letter
    for user in range(2, 9):
        add(scene.client, user, 2, 5)
    add(scene.client, 1, 1, 5)
    await scene.apply()
    add(scene.client, 99, 1, 5)
    for user in range(2, 9):
        add(scene.client, user, 2, 5)
    add(scene.client, 1, 1, 5)
    if key in ("an hour", "a bucket"):
        key = max(scene.client.scan_iter("ncc:hourly:*" if key == "an hour" else "ncc:trending:bucket:*")).decode()
    scene.client.delete(key)
    scene.client.set(key, "x")
    with scene.unchanged(), pytest.raises(BrokenKeyError, match=key):
        await scene.apply()
    scene.client.delete(key)
    await scene.apply()


async def test_when_no_dead_letter_can_be_added_the_histories_are_as_before(scene: Scene) -> None:
    for user in (1, 2, 99):
        add(scene.client, user, 1, 5)
    await scene.apply()
    scene.client.execute_command("XADD", "ncc:checkins:dead", "18446744073709551615-18446744073709551615", "a", "b")
    for user in (1, 2, 3, 99):
        add(scene.client, user, 1, 5)
    with scene.unchanged(), pytest.raises(BrokenKeyError, match="ncc:checkins:dead"):
        await scene.apply()


async def test_a_window_with_a_broken_key_stays_and_the_key_is_named(scene: Scene) -> None:
    await scene.roll(scene.now_ms // BUCKET_MS - 3)
    add(scene.client, 1, 1, 5, f"{scene.now_ms - 20 * MINUTE_MS}-0")
    await scene.apply()
    scene.client.hset(next(scene.client.scan_iter("ncc:trending:bucket:*")), f"{1:016}", "x")
    with pytest.raises(FootfallError, match="ncc:trending:bucket:"):
        await scene.roll()
    assert int(scene.client.hget("ncc:trending:state", "window")) == scene.now_ms // BUCKET_MS - 3


async def test_a_load_of_check_ins_empties_all_of_it(scene: Scene) -> None:
    await scene.roll()
    add_at(scene, edges(scene.rng, scene.now_ms, 300))
    await scene.apply()
    assert len(scene.kept_keys()) > 50
    row = {"id": "1-0", "userId": 1, "locationId": 1, "starRating": 1}
    load_rows(scene.client, "checkins", [row], reset=True, yes=True)
    assert scene.kept_keys() == set()


def test_the_model_counts_what_a_person_would() -> None:
    hour = 500_000 * HOUR_MS
    rows = [(hour - 61 * MINUTE_MS, b"1"), (hour - 1, b"1"), (hour, b"2"), (hour + 1, b"1")]
    applied = [Applied(b"%d-0" % ms, b"7", location, b"5") for ms, location in rows]
    found = expected(applied, hour + 2, (hour + 2) // BUCKET_MS, history=2)
    assert found.user_histories[b"7"] == [b"%d-0 1 5" % (hour + 1), b"%d-0 2 5" % hour]
    assert found.now == {b"1": {7: hour + 1}, b"2": {7: hour}}
    assert found.hours[b"1"] == {499_998: 1, 499_999: 1, 500_000: 1}
    assert found.trending == [(1, 1), (2, 1)]
