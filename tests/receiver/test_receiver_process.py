"""The receiver as a process: how it starts, stops, and shares its port between workers."""

import os
import signal
import subprocess
from pathlib import Path
from typing import Any

import pytest

from footfall.errors import ExitCode
from footfall.store.scripts import RECEIVE
from processes import Footfall, Receiver
from proxy import Proxy
from raw_http import RawConnection, request
from receiver_scene import GOOD, STREAM, accepted_id, open_metadata, post
from servers import Server, free_port, process_exists, wait_until


@pytest.fixture
def client(server: Server) -> Any:
    return open_metadata(server)


def its_processes(receiver: Receiver) -> list[int]:
    """The processes of its group that live."""
    if Path("/proc/self").exists():
        pids = [path.name for path in Path("/proc").iterdir() if path.name.isdigit()]
    else:
        pids = subprocess.run(["ps", "-A", "-o", "pid="], capture_output=True, text=True, check=True).stdout.split()
    return [pid for pid in map(int, pids) if group(pid) == receiver.pid and process_exists(pid)]


def group(pid: int) -> int | None:
    """The process group of a process; None when it is gone."""
    try:
        return os.getpgid(pid)
    except ProcessLookupError:
        return None


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_it_after_what_it_has_taken_is_answered(server: Server, client: Any, number: int) -> None:
    with Proxy(server.port) as proxy, Receiver(proxy.url) as receiver, RawConnection(receiver.port) as connection:
        proxy.hold_requests(containing=RECEIVE.sha)
        connection.send(request(GOOD))
        proxy.wait_until_holding()
        receiver.signal(signal.Signals(number))
        proxy.release()
        entry_id = accepted_id(connection.read())
        assert receiver.wait(5) == ExitCode.OK
        assert receiver.log.splitlines() == [
            f"info: The receiver listens on {receiver.url}",
            "info: The receiver has stopped.",
        ]
    assert [stored for stored, _ in client.xrange(STREAM)] == [entry_id]


def test_it_stops_while_the_server_is_away() -> None:
    with Receiver(f"redis://127.0.0.1:{free_port()}", ready=False) as receiver:
        assert receiver.terminate() == ExitCode.OK


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_workers_share_the_port_and_end_together(server: Server, client: Any, number: int) -> None:
    with Receiver(server.url, receiver_workers=2) as receiver:
        wait_until(lambda: len(client.client_list()) == 1 + 2 * 2, "both workers are connected")
        assert len(its_processes(receiver)) >= 3
        ids = [accepted_id(post(receiver)) for _ in range(20)]
        assert len(set(ids)) == 20
        assert {stored for stored, _ in client.xrange(STREAM)} == set(ids)
        receiver.signal(signal.Signals(number))
        assert receiver.wait(5) == ExitCode.OK
        wait_until(lambda: not its_processes(receiver), "no process is left", 2)


def test_workers_do_not_outlive_a_parent_that_is_killed(server: Server, client: Any) -> None:
    with Receiver(server.url, receiver_workers=2) as receiver:
        wait_until(lambda: len(client.client_list()) == 1 + 2 * 2, "both workers are connected")
        receiver.kill()
        wait_until(lambda: not its_processes(receiver), "no process is left")


def test_a_port_that_is_taken_is_named_with_its_setting(server: Server) -> None:
    settings = {"redis_url": server.url, "receiver_port": server.port}
    with Footfall("receiver", settings=settings) as receiver:
        assert receiver.wait() == ExitCode.PORT_TAKEN
        last = receiver.log.splitlines()[-1]
        assert last.startswith(f"error: cannot listen on 127.0.0.1:{server.port}: ")
        assert "FOOTFALL_RECEIVER_PORT" in last
        assert "Traceback" not in receiver.log


def test_an_address_that_is_not_of_this_machine_is_named_with_its_setting(server: Server) -> None:
    settings = {"redis_url": server.url, "receiver_port": free_port(), "host": "192.0.2.1"}
    with Footfall("receiver", settings=settings) as receiver:
        assert receiver.wait() == ExitCode.PORT_TAKEN
        assert "FOOTFALL_HOST" in receiver.log.splitlines()[-1]
