"""Dead letters: listed as they are, applied after all exactly once, or discarded and remembered."""

import json
import os
import pty
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from random import Random
from typing import Any

import pytest
import redis
from rich.progress import Progress

from chaos.replay import Replay, assert_replayed, entries, raw_client
from chaos.scene import LOCATIONS, USERS, add, load_records, load_rows, location_row, seeded, user_row
from commands import IN_TERMINAL, Run, read_until
from commands import run as run  # noqa: PLC0414 - a fixture
from footfall import config
from footfall.domain.entries import Reason
from footfall.errors import BrokenKeyError, ExitCode, FootfallError, LoadingError, RefusedError
from footfall.keys import Keys
from footfall.operations import dead_letters
from footfall.operations.dead_letters import Result
from footfall.processor.batch import Batch
from footfall.processor.calls import Calls
from footfall.store.calls.reply import FencedError
from footfall.store.client import connect
from footfall.store.metadata import open_metadata
from footfall.store.scripts import RETRY_DEAD_LETTERS
from metadata_scene import make_metadata
from pipelines import connected_to
from processes import environment
from servers import Server, wait_until

KEYS = Keys("ncc")
DEAD = "ncc:checkins:dead"


def yes(_prompt: str) -> bool:
    return True


class Bench:
    """Books of `load_records` on a server, and the replay that they must equal."""

    def __init__(self, server: Server, client: Any, plain: redis.Redis) -> None:
        self.server = server
        self.client = client
        self.plain = plain
        self.rng = seeded()
        self.replay = load_records(client)

    async def process(self, *, create: bool = False) -> None:
        """Apply what is new in the stream, as a processor does; the replay follows."""
        async with connected_to(self.server.url) as connection:
            position = await open_metadata(connection, KEYS)
            batch = self.client.xrange("ncc:checkins", b"(" + position.checkpoint)
            calls = Calls(connection, position)
            calls.send(calls.prepare(Batch(batch, KEYS, create=create)))
            await calls.finish_oldest()
        self.replay.create = create
        self.replay = self.replay.after(batch)

    def load(self, users: int = 0, locations: int = 0) -> None:
        """Load so many more users and locations: those that dead letters name."""
        if users:
            load_rows(self.client, "users", [user_row(USERS + 1 + n) for n in range(users)])
        if locations:
            load_rows(self.client, "locations", [location_row(LOCATIONS + 1 + n) for n in range(locations)])
        for kind, records, first in (
            ("users", self.replay.users, USERS + 1),
            ("locations", self.replay.locations, LOCATIONS + 1),
        ):
            for number in range(first, first + (users if kind == "users" else locations)):
                records[b"%d" % number] = self.client.hgetall(f"ncc:{kind}:{number}")

    def retry(self, reason: Reason | None = None, **settings: object) -> Result:
        with Progress(disable=True) as bars:
            return dead_letters.retry(self.plain, config.load(settings), bars, reason=reason)

    def discard(self, confirm: Callable[[str], bool] = yes, reason: Reason | None = None) -> Result:
        with Progress(disable=True) as bars:
            return dead_letters.discard(self.plain, config.load(), bars, confirm, reason=reason)

    def listed(self, reason: Reason | None = None, *, as_json: bool = False) -> list[str]:
        return list(dead_letters.listed(self.plain, config.load(), reason=reason, as_json=as_json))

    def assert_replayed(self) -> None:
        assert_replayed(self.client, self.replay)

    def digest(self) -> Any:
        return self.client.execute_command("DEBUG", "DIGEST")


@pytest.fixture
def bench(server: Server) -> Iterator[Bench]:
    client = raw_client(server.port)
    with connect(server.url, config.load().server) as plain:
        yield Bench(server, client, plain)
    client.close()


def add_for_unknown(bench: Bench, count: int, *, users: int = 5, locations: int = 3) -> None:
    """Check-ins of which some name users and locations that are not loaded yet."""
    pipeline = bench.client.pipeline(transaction=True)
    for _ in range(count):
        user, location = bench.rng.randint(1, USERS + users), bench.rng.randint(1, LOCATIONS + locations)
        add(pipeline, user, location, bench.rng.randint(0, 5))
    pipeline.execute()


# --- retry


