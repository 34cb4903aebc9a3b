"""/healthz, /readyz and /metrics of the processor: whether it works or stands by, and exact counts."""

import math
import re
import signal
import socket
from collections.abc import Callable, Iterator
from typing import Any

import httpx
import pytest

from chaos.replay import assert_replayed, entries, raw_client
from chaos.scene import LOCATIONS, USERS, add, add_some, load_records, processed, seeded, wait_until_drained
from footfall.domain.entries import Reason
from footfall.errors import ExitCode
from footfall.store.scripts import PROCESS
from processes import Footfall, Processor
from proxy import Proxy
from servers import Server, free_port, wait_until


@pytest.fixture
def client(server: Server) -> Iterator[Any]:
    client = raw_client(server.port)
    yield client
    client.close()


def assert_ready(processor: Processor, state: str, backlog: int) -> None:
    answer = processor.client.get("/readyz")
    assert (answer.status_code, answer.json()) == (200, {"state": state, "backlog": backlog, "status": "ready"})


def why_not_ready(processor: Processor) -> str:
    """What /readyz says is in the way, as soon as something is; the process lives all the same."""
    wait_until(lambda: processor.client.get("/readyz").status_code == 503, "it is not ready")
    answer = processor.client.get("/readyz")
    assert answer.headers["content-type"] == "application/problem+json"
    assert int(answer.headers["retry-after"]) >= 1
    assert processor.client.get("/healthz").json() == {"status": "alive"}
    return str(answer.json()["detail"])


def wait_until_ready(processor: Processor) -> None:
    wait_until(lambda: processor.client.get("/readyz").status_code == 200, "it is ready")


def metrics(processor: Processor) -> dict[str, float]:
    """Each sample, by its name and labels."""
    answer = processor.client.get("/metrics")
    assert answer.status_code == 200
    assert answer.headers["content-type"].startswith("text/plain; version=1.0.0")
    samples = (line.rpartition(" ") for line in answer.text.splitlines() if not line.startswith("#"))
    return {name.removeprefix("footfall_processor_"): float(value) for name, _, value in samples}


# --- health


def test_one_that_works_is_ready_and_so_is_one_that_stands_by(server: Server, client: Any) -> None:
    load_records(client)
    with Processor(server.url, processor_lease_s=0.6) as works, Processor(server.url, processor_lease_s=0.6) as other:
        assert_ready(works, "working", 0)
        assert_ready(other, "standing by", 0)
        assert (metrics(works)["lease"], metrics(other)["lease"]) == (1, 0)
        works.signal(signal.SIGSTOP)
        wait_until(lambda: other.client.get("/readyz").json()["state"] == "working", "it has taken over")
        works.signal(signal.SIGCONT)
        wait_until(lambda: works.client.get("/readyz").json()["state"] == "standing by", "it stands by")
        assert (metrics(works)["lease"], metrics(other)["lease"]) == (0, 1)
        works.signal(signal.SIGSTOP)
        other.signal(signal.SIGSTOP)
        add_some(client, seeded(), 30)
        works.signal(signal.SIGCONT)
        wait_until(lambda: works.client.get("/readyz").json() == {**READY, "state": "working"}, "all is processed")
        other.signal(signal.SIGCONT)


READY = {"status": "ready", "backlog": 0}


def test_without_a_server_it_lives_and_is_not_ready_and_counts_on(own_server: Callable[..., Server]) -> None:
    server = own_server(appendonly=True, appendfsync="always")
    client = raw_client(server.port)
    load_records(client)
    add_some(client, seeded(), 10)
    with Processor(server.url) as processor:
        wait_until_drained(client)
        wait_until(lambda: metrics(processor)["applied_total"] == 10, "it knows")
        server.kill()
        assert "the server is not available" in why_not_ready(processor)
        wait_until(lambda: metrics(processor)["lease"] == 0, "it has noticed")
        found = metrics(processor)
        assert found["applied_total"] == 10
        assert math.isnan(found["backlog"])
        assert math.isnan(found["oldest_unprocessed_seconds"])
        server.start()
        wait_until_ready(processor)
        assert metrics(processor)["backlog"] == 0
        assert processor.log.count("Cannot reach the server") == 1, "the connection of /readyz says nothing of its own"
    client.close()


