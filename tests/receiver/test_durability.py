"""`durability`: a 202 says as much as was promised, or there is none."""

import json
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import redis

from footfall.embedded import server as embedded
from footfall.errors import ExitCode
from processes import AsgiReceiver, Footfall, Receiver
from raw_http import Answer, RawConnection, request
from receiver_scene import GOOD, STREAM, accepted_id, ask, assert_problem, assert_unavailable, open_metadata, post
from servers import Server, free_port, wait_until
from up_process import Up, program

NEEDED = "it needs appendonly yes, appendfsync always, no-appendfsync-on-rewrite no"
UNCONFIRMED = "0 of 1 replicas have confirmed the check-in: it may have been stored"
MakeServer = Callable[..., Server]


@pytest.fixture(params=[Receiver, AsgiReceiver], ids=["fast path", "other path"])
def kind(request: pytest.FixtureRequest) -> type[Receiver]:
    chosen: type[Receiver] = request.param
    return chosen


def assert_refused(url: str | None, *parts: str, **settings: object) -> None:
    """A receiver that promises the disk does not start; its last line names these."""
    settings = {"redis_url": url, "durability": "disk", "receiver_port": free_port(), **settings}
    with Footfall("receiver", settings=settings) as receiver:
        assert receiver.wait() == ExitCode.USAGE
        last = receiver.log.splitlines()[-1]
        assert last.startswith("error: FOOTFALL_DURABILITY is disk, but the server ")
        for part in parts:
            assert part in last
        assert "Traceback" not in receiver.log


# --- disk


@pytest.mark.parametrize(
    ("config", "found"),
    [
        ({"appendonly": "no", "appendfsync": "always"}, "runs with appendonly no; "),
        ({"appendonly": "yes", "appendfsync": "everysec"}, "runs with appendfsync everysec; "),
        (
            {"appendonly": "yes", "appendfsync": "always", "no-appendfsync-on-rewrite": "yes"},
            "runs with no-appendfsync-on-rewrite yes; ",
        ),
        ({"appendonly": "no", "appendfsync": "no"}, "runs with appendonly no, appendfsync no; "),
    ],
)
def test_a_server_that_does_not_sync_each_write_is_refused(
    own_server: MakeServer, config: dict[str, str], found: str
) -> None:
    assert_refused(own_server(config=config).url, found, NEEDED)


def test_a_server_that_does_not_tell_how_it_is_configured_is_refused(own_server: MakeServer) -> None:
    server = own_server(appendonly=True, appendfsync="always")
    server.client().acl_setuser(
        "app", enabled=True, passwords=["+secret"], commands=["+@all", "-config"], keys=["*"], channels=["*"]
    )
    url = f"redis://app:secret@127.0.0.1:{server.port}"
    assert_refused(url, "does not tell how it is configured", "config")
    with Receiver(url):
        pass  # it is good enough for less


def test_a_server_that_syncs_each_write_is_taken(own_server: MakeServer, kind: type[Receiver]) -> None:
    server = own_server(appendonly=True, appendfsync="always")
    open_metadata(server)
    with kind(server.url, durability="disk") as receiver:
        accepted_id(post(receiver))
        assert ask(receiver, request(method="GET", path="/readyz")).status == 200


def test_a_server_that_comes_back_with_less_is_refused_until_it_is_right_again(own_server: MakeServer) -> None:
    server = own_server(appendonly=True, appendfsync="always")
    client = open_metadata(server)
    with Receiver(server.url, durability="disk") as receiver:
        accepted_id(post(receiver))
        server.kill()
        server.config["appendfsync"] = "everysec"
        server.start()
        why = f"FOOTFALL_DURABILITY is disk, but the server runs with appendfsync everysec; {NEEDED}"
        wait_until(lambda: why in assert_unavailable(receiver)["detail"], "the reason is told")
        wait_until(lambda: why in unready(receiver), "it is not ready, for the same reason")
        for _ in range(5):
            assert why in assert_unavailable(receiver)["detail"]
        assert receiver.log.count(why) == 1
        assert client.xlen(STREAM) == 1
        server.kill()
        server.config["appendfsync"] = "always"
        server.start()
        wait_until(lambda: post(receiver).status == 202, "check-ins are taken again")
        assert receiver.log.count(why) == 1
        assert receiver.log.count("is available again after") == 1
        assert "Traceback" not in receiver.log