async def test_what_was_unknown_is_applied_when_it_is_loaded_and_nothing_else_changes(bench: Bench) -> None:
    add_for_unknown(bench, 1500)
    await bench.process()
    dead = len(bench.replay.dead_letters)
    assert dead > 250, "several pages"
    bench.load(users=5, locations=3)
    before = bench.client.mget(KEYS.checkpoint, KEYS.processed)
    assert bench.retry() == Result(dead, {})
    bench.replay.retry()
    bench.assert_replayed()
    assert bench.client.mget(KEYS.checkpoint, KEYS.processed) == before
    assert bench.retry() == Result(0, {})
    bench.assert_replayed()


async def test_the_result_is_as_if_everything_had_been_known_from_the_start(bench: Bench) -> None:
    add_for_unknown(bench, 500)
    await bench.process()
    bench.load(users=5, locations=3)
    whole = Replay(bench.replay.users, bench.replay.locations)
    bench.retry()
    bench.replay.retry()
    assert bench.replay.dead_letters == []
    bench.assert_replayed()
    assert whole.users.keys() == bench.replay.users.keys()


async def test_what_still_cannot_be_applied_stays_with_the_reason_that_holds_now(bench: Bench) -> None:
    add_for_unknown(bench, 300)
    bench.client.xadd("ncc:checkins", {"locationId": "1", "userId": "0", "starRating": "5"})
    bench.client.xadd("ncc:checkins", {"userId": "1", "starRating": "5"})
    await bench.process()
    bench.load(users=5)
    result = bench.retry()
    bench.replay.retry()
    bench.assert_replayed()
    assert result.remaining == {
        "unknown-location": len(bench.replay.dead_letters) - 2,
        "malformed-field": 1,
        "missing-field": 1,
    }
    digest = bench.digest()
    assert bench.retry() == Result(0, result.remaining)
    assert bench.digest() == digest, "nothing is written when nothing changes"


async def test_only_those_with_the_reason_are_retried(bench: Bench) -> None:
    add_for_unknown(bench, 300)
    await bench.process()
    bench.load(users=5, locations=3)
    bench.retry(reason=Reason.UNKNOWN_LOCATION)
    bench.replay.retry(b"unknown-location")
    bench.assert_replayed()
    assert {letter[3] for letter in bench.replay.dead_letters} == {b"unknown-user"}


async def test_with_create_records_are_made(bench: Bench) -> None:
    add_for_unknown(bench, 300)
    await bench.process()
    bench.retry(unknown_ids="create")
    bench.replay.create = True
    bench.replay.retry()
    bench.assert_replayed()
    assert bench.replay.dead_letters == []


async def test_many_records_in_one_call(bench: Bench) -> None:
    for number in range(1000):
        add(bench.client, USERS + 1 + number, LOCATIONS + 1 + number, number % 6)
    await bench.process()
    assert bench.retry(unknown_ids="create") == Result(1000, {})
    bench.replay.create = True
    bench.replay.retry()
    bench.assert_replayed()


@pytest.mark.parametrize("seed", range(8))
async def test_the_last_check_in_is_told_by_the_whole_id(bench: Bench, seed: int) -> None:
    rng = Random(seed)
    for ms in (5, 6, 1_500_000_000_000, 1_500_000_000_001):
        sequences = sorted(rng.sample(range(1, 100), 30))
        for sequence in sequences:
            user, location = rng.randint(USERS - 1, USERS + 2), rng.randint(LOCATIONS - 2, LOCATIONS + 2)
            add(bench.client, user, location, 3, f"{ms}-{sequence}")
        await bench.process()
    bench.load(users=2)
    bench.retry()
    bench.replay.retry()
    bench.assert_replayed()
    bench.load(locations=2)
    bench.retry()
    bench.replay.retry()
    bench.assert_replayed()
    assert not bench.replay.dead_letters


async def test_an_earlier_one_of_the_same_ms_does_not_move_what_was_seen_last_and_a_later_one_does(
    bench: Bench,
) -> None:
    later, earlier = 2, 4  # users
    ms = 1_700_000_000_000
    for sequence, (user, location) in enumerate(
        [(earlier, LOCATIONS + 1), (later, 3), (earlier, 3), (later, LOCATIONS + 1), (later + 1, 3)], 1
    ):
        add(bench.client, user, location, 5, f"{ms}-{sequence}")
    await bench.process()
    bench.load(locations=1)
    assert bench.retry().settled == 2
    assert bench.client.hget(f"ncc:users:{earlier}", "lastSeenAt") == b"3"
    assert bench.client.hget(f"ncc:users:{later}", "lastSeenAt") == b"%d" % (LOCATIONS + 1)
    bench.replay.retry()
    bench.assert_replayed()


