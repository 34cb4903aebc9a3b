"""Folding a batch to one row per user and location, compared with a naive fold of the same entries."""

import asyncio
import random
from typing import Any, NamedTuple

import hiredis
import pytest

from chaos.replay import Entry
from chaos.scene import seeded
from footfall.errors import BrokenKeyError, LoadingError
from footfall.keys import Keys
from footfall.processor.batch import Applied, Batch
from footfall.processor.calls import Calls
from footfall.store.calls.metadata import Position
from footfall.store.calls.reply import FencedError
from footfall.store.pipeline import Connection

USERS, LOCATIONS = 8, 5
POSITION = Position(checkpoint=b"5-0", generation=b"3")
#: a field that no check-in has
_BAD_STARS = b"6"
_FIXED_KEYS = [
    *(b"ncc:checkins", b"ncc:checkinprocessor:lastid", b"ncc:checkinprocessor:processed", b"ncc:meta"),
    *(b"ncc:checkins:dead", b"ncc:users:bycheckins", b"ncc:users:recent", b"ncc:users:lastseen"),
    *(b"ncc:locations:bycheckins", b"ncc:users:removed", b"ncc:locations:removed"),
]


class Recorder(Connection):
    """Keeps the commands, and gives the replies that it is told to."""

    def __init__(self, *replies: list[Any]) -> None:
        super().__init__(timeout=1)
        self.sent: list[list[bytes]] = []
        self._replies = list(replies)

    def call_packed(self, command: bytes) -> "asyncio.Future[Any]":
        reader = hiredis.Reader()
        reader.feed(command)
        self.sent.append(reader.gets())  # a command is packed as a list of strings is in a reply
        future = asyncio.get_running_loop().create_future()
        future.set_result(self._replies[len(self.sent) - 1])
        return future


class Call(NamedTuple):
    """A call of process.lua, taken apart as the header of the script says."""

    keys: list[bytes]
    arguments: list[bytes]
    last_entry: Entry
    #: id -> number of check-ins, last one's ms and location
    users: dict[bytes, tuple[int, bytes, bytes]]
    #: id -> number of check-ins, sum of stars
    locations: dict[bytes, tuple[int, int]]
    #: entry id, reason and fields
    dead_letters: list[tuple[bytes, bytes, list[bytes]]]


def taken_apart(command: list[bytes]) -> Call:
    """What a recorded command says."""
    assert command[0] == b"EVALSHA"
    count = int(command[2])
    keys, arguments = command[3 : 3 + count], command[3 + count :]
    rest = iter(arguments[8:])
    last_id, values = next(rest), [next(rest) for _ in range(int(arguments[7]))]
    users, locations = {}, {}
    for _ in range(int(arguments[3])):
        user = next(rest)
        users[user] = (int(next(rest)), next(rest), next(rest))
    for _ in range(int(arguments[4])):
        location = next(rest)
        locations[location] = (int(next(rest)), int(next(rest)))
    dead = [(next(rest), next(rest), [next(rest) for _ in range(int(next(rest)))]) for _ in range(int(arguments[5]))]
    assert not list(rest)
    return Call(keys, arguments[:7], (last_id, values), users, locations, dead)


def naive(entries: list[Entry], no_users: set[bytes], no_locations: set[bytes]) -> Call:
    """The same, one entry after the other."""
    users: dict[bytes, tuple[int, bytes, bytes]] = {}
    locations: dict[bytes, tuple[int, int]] = {}
    dead = []
    for entry_id, fields in entries:
        location, user, stars = fields[1::2]
        if stars == _BAD_STARS:
            dead.append((entry_id, b"malformed-field", fields))
            continue
        users.setdefault(user, (0, b"0", b"0"))
        locations.setdefault(location, (0, 0))
        if user in no_users:
            dead.append((entry_id, b"unknown-user", fields))
        elif location in no_locations:
            dead.append((entry_id, b"unknown-location", fields))
        else:
            users[user] = (users[user][0] + 1, entry_id.split(b"-")[0], location)
            locations[location] = (locations[location][0] + 1, locations[location][1] + int(stars))
    users |= dict.fromkeys(no_users & users.keys(), (-1, b"0", b"0"))
    locations |= dict.fromkeys(no_locations & locations.keys(), (-1, 0))
    keys = [*_FIXED_KEYS, *(b"ncc:users:" + user for user in users)]
    keys += [b"ncc:locations:" + location for location in locations]
    counts = [b"%d" % len(part) for part in (entries, users, locations, dead)]
    arguments = [POSITION.checkpoint, POSITION.generation, *counts, b"reject"]
    return Call(keys, arguments, entries[-1], users, locations, dead)


def random_entries(rng: random.Random, count: int) -> list[Entry]:
    """Entries of a few users and locations; some are malformed."""
    ms, found = 1_600_000_000_000, []
    for sequence in range(count):
        ms += rng.choice([0, 1, 1000])
        stars = _BAD_STARS if rng.random() < 0.1 else b"%d" % rng.randint(0, 5)
        location, user = b"%d" % rng.randint(1, LOCATIONS), b"%d" % rng.randint(1, USERS)
        fields = [b"locationId", location, b"userId", user, b"starRating", stars]
        found.append((b"%d-%d" % (ms, sequence), fields))
    return found


