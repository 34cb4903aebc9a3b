"""The feed's parts: events of entries, what is new for a listener, who is ended and why."""

import asyncio
from collections.abc import AsyncIterator, Awaitable
from functools import partial
from typing import Any

import pytest

from footfall import config
from footfall.api import feed as feeds
from footfall.api.events import HEARTBEAT, PAGE, block_of, event_of, page_after
from footfall.api.feed import MAX_WAITING, EndReason, Feed, Listener
from footfall.api.routes.live import LiveAnswer
from footfall.domain.entries import EntryId, RawEntry
from footfall.http.state import begin_request
from footfall.keys import Keys
from footfall.store.metadata import open_pipeline
from footfall.store.pipeline import Argument, Pipeline
from servers import Server, wait_until

_KEYS = Keys("ncc")


def entry(ms: int, number: int = 0, stars: bytes = b"5") -> RawEntry:
    return b"%d-%d" % (ms, number), [b"locationId", b"171", b"userId", b"789", b"starRating", stars]


@pytest.fixture
async def pipeline(server: Server) -> AsyncIterator[Pipeline]:
    pipeline = open_pipeline(server.url, config.load({"redis_url": server.url}).server)
    pipeline.start()
    await pipeline.connected()
    yield pipeline
    await pipeline.close()


@pytest.fixture
def feed(server: Server, pipeline: Pipeline) -> Feed:
    settings = config.load({"redis_url": server.url, "live_heartbeat_s": 0.05})
    return Feed(pipeline, partial(open_pipeline, server.url, settings.server), _KEYS, settings, lambda _count: None)


async def until(condition: Any, what: str) -> None:
    """Wait for something that this event loop does."""
    async with asyncio.timeout(10):
        while not condition():
            await asyncio.sleep(0.005)
    assert condition(), what


# --- events


def test_an_event_has_the_entry_as_the_api_answers_it() -> None:
    assert event_of(entry(1609602085397, 7)) == (
        b"id: 1609602085397-7\nevent: checkin\n"
        b'data: {"id":"1609602085397-7","timestamp":1609602085397,"userId":789,"locationId":171,"starRating":5}\n\n'
    )
    assert event_of(entry(1, stars=b"6")) is None


def test_of_a_block_only_what_is_new_for_a_listener_is_taken() -> None:
    block = block_of([entry(5), entry(6, stars=b"x"), entry(7, 1), entry(7, 2)])
    assert block.last == (7, 2)
    assert block.after((4, 9)) is block.data
    for position, ids in {(5, 0): [b"7-1", b"7-2"], (6, 0): [b"7-1", b"7-2"], (7, 1): [b"7-2"], (7, 2): []}.items():
        found = block.after(position)
        assert [line[4:] for line in found.split(b"\n") if line.startswith(b"id: ")] == ids
    assert HEARTBEAT.after((9, 9)) == b":\n\n"


async def test_a_page_is_bounded_and_says_whether_more_follows(server: Server, pipeline: Pipeline) -> None:
    with server.client().pipeline(transaction=False) as calls:
        for number in range(PAGE + 2):
            calls.xadd("ncc:checkins", {"locationId": 1, "userId": 2, "starRating": 3}, id=f"5-{number}")
        calls.execute()
    read = partial(page_after, pipeline.call, _KEYS.stream)
    first = await read((5, 0))
    assert (len(first.events.ids), first.end, first.is_last) == (PAGE, (5, PAGE), False)
    second = await read(first.end)
    assert (len(second.events.ids), second.end, second.is_last) == (1, (5, PAGE + 1), True)
    assert first.newest == second.newest == (5, PAGE + 1)
    end = await read(None)
    assert (end.events.data, end.end, end.is_last) == (b"", (5, PAGE + 1), True)


async def test_of_a_stream_that_is_not_there_nothing_is_missing(server: Server, pipeline: Pipeline) -> None:
    for position in (None, (0, 0)):
        page = await page_after(pipeline.call, _KEYS.stream, position)
        assert (page.events.data, page.end, page.is_last) == (b"", (0, 0), True)


