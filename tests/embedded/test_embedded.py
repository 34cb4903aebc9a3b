"""The embedded Valkey, with real servers and real owners that are killed."""

import contextlib
import fcntl
import json
import os
import re
import shlex
import signal
import socket
import stat
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import redis

from footfall.config import load
from footfall.embedded import info as embedded_info
from footfall.embedded import server as embedded
from footfall.errors import UnavailableError
from footfall.process import launch
from servers import Server, free_port, process_exists, wait_until

#: starts (or finds) the embedded server, tells of it on standard output, and stays until its input ends
OWNER = """
import json, os, signal, sys
from pathlib import Path
from footfall.embedded import server as embedded
signal.signal(signal.SIGINT, lambda *_: os.write(1, b"interrupted\\n"))  # it may come in the midst of a print
server = embedded.start(Path(sys.argv[1]), first_port=int(sys.argv[2]))
print(json.dumps({"url": server.url, "pid": server.pid, "owned": server.owned}), flush=True)
sys.stdin.read()
server.stop()
"""

Start = Callable[..., embedded.EmbeddedServer]


@pytest.fixture
def data_dir(tmp_path: Path) -> Path:
    return tmp_path / "somebody's data #1" / ".footfall"


@pytest.fixture
def start(data_dir: Path) -> Iterator[Start]:
    """`embedded.start` on the data directory, from some free port up; what it starts is stopped."""
    servers: list[embedded.EmbeddedServer] = []

    def start_one(**options: object) -> embedded.EmbeddedServer:
        options = {"first_port": free_port()} | options
        servers.append(embedded.start(data_dir, **options))  # type: ignore[arg-type]
        return servers[-1]

    yield start_one
    for server in servers:
        server.stop()