async def apply(entries: list[Entry], *replies: list[Any], create: bool = False) -> tuple[Applied, list[Call]]:
    """What comes of a batch to which the server replies this, and the calls."""
    recorder = Recorder(*replies)
    calls = Calls(recorder, POSITION)
    calls.send(calls.prepare(Batch(entries, Keys("ncc"), create=create)))
    applied = (await calls.finish_oldest()).applied
    return applied, [taken_apart(command) for command in recorder.sent]


async def test_a_fold_is_the_naive_one() -> None:
    rng = seeded()
    for _ in range(100):
        entries = random_entries(rng, rng.randint(1, 60))
        applied, [call] = await apply(entries, [b"OK", b"1000", 10])
        expected = naive(entries, set(), set())
        assert call == expected
        dead = len(expected.dead_letters)
        assert applied == Applied(checkins=len(entries) - dead, dead_letters=dead, processed=1000)


def named(records: list[bytes], keys: set[bytes]) -> list[Any]:
    """The reply that names these of the records, users first, in their order and counted from 1."""
    users, locations = ([key for key in records if key.startswith(kind)] for kind in (b"ncc:users:", b"ncc:locations:"))
    return [b"RECORDS", *([1 + of.index(key) for key in of if key in keys] for of in (users, locations))]


async def test_after_the_server_has_named_records_the_fold_is_the_naive_one_without_them() -> None:
    rng = seeded()
    for _ in range(100):
        entries = random_entries(rng, rng.randint(1, 60))
        records = naive(entries, set(), set()).keys[len(_FIXED_KEYS) :]
        # taken for there first; then some turn out to be missing, then some of all the other way round
        turns = [set(rng.sample(records, rng.randint(1, len(records)))) for _ in range(2)] if records else []
        replies = [named(records, turn) for turn in turns]
        applied, calls = await apply(entries, *replies, [b"OK", b"1", 10])
        missing: set[bytes] = set()
        for call, turn in zip(calls, [set(), *turns], strict=True):
            missing ^= turn
            users, locations = (
                {key.rpartition(b":")[2] for key in missing if key.startswith(kind)}
                for kind in (b"ncc:users:", b"ncc:locations:")
            )
            assert call == naive(entries, users, locations)
        assert applied.dead_letters == len(calls[-1].dead_letters)
        assert applied.checkins + applied.dead_letters == len(entries)


async def test_the_rows_of_missing_records_say_that_they_were_taken_for_missing() -> None:
    entries = [(b"1-0", [b"locationId", b"7", b"userId", b"8", b"starRating", b"5"])]
    applied, calls = await apply(entries, [b"RECORDS", [1], [1]], [b"OK", b"1", 10])
    assert applied == Applied(checkins=0, dead_letters=1, processed=1)
    assert calls[1].users == {b"8": (-1, b"0", b"0")}
    assert calls[1].locations == {b"7": (-1, 0)}


async def test_only_what_can_be_applied_counts_as_a_check_in() -> None:
    entries = [
        (b"%d-0" % n, [b"locationId", b"7", b"userId", user, b"starRating", stars])
        for n, (user, stars) in enumerate([(b"1", b"5"), (b"2", b"5"), (b"1", _BAD_STARS)], start=1)
    ]
    batch = Batch(entries, Keys("ncc"), create=False)
    assert [entry_id for entry_id, _ in batch.checkins] == [b"1-0", b"2-0"]
    calls = Calls(Recorder([b"RECORDS", [2], []], [b"OK", b"3", 10]), POSITION)
    calls.send(calls.prepare(batch))
    await calls.finish_oldest()
    assert [entry_id for entry_id, _ in batch.checkins] == [b"1-0"]
    assert batch.dead_letters == [(b"2-0", "unknown-user"), (b"3-0", "malformed-field")]
    assert (len(batch), batch.last_id) == (3, b"3-0")


async def test_the_script_is_told_whether_to_create_records() -> None:
    entries = random_entries(seeded(), 5)
    for create, word in ((True, b"create"), (False, b"reject")):
        _, [call] = await apply(entries, [b"OK", b"5", 10], create=create)
        assert call.arguments[6] == word


async def test_a_dead_letter_keeps_no_more_than_lua_can_pass_on() -> None:
    fields = [b"%d" % number for number in range(5000)]
    _, [call] = await apply([(b"1-0", fields)], [b"OK", b"1", 10])
    assert call.dead_letters == [(b"1-0", b"missing-field", fields[:2000])]
    assert call.last_entry == (b"1-0", fields), "the fence compares all of it"


@pytest.mark.parametrize(
    ("reply", "error"),
    [([b"FENCED"], FencedError), ([b"LOADING"], LoadingError), ([b"BROKEN", b"ncc:users:1"], BrokenKeyError)],
)
async def test_what_the_script_refuses_becomes_an_error(reply: list[Any], error: type[Exception]) -> None:
    with pytest.raises(error) as caught:
        await apply(random_entries(seeded(), 5), reply)
    if error is BrokenKeyError:
        assert str(caught.value).startswith("ncc:users:1 ")
