"""Status: exact numbers on every kind of server, a repair for everything that is broken, and nothing written."""

import io
import json
import re
from collections.abc import Iterator
from typing import Any

import msgspec
import pytest
import redis
from redis.exceptions import ResponseError
from rich.console import Console

from chaos.replay import raw_client
from chaos.scene import load_records
from footfall import config
from footfall.errors import ExitCode
from footfall.keys import Keys
from footfall.operations.status.backlog import Counting
from footfall.operations.status.collect import collect
from footfall.operations.status.document import LeaseStatus, Status
from footfall.operations.status.show import render
from footfall.store.calls.metadata import Position, open_metadata
from footfall.store.calls.stream import count_lost
from footfall.store.client import connect
from metadata_scene import make_metadata
from processes import Footfall
from servers import Server

KEYS = Keys("ncc")
SETTINGS = config.load()


@pytest.fixture
def client(server: Server) -> Iterator[redis.Redis]:
    """A client of an empty server."""
    with connect(server.url, SETTINGS.server) as client:
        yield client


@pytest.fixture
def loaded(client: redis.Redis) -> redis.Redis:
    """3 users, 2 locations, 10 entries `<ms>-0` from 1609602085000 ms on, one per second, of which 4 are processed."""
    make_metadata(client, KEYS)
    client.zadd(KEYS.users_by_checkins, {"1": 0, "2": 0, "3": 0})
    client.zadd(KEYS.locations_by_checkins, {"1": 0, "2": 0})
    for second in range(10):
        add(client, f"{1609602085000 + 1000 * second}-0")
    client.set(KEYS.checkpoint, "1609602088000-0")
    client.set(KEYS.processed, 4)
    return client


def add(client: redis.Redis, entry_id: str = "*") -> None:
    client.xadd(KEYS.stream, {"locationId": "1", "userId": "2", "starRating": "5"}, id=entry_id)


def run(client: Any, *command: str | bytes) -> None:
    client.execute_command(*command)


def content(client: redis.Redis) -> dict[bytes, Any]:
    return {key: client.dump(key) for key in client.scan_iter()}


def look(client: redis.Redis, counting: Counting | None = None, **settings: Any) -> Status:
    """The status; taking it must not change anything."""
    before = content(client)
    status = collect(client, config.load(settings), counting)
    assert content(client) == before
    return status


def shown(status: Status) -> str:
    screen = io.StringIO()
    render(status, Console(file=screen, width=40))
    return screen.getvalue()


def test_an_empty_server_is_left_empty_and_told_to_be_so(client: redis.Redis) -> None:
    status = look(client)
    assert client.dbsize() == 0
    assert status.state == "empty"
    assert (status.stream_length, status.users, status.locations, status.dead_letters) == (0, 0, 0, {})
    assert (status.checkpoint, status.processed, status.backlog, status.newest_entry) == (None, None, None, None)
    assert status.problems == []
    assert any("footfall load all" in warning for warning in status.warnings)
    assert "warning: nothing is loaded" in shown(status)


def test_the_server_refuses_what_looks_at_the_metadata_when_it_would_write(client: redis.Redis) -> None:
    with pytest.raises(ResponseError):
        open_metadata(KEYS).look_sync(client)
    assert client.dbsize() == 0


def test_a_loaded_server(loaded: redis.Redis, server: Server) -> None:
    status = look(loaded)
    info: Any = loaded.info()
    assert status.server.kind == info.get("server_name", "redis").capitalize()
    assert status.server.version == info.get("valkey_version", info["redis_version"])
    assert status.server.used_memory is not None
    assert status.server.used_memory > 100_000
    assert (status.server.append_only, status.server.max_memory_policy) == (True, "noeviction")
    assert (status.state, status.generation) == ("ready", 1)
    assert (status.stream_length, status.newest_entry) == (10, "1609602094000-0")
    assert (status.checkpoint, status.processed, status.backlog) == ("1609602088000-0", 4, 6)
    seconds: Any = loaded.time()
    age = status.oldest_unprocessed_ms
    assert age is not None
    assert 0 <= seconds[0] * 1000 + seconds[1] // 1000 - 1609602089000 - age < 10_000
    assert (status.users, status.locations, status.dead_letters) == (3, 2, {})
    assert (status.problems, status.warnings) == ([], [])
    server.client().config_set("appendonly", "no")
    assert look(loaded).server.append_only is False


