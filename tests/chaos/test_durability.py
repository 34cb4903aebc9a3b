"""The server killed under load: with `durability` disk or replicas, no acknowledged check-in is missing."""

import random
import shutil
import subprocess
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

from chaos.poster import CheckIn, Poster, distinct_check_ins
from chaos.replay import check_ins
from chaos.scene import full
from footfall.domain.model import MAX_ID
from processes import Receiver
from proxy import Proxy
from servers import Server, wait_until

KILLS = full(3, 40)
#: check-ins between two kills, at least
BETWEEN = 100
SYNC = {"appendonly": True, "appendfsync": "always"}
#: how long strace shows a buffer
_SHOWN = 4000


def stored(client: Any) -> dict[bytes, CheckIn]:
    """The stream, without what `Receiver` posts to see whether it is ready."""
    return {entry_id: CheckIn(*check_in) for entry_id, check_in in check_ins(client).items() if check_in[0] < MAX_ID}


def assert_nothing_acknowledged_is_missing(stream: dict[bytes, CheckIn], poster: Poster) -> None:
    """Each under the id in its answer; each once; and nothing else but what got no answer."""
    assert {entry_id: stream.get(entry_id) for entry_id in poster.accepted} == poster.accepted
    assert max(Counter(stream.values()).values()) == 1
    assert set(stream.values()) <= {*poster.accepted.values(), *poster.unanswered}


# --- disk


def test_kill_9_of_a_server_that_syncs_each_write_loses_no_acknowledged_check_in(
    own_server: Callable[..., Server], client_of: Callable[[Server], Any], rng: random.Random
) -> None:
    server = own_server(**SYNC)
    with Receiver(server.url, durability="disk", unknown_ids="create") as receiver:
        with Poster(receiver, distinct_check_ins(users=50), connections=16) as poster:
            kill_and_restart(server, poster, rng)
        assert "Traceback" not in receiver.log
    assert poster.unanswered, "some of so many kills hit while check-ins were under way"
    assert_nothing_acknowledged_is_missing(stored(client_of(server)), poster)


def test_what_is_posted_again_with_its_key_after_such_a_kill_is_there_exactly_once(
    own_server: Callable[..., Server], client_of: Callable[[Server], Any], rng: random.Random
) -> None:
    server = own_server(**SYNC)
    with Receiver(server.url, durability="disk", unknown_ids="create") as receiver:
        with Poster(receiver, distinct_check_ins(users=50), connections=16, keyed=True) as poster:
            kill_and_restart(server, poster, rng)
        assert "Traceback" not in receiver.log
    print(f"{len(poster.accepted)} accepted, {poster.replayed} of them replayed")
    assert stored(client_of(server)) == poster.accepted, "also what got no answer at first"


def kill_and_restart(server: Server, poster: Poster, rng: random.Random) -> None:
    for _ in range(KILLS):
        poster.wait_for_accepted(BETWEEN)
        time.sleep(rng.uniform(0, 0.1))
        server.kill()
        server.start()
    poster.wait_for_accepted(BETWEEN)


def test_each_answer_follows_the_fsync_of_what_it_acknowledges(
    own_server: Callable[..., Server], client_of: Callable[[Server], Any], tmp_path: Path
) -> None:
    """A kill leaves the system's page cache as it is: that a machine's end loses nothing shows only here."""
    server = own_server(**SYNC)
    client = client_of(server)
    with Receiver(server.url, durability="disk", unknown_ids="create") as receiver:
        tracer = trace(server.pid, tmp_path / "trace")
        answers = [receiver.post(1, 1, 1) for _ in range(20)]
        ids = [answer.json()["id"] for answer in answers]
        if tracer is None:
            assert_written(server, client, ids)
            return
        tracer.terminate()
        tracer.wait()
    steps = traced((tmp_path / "trace").read_text(), ids)
    for entry_id in ids:
        assert steps[entry_id] == ["written", "synced", "answered"], entry_id


