"""Generating load: what is posted, when, and that every check-in is accounted for."""

import asyncio
import io
import json
import math
import random
import signal
import statistics
import subprocess
import sys
import time
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from itertools import islice, pairwise
from pathlib import Path
from typing import Any

import pytest
import redis
from rich.console import Console

from footfall import config, generate
from footfall.errors import BrokenKeyError, ExitCode, FootfallError, UsageError
from footfall.generate import GenerateOptions, visits
from footfall.generate import poster as poster_module
from footfall.generate.http import Connection, Target
from footfall.generate.poster import Poster
from footfall.generate.tally import Latencies, Refusal, Tally
from footfall.identity import tokens
from footfall.keys import Keys
from footfall.store.client import connect
from metadata_scene import make_metadata
from processes import Footfall, Receiver
from servers import Server, free_port, wait_until, wait_until_async

KEYS = Keys("ncc")
USERS, LOCATIONS = range(1, 51), range(1, 21)

ACCEPTED = b'HTTP/1.1 202 Accepted\r\ncontent-length: 24\r\n\r\n{"id":"1609602085397-0"}'
CLOSING = ACCEPTED.replace(b"\r\n\r\n", b"\r\nconnection: close\r\n\r\n")


# --- what is posted and when


def draw(count: int, seed: int = 1, users: range = USERS, locations: range = LOCATIONS) -> list[dict[str, int]]:
    return [json.loads(body) for body in islice(visits.check_ins(users, locations, seed), count)]


def test_a_seed_gives_the_same_check_ins_on_every_machine() -> None:
    assert [tuple(check_in.values()) for check_in in draw(4)] == [(19, 7, 4), (9, 13, 4), (42, 2, 4), (41, 10, 5)]
    assert draw(1000) == draw(1000)
    assert draw(1000) != draw(1000, seed=2)


def test_everybody_and_every_place_takes_part_and_nobody_else() -> None:
    check_ins = draw(20_000)
    assert {check_in["userId"] for check_in in check_ins} == set(USERS)
    assert {check_in["locationId"] for check_in in check_ins} == set(LOCATIONS)


def test_places_are_popular_by_zipfs_law_and_the_seed_says_which() -> None:
    check_ins = draw(50_000, locations=range(1, 216))
    counts = [count for _, count in Counter(each["locationId"] for each in check_ins).most_common()]
    weights = [1 / (8 + rank) for rank in range(1, 216)]
    for rank in (0, 1, 5, 20, 100, 214):
        assert counts[rank] == pytest.approx(50_000 * weights[rank] / sum(weights), rel=0.25)
    favourites = {
        Counter(each["locationId"] for each in draw(5000, seed, locations=range(1, 216))).most_common(1)[0][0]
        for seed in range(5)
    }
    assert len(favourites) > 1


def test_stars_are_mostly_three_to_five() -> None:
    stars = Counter(check_in["starRating"] for check_in in draw(20_000))
    assert set(stars) == set(range(6))
    assert sum(stars[good] for good in (3, 4, 5)) / 20_000 == pytest.approx(0.90, abs=0.01)


def test_arrivals_are_a_poisson_process() -> None:
    rate = 200.0
    gaps = list(islice(visits.gaps(rate, random.Random(1)), 50_000))
    assert statistics.fmean(gaps) == pytest.approx(1 / rate, rel=0.02)
    assert statistics.pstdev(gaps) == pytest.approx(1 / rate, rel=0.02)
    for multiple in (0.5, 1, 2, 3):
        longer = sum(gap > multiple / rate for gap in gaps) / len(gaps)
        assert longer == pytest.approx(math.exp(-multiple), abs=0.01)
    # no memory: a gap says nothing about the next
    assert abs(statistics.correlation(gaps[:-1], gaps[1:])) < 0.02


# --- counting