@pytest.mark.parametrize(
    ("key", "why"),
    [
        ("ncc:users:bycheckins", "nothing is processed: ncc:users:bycheckins is missing or does not hold what it must"),
        ("ncc:checkinprocessor:lastid", "ncc:checkinprocessor:lastid: it is a set, not a string; "),
        ("ncc:checkinprocessor:processed", "ncc:checkinprocessor:processed: it is a set, not a string; "),
        ("ncc:checkins", "ncc:checkins: it is a set, not a stream; "),
        ("ncc:meta", "ncc:meta: it is a set, not a hash; "),
    ],
)
def test_with_a_broken_key_it_is_not_ready(server: Server, client: Any, key: str, why: str) -> None:
    load_records(client)
    add(client, 1, 1, 5)
    with Processor(server.url) as processor:
        wait_until_drained(client)
        good = client.dump(key)
        client.delete(key)
        client.sadd(key, "not ours")
        if key != "ncc:checkins":
            add(client, 1, 1, 5)
        assert why_not_ready(processor).startswith(why)
        assert metrics(processor)["applied_total"] == 1
        client.restore(key, 0, good, replace=True)
        wait_until_ready(processor)
        wait_until_drained(client)


def test_while_data_is_loaded_it_is_not_ready(server: Server, client: Any) -> None:
    load_records(client)
    with Processor(server.url) as processor:
        client.hset("ncc:meta", "state", "loading")
        assert why_not_ready(processor).endswith("data is being loaded")
        client.hset("ncc:meta", "state", "ready")
        wait_until_ready(processor)


def test_its_port_describes_itself(server: Server, client: Any) -> None:
    with Processor(server.url) as processor:
        assert f"info: The processor listens on {processor.url}" in processor.log
        paths = processor.client.get("/schema/openapi.json").json()["paths"]
        assert set(paths) == {"/healthz", "/readyz", "/metrics"}
        assert processor.client.get("/docs").status_code == 200
        assert processor.client.get("/nowhere").json()["status"] == 404


def test_a_port_that_is_taken_is_said_and_nothing_is_processed(server: Server, client: Any) -> None:
    load_records(client)
    add(client, 1, 1, 5)
    with socket.create_server(("127.0.0.1", 0)) as occupant:
        port = occupant.getsockname()[1]
        settings = {"redis_url": server.url}
        with Footfall("processor", "--port", str(port), settings=settings) as processor:
            assert processor.wait() == ExitCode.PORT_TAKEN
            assert processor.log == (
                f"error: cannot listen on 127.0.0.1:{port}: Address already in use; "
                "FOOTFALL_PROCESSOR_PORT sets another port\n"
            )
    assert processed(client) == 0


# --- metrics


def test_every_batch_and_entry_is_counted(server: Server, client: Any) -> None:
    replay = load_records(client)
    with Processor(server.url, processor_batch=50) as processor:
        before = metrics(processor)
        assert {name: value for name, value in before.items() if value} == {"lease": 1}
        assert {reason.value for reason in Reason} == set(
            re.findall(r'dead_letters_total\{reason="(.+?)"\}', str(before))
        )
        for number in range(300):
            add(client, USERS + 1 if number % 100 == 50 else 1, LOCATIONS + 1 if number == 200 else 1, 5)
        client.xadd("ncc:checkins", {"locationId": 1})
        wait_until_drained(client)
        wait_until(lambda: metrics(processor)["batch_entries_sum"] == 301, "it has all replies")
        found = metrics(processor)
    assert_replayed(client, replay.after(entries(client)))
    assert found["applied_total"] == 296
    dead = {name: value for name, value in found.items() if name.startswith("dead_letters") and value}
    assert dead == {
        'dead_letters_total{reason="unknown-user"}': 3,
        'dead_letters_total{reason="unknown-location"}': 1,
        'dead_letters_total{reason="missing-field"}': 1,
    }
    assert found["call_seconds_count"] == found["batch_entries_count"] >= 7
    assert found['batch_entries_bucket{le="50.0"}'] == found["batch_entries_count"]
    assert 0 < found["call_seconds_sum"] < 10
    assert (found["backlog"], found["oldest_unprocessed_seconds"], found["lease"]) == (0, 0, 1)
    assert found["fenced_batches_total"] == 0