def test_processed_entries_may_be_trimmed(loaded: redis.Redis) -> None:
    loaded.xtrim(KEYS.stream, minid="1609602088000-0", approximate=False)
    status = look(loaded)
    assert (status.stream_length, status.processed, status.backlog, status.problems) == (7, 4, 6, [])


def test_without_a_backlog_nothing_waits(loaded: redis.Redis) -> None:
    loaded.set(KEYS.checkpoint, "1609602094000-0")
    loaded.set(KEYS.processed, 10)
    status = look(loaded)
    assert (status.backlog, status.oldest_unprocessed_ms, status.problems) == (0, None, [])


def test_a_large_backlog_is_exact(loaded: redis.Redis) -> None:
    with loaded.pipeline(transaction=False) as pipeline:
        for _ in range(3000):
            pipeline.xadd(KEYS.stream, {"locationId": "1", "userId": "2", "starRating": "5"})
        pipeline.execute()
    for counted in (10_000, 2000):  # all are counted, or only some
        status = look(loaded, Counting(most=counted))
        assert (status.backlog, status.problems) == (3006, [])


def test_another_prefix_is_another_world(loaded: redis.Redis) -> None:
    assert look(loaded, prefix="other").state == "empty"


def test_while_data_is_loaded(loaded: redis.Redis) -> None:
    about = {"command": "footfall load checkins --from a.csv", "host": "db1", "pid": 77, "since": 1_767_225_600_000}
    loaded.hset(KEYS.meta.decode(), mapping={"state": "loading", "load": json.dumps(about)})
    loaded.set(KEYS.loader_lease, "its token")
    status = look(loaded)
    said = "`footfall load checkins --from a.csv` has begun at 2026-01-01 00:00:00+00:00 (process 77 on db1)"
    assert (status.state, status.backlog, status.problems) == ("loading", 6, [])
    assert [warning for warning in status.warnings if said in warning]
    loaded.delete(KEYS.loader_lease)
    (problem,) = look(loaded).problems
    assert problem.startswith(f"{said}, and was interrupted")
    assert "run it again (`footfall load checkins --from a.csv`), or end it with `footfall load --abort`" in problem


def test_what_another_program_left_has_no_metadata_yet(client: redis.Redis) -> None:
    add(client)
    client.set(KEYS.checkpoint, "0")
    status = look(client)
    assert (status.state, status.stream_length, status.checkpoint) == ("new", 1, "0")
    assert any("first service that starts creates it" in warning for warning in status.warnings)


def test_without_users_every_check_in_is_refused_unless_they_are_created(loaded: redis.Redis) -> None:
    loaded.delete(KEYS.users_by_checkins)
    assert any("every check-in is refused" in warning for warning in look(loaded).warnings)
    assert look(loaded, unknown_ids="create").warnings == []


def test_a_policy_that_deletes_keys_is_warned_of(loaded: redis.Redis) -> None:
    loaded.config_set("maxmemory-policy", "allkeys-lru")
    status = look(loaded)
    assert any("maxmemory-policy is allkeys-lru" in warning for warning in status.warnings)
    assert "noeviction" in shown(status)


def test_a_server_without_an_append_only_file_is_warned_of(loaded: redis.Redis) -> None:
    assert look(loaded).warnings == []
    loaded.config_set("appendonly", "no")
    [warning] = look(loaded).warnings
    assert "CONFIG SET appendonly yes" in warning