def test_percentiles_are_those_of_the_sorted_latencies() -> None:
    source = random.Random(1)
    times = [source.lognormvariate(-6, 1.5) for _ in range(5000)]
    latencies = Latencies()
    for seconds in times:
        latencies.add(seconds)
    times.sort()
    for percent in (1, 50, 90, 99, 99.9, 100):
        exact = times[math.ceil(len(times) * percent / 100) - 1]
        assert exact <= latencies.percentile(percent) <= exact * 1.011
    assert latencies.longest_s == times[-1]


def test_latencies_of_nothing_and_of_extremes() -> None:
    assert Latencies().percentile(99) == 0
    latencies = Latencies()
    latencies.add(0.0)
    latencies.add(1e6)
    assert latencies.percentile(50) < 2e-6
    assert latencies.percentile(100) > 200


def test_kinds_are_told_apart_up_to_a_limit() -> None:
    tally = Tally()
    for number in range(1000):
        tally.refuse(Refusal(404, f"no {number}"))
        tally.fail(f"kind {number}")
    assert tally.refused.total() == tally.errors.total() == 1000
    assert len(tally.refused) == len(tally.errors) == 21


@pytest.mark.parametrize(
    ("happened", "went_well"),
    [
        ({}, True),
        ({"accepted": 2}, True),
        ({"accepted": 1, "refused": Counter({Refusal(404, ""): 1})}, True),
        ({"accepted": 1, "refused": Counter({Refusal(503, ""): 1})}, True),
        ({"accepted": 1, "refused": Counter({Refusal(500, ""): 1})}, False),
        ({"accepted": 1, "refused": Counter({Refusal(200, ""): 1})}, False),
        ({"refused": Counter({Refusal(503, ""): 1})}, False),
        ({"accepted": 1, "errors": Counter({"connection lost": 1})}, False),
        ({"accepted": 1, "not_sent": 1}, False),
    ],
)
def test_it_went_well_when_all_others_were_refused_on_purpose(happened: dict[str, Any], went_well: bool) -> None:
    tally = Tally()
    tally.offered = 2 if happened else 0
    for name, value in happened.items():
        setattr(tally, name, value)
    assert tally.went_well is went_well


# --- HTTP


@pytest.mark.parametrize(
    ("url", "posted_to"),
    [
        ("http://127.0.0.1:8082", "http://127.0.0.1:8082/api/checkin"),
        ("http://example.com/", "http://example.com:80/api/checkin"),
        ("https://example.com/east/", "https://example.com:443/east/api/checkin"),
        ("http://[::1]:8082/api/checkin", "http://[::1]:8082/api/checkin"),
    ],
)
def test_the_url_of_a_receiver(url: str, posted_to: str) -> None:
    assert str(Target.parse(url)) == posted_to


@pytest.mark.parametrize(
    "url",
    [
        *("", "localhost:8082", "ftp://a", "http://", "http://a:b", "http://a:70000", "http://a/?b", "http://a/#b"),
        *("http://a\r\nb", "http://a b", "http://ä", "http://me:secret@a"),
    ],
)
def test_what_is_not_the_url_of_a_receiver_is_refused_and_not_repeated(url: str) -> None:
    with pytest.raises(UsageError, match="--url") as error:
        Target.parse(url)
    assert "secret" not in str(error.value)


class Notes:
    """What a connection tells its owner."""

    def __init__(self) -> None:
        self.told: list[tuple[object, ...]] = []

    def made(self, _: Connection) -> None:
        self.told.append(("made",))

    def answered(self, status: int, body: bytes, _: float) -> None:
        self.told.append(("answered", status, body))

    def failed(self, kind: str) -> None:
        self.told.append(("failed", kind))

    def freed(self, _: Connection) -> None:
        self.told.append(("freed",))

    def lost(self, _: Connection) -> None:
        self.told.append(("lost",))


class Wire(asyncio.Transport):
    """A transport that keeps what is written."""

    def __init__(self) -> None:
        super().__init__()
        self.written = b""

    def write(self, data: Any) -> None:
        self.written += data

    def abort(self) -> None:
        pass