def unready(receiver: Receiver) -> str:
    """What /readyz says is in the way."""
    return str(ask(receiver, request(method="GET", path="/readyz")).json().get("detail"))


def test_a_server_that_is_not_there_at_the_start_is_looked_at_when_it_comes(own_server: MakeServer) -> None:
    server = own_server(appendonly=True, appendfsync="always", config={"no-appendfsync-on-rewrite": "yes"})
    open_metadata(server)
    server.kill()
    with Receiver(server.url, durability="disk", ready=False) as receiver:
        server.start()
        wait_until(lambda: "no-appendfsync-on-rewrite yes" in assert_unavailable(receiver)["detail"], "it is refused")
        server.kill()
        server.config["no-appendfsync-on-rewrite"] = "no"
        server.start()
        wait_until(lambda: post(receiver).status == 202, "check-ins are taken")


def fsync_of_embedded(data_dir: Path) -> object:
    """appendfsync of the embedded server that runs there; None when there is none."""
    url = embedded.find(data_dir)
    if url is None:
        return None
    with redis.Redis.from_url(url, decode_responses=True) as client:
        return client.config_get("appendfsync")["appendfsync"]


def test_up_starts_a_server_that_syncs_each_write(tmp_path: Path) -> None:
    with Up(tmp_path, "--durability", "disk") as up:
        assert fsync_of_embedded(tmp_path / ".footfall") == "always"
        assert up.terminate() == ExitCode.OK


def test_every_command_starts_a_server_that_syncs_each_write(tmp_path: Path) -> None:
    for name in ("receiver", "processor"):
        settings = {"durability": "disk", "data_dir": tmp_path / name, "receiver_port": free_port()}
        with AnyPort(name, settings=settings) as command:
            command.wait_until(lambda name=name: fsync_of_embedded(tmp_path / name), "its server is there")  # type: ignore[misc]
            assert fsync_of_embedded(tmp_path / name) == "always"


class AnyPort(Footfall):
    """A command whose embedded server takes any port."""

    def start(self) -> None:
        self.program = program()
        super().start()


def test_an_embedded_server_that_runs_already_and_syncs_less_is_refused(tmp_path: Path) -> None:
    data_dir = tmp_path / ".footfall"
    server = embedded.start(data_dir, first_port=free_port())
    try:
        assert_refused(None, "runs with appendfsync everysec; ", NEEDED, data_dir=data_dir)
        with Up(tmp_path, "--durability", "disk", wait=False) as up:
            assert up.wait() == ExitCode.USAGE
            assert NEEDED in up.last_line()
        assert server.running
    finally:
        server.stop()


@pytest.mark.parametrize("value", ["replicas:0", "replicas:x", "replicas:", "replicas:-1", "disc", ""])
def test_what_is_no_durability_is_refused(value: str) -> None:
    with Footfall("receiver", "--durability", value) as receiver:
        assert receiver.wait() == ExitCode.USAGE
        assert "FOOTFALL_DURABILITY" in receiver.log.splitlines()[-1]
        assert "Traceback" not in receiver.log


# --- replicas


class Pair:
    """A primary and its replica, which a test pauses and resumes."""

    def __init__(self, make: MakeServer) -> None:
        self.primary = make()
        self.client: Any = open_metadata(self.primary)
        self.replica = make(replica_of=self.primary)


@pytest.fixture
def pair(own_server: MakeServer) -> Iterator[Pair]:
    pair = Pair(own_server)
    yield pair
    pair.replica.resume()


def keyed(body: bytes = GOOD, path: str = "/api/checkin") -> bytes:
    return request(body, path=path, headers={"Idempotency-Key": "k"})


def assert_unconfirmed(answer: Answer) -> None:
    assert assert_problem(answer, 503)["detail"] == UNCONFIRMED
    assert answer.headers["retry-after"] == "1"


