"""A running processor: what it logs, what it makes of bad entries, how it waits, starts and stops."""

import json
import os
import pty
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from chaos.replay import assert_replayed, entries, raw_client
from chaos.scene import LOCATIONS, USERS, add, add_some, load_records, processed, seeded, wait_until_drained
from commands import read_until
from footfall.errors import ExitCode
from footfall.process import launch
from footfall.store.scripts import PROCESS
from processes import Footfall, environment
from proxy import Proxy
from servers import Server, wait_until

STOPPED = "info: The processor has stopped."


@pytest.fixture
def client(server: Server) -> Iterator[Any]:
    client = raw_client(server.port)
    yield client
    client.close()


def processor(url: str, *options: str, **settings: object) -> Footfall:
    """A running `footfall processor`."""
    return Footfall("processor", *options, settings={"redis_url": url, **settings})


def run_once(url: str, **settings: object) -> list[str]:
    """Let a processor drain the stream; the lines of its log."""
    with processor(url, "--once", **settings) as running:
        assert running.wait() == 0, running.log
        return running.log.splitlines()


# --- the log


def test_one_that_ends_says_how_much_it_was_and_not_each_batch(server: Server, client: Any) -> None:
    replay = load_records(client)
    add_some(client, seeded(), 600)
    last_id = entries(client)[-1][0].decode()
    assert run_once(server.url, processor_batch=10) == [
        "info: Reading stream from last ID 0.",
        f"info: Processed 600 check-ins up to {last_id}.",
        STOPPED,
    ]
    assert_replayed(client, replay.after(entries(client)))


def test_batches_grow_with_what_the_server_does_in_the_time_of_a_call(server: Server, client: Any) -> None:
    replay = load_records(client)
    add_some(client, seeded(), 15_000)
    client.config_resetstat()
    run_once(server.url)
    calls = client.info("commandstats")["cmdstat_evalsha"]["calls"]
    assert calls < 15_000 / 250, "the first batches have 250 entries"
    assert_replayed(client, replay.after(entries(client)))


def test_at_level_debug_there_are_two_lines_per_check_in(server: Server, client: Any) -> None:
    load_records(client)
    add(client, 3, 4, 5, "1-1")
    add(client, USERS + 1, 4, 5, "1-2")
    add(client, 5, 6, 5, "1-3")
    assert run_once(server.url, log_level="debug") == [
        "info: Reading stream from last ID 0.",
        "debug: Updating user ncc:users:3 and location ncc:locations:4.",
        f"debug: Updating user ncc:users:{USERS + 1} and location ncc:locations:4.",
        "debug: Updating user ncc:users:5 and location ncc:locations:6.",
        "warning: Entry 1-2 became a dead letter: unknown-user.",
        "debug: Processed checkin 1-1.",
        "debug: Processed checkin 1-3.",
        "info: Processed 2 check-ins up to 1-3.",
        STOPPED,
    ]


def test_a_log_for_machines_has_one_json_object_per_line(server: Server, client: Any) -> None:
    load_records(client)
    add(client, 3, 4, 5, "1-1")
    add(client, 3, LOCATIONS + 1, 5, "1-2")
    lines = [json.loads(line) for line in run_once(server.url, log_format="json")]
    assert [(line["level"], line["message"]) for line in lines] == [
        ("info", "Reading stream from last ID 0."),
        ("warning", "Entry 1-2 became a dead letter: unknown-location."),
        ("info", "Processed 1 check-in up to 1-2."),
        ("info", "The processor has stopped."),
    ]
    for line in lines:
        assert line.keys() == {"time", "level", "message"}
        assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}\+00:00", line["time"])


# --- what it applies


def test_with_once_it_ends_on_an_empty_stream_too(server: Server, client: Any) -> None:
    new = "info: The server held no metadata: it was created."
    assert run_once(server.url) == [new, "info: Reading stream from last ID 0.", STOPPED]
    assert not client.exists("ncc:checkins")


def test_an_entry_that_arrives_while_it_is_idle_is_applied_at_once(server: Server, client: Any) -> None:
    replay = load_records(client)
    with processor(server.url):
        for user in range(1, 10):
            # the server answers the read that waits with the entry: one that polls would not be blocked
            wait_until(lambda: client.info("clients")["blocked_clients"] == 1, "it waits for entries")
            add(client, user, 1, 5)
            wait_until_drained(client)
    assert_replayed(client, replay.after(entries(client)))