def connected() -> tuple[Connection, Notes]:
    notes = Notes()
    connection = Connection(notes)
    connection.connection_made(Wire())
    connection.send(b"POST", time.perf_counter())
    return connection, notes


CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"
CHUNKED = b"HTTP/1.1 202 Accepted\r\ntransfer-encoding: chunked\r\n\r\n3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n"


@pytest.mark.parametrize(
    ("answer", "told"),
    [
        (ACCEPTED, [("answered", 202, b'{"id":"1609602085397-0"}'), ("freed",)]),
        (CONTINUE + ACCEPTED, [("answered", 202, b'{"id":"1609602085397-0"}'), ("freed",)]),
        (CHUNKED, [("answered", 202, b"abcde"), ("freed",)]),
        (CLOSING, [("answered", 202, b'{"id":"1609602085397-0"}'), ("lost",)]),
        (b"HTTP/1.1 503 No\r\ncontent-length: 0\r\n\r\n", [("answered", 503, b""), ("freed",)]),
        (b"+PONG\r\n", [("failed", "the answer is not HTTP"), ("lost",)]),
        (ACCEPTED + ACCEPTED, [("answered", 202, b'{"id":"1609602085397-0"}'), ("freed",), ("lost",)]),
    ],
    ids=["accepted", "after continue", "chunked", "closing", "empty", "not HTTP", "one too many"],
)
def test_an_answer_is_read_however_it_is_cut(answer: bytes, told: list[tuple[object, ...]]) -> None:
    for first in range(len(answer)):
        for second in range(first, len(answer), 7):
            connection, notes = connected()
            for part in (answer[:first], answer[first:second], answer[second:]):
                if part:
                    connection.data_received(part)
            assert notes.told[1:] == told


def test_a_connection_that_is_lost_fails_what_is_under_way_once() -> None:
    connection, notes = connected()
    connection.data_received(ACCEPTED[:-1])
    connection.connection_lost(None)
    connection.connection_lost(None)
    connection.end("again")
    assert notes.told[1:] == [("failed", "connection lost before the answer"), ("lost",)]


# --- posting, to receivers that behave in ways that ours does not


class Stub(asyncio.Protocol):
    """A receiver that gives every request the same answer, after a while; one that ends with "close" then closes."""

    def __init__(self, arrived: list[bytes], answer: bytes, after_s: float) -> None:
        self._arrived = arrived
        self._answer = answer
        self._after_s = after_s
        self._received = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        self._received += data
        head, _, body = self._received.partition(b"\r\n\r\n")
        if body and len(body) == int(head.lower().partition(b"content-length: ")[2].split()[0]):
            self._received = b""
            self._arrived.append(body)
            asyncio.get_running_loop().call_later(self._after_s, self._say)

    def _say(self) -> None:
        self._transport.write(self._answer)
        if b"close" in self._answer:
            self._transport.close()


class Posting:
    """A poster, what it counted, what it said, and the bodies that arrived."""

    def __init__(self, port: int, max_connections: int) -> None:
        self.tally = Tally()
        self.said: list[str] = []
        self.arrived: list[bytes] = []
        target = Target.parse(f"http://127.0.0.1:{port}")
        self.poster = Poster(target, self.tally, self.said.append, max_connections=max_connections)

    def post(self, count: int) -> None:
        for number in range(count):
            self.poster.post(b"%d" % number, time.perf_counter())

    async def quiet(self) -> None:
        async with asyncio.timeout(10):
            await self.poster.quiet()


async def listen(port: int, arrived: list[bytes], answer: bytes, after_s: float = 0) -> asyncio.Server:
    loop = asyncio.get_running_loop()
    return await loop.create_server(lambda: Stub(arrived, answer, after_s), "127.0.0.1", port)


@asynccontextmanager
async def posting_to(answer: bytes, *, after_s: float = 0, max_connections: int = 4) -> AsyncIterator[Posting]:
    port = free_port()
    posting = Posting(port, max_connections)
    server = await listen(port, posting.arrived, answer, after_s)
    try:
        yield posting
    finally:
        posting.poster.close()
        server.close()
        await server.wait_closed()
        await asyncio.sleep(0.01)  # the stub's side of the connections ends