# --- listeners


def listener(position: EntryId = (0, 0)) -> tuple[Listener, list[EndReason]]:
    ended: list[EndReason] = []
    return Listener(position, ended.append), ended


async def test_a_listener_takes_all_that_waits_at_once() -> None:
    one, ended = listener()
    blocks = [block_of([entry(5)]), block_of([entry(6)])]
    for block in blocks:
        one.offer(block)
    was_idle = one.is_idle
    assert await one.take() == blocks[0].data + blocks[1].data
    assert one.position == (6, 0)
    assert (was_idle, one.is_idle) == (False, True)
    assert not ended


async def test_a_listener_that_leaves_too_much_waiting_is_ended() -> None:
    one, ended = listener()
    block = block_of([entry(5, number) for number in range(PAGE)])
    for _ in range(MAX_WAITING // len(block.data)):
        one.offer(block)
    before = list(ended)
    one.offer(block)
    assert (before, ended) == ([], [EndReason.SLOW_READER])


async def test_a_listener_that_takes_nothing_for_too_long_is_ended(feed: Feed, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(feeds, "STALLED_S", 0.2)
    (stuck, stuck_ended), (idle, idle_ended) = listener(), listener()
    for one in (stuck, idle):
        feed.enter(one)
        feed.join(one)
    stuck.stuck_since = asyncio.get_running_loop().time()
    await until(lambda: stuck_ended, "it is ended")
    assert await idle.take() == HEARTBEAT.data
    assert not idle_ended
    for one in (stuck, idle):
        feed.leave(one)


async def test_one_that_comes_when_the_feed_has_stopped_is_ended_at_once(feed: Feed) -> None:
    (first, first_ended), (second, second_ended) = listener(), listener()
    feed.enter(first)
    feed.stop()
    feed.enter(second)
    assert first_ended == second_ended == [EndReason.STOPPING]
    feed.leave(first)
    feed.leave(second)


async def test_entries_that_come_and_go_at_once_do_not_disturb_it(
    server: Server, feed: Feed, caplog: pytest.LogCaptureFixture
) -> None:
    client: Any = server.client()
    one, _ = listener()
    feed.enter(one)
    feed.join(one)
    await until(lambda: client.info("clients")["blocked_clients"] == 1, "it reads")
    with client.pipeline(transaction=True) as calls:  # a blocked read is told of them when they are gone
        calls.xadd("ncc:checkins", {"locationId": 1, "userId": 2, "starRating": 3}, id="9-0")
        calls.xtrim("ncc:checkins", maxlen=0, approximate=False)
        calls.execute()
    client.xadd("ncc:checkins", {"locationId": 1, "userId": 2, "starRating": 3}, id="10-0")
    data = b""
    async with asyncio.timeout(10):
        while b"id: 10-0" not in data:
            data = await one.take()
    assert not caplog.records
    feed.leave(one)


async def test_a_stream_that_was_replaced_is_noticed_and_said(server: Server, feed: Feed) -> None:
    client: Any = server.client()
    client.xadd("ncc:checkins", {"locationId": 1, "userId": 2, "starRating": 3}, id="9-0")
    one, _ = listener((9, 0))
    feed.enter(one)
    feed.join(one)
    wait_until(lambda: client.info("clients")["blocked_clients"] in (0, 1), "it reads")
    client.delete("ncc:checkins")
    client.xadd("ncc:checkins", {"locationId": 1, "userId": 2, "starRating": 3}, id="3-0")
    data = b""
    async with asyncio.timeout(10):
        while b"gap" not in data:
            data = await one.take()
        assert data.endswith(b'event: gap\ndata: {"lastEventId":"9-0","first":null}\n\n')
        client.xadd("ncc:checkins", {"locationId": 1, "userId": 2, "starRating": 3}, id="4-0")
        while b"id: 4-0" not in data:
            data = await one.take()
    feed.leave(one)


class Failing:
    """A pipeline and its connection: calls fail as in no outage, before they reach the real one."""

    def __init__(self, pipeline: Pipeline, failures: int) -> None:
        self._pipeline, self.failures = pipeline, failures

    def start(self) -> None: ...

    async def close(self) -> None: ...

    async def connected(self) -> "Failing":
        return self

    def call(self, *command: Argument) -> Awaitable[Any]:
        if self.failures:
            self.failures -= 1
            raise ZeroDivisionError("a defect")
        return self._pipeline.call(*command)


async def test_what_no_outage_explains_is_said_once_until_it_reads_again(
    server: Server, pipeline: Pipeline, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(feeds, "RETRY_S", 0.01)
    caplog.set_level("INFO", "footfall")
    failing: Any = Failing(pipeline, failures=5)
    feed = Feed(pipeline, lambda: failing, _KEYS, config.load({"redis_url": server.url}), lambda _count: None)
    one, _ = listener()
    feed.enter(one)
    feed.join(one)
    await until(lambda: failing.failures == 0, "it has failed so often")
    server.client().xadd("ncc:checkins", {"locationId": 1, "userId": 2, "starRating": 3}, id="10-0")
    async with asyncio.timeout(10):
        while b"id: 10-0" not in await one.take():
            pass
    feed.leave(one)
    said = [record.getMessage().rpartition(" after ")[0] or record.getMessage() for record in caplog.records]
    assert said == [
        "The live feed could not read the stream: ZeroDivisionError('a defect')",
        "The live feed reads the stream again",
    ]
    assert caplog.records[0].exc_info is not None


# --- how a feed ends for a client


class Client:
    """Reads what an answer sends, until told otherwise."""

    def __init__(self) -> None:
        self.sent: list[bytes] = []
        self.reads = asyncio.Event()
        self.reads.set()
        self.gone = asyncio.Event()
        self.is_aborted = False

    async def receive(self) -> dict[str, str]:
        await self.gone.wait()
        return {"type": "http.disconnect"}

    async def send(self, message: dict[str, Any]) -> None:
        await self.reads.wait()
        self.sent.append(message.get("body", b""))

    def abort(self) -> None:
        self.is_aborted = True
        self.gone.set()

    def listen(self, feed: Feed, page: Any) -> "asyncio.Task[None]":
        scope: dict[str, Any] = {"type": "http", "state": {}}
        begin_request(scope, self.abort)
        return asyncio.create_task(LiveAnswer(feed, page)(scope, self.receive, self.send))


async def _flood(feed: Feed, client: Client) -> None:
    """More than may wait for a client that reads nothing."""
    block = block_of([entry(5, number) for number in range(PAGE)])
    await until(lambda: len(client.sent) == 2, "the feed has begun")
    client.reads.clear()
    for _ in range(MAX_WAITING // len(block.data) + 2):
        feed._publish(block)
        await asyncio.sleep(0)


async def test_a_slow_client_that_reads_again_is_told_why_it_ends(feed: Feed) -> None:
    client = Client()
    task = client.listen(feed, await feed.page_after(None))
    await _flood(feed, client)
    client.reads.set()
    await asyncio.wait_for(task, 5)
    assert client.sent[-1] == b'event: end\ndata: {"reason":"slow-reader"}\n\n'
    assert not client.is_aborted


async def test_a_slow_client_that_does_not_is_cut_off(feed: Feed) -> None:
    client = Client()
    task = client.listen(feed, await feed.page_after(None))
    await _flood(feed, client)
    await asyncio.wait_for(task, 5)
    assert client.is_aborted
    assert not any(b"event: end" in sent for sent in client.sent)


async def test_a_client_that_leaves_is_forgotten(feed: Feed) -> None:
    client = Client()
    task = client.listen(feed, await feed.page_after(None))
    await until(lambda: feed._joined, "it listens")
    client.gone.set()
    await asyncio.wait_for(task, 5)
    assert not any((feed._listeners, feed._joined, feed._reading, feed._beating))