def trace(pid: int, output: Path) -> "subprocess.Popen[str] | None":
    """strace of what a process writes and syncs, under way; None where it is not installed, or not allowed."""
    program = shutil.which("strace")
    if program is None:
        return None
    calls = "trace=write,writev,sendto,sendmsg,fsync,fdatasync"
    command = [program, "-f", "-s", str(_SHOWN), "-e", calls, "-o", str(output), "-p", str(pid)]
    tracer = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
    assert tracer.stderr
    with tracer.stderr as said:
        if "attached" in said.readline():
            return tracer
    tracer.wait()
    return None


def traced(trace: str, ids: list[str]) -> dict[str, list[str]]:
    """What the server did with each entry, in order: to its file, then to whom it answered."""
    steps: dict[str, list[str]] = {entry_id: [] for entry_id in ids}
    unsynced: list[str] = []
    for line in trace.splitlines():
        call = line.partition(" ")[2].lstrip()
        named = [entry_id for entry_id in ids if entry_id in call]
        if call.startswith(("fdatasync(", "fsync(")):
            assert call.endswith("= 0"), call
            for entry_id in unsynced:
                steps[entry_id].append("synced")
            unsynced.clear()
        elif "XADD" in call:
            unsynced += named
            for entry_id in named:
                steps[entry_id].append("written")
        else:
            for entry_id in named:
                steps[entry_id].append("answered")
    return steps


def assert_written(server: Server, client: Any, ids: list[str]) -> None:
    """Without a trace: the server syncs at each write, is behind with none, and its file has them all."""
    [path] = (server.directory / "appendonlydir").glob("*.incr.aof")
    written = path.read_bytes()
    assert all(entry_id.encode() in written for entry_id in ids)
    found = client.info("persistence")
    assert (found["aof_enabled"], found["aof_pending_bio_fsync"], found["aof_delayed_fsync"]) == (1, 0, 0)
    assert client.config_get("appendfsync") == {"appendfsync": "always"}


# --- replicas


def test_a_replica_promoted_after_kill_9_of_the_primary_has_every_acknowledged_check_in(
    own_server: Callable[..., Server], client_of: Callable[[Server], Any], rng: random.Random
) -> None:
    primary = own_server()
    replica = own_server(replica_of=primary)
    with Proxy(primary.port) as proxy:
        with Receiver(proxy.url, durability="replicas:1", unknown_ids="create") as receiver:
            poster = Poster(receiver, distinct_check_ins(users=50), connections=16)
            with poster:
                for _ in range(KILLS):
                    poster.wait_for_accepted(BETWEEN)
                    proxy.cut()
                    time.sleep(rng.uniform(0, 0.05))
                poster.wait_for_accepted(BETWEEN)
                primary.kill()
                replica.promote()
        assert poster.unanswered
    assert_nothing_acknowledged_is_missing(stored(client_of(replica)), poster)


def test_what_is_posted_again_with_its_key_after_a_failover_is_there_exactly_once(
    own_server: Callable[..., Server], client_of: Callable[[Server], Any], rng: random.Random
) -> None:
    primary = own_server()
    replica = own_server(replica_of=primary)
    with (
        Proxy(primary.port) as proxy,
        Receiver(proxy.url, durability="replicas:1", unknown_ids="create", server_timeout=0.5) as receiver,
        Poster(receiver, distinct_check_ins(users=50), connections=16, keyed=True) as poster,
    ):
        # what is stored and not acknowledged: posted again, it is a replay that the replica has to confirm
        replica.pause()
        wait_until(lambda: poster.refused[503] > 20, "the primary is alone")
        replica.resume()
        for _ in range(KILLS):
            poster.wait_for_accepted(BETWEEN)
            proxy.cut()
            time.sleep(rng.uniform(0, 0.05))
        replayed = poster.replayed
        acknowledged = dict(poster.accepted)
        primary.kill()
        replica.promote()
        assert acknowledged.items() <= stored(client_of(replica)).items()
        own_server(replica_of=replica)
        proxy.target = replica.port
        poster.wait_for_accepted(BETWEEN)
    print(f"{len(poster.accepted)} accepted, {poster.replayed} of them replayed")
    assert replayed > 0
    assert stored(client_of(replica)) == poster.accepted