async def test_when_the_stream_no_longer_tells_which_was_last_what_is_recorded_stays(bench: Bench) -> None:
    ms = 1_700_000_000_000
    add(bench.client, 2, LOCATIONS + 1, 5, f"{ms}-1")
    add(bench.client, 2, 3, 5, f"{ms}-2")
    await bench.process()
    bench.load(locations=1)
    bench.client.xtrim("ncc:checkins", maxlen=0, approximate=False)
    bench.retry()
    bench.replay.retry()
    bench.assert_replayed()


async def test_a_later_one_of_the_same_ms_that_is_a_dead_letter_itself_does_not_count_as_the_last(bench: Bench) -> None:
    ms = 1_700_000_000_000
    for sequence, location in enumerate((3, LOCATIONS + 1, LOCATIONS + 2), 1):
        add(bench.client, 2, location, 5, f"{ms}-{sequence}")
    await bench.process()
    for number in (1, 2):
        bench.load(locations=number)
        assert bench.retry().settled == 1
        bench.replay.retry()
        bench.assert_replayed()
        assert bench.client.hget("ncc:users:2", "lastSeenAt") == b"%d" % (LOCATIONS + number)


async def test_of_two_in_one_call_the_last_is_told_without_the_stream(bench: Bench) -> None:
    ms = 1_700_000_000_000
    add(bench.client, USERS + 1, 3, 5, f"{ms}-1")
    add(bench.client, USERS + 1, 4, 5, f"{ms}-2")
    await bench.process()
    bench.client.xtrim("ncc:checkins", maxlen=0, approximate=False)
    bench.load(users=1)
    bench.retry()
    bench.replay.retry()
    bench.assert_replayed()