async def test_over_one_connection_check_ins_arrive_in_order() -> None:
    async with posting_to(ACCEPTED, max_connections=1) as posting:
        posting.post(100)
        await posting.quiet()
        assert posting.arrived == [b"%d" % number for number in range(100)]
        assert posting.tally.accepted == 100


async def test_a_receiver_that_closes_after_each_answer_is_connected_to_again() -> None:
    async with posting_to(CLOSING) as posting:
        posting.post(100)
        await posting.quiet()
        assert posting.tally.accepted == len(posting.arrived) == 100


async def test_time_spent_waiting_for_a_connection_is_part_of_the_latency() -> None:
    async with posting_to(ACCEPTED, after_s=0.05, max_connections=1) as posting:
        posting.post(4)
        await posting.quiet()
        assert posting.tally.latencies.longest_s >= 0.2
        assert posting.tally.latencies.percentile(50) >= 0.1


async def test_more_than_may_wait_are_not_sent(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(poster_module, "MAX_WAITING", 10)
    async with posting_to(ACCEPTED) as posting:
        posting.post(25)
        await posting.quiet()
        assert (posting.tally.accepted, posting.tally.not_sent) == (10, 15)


async def test_what_is_under_way_at_the_end_has_failed_and_what_waits_was_not_sent() -> None:
    async with posting_to(b"", max_connections=2) as posting:
        posting.post(5)
        await wait_until_async(lambda: len(posting.arrived) == 2, "both connections are in use")
        posting.poster.close()
        assert posting.tally.errors == {"no answer by the time of stopping": 2}
        assert posting.tally.not_sent == 3


async def test_a_receiver_that_does_not_answer_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(poster_module, "ANSWER_S", 0.2)
    monkeypatch.setattr(poster_module, "POLL_INTERVAL_S", 0.05)
    async with posting_to(b"") as posting:
        posting.post(3)
        await posting.quiet()
        assert posting.tally.errors == {"no answer within 0.2 s": 3}


async def test_connections_fall_idle_before_the_receiver_closes_them(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(poster_module, "IDLE_S", 0.1)
    monkeypatch.setattr(poster_module, "POLL_INTERVAL_S", 0.02)
    async with posting_to(ACCEPTED) as posting:
        posting.post(3)
        await wait_until_async(lambda: posting.tally.accepted == 3 and not posting.poster._open, "all are closed")
        posting.post(3)
        await posting.quiet()
        assert posting.tally.accepted == 6
        assert posting.tally.went_well


async def test_a_receiver_that_is_not_there_is_said_once_and_so_is_its_return() -> None:
    port = free_port()
    posting = Posting(port, 4)
    for _ in range(3):
        posting.post(10)
        await posting.quiet()
    assert posting.tally.errors == {"no connection: Connection refused": 30}
    server = await listen(port, posting.arrived, ACCEPTED)
    posting.post(10)
    await posting.quiet()
    posting.poster.close()
    server.close()
    assert posting.tally.accepted == 10
    away, back = posting.said
    assert f"Cannot reach the receiver at http://127.0.0.1:{port}/api/checkin (Connection refused)" in away
    assert "is available again after" in back


# --- all of it, with a real receiver


@pytest.fixture(scope="module")
def receiver(shared_server: Server) -> Iterator[Receiver]:
    shared_server.reset()
    with Receiver(shared_server.url) as process:
        yield process


@pytest.fixture
def client(server: Server) -> Iterator[redis.Redis]:
    """A client of a server with metadata, 50 users and 20 locations."""
    with connect(server.url, config.load().server) as client:
        make_metadata(client, KEYS)
        with client.pipeline() as pipeline:
            for user in USERS:
                pipeline.hset(KEYS.user(user).decode(), mapping={"id": user})
            for location in LOCATIONS:
                pipeline.hset(KEYS.location(location).decode(), mapping={"id": location})
            pipeline.zadd(KEYS.users_by_checkins, {str(user): user for user in USERS})
            pipeline.zadd(KEYS.locations_by_checkins, {str(location): 0 for location in LOCATIONS})
            pipeline.execute()
        yield client


def run(client: redis.Redis, port: int, *, terminal: bool = False, **options: Any) -> tuple[bool, str]:
    """What `generate.run` returned and printed."""
    screen = io.StringIO()
    console = Console(file=screen, force_terminal=terminal, width=100)
    chosen = GenerateOptions(**{"rate": 2000, "count": 300} | options)
    return generate.run(chosen, config.load({"receiver_port": port}), client, console), screen.getvalue()


def stored(client: redis.Redis) -> list[tuple[int, int, int]]:
    """(user, location, stars) of each entry."""
    entries: Any = client.xrange(KEYS.stream)
    return [(int(of[b"userId"]), int(of[b"locationId"]), int(of[b"starRating"])) for _, of in entries]


def number(name: str, output: str) -> int:
    """The number behind a name in the summary."""
    (line,) = (line for line in output.splitlines() if line.startswith(f"{name} "))
    return int(line.removeprefix(name).split()[0].replace(",", ""))


def test_what_is_counted_as_accepted_is_what_is_in_the_stream(receiver: Receiver, client: redis.Redis) -> None:
    well, output = run(client, receiver.port, count=2000)
    assert well
    assert number("offered", output) == number("accepted", output) == client.xlen(KEYS.stream) == 2000
    assert number("refused", output) == number("errors", output) == number("not sent", output) == 0
    assert "p50" in output
    assert "p99" in output


def test_a_seed_gives_the_same_check_ins_at_every_rate(receiver: Receiver, client: redis.Redis) -> None:
    expected = [tuple(check_in.values()) for check_in in draw(300, seed=7)]
    for rate in (500, 5000):
        well, output = run(client, receiver.port, seed=7, rate=rate)
        assert well
        assert number("seed", output) == 7
        assert Counter(stored(client)) == Counter(expected)
        client.xtrim(KEYS.stream, maxlen=0, approximate=False)
    _, output = run(client, receiver.port)
    assert Counter(stored(client)) == Counter(
        tuple(check_in.values()) for check_in in draw(300, seed=number("seed", output))
    )


def test_refused_check_ins_are_shown_with_the_reason(receiver: Receiver, client: redis.Redis) -> None:
    client.delete(*(KEYS.user(user) for user in USERS if user % 2))
    well, output = run(client, receiver.port)
    assert well
    accepted, refused = number("accepted", output), number("refused", output)
    assert accepted == client.xlen(KEYS.stream)
    assert accepted + refused == 300
    assert f"{refused}  404 there is no such user" in output
    assert all(user % 2 == 0 for user, _, _ in stored(client))


def test_while_data_is_loaded_all_are_refused(receiver: Receiver, client: redis.Redis) -> None:
    client.hset(KEYS.meta.decode(), "state", "loading")
    well, output = run(client, receiver.port)
    assert not well
    assert "300  503 data is being loaded" in output


def test_without_a_receiver_everything_is_an_error_and_that_is_said_once(client: redis.Redis) -> None:
    port = free_port()
    well, output = run(client, port, count=600)
    assert not well
    assert output.count(f"Cannot reach the receiver at http://127.0.0.1:{port}/api/checkin") == 1
    assert number("errors", output) == 600
    assert "600  no connection: Connection refused" in output


def test_on_a_terminal_there_is_a_live_display(receiver: Receiver, client: redis.Redis) -> None:
    well, output = run(client, receiver.port, terminal=True, rate=200, count=250)
    assert well
    assert "accepted, " in output  # the display, at least once
    assert number("accepted", output.rpartition("\x1b[2K")[2]) == 250


def test_without_users_or_locations_it_says_how_to_load_some(client: redis.Redis) -> None:
    client.delete(KEYS.locations_by_checkins)
    with pytest.raises(FootfallError, match=r"no locations.*footfall load"):
        run(client, free_port())
    client.delete(KEYS.users_by_checkins)
    with pytest.raises(FootfallError, match=r"no users.*footfall load"):
        run(client, free_port())
    client.set(KEYS.users_by_checkins, "text")
    with pytest.raises(BrokenKeyError, match="ncc:users:bycheckins: it is a string, not a zset"):
        run(client, free_port())


def test_of_many_users_a_part_is_drawn(client: redis.Redis, monkeypatch: pytest.MonkeyPatch) -> None:
    assert generate.known_ids(client, KEYS.users_by_checkins, "users") == list(USERS)
    many = {str(user): 0 for user in range(1, 10_001)}
    client.zadd(KEYS.users_by_checkins, {**many, "not a number": 0, "0": 0})
    assert generate.known_ids(client, KEYS.users_by_checkins, "users") == list(range(1, 10_001))
    monkeypatch.setattr(generate, "MAX_KNOWN", 5000)
    some = generate.known_ids(client, KEYS.users_by_checkins, "users")
    assert 3000 < len(some) <= 5000
    assert all(before < after for before, after in pairwise(some))


@pytest.mark.parametrize("stop", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_it_with_a_summary(receiver: Receiver, client: redis.Redis, stop: signal.Signals) -> None:
    port = client.connection_pool.connection_kwargs["port"]
    script = (
        "from redis import Redis; from rich.console import Console; from footfall import config, generate\n"
        f"options = generate.GenerateOptions(url={receiver.url!r}, rate=300)\n"
        f"print('well:', generate.run(options, config.load(), Redis(port={port}), Console()))"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", script], env={}, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )
    try:
        wait_until(lambda: client.xlen(KEYS.stream) > 100, "it runs", timeout=30)
        process.send_signal(stop)
        output, _ = process.communicate(timeout=15)
    finally:
        process.kill()
        process.wait()
    assert process.returncode == 0, output
    assert "well: True" in output
    assert number("offered", output) == number("accepted", output) == client.xlen(KEYS.stream)


def test_the_token_to_post_with_is_read_from_a_file_so_that_nobody_sees_it(
    server: Server, client: redis.Redis, tmp_path: Path
) -> None:
    secret = tokens.create(client, KEYS, "generator", "checkin")
    (tmp_path / "token").write_text(f"{secret}\nnothing that counts\n")
    with Receiver(server.url, auth=True) as receiver:
        words = ["generate", "--url", receiver.url, "--count", "5", "--rate", "1000"]
        settings = {"redis_url": server.url}
        with Footfall(*words, settings=settings, cwd=tmp_path) as process:
            assert process.wait() == ExitCode.FAILURE, "it takes a token"
        with Footfall(*words, "--token-file", "token", settings=settings, cwd=tmp_path) as process:
            assert process.wait() == ExitCode.OK, process.log
    assert client.xlen(KEYS.stream) == 5


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--token-file", "nowhere"], "--token-file: cannot read nowhere: No such file or directory"),
        (["--token-file", "bytes"], "--token-file: cannot read bytes: it is no text"),
        (["--token-file", "text"], "--token or --token-file: that is no token; `footfall tokens create` prints one"),
        (["--token", "s3cret"], "--token or --token-file: that is no token; `footfall tokens create` prints one"),
        (["--token", "s3cret", "--token-file", "text"], "--token and --token-file exclude each other"),
    ],
)
def test_what_is_no_token_is_said_and_not_repeated(words: list[str], said: str, tmp_path: Path) -> None:
    (tmp_path / "bytes").write_bytes(b"\xff")
    (tmp_path / "text").write_text("s3cret\n")
    with Footfall("generate", *words, cwd=tmp_path) as process:
        assert process.wait() == ExitCode.USAGE
        assert process.log == f"error: {said}\n"