def test_a_meta_that_was_deleted_is_a_problem_with_its_repair(loaded: redis.Redis) -> None:
    loaded.delete(KEYS.meta)
    status = look(loaded)
    assert status.state == "broken"
    assert "HSET ncc:meta schema 1 shards 1 generation " in status.problems[0]


def test_dead_letters_are_counted_by_reason(loaded: redis.Redis) -> None:
    with loaded.pipeline(transaction=False) as pipeline:
        for number in range(2500):
            reason = "unknown-user" if number % 5 else "malformed-field"
            pipeline.xadd(KEYS.dead_letters, {"id": "1-0", "reason": reason, "userId": "x"})
        # the fields of an entry may have any name
        run(pipeline, "XADD", KEYS.dead_letters, "*", "id", "1-0", "reason", "missing-field", "reason", "mine")
        pipeline.xadd(KEYS.dead_letters, {"something": "else"})
        pipeline.execute()
    status = look(loaded)
    assert list(status.dead_letters.items()) == [
        ("unknown-user", 2000),
        ("malformed-field", 500),
        ("missing-field", 1),
        ("?", 1),
    ]
    lines = shown(status).splitlines()
    assert "dead letters        2,502" in lines
    assert "                    2,000 unknown-user" in lines


def test_who_works_is_told_and_for_how_long(loaded: redis.Redis) -> None:
    status = look(loaded)
    assert status.lease == LeaseStatus(held=False)
    assert "lease               free" in shown(status).splitlines()
    loaded.set(KEYS.processor_lease, "web-1:4711:5eed", px=60_000)
    status = look(loaded)
    assert (status.lease.held, status.lease.holder) == (True, "process 4711 on web-1")
    assert status.lease.ttl_ms is not None
    assert 50_000 < status.lease.ttl_ms <= 60_000
    assert "lease               held by process 4711 on web-1 for " in shown(status)
    assert status.problems == []


def test_a_lease_that_is_none_is_named_with_the_repair(loaded: redis.Redis) -> None:
    key = KEYS.processor_lease.decode()
    loaded.set(key, "for ever")
    assert look(loaded).problems == [f"{key}: it does not expire; delete it"]
    loaded.delete(key)
    loaded.rpush(key, "text")
    status = look(loaded)
    assert (status.problems, status.lease.held) == ([f"{key}: it is a list, not a string; delete it"], False)
    assert status.state == "ready"


REPAIR = "if you know nothing better, this repairs it: footfall redis SET "
RELOAD = "footfall load checkins --reset"
REBUILD = "`footfall rebuild` repairs it"


@pytest.mark.parametrize(
    ("command", "key", "repair"),
    [
        (["DEL", KEYS.checkpoint], "checkinprocessor:lastid: it is missing", f"{REPAIR}{{key}} 1609602088000-0"),
        (["SET", KEYS.checkpoint, "soon"], "checkinprocessor:lastid: it does not hold an entry id", REPAIR),
        (["SET", KEYS.checkpoint, "1709602088000-0"], "checkinprocessor:lastid: it lies beyond the last entry", REPAIR),
        (["DEL", KEYS.processed], "checkinprocessor:processed: it is missing", f"{REPAIR}{{key}} 4"),
        (["SET", KEYS.processed, "four"], "checkinprocessor:processed: it is not a number", f"{REPAIR}{{key}} 4"),
        (["DEL", KEYS.stream], "checkins: it is missing", "footfall redis XADD {key} MAXLEN 0 "),
        (["HDEL", KEYS.meta, "generation"], "meta: its fields generation and state", RELOAD),
        (["HSET", KEYS.meta, "schema", "9"], "schema 9", "use the Footfall that wrote it"),
    ],
)
def test_broken_metadata_are_named_with_the_repair(
    loaded: redis.Redis, command: list[str | bytes], key: str, repair: str
) -> None:
    run(loaded, *command)
    status = look(loaded)
    assert status.state == "broken"
    (problem,) = status.problems
    assert key in problem
    assert repair.format(key=f"ncc:{key.partition(': ')[0]}") in problem
    assert f"problem: {problem}" in shown(status).splitlines()