async def test_looking_for_the_last_check_in_of_many_users_ends_the_call_early_and_not_the_retry(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls = 0
    run_sync = RETRY_DEAD_LETTERS.run_sync

    def counted(*arguments: Any) -> Any:
        nonlocal calls
        calls += 1
        return run_sync(*arguments)

    monkeypatch.setattr(RETRY_DEAD_LETTERS, "run_sync", counted)
    ms = 1_700_000_000_000
    pipeline = bench.client.pipeline(transaction=False)
    for sequence in range(1, 21):
        add(pipeline, sequence, 1, 5, f"{ms}-{sequence}")
    for sequence in range(21, 41):
        add(pipeline, sequence - 20, LOCATIONS + 1, 5, f"{ms}-{sequence}")
    for sequence in range(41, 1041):
        add(pipeline, USERS, 2, 5, f"{ms}-{sequence}")
    pipeline.execute()
    await bench.process()
    bench.load(locations=1)
    assert bench.retry() == Result(20, {})
    assert calls > 1
    bench.replay.retry()
    bench.assert_replayed()


async def test_large_counters_are_exact(bench: Bench) -> None:
    for start in (10**7, 10**15, 2**53 - 1000):
        user, location = 1000 + len(str(start)), 1000 + len(str(start))
        add(bench.client, user, location, 4)
        await bench.process()
        load_rows(bench.client, "users", [user_row(user, numCheckins=start - 1)])
        load_rows(bench.client, "locations", [location_row(location, numCheckins=start - 1, numStars=start - 1)])
        for kind, records in (("users", bench.replay.users), ("locations", bench.replay.locations)):
            records[b"%d" % user] = bench.client.hgetall(f"ncc:{kind}:{user}")
    bench.retry()
    bench.replay.retry()
    bench.assert_replayed()


async def test_what_another_has_taken_meanwhile_is_not_applied_again(bench: Bench) -> None:
    add_for_unknown(bench, 300)
    await bench.process()
    bench.load(users=5, locations=3)
    pages = list(dead_letters._pages(bench.plain, config.load()))
    bench.retry()
    bench.replay.retry()
    for page in pages:
        assert dead_letters._send_retry(bench.plain, config.load(), page, b"1") == ["GONE"] * len(page)
    bench.assert_replayed()


async def test_what_is_not_ours_is_left_alone(bench: Bench) -> None:
    for fields in ({"something": "else"}, {"id": "soon", "reason": "unknown-user"}, {"id": "1-0", "userId": "1"}):
        bench.client.xadd(DEAD, fields)
    add_for_unknown(bench, 20)
    await bench.process()
    digest = bench.digest()
    assert bench.retry().remaining["?"] == 3
    assert bench.digest() == digest
    assert bench.discard().settled == 3 + len(bench.replay.dead_letters)
    bench.replay.discard()
    bench.assert_replayed()


# --- refused as a whole

DAMAGE: dict[str, tuple[Callable[[Any], object], type[FootfallError]]] = {
    "loading": (lambda client: client.hset("ncc:meta", "state", "loading"), LoadingError),
    "no meta": (lambda client: client.hdel("ncc:meta", "state"), BrokenKeyError),
    "settled": (lambda client: client.hset("ncc:meta", "settled", "often"), BrokenKeyError),
    "no checkpoint": (lambda client: client.delete("ncc:checkinprocessor:lastid"), BrokenKeyError),
    "dead letters": (lambda client: client.set(DEAD, "text"), BrokenKeyError),
    "discarded": (lambda client: client.set("ncc:checkins:discarded", "text"), BrokenKeyError),
}
RETRY_DAMAGE: dict[str, tuple[Callable[[Any], object], type[FootfallError]]] = DAMAGE | {
    "user": (lambda client: client.hset(f"ncc:users:{USERS + 1}", "numCheckins", "many"), BrokenKeyError),
    "location": (lambda client: client.set("ncc:locations:1", "text"), BrokenKeyError),
    **{
        index: (lambda client, index=index: client.set(f"ncc:{index}", "text"), BrokenKeyError)  # type: ignore[misc]
        for index in ("users:bycheckins", "users:recent", "users:lastseen", "locations:bycheckins")
    },
    "no more ids": (
        lambda client: client.xadd(DEAD, {"id": "1-1", "reason": "x"}, f"{2**64 - 1}-{2**64 - 1}"),
        BrokenKeyError,
    ),
}


async def _assert_refused(bench: Bench, damage: str, act: Callable[[], object]) -> None:
    add(bench.client, USERS + 1, 1, 1)
    add(bench.client, USERS + 2, LOCATIONS + 1, 1)
    await bench.process()
    bench.load(users=2)  # so that the second one's reason changes
    break_it, error = RETRY_DAMAGE[damage]
    break_it(bench.client)
    digest = bench.digest()
    with pytest.raises(error):
        act()
    assert bench.digest() == digest


@pytest.mark.parametrize("damage", RETRY_DAMAGE)
async def test_a_retry_on_what_is_broken_changes_nothing(bench: Bench, damage: str) -> None:
    await _assert_refused(bench, damage, bench.retry)


@pytest.mark.parametrize("damage", DAMAGE)
async def test_a_discard_on_what_is_broken_changes_nothing(bench: Bench, damage: str) -> None:
    await _assert_refused(bench, damage, bench.discard)


async def test_after_a_load_the_dead_letters_of_before_are_not_applied(bench: Bench) -> None:
    add_for_unknown(bench, 50)
    await bench.process()
    bench.load(users=5, locations=3)
    (page,) = dead_letters._pages(bench.plain, config.load())
    with pytest.raises(FencedError):
        dead_letters._send_retry(bench.plain, config.load(), page, b"2")
    bench.assert_replayed()


async def test_a_load_of_check_ins_forgets_dead_letters_and_discarded_ones(bench: Bench) -> None:
    add_for_unknown(bench, 100)
    await bench.process()
    bench.discard(reason=Reason.UNKNOWN_USER)
    assert bench.client.hlen(KEYS.discarded)
    rows = [{"id": "1609602085397-0", "userId": 1, "locationId": 1, "starRating": 5}]
    load_rows(bench.client, "checkins", rows, reset=True, yes=True)
    assert not bench.client.exists(KEYS.discarded, KEYS.dead_letters)
    assert bench.client.hmget(KEYS.meta, "discarded", "lost") == [None, None]


# --- discard


async def test_what_is_discarded_is_gone_and_remembered(bench: Bench) -> None:
    add_for_unknown(bench, 400)
    await bench.process()
    count = sum(letter[3] == b"unknown-user" for letter in bench.replay.dead_letters)
    prompts: list[str] = []

    def confirm(prompt: str) -> bool:
        prompts.append(prompt)
        return True

    result = bench.discard(confirm, reason=Reason.UNKNOWN_USER)
    assert result == Result(count, {})
    assert prompts == [f"{count} dead letters ({count} unknown-user) will be gone, and never be counted."]
    bench.replay.discard(b"unknown-user")
    bench.assert_replayed()
    assert bench.client.hget(KEYS.meta, "discarded") == b"%d" % count
    bench.load(users=5, locations=3)
    bench.retry()
    bench.replay.retry()
    bench.assert_replayed()
    assert bench.discard(lambda _prompt: False) == Result(0, {}), "nothing to confirm"


async def test_without_a_confirmation_nothing_is_discarded(bench: Bench) -> None:
    add_for_unknown(bench, 100)
    await bench.process()
    with pytest.raises(RefusedError):
        bench.discard(lambda _prompt: False)
    bench.assert_replayed()
    bench.discard()
    bench.replay.discard()
    bench.assert_replayed()


async def test_what_became_a_dead_letter_after_the_question_is_not_discarded(bench: Bench) -> None:
    add(bench.client, USERS + 1, 1, 1)
    await bench.process()
    late = [b"id", b"1-1", b"reason", b"unknown-user", b"a", b"b"]

    def confirm(_prompt: str) -> bool:
        return bool(bench.client.execute_command("XADD", DEAD, "*", *late))

    assert bench.discard(confirm).settled == 1
    assert bench.client.xlen(DEAD) == 1


async def test_of_discarded_entries_only_those_are_remembered_that_the_stream_still_has(bench: Bench) -> None:
    for _ in range(30):
        add(bench.client, USERS + 1, 1, 1)
    await bench.process()
    bench.discard()
    ids = [entry_id for entry_id, _ in entries(bench.client)]
    assert set(bench.client.hkeys(KEYS.discarded)) == set(ids)
    bench.client.xtrim("ncc:checkins", minid=ids[20], approximate=False)
    add(bench.client, USERS + 1, 1, 1)
    await bench.process()
    bench.discard()
    assert set(bench.client.hkeys(KEYS.discarded)) == {*ids[20:], entries(bench.client)[-1][0]}
    assert bench.client.hmget(KEYS.meta, "discarded", "forgotten") == [b"31", b"20"]


async def test_each_retry_and_each_discard_that_changes_something_is_noted(bench: Bench) -> None:
    def settled() -> int:
        return int(bench.client.hget(KEYS.meta, "settled") or 0)

    add_for_unknown(bench, 50)
    add(bench.client, USERS + 1, 1, 1)  # one at least can be applied after the load
    await bench.process()
    bench.retry()
    assert settled() == 0
    bench.load(users=5)
    bench.retry()
    assert settled() == 1
    bench.discard()
    assert settled() == 2


# --- list


async def test_the_list_shows_each_with_its_fields_and_nothing_that_a_terminal_obeys(bench: Bench) -> None:
    add(bench.client, USERS + 1, 2, 3, "1-1")
    bench.client.execute_command("XADD", "ncc:checkins", "1-2", "userId", b"\x1b[2J\xff", "a b", "c", "a b", "d")
    await bench.process()
    bench.client.execute_command("XADD", DEAD, f"{2**64 - 1}-0", "something", "else")
    first, second, foreign = (letter_id.decode() for letter_id, _ in bench.client.xrange(DEAD))
    one, two, three = bench.listed()
    assert one.split("  ")[:2] == [first, "1-1"]
    assert one.split("  ")[3:] == ["unknown-user", f"locationId=2 userId={USERS + 1} starRating=3"]
    assert one.split("  ")[2].startswith("20")
    assert two.split("  ")[3:] == ["missing-field", r"userId=\x1b[2J\xff a b=c a b=d"]
    assert three == f"{foreign}  -  -  ?  something=else"
    documents = [json.loads(line) for line in bench.listed(as_json=True)]
    assert documents[0]["fields"] == [["locationId", "2"], ["userId", str(USERS + 1)], ["starRating", "3"]]
    assert documents[1] == {
        "id": second,
        "entryId": "1-2",
        "time": two.split("  ")[2],
        "reason": "missing-field",
        "fields": [["userId", "\x1b[2J\\xff"], ["a b", "c"], ["a b", "d"]],
    }
    assert (documents[2]["entryId"], documents[2]["time"]) == (None, None)
    assert bench.listed(reason=Reason.MISSING_FIELD) == [two]


async def test_a_long_list_has_each_once_in_order(bench: Bench) -> None:
    pipeline = bench.client.pipeline(transaction=False)
    for number in range(1234):
        pipeline.xadd(DEAD, {"id": f"{number}-0", "reason": "unknown-user", "userId": "7"})
    pipeline.execute()
    documents = [json.loads(line) for line in bench.listed(as_json=True)]
    assert [document["entryId"] for document in documents] == [f"{number}-0" for number in range(1234)]


# --- the command


async def test_the_command_prints_what_it_has_done_and_fails_when_something_stays(bench: Bench, run: Run) -> None:
    def command(*words: str) -> tuple[int, str, str]:
        ended = run("dead-letters", *words, "--redis-url", bench.server.url)
        return ended.code, ended.out, ended.err

    assert command("list") == (ExitCode.OK, "", "")
    assert command("retry") == (ExitCode.OK, "Applied 0 dead letters.\n", "")
    add(bench.client, USERS + 1, 1, 1, "1-1")
    add(bench.client, 1, LOCATIONS + 1, 1, "1-2")
    await bench.process()
    code, out, _ = command("list", "--reason", "unknown-user")
    assert (code, out.count("\n"), "  1-1  " in out) == (ExitCode.OK, 1, True)
    code, out, err = command("list", "--reason", "unknown")
    assert (code, out) == (ExitCode.USAGE, "")
    assert "Invalid value for '--reason'" in err
    code, out, err = command("discard")
    assert (code, out) == (ExitCode.REFUSED, "")
    assert err == "error: not confirmed; nothing was discarded\n"
    bench.load(users=1)
    said = "Applied 1 dead letter. 1 cannot be applied: unknown-location.\n"
    assert command("retry") == (ExitCode.FAILURE, said, "")
    assert command("retry", "--json") == (
        ExitCode.FAILURE,
        '{"settled":0,"remaining":{"unknown-location":1}}\n',
        "",
    )
    assert command("discard", "--yes") == (ExitCode.OK, "Discarded 1 dead letter.\n", "")
    bench.replay.retry()
    bench.replay.discard()
    bench.assert_replayed()
    bench.client.delete(DEAD)
    bench.client.set(DEAD, "text")
    for action in ("list", "retry", "discard"):
        code, out, err = command(action)
        assert (code, out) == (ExitCode.BROKEN, "")
        assert err.startswith("error: ncc:checkins:dead is a string, not a stream")


@pytest.mark.parametrize(("typed", "left"), [(b"discard\n", 0), (b"yes\n", 1)])
def test_in_a_terminal_the_word_is_asked_for(bench: Bench, typed: bytes, left: int) -> None:
    bench.client.xadd(DEAD, {"id": "1-0", "reason": "unknown-user", "userId": "7"})
    make_metadata(bench.client, KEYS)
    terminal, its_end = pty.openpty()
    with subprocess.Popen(
        [sys.executable, "-c", IN_TERMINAL, "dead-letters", "discard"],
        stdin=its_end,
        stdout=its_end,
        stderr=its_end,
        env=environment({"redis_url": bench.server.url}) | {"TERM": "xterm"},
        start_new_session=True,
    ) as process:
        os.close(its_end)
        screen = read_until(terminal, b"Type `discard` to go on: ")
        os.write(terminal, typed)
        wait_until(lambda: process.poll() is not None, "it ends", 20)
        screen += read_until(terminal, None)
        os.close(terminal)
    assert process.returncode == (ExitCode.REFUSED if left else ExitCode.OK), screen
    assert b"1 dead letter (1 unknown-user) will be gone" in screen
    assert bench.client.xlen(DEAD) == left


def test_who_no_longer_reads_the_list_ends_it(bench: Bench) -> None:
    pipeline = bench.client.pipeline(transaction=False)
    for number in range(5000):
        pipeline.xadd(DEAD, {"id": f"{number}-0", "reason": "unknown-user", "userId": "7"})
    pipeline.execute()
    with subprocess.Popen(
        [sys.executable, "-m", "footfall", "dead-letters", "list"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=environment({"redis_url": bench.server.url}),
    ) as process:
        assert process.stdout
        assert process.stderr
        assert b"  0-0  " in process.stdout.readline()
        process.stdout.close()
        assert b"Traceback" not in process.stderr.read()
        assert process.wait(20) != -signal.SIGKILL
