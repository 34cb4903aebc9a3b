"""`footfall up` when something goes wrong: the others stop, the reason is the last thing on the screen."""

import json
import os
import signal
import socket
from pathlib import Path

import httpx
import pytest
import redis

from footfall import config
from footfall.embedded import server as embedded
from footfall.errors import ExitCode
from footfall.keys import Keys
from footfall.operations import loader
from footfall.operations.loader import when_empty
from footfall.store.client import connect
from servers import Server, wait_until
from up_process import Up, interrupt_group, processes, stored

KEYS = Keys("ncc")


@pytest.mark.parametrize(
    ("part", "how", "reason"),
    [
        ("receiver", signal.SIGKILL, "the receiver was killed by signal 9"),
        ("processor", signal.SIGTERM, "the processor has ended with exit code 0"),
        ("api", signal.SIGKILL, "the api was killed by signal 9"),
    ],
)
def test_when_a_part_dies_the_others_stop_and_the_reason_comes_last(
    server: Server, tmp_path: Path, part: str, how: signal.Signals, reason: str
) -> None:
    with Up(tmp_path, redis_url=server.url, receiver_workers=2) as up:
        os.kill(up.part(f"footfall {part}"), how)
        assert up.wait() == ExitCode.FAILURE
        assert up.last_line() == f"error: {reason}"
        up.assert_nothing_is_left()


def test_when_the_embedded_valkey_dies_the_parts_stop_and_the_end_of_its_log_comes_last(tmp_path: Path) -> None:
    with stored(tmp_path) as client:
        client.set("not", "empty")
    with Up(tmp_path) as up:
        os.kill(up.part("valkey-server"), signal.SIGKILL)
        assert up.wait() == ExitCode.FAILURE
        _, _, reason = up.log.rpartition("error: ")
        assert reason.startswith("the embedded Valkey has ended; the end of its log:\n")
        assert "Ready to accept connections" in reason
        up.assert_nothing_is_left()
        up.start()  # and nothing stands in the way of the next start
        assert up.terminate() == 0


def test_what_a_part_refuses_is_what_it_ends_with(server: Server, tmp_path: Path) -> None:
    with server.client() as client:
        client.hset(KEYS.meta.decode(), mapping={"schema": 1, "shards": 1, "generation": 1, "state": "ready"})
    for log_format in ("text", "json"):
        with Up(tmp_path, wait=False, redis_url=server.url, log_format=log_format) as up:
            assert up.wait() == ExitCode.BROKEN
            assert "has ended with exit code 4: ncc:" in up.last_line()
            assert "SET ncc:checkinprocessor:" in up.last_line()
            up.assert_nothing_is_left()


@pytest.mark.parametrize("setting", ["receiver_port", "api_port", "processor_port"])
def test_a_port_that_is_taken_is_said_before_anything_is_started(tmp_path: Path, setting: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as occupant:
        port = occupant.getsockname()[1]
        with Up(tmp_path, wait=False, **{setting: port}) as up:
            assert up.wait() == ExitCode.PORT_TAKEN
            assert up.log == (
                f"error: cannot listen on 127.0.0.1:{port}: Address already in use; "
                f"FOOTFALL_{setting.upper()} sets another port\n"
            )
    assert not list(tmp_path.iterdir())


def test_a_port_that_is_taken_meanwhile_stops_the_others(server: Server, tmp_path: Path) -> None:
    with Up(tmp_path, wait=False, redis_url=server.url) as up:
        up.wait_until(lambda: "footfall receiver" in " ".join(processes(tmp_path).values()), "the receiver starts")
        receiver, port = up.part("footfall receiver"), int(str(up.settings["receiver_port"]))
        os.kill(receiver, signal.SIGSTOP)
        with socket.create_server(("127.0.0.1", port)):
            os.kill(receiver, signal.SIGCONT)
            assert up.wait() == ExitCode.PORT_TAKEN
        assert up.last_line().startswith(
            f"error: the receiver has ended with exit code 7: cannot listen on 127.0.0.1:{port}: "
        )
        up.assert_nothing_is_left()


def test_data_loaded_by_hand_after_such_a_start_is_left_alone(server: Server, tmp_path: Path) -> None:
    settings = config.load({"data_dir": tmp_path, "redis_url": server.url})
    with connect(server.url, settings.server) as client:
        loader.load("all", loader.LoadOptions(sample=True), settings, client, confirm=lambda _: False, progress=None)
        received = client.xadd(KEYS.stream, {"locationId": "1", "userId": "2", "starRating": "5"})
        (tmp_path / "sample-unfinished").touch()
        for _ in range(2):
            when_empty.load_sample_when_empty(settings)
            assert client.xrevrange(KEYS.stream, count=1)[0][0] == received
    assert not (tmp_path / "sample-unfinished").exists()


@pytest.mark.parametrize("how", ["kill", "interrupt"])
def test_a_sample_that_was_loaded_in_part_is_loaded_by_the_next_start(tmp_path: Path, how: str) -> None:
    with Up(tmp_path, wait=False) as up:
        up.wait_until(lambda: embedded.find(tmp_path / ".footfall"), "the server runs")
        with redis.Redis.from_url(str(embedded.find(tmp_path / ".footfall"))) as client:
            up.wait_until(lambda: int(client.dbsize()) > 100, "some of it is loaded")
        if how == "kill":
            up.kill()
        else:
            interrupt_group(up)
            assert up.wait() == 0, up.log
            assert "Traceback" not in up.log
        up.assert_nothing_is_left()
        assert "Loaded" not in up.log
    with stored(tmp_path) as client:
        client.delete(KEYS.loader_lease)  # that of the killed one would end by itself in 10 s
    with Up(tmp_path) as up:
        assert "Loaded 1000 users, 215 locations and 5000 check-ins." in up.log
        assert httpx.get(f"{up.api}/api/user/1000").json()["id"] == 1000
    assert not (tmp_path / ".footfall" / "sample-unfinished").exists()


def test_a_server_of_ones_own_is_used_as_it_is(server: Server, tmp_path: Path) -> None:
    url = server.url.replace("//", "//default:s3cret@")  # any password will do
    with Up(tmp_path, redis_url=url, log_format="json") as up:
        keys = (KEYS.checkpoint, KEYS.processor_lease, KEYS.processed, KEYS.meta, KEYS.trending_state)
        found = server.client().keys
        wait_until(lambda: sorted(found()) == [key.decode() for key in keys], "the processor works as well")
        assert not any("valkey" in command for command in processes(tmp_path).values())
        assert not list(tmp_path.iterdir())
        assert up.terminate() == 0
        assert server.client().ping()
        assert "s3cret" not in up.log
        messages = [json.loads(line)["message"] for line in up.log.splitlines()]
        services = f"receiver {up.receiver}, API server {up.api}, processor {up.processor}"
        assert f"Footfall is up: {services}, server {server.url}/0" in messages