@pytest.mark.parametrize("command", [["SET", "text"], ["HSET", "field", "text"], ["RPUSH", "text"]])
@pytest.mark.parametrize(
    ("key", "kind", "state", "repair"),
    [
        (KEYS.meta, "hash", "broken", RELOAD),
        (KEYS.checkpoint, "string", "broken", RELOAD),
        (KEYS.processed, "string", "broken", RELOAD),
        (KEYS.stream, "stream", "broken", RELOAD),
        (KEYS.dead_letters, "stream", "ready", RELOAD),
        (KEYS.users_by_checkins, "zset", "ready", REBUILD),
        (KEYS.locations_by_checkins, "zset", "ready", REBUILD),
    ],
)
def test_keys_of_another_type_are_named(
    loaded: redis.Redis, command: list[str], key: bytes, kind: str, state: str, repair: str
) -> None:
    found = {"SET": "string", "HSET": "hash", "RPUSH": "list"}[command[0]]
    if found == kind:
        return
    loaded.delete(key)
    run(loaded, command[0], key, *command[1:])
    status = look(loaded)
    assert status.state == state
    (problem,) = status.problems
    assert problem.startswith(f"{key.decode()}: it is a {found}, not a {kind}; ")
    assert repair in problem
    shown(status)


@pytest.mark.parametrize(
    ("key", "baseline"),
    [(KEYS.users_by_checkins, KEYS.users_baseline), (KEYS.locations_by_checkins, KEYS.locations_baseline)],
)
def test_an_index_that_lacks_loaded_records_is_a_problem_with_its_repair(
    loaded: redis.Redis, key: bytes, baseline: bytes
) -> None:
    loaded.delete(key)
    loaded.zadd(key, {"1": 5, "2": 6})
    loaded.hset(baseline.decode(), mapping={"1": "{}", "2": "{}"})
    assert look(loaded).problems == []
    loaded.zrem(key, "2")
    [part_is_gone] = look(loaded).problems
    assert part_is_gone == f"{key.decode()}: of 2 that were loaded it has only 1; {REBUILD}"
    loaded.delete(key)
    [all_is_gone] = look(loaded).problems
    assert all_is_gone == f"{key.decode()}: of 2 that were loaded it has only 0; {REBUILD}"


def test_several_problems_are_all_told(loaded: redis.Redis) -> None:
    loaded.set(KEYS.users_by_checkins, "text")
    loaded.set(KEYS.dead_letters, "text")
    loaded.delete(KEYS.processed)
    status = look(loaded)
    assert status.state == "broken"
    assert [problem.partition(": ")[0] for problem in status.problems] == [
        "ncc:checkinprocessor:processed",
        "ncc:checkins:dead",
        "ncc:users:bycheckins",
    ]
    assert (status.users, status.locations) == (0, 2)


@pytest.mark.parametrize("counted", [10_000, 3])
def test_a_backlog_that_the_stream_does_not_hold_is_told_until_a_processor_has_set_it_right(
    loaded: redis.Redis, counted: int
) -> None:
    counting = Counting(counted, page=2)
    assert look(loaded, counting).problems == []
    if counted == 10_000:
        loaded.xdel(KEYS.stream, "1609602090000-0")
        (problem,) = look(loaded, counting).problems
        assert "by it 6 entries are unprocessed, but 5 lie after the checkpoint" in problem
    else:
        loaded.set(KEYS.processed, 8)
        (problem,) = look(loaded, counting).problems
        assert "by it 2 entries are unprocessed, but 4 or more lie after the checkpoint" in problem
        (problem,) = look(loaded, Counting(page=2)).problems
        assert "SET ncc:checkinprocessor:processed 4 sets it right" in problem
        loaded.set(KEYS.processed, 14)
        loaded.set(KEYS.checkpoint, "1609602094000-0")
        (problem,) = look(loaded).problems
        assert "when it is ncc:checkinprocessor:processed that is wrong, SET that to 10; " in problem
        loaded.set(KEYS.processed, 10)
        assert look(loaded).problems == []
        return
    assert "a processor says how many, and sets it right when it has caught up" in problem
    # caught up, a processor does this
    last = "1609602094000-0"
    loaded.set(KEYS.checkpoint, last)
    loaded.set(KEYS.processed, 9)
    call = count_lost(KEYS, Position(last.encode(), b"1"))
    call.script.run_sync(loaded, call.keys, call.arguments)
    status = look(loaded)
    assert (status.problems, status.backlog, status.lost_entries) == ([], 0, 1)