def test_what_is_trimmed_is_counted(server: Server, client: Any) -> None:
    load_records(client)
    add_some(client, seeded(), 300)
    with Processor(server.url, retain=20, processor_batch=300) as processor:
        wait_until_drained(client)
        wait_until(lambda: metrics(processor)["trimmed_total"] == 300 - client.xlen("ncc:checkins"), "it is counted")
        assert metrics(processor)["trimmed_total"] > 0


def test_the_backlog_and_its_age_are_exact_also_on_a_standby(server: Server, client: Any) -> None:
    load_records(client)
    client.set("ncc:checkinprocessor:lease", "another", px=600_000)
    with Processor(server.url) as processor:
        found = metrics(processor)
        assert (found["backlog"], found["oldest_unprocessed_seconds"]) == (0, 0)
        now = client.time()[0]
        add(client, 1, 1, 5, f"{now - 100}000-0")
        add_some(client, seeded(), 99)
        found = metrics(processor)
        assert found["backlog"] == 100
        assert 99 <= found["oldest_unprocessed_seconds"] < 130
        assert processor.client.get("/readyz").json() == {"state": "standing by", "backlog": 100, "status": "ready"}
        client.mset({"ncc:checkinprocessor:lastid": f"{now - 100}000-0", "ncc:checkinprocessor:processed": 1})
        found = metrics(processor)
        assert found["backlog"] == 99
        assert found["oldest_unprocessed_seconds"] < 30


def test_dropped_batches_are_counted(server: Server, client: Any) -> None:
    load_records(client)
    add_some(client, seeded(), 100)
    settings = {"processor_lease_s": 0, "processor_batch": 10, "server_timeout": 60}
    with Proxy(server.port) as proxy:
        proxy.hold_requests(containing=PROCESS.sha)
        with Processor(proxy.url, ready=False, **settings) as late:
            proxy.wait_until_holding()
            with Footfall("processor", "--once", settings={"redis_url": server.url, **settings}) as once:
                assert once.wait() == 0
            proxy.release()
            wait_until(lambda: metrics(late)["fenced_batches_total"] >= 1, "they are counted")
            found = metrics(late)
    assert (found["applied_total"], found["batch_entries_count"]) == (0, 0)


def test_a_directory_for_the_metrics_of_several_processes_is_of_no_concern(
    server: Server, client: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PROMETHEUS_MULTIPROC_DIR", "/nowhere")
    load_records(client)
    add(client, 1, 1, 5)
    with Processor(server.url) as processor:
        wait_until(lambda: metrics(processor)["applied_total"] == 1, "it is counted")


# --- stopping


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_whoever_watches_it_does_not_keep_it_from_stopping(server: Server, client: Any, number: signal.Signals) -> None:
    load_records(client)
    with Processor(server.url) as processor, socket.create_connection(("127.0.0.1", processor.port)) as half:
        half.sendall(b"GET /metrics HTTP/1.1\r\nHost: x\r\n")
        metrics(processor)  # over a connection that stays
        processor.signal(number)
        assert processor.wait() == 0
        assert processor.log.splitlines()[-1] == "info: The processor has stopped."
        assert not re.search("Traceback|error|Error", processor.log)
        with pytest.raises(httpx.TransportError):
            processor.client.get("/healthz")


def test_a_second_signal_stops_it_at_once_although_it_is_watched(server: Server, client: Any) -> None:
    load_records(client)
    add_some(client, seeded(), 50)
    with Proxy(server.port) as proxy:
        proxy.hold_replies(to=PROCESS.sha)
        port = free_port()
        settings = {"redis_url": proxy.url, "processor_batch": 10, "server_timeout": 60, "processor_port": port}
        with Footfall("processor", settings=settings) as running:
            proxy.wait_until_holding()

            def ends_with_one_more_signal() -> bool:
                if running.exit_code is None:
                    running.signal(signal.SIGTERM)
                return running.exit_code is not None

            wait_until(ends_with_one_more_signal, "it has ended", 5)
            assert running.exit_code == -signal.SIGTERM