@contextlib.contextmanager
def owner(data_dir: Path) -> Iterator[subprocess.Popen[str]]:
    """Another process that starts (or finds) the server, in a process group of its own."""
    process = subprocess.Popen(
        launch.command([sys.executable, "-c", OWNER, str(data_dir), str(free_port())]),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    with process:
        try:
            yield process
        finally:
            process.kill()


def announced(process: subprocess.Popen[str]) -> dict[str, object]:
    """What an owner says of its server."""
    assert process.stdout is not None
    answer: dict[str, object] = json.loads(process.stdout.readline())
    return answer


@contextlib.contextmanager
def connected(url: object) -> Iterator[redis.Redis]:
    with redis.Redis.from_url(str(url), decode_responses=True) as client:
        yield client


def append_only_file(data_dir: Path) -> Path:
    [path] = (data_dir / "appendonlydir").glob("*.incr.aof")
    return path


def test_starts_a_server_with_an_append_only_file_in_a_private_directory(data_dir: Path, start: Start) -> None:
    server = start()
    assert server.owned
    assert server.running
    assert embedded.find(data_dir) == server.url == f"redis://127.0.0.1:{server.port}"
    assert stat.S_IMODE(data_dir.stat().st_mode) == 0o700
    with connected(server.url) as client:
        settings = client.config_get("*")
        assert client.info("server")["process_id"] == server.pid
    assert (settings["appendonly"], settings["appendfsync"], settings["save"]) == ("yes", "everysec", "")
    assert (settings["maxmemory-policy"], settings["dir"]) == ("noeviction", str(data_dir))


def test_fsyncs_every_write_when_asked(start: Start) -> None:
    with connected(start(appendfsync="always").url) as client:
        assert client.config_get("appendfsync") == {"appendfsync": "always"}


def test_listens_on_the_loopback_address_only(start: Start) -> None:
    server = start()
    for family, address in ((socket.AF_INET, "127.0.0.2"), (socket.AF_INET6, "::1")):
        with contextlib.suppress(OSError), socket.socket(family) as probe:
            probe.settimeout(1)
            assert probe.connect_ex((address, server.port)) != 0, address
    with connected(server.url) as client:
        assert client.config_get("bind", "protected-mode") == {"bind": "127.0.0.1", "protected-mode": "yes"}


def test_data_survive_a_stop_and_a_start(data_dir: Path, start: Start) -> None:
    server = start()
    with connected(server.url) as client:
        client.mset({f"key{number}": number for number in range(1000)})
    server.stop()
    assert not server.running
    assert embedded.find(data_dir) is None
    assert not (data_dir / "server.json").exists()
    with connected(start().url) as client:
        assert client.dbsize() == 1000


def test_while_a_server_loads_its_data_it_says_how_far_it_is(
    start: Start, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO", "footfall")
    first = start()
    with redis.Redis.from_url(first.url) as client:
        client.mset({f"key {number}": "value" for number in range(2000)})
        client.execute_command("BGREWRITEAOF")
        wait_until(lambda: not client.info()["aof_rewrite_in_progress"], "the keys are in the file of the base")
    first.stop()
    slow = tmp_path / "slow-server"
    slowly = "--key-load-delay 1000 --loading-process-events-interval-bytes 1024"
    slow.write_text(f'#!/bin/sh\nexec "{embedded.binary()}" "$@" {slowly}\n')
    slow.chmod(0o700)
    monkeypatch.setattr(embedded, "binary", lambda: slow)
    second = start()
    said = [record.message for record in caplog.records if "loads its data" in record.message]
    assert len(said) == 1
    assert re.fullmatch(r"The embedded Valkey loads its data: \d+ %, about \d+ s left\.", said[0])
    with redis.Redis.from_url(second.url) as client:
        assert client.dbsize() == 2000


def test_data_survive_a_kill_of_the_server_and_its_traces_mislead_nobody(data_dir: Path, start: Start) -> None:
    killed = start()
    with connected(killed.url) as client:
        client.set("key", "value")
    os.kill(killed.pid, signal.SIGKILL)
    assert killed.wait(5)
    assert (data_dir / "server.json").exists()
    assert embedded.find(data_dir) is None
    again = start()
    assert again.owned
    killed.stop()  # must not touch its successor
    assert embedded.find(data_dir) == again.url
    with connected(again.url) as client:
        assert client.get("key") == "value"


def test_a_script_whose_writes_are_half_on_disk_is_dropped_whole_and_later_ones_stay(
    data_dir: Path, start: Start
) -> None:
    """Older servers leave the half in the file and lose what is written after it (valkey-io/valkey#4342)."""
    server = start()
    with connected(server.url) as client:
        client.set("before", "1")
        client.eval("redis.call('SET', 'half', 1) redis.call('SET', 'other half', 2)", 0)
    server.stop()
    path = append_only_file(data_dir)
    os.truncate(path, path.stat().st_size - 6)
    server = start()
    with connected(server.url) as client:
        assert client.keys() == ["before"]
        client.set("after", "1")
    server.stop()
    with connected(start().url) as client:
        assert sorted(client.keys()) == ["after", "before"]


def test_another_process_uses_the_running_server_and_leaves_it_running(data_dir: Path, start: Start) -> None:
    server = start()
    with owner(data_dir) as other:
        assert announced(other) == {"url": server.url, "pid": server.pid, "owned": False}
        other.communicate(timeout=10)
        assert other.returncode == 0
    assert server.running
    assert embedded.find(data_dir) == server.url


def test_several_starters_at_once_start_one_server(data_dir: Path) -> None:
    with contextlib.ExitStack() as stack:
        starters = [stack.enter_context(owner(data_dir)) for _ in range(4)]
        answers = [announced(one) for one in starters]
        assert len({answer["pid"] for answer in answers}) == 1
        assert [answer["owned"] for answer in answers].count(True) == 1


def test_a_process_that_did_not_start_the_server_sees_its_end(data_dir: Path, start: Start) -> None:
    with owner(data_dir) as other:
        server_pid = announced(other)["pid"]
        found = start()
        assert (found.pid, found.owned, found.running) == (server_pid, False, True)
        assert not found.wait(0.05)
        found.stop()
        assert found.running
        other.communicate(timeout=10)
        assert found.wait(5)


def test_takes_the_next_free_port_and_says_so(start: Start, caplog: pytest.LogCaptureFixture) -> None:
    with socket.socket() as occupant:
        occupant.bind(("127.0.0.1", free_port()))
        occupant.listen()
        taken = occupant.getsockname()[1]
        with caplog.at_level("INFO", "footfall"):
            server = start(first_port=taken)
    assert server.port > taken
    assert f"port {taken} is taken; the embedded Valkey listens on {server.port}" in caplog.messages


def test_goes_with_an_owner_that_is_killed_and_loses_nothing(data_dir: Path, start: Start) -> None:
    with owner(data_dir) as process:
        answer = announced(process)
        with connected(answer["url"]) as client:
            client.set("key", "value")
        process.kill()
        process.wait()
        wait_until(lambda: not process_exists(int(str(answer["pid"]))), "the server is gone")
    with connected(start().url) as client:
        assert client.get("key") == "value"


def test_ctrl_c_in_the_terminal_does_not_reach_the_server(data_dir: Path) -> None:
    with owner(data_dir) as process:
        answer = announced(process)
        os.killpg(process.pid, signal.SIGINT)
        assert process.stdout is not None
        assert process.stdout.readline() == "interrupted\n"
        with connected(answer["url"]) as client:
            assert client.ping()
        assert os.getsid(int(str(answer["pid"]))) != os.getsid(process.pid)


def test_a_damaged_append_only_file_is_refused_and_the_named_repair_works(data_dir: Path, start: Start) -> None:
    server = start()
    with connected(server.url) as client:
        for number in range(100):
            client.set(f"key{number}", number)
    server.stop()
    path = append_only_file(data_dir)
    damaged = bytearray(path.read_bytes())
    damaged[1000:1008] = b"garbage!"
    path.write_bytes(damaged)

    with pytest.raises(UnavailableError, match="Bad file format reading the append only file") as refused:
        start()
    assert embedded.find(data_dir) is None
    [repair] = [line for line in str(refused.value).splitlines() if "valkey-check-aof" in line and "bash -c" in line]
    command = [str(path) if word == "FILE" else word for word in shlex.split(repair)]
    subprocess.run(command, input=b"y\n", check=True, stdout=subprocess.DEVNULL)
    with connected(start().url) as client:
        assert 0 < client.dbsize() < 100


def test_a_directory_that_cannot_be_made_is_an_error_that_names_it(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(UnavailableError, match=r"cannot use .*file/data"):
        embedded.start(tmp_path / "file" / "data")


def test_a_locked_directory_whose_server_does_not_answer_is_refused(
    data_dir: Path, start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    server = start()
    monkeypatch.setattr(embedded, "PATIENCE_S", 0.3)
    monkeypatch.setattr(embedded_info, "REPLY_TIMEOUT_S", 0.1)
    os.kill(server.pid, signal.SIGSTOP)
    assert embedded.find(data_dir) is None
    with pytest.raises(UnavailableError, match="is locked by an embedded Valkey that does not answer"):
        start()
    os.kill(server.pid, signal.SIGCONT)
    wait_until(lambda: embedded.find(data_dir) == server.url, "the server is found again")


def test_a_server_that_does_not_stop_is_killed(data_dir: Path, start: Start) -> None:
    server = start()
    os.kill(server.pid, signal.SIGSTOP)
    server.stop(0.1)
    assert not process_exists(server.pid)
    assert start().owned


def test_somebody_elses_server_is_not_taken_for_the_embedded_one(data_dir: Path, server: Server) -> None:
    data_dir.mkdir(parents=True)
    state = {"url": server.url, "pid": server.pid, "port": server.port}
    (data_dir / "server.json").write_text(json.dumps(state))
    with (data_dir / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        assert embedded.find(data_dir) is None


def test_keeps_the_log_of_this_run_and_of_the_one_before(data_dir: Path, start: Start) -> None:
    for _ in range(3):
        start().stop()
    assert sorted(path.name for path in data_dir.glob("valkey.log*")) == ["valkey.log", "valkey.log.1"]
    assert "Ready to accept connections" in start().log_tail()


def test_is_started_from_the_main_thread_only(data_dir: Path) -> None:
    raised: list[BaseException] = []

    def run() -> None:
        try:
            embedded.start(data_dir)
        except RuntimeError as error:
            raised.append(error)

    thread = threading.Thread(target=run)
    thread.start()
    thread.join()
    assert "main thread" in str(raised[0])


def test_a_command_without_a_server_of_its_own_starts_one_for_the_while(data_dir: Path) -> None:
    settings = load({"data_dir": data_dir})
    with embedded.server_url(settings.server) as url, embedded.server_url(settings.server) as same:
        assert url == same == embedded.find(data_dir)
    assert embedded.find(data_dir) is None


def test_a_command_with_a_server_of_its_own_starts_none(data_dir: Path) -> None:
    with embedded.server_url(load({"data_dir": data_dir, "redis_url": "redis://elsewhere"}).server) as url:
        assert url == "redis://elsewhere"
    assert not data_dir.exists()