def test_json_holds_all_of_it_in_camel_case(loaded: redis.Redis) -> None:
    loaded.xadd(KEYS.dead_letters, {"id": "1-0", "reason": "unknown-user"})
    loaded.config_set("maxmemory-policy", "allkeys-lru")
    status = look(loaded)
    text = msgspec.json.encode(status)
    assert msgspec.json.decode(text, type=Status) == status
    document = msgspec.json.decode(text)
    assert set(document) == {
        *("server", "state", "generation", "streamLength", "newestEntry", "checkpoint", "processed", "backlog"),
        *("oldestUnprocessedMs", "lease", "lostEntries", "deadLetters"),
        *("users", "locations", "problems", "warnings"),
    }
    assert document["deadLetters"] == {"unknown-user": 1}
    assert {"usedMemory", "usedMemoryHuman", "maxMemoryPolicy", "appendOnly"} < set(document["server"])


def test_for_a_person_every_number_has_a_line(loaded: redis.Redis) -> None:
    lines = shown(look(loaded)).splitlines()
    for line in (
        "state               ready",
        "stream length       10",
        "checkpoint          1609602088000-0",
        "backlog             6",
        "users               3",
        "locations           2",
        "dead letters        0",
    ):
        assert line in lines


def test_a_user_who_may_not_use_info_hears_what_is_not_known_and_the_rest(server: Server) -> None:
    client = raw_client(server.port)
    load_records(client)
    client.execute_command("ACL", "SETUSER", "limited", "on", ">secret", "~*", "+@all", "-info", "-config")
    url = f"redis://limited:secret@127.0.0.1:{server.port}"
    outputs = {}
    for command in ("status", "status --json", "verify", "verify --json", "rebuild --yes", "dead-letters list"):
        with Footfall(*command.split(), settings={"redis_url": url}) as process:
            assert process.wait() == 0, process.log
            outputs[command] = process.log
    assert "the server does not tell about itself (INFO is refused to this user)" in outputs["status"]
    assert re.search(r"^users +40$", outputs["status"], re.MULTILINE)
    assert json.loads(outputs["status --json"])["server"]["usedMemory"] is None
    assert "whether another server has taken over meanwhile is not known" in outputs["verify"]
    assert json.loads(outputs["verify --json"])["proof"] == "records"
    client.execute_command("ACL", "DELUSER", "limited")
    client.close()


@pytest.mark.parametrize("command", ["scan", "xinfo|stream", "multi", "evalsha_ro", "hget", "hscan"])
def test_a_command_that_is_refused_is_named_with_what_grants_it(
    loaded: redis.Redis, server: Server, command: str
) -> None:
    run(loaded, "ACL", "SETUSER", "u", "on", ">p", "~*", "+@all", f"-{command}")
    url = server.url.replace("redis://", "redis://u:p@")
    said = ""
    for words in ("status", "verify"):
        with Footfall(words, settings={"redis_url": url}) as process:
            if process.wait() == ExitCode.DENIED:
                said += process.log
    name = command.upper().replace("|", " ")
    assert f"the server refuses {name} to the user u; this grants it: ACL SETUSER u +{command}" in said