def test_the_answer_waits_for_the_replica(pair: Pair, kind: type[Receiver]) -> None:
    with (
        kind(pair.primary.url, durability="replicas:1", server_timeout=30) as receiver,
        RawConnection(receiver.port) as single,
        RawConnection(receiver.port) as batch,
    ):
        accepted_id(post(receiver))
        pair.replica.pause()
        single.send(request(GOOD))
        wait_until(lambda: pair.client.xlen(STREAM) == 2, "the primary has it")
        batch.send(request(b"[%b]" % GOOD, path="/api/checkins"))
        for _ in range(3):  # over another connection than the one that waits
            assert ask(receiver, request(method="GET", path="/readyz")).status == 200
        assert not single.has_received()
        assert not batch.has_received()
        pair.replica.resume()
        accepted_id(single.read())
        assert batch.read().json()["accepted"] == 1


def test_without_the_replica_it_is_503_in_time_and_recovers_by_itself(pair: Pair, kind: type[Receiver]) -> None:
    with kind(pair.primary.url, durability="replicas:1", server_timeout=0.5) as receiver:
        accepted_id(post(receiver))
        pair.replica.pause()
        for _ in range(3):
            started = time.monotonic()
            assert_unconfirmed(post(receiver))
            assert 0.2 < time.monotonic() - started < 1.5
        pair.replica.resume()
        wait_until(lambda: post(receiver).status == 202 and "taken again" in receiver.log, "it has recovered")
        assert receiver.log.count(f"error: Check-ins are refused: {UNCONFIRMED}.") == 1
        assert receiver.log.count("info: Check-ins are taken again after ") == 1
        assert "Cannot reach" not in receiver.log


def test_a_refusal_is_one_also_without_the_replica(pair: Pair, kind: type[Receiver]) -> None:
    with kind(pair.primary.url, durability="replicas:1", server_timeout=0.3) as receiver:
        pair.replica.pause()
        assert_problem(post(receiver, GOOD.replace(b":1", b":9")), 404)
        assert_problem(post(receiver, GOOD.replace(b":3", b":6")), 422)
        everything = json.dumps([{"userId": 9, "locationId": 2, "starRating": 3}, "?"]).encode()
        answer = ask(receiver, request(everything, path="/api/checkins"))
        assert [item["status"] for item in answer.json()["rejected"]] == [404, 422]
        assert_unconfirmed(ask(receiver, request(b"[%b,%b]" % (GOOD, GOOD), path="/api/checkins")))


@pytest.mark.parametrize("path", ["/api/checkin", "/api/checkins"])
def test_a_replay_is_only_confirmed_when_the_first_is(pair: Pair, kind: type[Receiver], path: str) -> None:
    body = GOOD if path == "/api/checkin" else b"[%b]" % GOOD
    settings: dict[str, Any] = {"durability": "replicas:1", "server_timeout": 0.4}
    with kind(pair.primary.url, **settings) as one, kind(pair.primary.url, **settings) as other:
        pair.replica.pause()
        assert_unconfirmed(ask(one, keyed(body, path)))
        assert_unconfirmed(ask(other, keyed(body, path)))
        pair.replica.resume()
        wait_until(lambda: ask(other, keyed(body, path)).status == 202, "it is confirmed")
        answer = ask(one, keyed(body, path))
        assert answer.headers["idempotent-replayed"] == "true"
        ids = [answer.json()["id"]] if path == "/api/checkin" else answer.json()["ids"]
        pair.primary.kill()
        pair.replica.promote()
        promoted: Any = pair.replica.client()
        assert [entry_id for entry_id, _ in promoted.xrange(STREAM)] == ids


def test_it_is_ready_while_enough_replicas_are_connected(pair: Pair) -> None:
    with Receiver(pair.primary.url, durability="replicas:1") as receiver:
        readyz = request(method="GET", path="/readyz")
        assert ask(receiver, readyz).status == 200
        pair.replica.kill()
        wait_until(lambda: ask(receiver, readyz).status == 503, "it says that the replica is gone")
        assert assert_problem(ask(receiver, readyz), 503)["detail"] == (
            "0 of 1 replicas are there to confirm check-ins"
        )


def test_one_replica_is_not_two(pair: Pair) -> None:
    with Receiver(pair.primary.url, durability="replicas:2", server_timeout=0.3) as receiver:
        document = assert_problem(post(receiver), 503)
        assert document["detail"] == "1 of 2 replicas have confirmed the check-in: it may have been stored"