MALFORMED: list[tuple[str, list[object]]] = [
    ("missing-field", ["locationId", 1, "userId", 1]),
    ("missing-field", ["note", ""]),
    ("malformed-field", ["locationId", "", "userId", 1, "starRating", 5]),
    ("malformed-field", ["locationId", 1, "userId", "01", "starRating", 5]),
    ("malformed-field", ["locationId", 1, "userId", 1, "starRating", 6]),
    ("malformed-field", ["locationId", 1, "userId", 1, "starRating", "\n5"]),
    ("malformed-field", ["locationId", 1, "userId", b"\xff\x00", "starRating", 5, "note", b"\xff\x00"]),
    ("malformed-field", ["locationId", 1, "userId", 2**53, "starRating", 5]),
    ("malformed-field", [*("note", "x") * 5000, "locationId", 1, "userId", 1, "starRating", 7]),
    ("unknown-user", ["locationId", 1, "userId", USERS + 1, "starRating", 5]),
    ("unknown-location", ["userId", 1, "starRating", 5, "locationId", LOCATIONS + 1, "note", "y"]),
    ("unknown-user", ["locationId", LOCATIONS + 1, "userId", USERS + 1, "starRating", 5]),
    ("id-out-of-range", ["locationId", 1, "userId", 1, "starRating", 5]),
]


@pytest.mark.parametrize("unknown_ids", ["reject", "create"])
def test_entries_that_cannot_be_applied_become_dead_letters_and_stop_nothing(
    server: Server, client: Any, unknown_ids: str
) -> None:
    replay = load_records(client, create=unknown_ids == "create")
    expected = []
    for number, (reason, fields) in enumerate(MALFORMED, start=1):
        add(client, number, 1, number % 6, f"{number}-0")
        entry_id = "10000000000000-0" if reason == "id-out-of-range" else f"{number}-1"
        client.execute_command("XADD", "ncc:checkins", entry_id, *fields)
        if not (unknown_ids == "create" and reason.startswith("unknown")):
            expected.append((entry_id, reason, fields))
    log = run_once(server.url, unknown_ids=unknown_ids)
    assert [line for line in log if line.startswith("warning")] == [
        f"warning: Entry {entry_id} became a dead letter: {reason}." for entry_id, reason, _ in expected
    ]
    letters = [fields for _, fields in entries(client, "ncc:checkins:dead")]
    assert [(fields[:4], fields[4:]) for fields in letters] == [
        (
            [b"id", entry_id.encode(), b"reason", reason.encode()],
            [item if isinstance(item, bytes) else str(item).encode() for item in fields[:2000]],
        )
        for entry_id, reason, fields in expected
    ]
    assert client.exists(f"ncc:users:{USERS + 1}", f"ncc:locations:{LOCATIONS + 1}") == 2 * (unknown_ids == "create")
    assert_replayed(client, replay.after(entries(client)))


# --- a checkpoint that cannot be trusted

CHECKPOINT = "ncc:checkinprocessor:lastid"
DAMAGE: dict[str, Callable[[Any], object]] = {
    "it is missing": lambda client: client.delete(CHECKPOINT),
    "it does not hold an entry id": lambda client: client.set(CHECKPOINT, "yesterday"),
    "it lies beyond the last entry": lambda client: client.set(CHECKPOINT, "9999999999999-0"),
}


@pytest.mark.parametrize("damage", DAMAGE)
def test_a_checkpoint_that_cannot_be_trusted_is_refused_with_a_repair_that_works(
    server: Server, client: Any, damage: str
) -> None:
    replay = load_records(client)
    run_once(server.url)
    add_some(client, seeded(), 30)
    stream = entries(client)
    client.mset({CHECKPOINT: stream[9][0], "ncc:checkinprocessor:processed": 10})
    replay.processed = 10
    DAMAGE[damage](client)
    before = client.execute_command("DEBUG", "DIGEST")
    with processor(server.url, "--once") as refused:
        assert refused.wait() == ExitCode.BROKEN
        [line] = refused.log.splitlines()
        assert line.startswith(f"error: {CHECKPOINT}: {damage}")
        assert client.execute_command("DEBUG", "DIGEST") == before
        repair = line.partition("this repairs it: footfall redis ")[2].split()
        assert repair == ["SET", CHECKPOINT, stream[9][0].decode()]
        client.execute_command(*repair)
        refused.start()
        assert refused.wait() == 0
    assert_replayed(client, replay.after(stream[10:]))


