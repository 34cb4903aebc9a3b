"""receive.lua with idempotency records: groups of one call are answered each for itself, and once."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest

from chaos.replay import check_ins, entries, raw_client
from chaos.scene import seeded
from footfall.keys import Keys
from footfall.store.pipeline import Argument
from footfall.store.scripts import RECEIVE
from metadata_scene import make_metadata
from servers import Server

KEYS = Keys("ncc")
USERS = LOCATIONS = 5
_TTL_MS = 60_000

#: user, location and stars
CheckIn = tuple[int, int, int]


@dataclass
class Group:
    """Check-ins, and where their outcome is kept when that is wanted."""

    check_ins: list[CheckIn]
    record: bytes | None = None
    fingerprint: bytes = b"f"


@pytest.fixture
def client(server: Server) -> Iterator[Any]:
    """A client of a server with users, locations and metadata."""
    client = raw_client(server.port)
    make_metadata(client, KEYS)
    for number in range(1, USERS + 1):
        client.hset(KEYS.user(number), "id", number)
        client.hset(KEYS.location(number), "id", number)
    yield client
    client.close()


def receive(client: Any, *groups: Group, max_backlog: int = 1000, window_ms: int = 0) -> Any:
    """What the script answers to one call, group by group."""
    keys = [KEYS.stream, KEYS.meta, KEYS.processed, KEYS.users_removed, KEYS.locations_removed, KEYS.checkpoint]
    arguments = list[Argument]((max_backlog, "reject", _TTL_MS, window_ms))
    for group in groups:
        keys += [] if group.record is None else [group.record]
        arguments += [len(group.check_ins), b"" if group.record is None else group.fingerprint]
        for user, location, stars in group.check_ins:
            keys += [KEYS.user(user), KEYS.location(location)]
            keys += [KEYS.duplicate(user, location)] if window_ms else []
            arguments += (user, location, stars)
    word, *answers = RECEIVE.run_sync(client, keys, arguments)
    assert word == b"OK"
    return answers


def is_id(outcome: bytes | list[bytes]) -> bool:
    """Whether a check-in was added, and not refused."""
    return isinstance(outcome, bytes)


def line(outcome: bytes | list[bytes]) -> bytes:
    """How a record holds what became of a check-in."""
    return outcome if isinstance(outcome, bytes) else b" ".join(outcome)


A, B, C = (1, 1, 5), (2, 2, 0), (3, 3, 3)
NOBODY, NOWHERE = (USERS + 1, 1, 1), (1, LOCATIONS + 1, 1)


def test_groups_with_and_without_records_are_answered_in_order(client: Any) -> None:
    client.sadd("broken", "not ours")
    receive(client, Group([A], b"used"))
    before = len(entries(client))
    answer = receive(
        client,
        Group([A, NOBODY, B]),
        Group([A], b"used"),
        Group([C], b"used", b"another"),
        Group([B, C], b"new"),
        Group([B], b"broken"),
        Group([NOWHERE, C], b"some"),
        Group([NOBODY], b"none"),
        Group([A]),
    )
    words = [group[0] for group in answer]
    assert words == [b"SOME", b"REPLAYED", b"MISMATCH", b"ALL", b"BROKEN", b"SOME", b"SOME", b"ALL"]
    assert answer[0][2] == [b"UNKNOWN_USER"]
    assert answer[4] == [b"BROKEN", b"broken"]
    assert answer[5][1] == [b"UNKNOWN_LOCATION"]
    assert answer[6] == [b"SOME", [b"UNKNOWN_USER"]]
    new = [outcome for group in answer if group[0] in (b"ALL", b"SOME") for outcome in group[1:] if is_id(outcome)]
    assert list(check_ins(client)) == [answer[1][1], *new]
    assert list(check_ins(client).values())[before:] == [A, B, B, C, C, A]
    assert client.exists("used", "new", "some") == 3
    assert not client.exists("none")


def test_a_record_used_twice_in_one_call_is_written_by_the_first(client: Any) -> None:
    answer = receive(client, Group([A], b"record"), Group([A], b"record"), Group([B], b"record", b"another"))
    assert answer == [[b"ALL", answer[0][1]], [b"REPLAYED", answer[0][1]], [b"MISMATCH"]]
    assert len(entries(client)) == 1


@pytest.mark.parametrize(
    "group",
    [[A], [A, B, C], [A, NOBODY, B, NOWHERE], [A, A], [A] * 500],
    ids=["one", "all", "some", "duplicates", "500"],
)
def test_a_record_holds_every_outcome(client: Any, group: list[CheckIn]) -> None:
    (first,) = receive(client, Group(group, b"record"), window_ms=60_000)
    assert client.get("record") == b"\n".join([b"f", *map(line, first[1:])])
    assert 0 < client.pttl("record") <= _TTL_MS
    before = client.execute_command("DEBUG", "DIGEST")
    for _ in range(3):
        (again,) = receive(client, Group(group, b"record"), window_ms=60_000)
        assert again == [b"REPLAYED", *first[1:]]
        (mismatch,) = receive(client, Group(group, b"record", b"another"), window_ms=60_000)
        assert mismatch == [b"MISMATCH"]
    assert client.execute_command("DEBUG", "DIGEST") == before


def test_a_full_backlog_stops_what_is_new_and_nothing_else(client: Any) -> None:
    ((_, first),) = receive(client, Group([A], b"used"))
    answer = receive(
        client, Group([B]), Group([A], b"used"), Group([B], b"new"), Group([B], b"used", b"another"), max_backlog=1
    )
    assert answer == [[b"FULL"], [b"REPLAYED", first], [b"FULL"], [b"MISMATCH"]]
    assert len(entries(client)) == 1
    assert not client.exists("new")


def test_answering_from_a_record_is_a_write_that_replicas_confirm(client: Any, server: Server) -> None:
    """Else a WAIT after it would say nothing about the first call."""
    receive(client, Group([A], b"record"))
    client.pexpire("record", _TTL_MS // 2)
    with Server(replica_of=server) as replica:
        before = client.info("replication")["master_repl_offset"]
        assert receive(client, Group([A], b"record"))[0][0] == b"REPLAYED"
        assert client.info("replication")["master_repl_offset"] > before
        assert client.wait(1, 10_000) == 1
        assert replica.client().pttl("record") > _TTL_MS // 2


@pytest.mark.parametrize("key", ["ncc:users:2", "ncc:locations:2", "ncc:duplicate:2:2"])
def test_a_group_that_cannot_be_judged_is_left_whole_to_be_tried_again(client: Any, key: str) -> None:
    client.delete(key)
    client.sadd(key, "not ours")
    answer = receive(client, Group([A, B, C], b"record"), Group([C], b"other"), window_ms=60_000)
    assert answer[0] == [b"BROKEN", key.encode()]
    assert answer[1][0] == b"ALL"
    assert list(check_ins(client).values()) == [C]
    assert not client.exists("record")


def test_of_several_that_are_refused_the_record_says_only_whose_the_key_is(client: Any) -> None:
    for _ in range(2):
        assert receive(client, Group([NOBODY, NOWHERE], b"record")) == [
            [b"SOME", [b"UNKNOWN_USER"], [b"UNKNOWN_LOCATION"]]
        ]
    assert client.get("record") == b"f"
    assert 0 < client.pttl("record") <= _TTL_MS
    assert receive(client, Group([A, B], b"record", b"another")) == [[b"MISMATCH"]]
    client.hset(KEYS.user(NOBODY[0]), "id", 1)
    ((word, *outcomes),) = receive(client, Group([NOBODY, NOWHERE], b"record"))
    assert (word, outcomes[1]) == (b"SOME", [b"UNKNOWN_LOCATION"])
    assert list(check_ins(client)) == outcomes[:1]
    assert receive(client, Group([NOBODY, NOWHERE], b"record")) == [[b"REPLAYED", *outcomes]]


def test_whatever_is_sent_however_often_is_stored_once(client: Any) -> None:
    rng = seeded()

    def check_in() -> CheckIn:
        return rng.randint(1, USERS + 1), rng.randint(1, LOCATIONS), rng.randint(0, 5)

    requests = [[check_in() for _ in range(rng.choice((1, 1, 4)))] for _ in range(30)]
    stored: dict[int, list[bytes]] = {}
    for _ in range(40):
        chosen = [rng.randrange(len(requests)) for _ in range(rng.randint(1, 8))]
        groups = [Group(requests[n], b"record %d" % n, b"f%d" % n) for n in chosen]
        for n, (word, *outcomes) in zip(chosen, receive(client, *groups, max_backlog=40), strict=True):
            if word in (b"ALL", b"SOME"):
                assert n not in stored
                if any(is_id(outcome) for outcome in outcomes):
                    stored[n] = outcomes
            elif word == b"REPLAYED":
                assert outcomes == stored[n]
            else:
                assert word == b"FULL"
                assert n not in stored
        if rng.random() < 0.2:
            client.set(KEYS.processed, len(entries(client)))
    expected = {
        outcome: sent
        for n, outcomes in stored.items()
        for outcome, sent in zip(outcomes, requests[n], strict=True)
        if is_id(outcome)
    }
    assert check_ins(client) == expected


def test_a_record_of_before_the_clock_was_set_back_is_kept_no_longer_than_a_new_one(client: Any) -> None:
    receive(client, Group([A], b"r"))
    for group, word in ((Group([B], b"r", b"another"), b"MISMATCH"), (Group([A], b"r"), b"REPLAYED")):
        client.expire("r", 3600)
        assert receive(client, group)[0][0] == word
        assert 0 < client.pttl("r") <= _TTL_MS
