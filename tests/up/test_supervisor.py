"""`footfall up`: everything is up together, and is gone together, with nothing lost."""

import contextlib
import json
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import httpx
import pytest

from footfall.errors import ExitCode
from footfall.keys import Keys
from footfall.process import launch
from processes import Footfall, environment
from servers import free_port, wait_until
from up_process import Load, Up, assert_stored, interrupt_group, load_sample, processes, program, stored

#: what everything may take to stop, and a second start may take (much less on a machine that is not busy)
STOP_S, START_S = 5.0, 6.0


@pytest.fixture(scope="session")
def sample(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory with the sample in `.footfall`, nothing of it processed."""
    directory = tmp_path_factory.mktemp("sample")
    load_sample(directory)
    return directory


@pytest.fixture
def directory(sample: Path, tmp_path: Path) -> Path:
    """A copy of it for one test."""
    return shutil.copytree(sample, tmp_path / "here")


def footfall(directory: Path, *command: str) -> str:
    """What another `footfall` command prints in the same directory."""
    with Footfall(*command, cwd=directory) as process:
        assert process.wait() == 0, process.log
        return process.log


def times_checked_in(up: Up) -> int:
    return int(httpx.get(f"{up.api}/api/user/180").json()["numCheckins"])


def stop(up: Up, how: Callable[[Up], object]) -> None:
    """Have it stop; nothing of it may be left, and soon."""
    asked_at = time.monotonic()
    how(up)
    assert up.wait() == 0, up.log
    assert time.monotonic() - asked_at < STOP_S
    up.assert_nothing_is_left()


def interrupt(up: Up) -> None:
    up.signal(signal.SIGINT)


def interrupt_twice(up: Up) -> None:
    up.signal(signal.SIGINT)
    up.wait_for("Stopping ...")
    up.signal(signal.SIGINT)
    with contextlib.suppress(ProcessLookupError):
        while up.exit_code is None:
            up.signal(signal.SIGTERM)
            time.sleep(0.001)


def terminate(up: Up) -> None:
    up.signal(signal.SIGTERM)


def test_a_newcomer_posts_the_curl_that_is_shown_and_sees_it_counted_and_finds_it_again_later(tmp_path: Path) -> None:
    with Up(tmp_path) as up:
        assert "The data directory is empty: loading the sample." in up.log
        assert "Loaded 1000 users, 215 locations and 5000 check-ins." in up.log
        for line in (f"receiver    {up.receiver}/api/checkin", f"API server  {up.api}/api/checkins/latest"):
            assert line in up.log
        up.wait_for("up to 1612507754858-0")
        status = json.loads(footfall(tmp_path, "status", "--json"))
        assert (status["users"], status["locations"], status["streamLength"], status["backlog"]) == (1000, 215, 5000, 0)
        before = times_checked_in(up)

        curl = re.search(r"curl (\S+) -H '(.+): (.+)' \\\n +-d '(.+)'\n +curl (\S+)\n", up.log)
        assert curl, up.log
        posted = httpx.post(curl[1], headers={curl[2]: curl[3]}, content=curl[4])
        assert posted.status_code == 202
        wait_until(lambda: httpx.get(curl[5]).json()["numCheckins"] == before + 1, "it is counted")
        assert httpx.get(f"{up.api}/api/checkins/latest").json()["id"] == posted.json()["id"]
        stop(up, terminate)

        seen, begun_at = len(up.log), time.monotonic()
        up.start()
        took = time.monotonic() - begun_at
        print(f"the second start took {took:.2f} s")
        assert took < START_S
        assert "sample" not in up.log[seen:]
        assert times_checked_in(up) == before + 1
        assert f'"{posted.json()["id"]}"' in footfall(tmp_path, "redis", "XREVRANGE", "ncc:checkins", "+", "-")
        stop(up, interrupt)


@pytest.mark.parametrize("how", [interrupt, terminate, interrupt_group, interrupt_twice])
def test_stopped_under_load_it_ends_well_leaves_nothing_and_loses_nothing(
    directory: Path, how: Callable[[Up], object]
) -> None:
    with Up(directory) as up, Load(up.receiver) as load:
        wait_until(lambda: len(load.accepted) > 200, "check-ins are accepted")
        stop(up, how)
        assert "Traceback" not in up.log
    assert_stored(directory, load.accepted)


def test_a_client_that_does_not_finish_its_request_cannot_keep_it_from_stopping(directory: Path) -> None:
    with Up(directory) as up, socket.create_connection(("127.0.0.1", int(str(up.settings["receiver_port"])))) as half:
        half.sendall(
            b"POST /api/checkin HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 99\r\n\r\n{"
        )
        httpx.get(f"{up.receiver}/schema/openapi.json")  # by now it has been read
        stop(up, terminate)


def test_killed_with_9_under_load_it_takes_every_process_with_it_and_loses_nothing(directory: Path) -> None:
    with Up(directory, receiver_workers=2) as up, Load(up.receiver) as load:
        wait_until(lambda: len(load.accepted) > 200, "check-ins are accepted")
        assert len(processes(directory)) > 6  # itself, the server, three parts, two workers
        up.kill()
        up.assert_nothing_is_left()
    assert_stored(directory, load.accepted)


@pytest.mark.parametrize("stderr", [subprocess.STDOUT, subprocess.PIPE])
def test_when_nobody_reads_its_output_any_more_it_stops_as_well_as_ever(directory: Path, stderr: int) -> None:
    """`footfall up | tee log`: Ctrl-C ends `tee` as well, and first."""
    command = launch.command([sys.executable, *program(), "up"], signal.SIGKILL)
    ports = {name: free_port() for name in ("receiver_port", "api_port", "processor_port")}
    with subprocess.Popen(
        command,
        stdout=subprocess.PIPE,
        stderr=stderr,
        text=True,
        env=environment(ports),
        cwd=directory,
        start_new_session=True,
    ) as up:
        assert up.stdout
        assert any("Ctrl-C stops everything" in line for line in up.stdout)
        up.stdout.close()
        user = f"http://127.0.0.1:{ports['api_port']}/api/user/180"
        with Load(f"http://127.0.0.1:{ports['receiver_port']}"):  # the processor logs what it does with it
            wait_until(lambda: httpx.get(user).json().get("numCheckins", 0) > 2400, "check-ins are counted")
        up.send_signal(signal.SIGINT)
        assert up.wait(STOP_S) == 0
        assert not up.stderr or not up.stderr.read()
    assert not processes(directory)


def test_with_delay_each_check_in_is_logged_as_it_is_processed(directory: Path) -> None:
    with Up(directory, "--delay") as up:
        up.wait_for("info: Processed checkin 1609603711960-0.")
        lines = [line.removeprefix("processor | ") for line in up.log.splitlines() if line.startswith("processor | ")]
        assert lines[:5] == [
            f"info: The processor listens on {up.processor}",
            "info: Reading stream from last ID 0.",
            "debug: Updating user ncc:users:789 and location ncc:locations:171.",
            "info: Processed checkin 1609602085397-0.",
            "debug: Updating user ncc:users:455 and location ncc:locations:181.",
        ]
        stop(up, interrupt)
        last = re.findall(r"Processed checkin (\S+)\.", up.log)[-1]
    with stored(directory) as client:
        assert client.get(Keys("ncc").checkpoint) == last


def test_it_opens_the_live_page_when_that_is_asked_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    browser = tmp_path / "browser"
    browser.write_text(f'#!/bin/sh\necho "$1" > {tmp_path}/opened\n')
    browser.chmod(0o755)
    monkeypatch.setenv("BROWSER", str(browser))
    load_sample(tmp_path)
    with Up(tmp_path, "--open") as up:
        wait_until(lambda: (tmp_path / "opened").exists() and (tmp_path / "opened").read_text(), "it is opened")
        assert (tmp_path / "opened").read_text() == f"{up.api}/\n"


def test_a_page_that_is_taken_away_cannot_be_opened(tmp_path: Path) -> None:
    with Up(tmp_path, "--open", "--no-live-page", wait=False) as up:
        assert up.wait() == ExitCode.USAGE
        assert "--open opens the live page" in up.last_line()