def test_what_stops_it_is_said_once_however_often_it_is_tried(server: Server, client: Any) -> None:
    load_records(client)
    add(client, 1, 2, 5)
    client.hset("ncc:meta", "torn", "0 0")
    with processor(server.url) as running:
        running.wait_for("Nothing is processed: ")
        said = running.log
        tries = client.info("commandstats")["cmdstat_evalsha"]["calls"] + 20
        wait_until(lambda: client.info("commandstats")["cmdstat_evalsha"]["calls"] > tries, "it has tried again")
        assert running.log == said


# --- outages


def test_a_server_that_is_away_at_the_start_is_waited_for(own_server: Callable[..., Server]) -> None:
    server = own_server()
    server.kill()
    with processor(server.url) as running:
        running.wait_for(f"error: Cannot reach the server at redis://127.0.0.1:{server.port}/0 (")
        server.start()
        running.wait_for("Reading stream from last ID 0.")
        assert running.terminate() == 0
        assert len(running.log.splitlines()) == 5  # new metadata, too


def test_a_server_that_is_lost_is_said_once_waited_for_and_the_work_goes_on(own_server: Callable[..., Server]) -> None:
    server = own_server(appendonly=True, appendfsync="always")
    client = raw_client(server.port)
    replay = load_records(client)
    add(client, 1, 1, 5)
    with processor(server.url) as running:
        wait_until_drained(client)
        add(client, 2, 2, 4)
        wait_until_drained(client)
        server.kill()
        running.wait_for(f"error: Cannot reach the server at redis://127.0.0.1:{server.port}/0 (")
        with socket.create_server(("127.0.0.1", server.port)) as listener:
            for _ in range(4):  # it tries on
                listener.accept()[0].close()
        server.start()
        running.wait_for("is available again after")
        add(client, 3, 3, 3)
        wait_until_drained(client)
        assert running.terminate() == 0
        log = running.log
    assert log.count("Cannot reach") == log.count("is available again after") == log.count("error:") == 1
    assert not re.search("Traceback|retrieved|awaited", log)
    assert_replayed(client, replay.after(entries(client)))
    client.close()


def test_an_outage_in_the_middle_of_a_batch_is_said_once_and_nothing_else_is(server: Server, client: Any) -> None:
    replay = load_records(client)
    add_some(client, seeded(), 50)
    with Proxy(server.port) as proxy:
        proxy.hold_requests(containing=PROCESS.sha)
        with processor(proxy.url, processor_batch=10) as running:
            proxy.wait_until_holding()
            proxy.cut()
            wait_until_drained(client)
            assert running.terminate() == 0
            lines = [line for line in running.log.splitlines() if "Processed" not in line]
            assert sum(said_processed(running.log)) == 50
    assert [" ".join(line.split()[:3]) for line in lines] == [
        *("info: Reading stream", "error: Cannot reach", "info: The server", "info: Reading stream"),
        "info: The processor",
    ]
    assert_replayed(client, replay.after(entries(client)))


def test_one_that_ends_shows_how_far_it_is_on_a_terminal(server: Server, client: Any) -> None:
    load_records(client)
    for _ in range(4):
        add_some(client, seeded(), 1000)
    terminal, its_end = pty.openpty()
    command = [sys.executable, "-m", "footfall", "processor", "--once", "--redis-url", server.url, "--batch", "10"]
    with subprocess.Popen(
        launch.command(command, signal.SIGKILL),
        stdin=its_end,
        stdout=its_end,
        stderr=its_end,
        env=environment({}) | {"TERM": "xterm", "COLUMNS": "120", "LINES": "50"},
        start_new_session=True,
    ) as process:
        os.close(its_end)
        screen = read_until(terminal, None).decode()
        os.close(terminal)
        assert process.wait() == ExitCode.OK, screen
    assert re.search(r"processing .* [\d,]+ of 4,000", screen), screen
    assert screen.count("Processed") == 1
    assert "Processed 4,000 check-ins up to " in screen


def said_processed(log: str) -> list[int]:
    """How many check-ins each line of the log says to have been processed."""
    found = re.findall(r"^info: Processed ([\d,]+) check-ins? up to ", log, re.MULTILINE)
    return [int(count.replace(",", "")) for count in found]


def test_it_says_what_it_has_done_once_a_second_and_not_for_each_batch(server: Server, client: Any) -> None:
    load_records(client)
    for _ in range(4):
        add_some(client, seeded(), 1000)
    began = time.monotonic()
    with processor(server.url, processor_batch=10) as running:
        wait_until_drained(client)
        add(client, 1, 2, 5)
        wait_until(lambda: sum(said_processed(running.log)) == 4001, "all is said, without being stopped")
        lines = said_processed(running.log)
    assert len(lines) <= time.monotonic() - began + 2


# --- stopping


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_an_idle_processor_stops_at_once(server: Server, client: Any, number: signal.Signals) -> None:
    with processor(server.url) as running:
        wait_until(lambda: client.info("clients")["blocked_clients"] == 1, "it waits for entries")
        running.signal(number)
        assert running.wait() == 0
        assert running.log.splitlines()[-1] == STOPPED
        assert "warning" not in running.log, "it has waited for nothing"


def test_a_processor_at_work_stops_after_the_batch_and_says_all_that_it_has_done(server: Server, client: Any) -> None:
    replay = load_records(client)
    for _ in range(20):
        add_some(client, seeded(), 1000)
    with processor(server.url, processor_batch=10) as running:
        running.wait_for("Processed ")
        running.signal(signal.SIGTERM)
        assert running.wait() == 0
        *_, last_said, last = running.log.splitlines()
        said = said_processed(running.log)
    done = processed(client)
    assert 0 < done < 20_000, "it has not drained the stream first"
    assert_replayed(client, replay.after(entries(client)[:done]))
    assert last_said.endswith(f" check-ins up to {client.get(CHECKPOINT).decode()}.")
    assert sum(said) == done
    assert last == STOPPED


def test_with_a_full_backlog_it_stops_before_the_end_of_it_and_gives_the_lease_back(
    server: Server, client: Any
) -> None:
    replay = load_records(client)
    for _ in range(50):
        add_some(client, seeded(), 1000)
    with processor(server.url) as running:
        running.wait_for("Processed ")
        assert running.terminate() == 0
        assert running.log.splitlines()[-1] == STOPPED
    done = processed(client)
    assert 0 < done < 50_000, "it has not drained the stream first"
    assert not client.exists("ncc:checkinprocessor:lease")
    assert_replayed(client, replay.after(entries(client)[:done]))


def test_a_server_that_does_not_answer_cannot_keep_it_from_stopping(server: Server, client: Any) -> None:
    replay = load_records(client)
    add_some(client, seeded(), 50)
    with Proxy(server.port) as proxy:
        proxy.hold_replies(to=PROCESS.sha)
        with processor(proxy.url, processor_batch=10, server_timeout=60) as running:
            proxy.wait_until_holding()
            wait_until(lambda: processed(client) >= 10, "a batch is applied, and maybe the one behind it")
            assert running.terminate() == 0, "it has not waited for the 60 s that the server may take"
            assert [line.partition(";")[0] for line in running.log.splitlines()[1:]] == [
                "warning: The server has not answered in time",
                STOPPED,
            ]
    assert_replayed(client, replay.after(entries(client)[: processed(client)]))
    run_once(server.url, processor_lease_s=0)
    assert_replayed(client, replay.after(entries(client)))


def test_a_processor_that_waits_for_the_server_stops_at_once(own_server: Callable[..., Server]) -> None:
    server = own_server()
    server.kill()
    with processor(server.url) as running:
        running.wait_for("Cannot reach")
        assert running.terminate() == 0
        assert running.log.splitlines()[1:] == [STOPPED]


def test_a_second_signal_stops_it_in_the_middle_of_a_batch_and_nothing_is_lost(server: Server, client: Any) -> None:
    replay = load_records(client)
    add_some(client, seeded(), 50)
    with Proxy(server.port) as proxy:
        proxy.hold_replies(to=PROCESS.sha)
        with processor(proxy.url, processor_batch=10, server_timeout=60) as running:
            proxy.wait_until_holding()
            wait_until(lambda: processed(client) >= 10, "a batch is applied, and maybe the one behind it")

            def ends_with_one_more_signal() -> bool:
                if running.exit_code is None:
                    running.signal(signal.SIGINT)  # two at the same moment are one
                return running.exit_code is not None

            wait_until(ends_with_one_more_signal, "it has ended", 5)
            assert running.exit_code == -signal.SIGINT
            assert STOPPED not in running.log
            assert_replayed(client, replay.after(entries(client)[: processed(client)]))
            proxy.release()
            running.start()
            wait_until_drained(client)
    assert_replayed(client, replay.after(entries(client)))
