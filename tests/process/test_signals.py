"""SIGHUP, as a terminal that is closed sends it, ends every command as SIGTERM does, unless it is ignored (nohup)."""

import os
import pty
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
import typer

from footfall import cli
from footfall.embedded import server as embedded
from footfall.errors import ExitCode
from footfall.process import launch, signals
from processes import Api, Auth, Footfall, Processor, Receiver, Service, environment
from raw_http import RawConnection, request
from receiver_scene import GOOD, accepted_id, open_metadata
from servers import Server, free_port, wait_until
from up_process import Up, load_sample, program

#: what runs until it is stopped, with settings
SERVICES: list[tuple[type[Service], dict[str, object]]] = [
    (Receiver, {}),
    (Receiver, {"receiver_workers": 2}),
    (Api, {}),
    (Api, {"api_workers": 2}),
    (Api, {"api_reload": True}),
    (Auth, {}),
    (Processor, {}),
]
#: what ends by itself
COMMANDS = [
    ["load", "users", "--from", "users.ndjson"],
    ["generate"],
    ["status"],
    ["status", "--watch"],
    ["dead-letters", "retry"],
    ["verify"],
    ["rebuild", "--yes"],
    ["redis", "PING"],
    ["tokens", "list"],
    ["users", "remove", "1", "--yes"],
    ["locations", "remove", "1", "--yes"],
]
USER = '{"id":1,"firstName":"Mira","lastName":"Okafor","email":"mira@example.com","password":"secret"}'

#: a command that is told to stop while Python finalizes an object, which drops what is raised there
_IN_FINALIZER = """
import os, sys, time
from footfall.process import signals

class Finalized:
    def __del__(self):
        os.kill(os.getpid(), int(sys.argv[1]))
        time.sleep(0.001)

signals.prepare()
try:
    Finalized()
    time.sleep(20)
except BaseException as error:
    print(type(error).__name__)
"""
#: `footfall` as `nohup` starts it
_NOHUP = """
import os, signal, sys
signal.signal(signal.SIGHUP, signal.SIG_IGN)
os.execv(sys.executable, [sys.executable, "-m", "footfall", *sys.argv[1:]])
"""
#: `footfall` in the terminal that is its standard input
_IN_TERMINAL = """
import fcntl, termios
from footfall.cli import main
fcntl.ioctl(0, termios.TIOCSCTTY, 0)
main()
"""


@pytest.fixture(params=SERVICES, ids=lambda of: f"{of[0].__name__} {of[1] or ''}")
def service(request: pytest.FixtureRequest, server: Server) -> Iterator[Service]:
    open_metadata(server)
    kind, settings = request.param
    with kind(server.url, **settings) as service:
        yield service


def assert_ended_in_order(process: Footfall) -> None:
    """With exit code 0, and the last word."""
    assert process.wait(10) == ExitCode.OK, process.log
    assert process.log.splitlines()[-1].endswith("has stopped."), process.log
    assert "Traceback" not in process.log


def test_a_hang_up_ends_a_service_as_a_termination(service: Service) -> None:
    service.signal(signal.SIGHUP)
    assert_ended_in_order(service)


def test_hang_ups_of_the_whole_group_and_terminations_together_end_it_in_order(service: Service) -> None:
    numbers = [signal.SIGHUP, signal.SIGHUP]
    if not isinstance(service, Processor):  # a termination after that is its second
        numbers.append(signal.SIGTERM)
    for number in numbers:
        os.killpg(service.pid, number)
    assert_ended_in_order(service)


@pytest.mark.parametrize("numbers", [[signal.SIGHUP] * 3, [signal.SIGTERM, signal.SIGHUP]])
def test_a_hang_up_is_no_second_thought_to_a_processor(server: Server, numbers: Sequence[signal.Signals]) -> None:
    open_metadata(server)
    with Processor(server.url) as processor:
        for number in numbers:
            processor.signal(number)
        assert_ended_in_order(processor)


def test_a_request_under_way_is_answered_before_a_hang_up_ends_the_receiver(server: Server) -> None:
    open_metadata(server)
    with Receiver(server.url) as receiver, RawConnection(receiver.port) as connection:
        connection.send(request(GOOD)[:-5])
        receiver.client.get("/healthz")  # by now, that much has been read
        receiver.signal(signal.SIGHUP)
        connection.send(request(GOOD)[-5:])
        accepted_id(connection.read())
        assert_ended_in_order(receiver)


def test_what_was_started_by_nohup_stays_when_the_terminal_goes(service: Service) -> None:
    service.terminate()
    service.program = ("-c", _NOHUP)
    service.start()
    os.killpg(service.pid, signal.SIGHUP)
    for _ in range(3):
        assert service._answers()
    assert service.exit_code is None
    service.signal(signal.SIGTERM)
    assert_ended_in_order(service)


def test_up_ends_in_order(tmp_path: Path) -> None:
    load_sample(tmp_path)
    with Up(tmp_path) as up:
        up.signal(signal.SIGHUP)
        up.signal(signal.SIGHUP)
        assert up.wait(20) == ExitCode.OK
        assert "Stopping ..." in up.log
        up.assert_nothing_is_left()


def test_a_part_of_up_that_is_hung_up_ends_in_order(tmp_path: Path) -> None:
    load_sample(tmp_path)
    with Up(tmp_path) as up:
        os.kill(up.part("receiver"), signal.SIGHUP)
        up.wait(20)
        assert "the receiver has ended with exit code 0" in up.log
        up.assert_nothing_is_left()


def test_generating_ends_with_the_summary(server: Server) -> None:
    client = open_metadata(server)
    with Receiver(server.url) as receiver:
        client.zadd("ncc:users:bycheckins", {"1": 0})
        client.zadd("ncc:locations:bycheckins", {"2": 0})
        with Footfall(
            "generate", "--url", receiver.url, "--rate", "300", settings={"redis_url": server.url}
        ) as generator:
            generator.wait_until(lambda: client.xlen("ncc:checkins") > 50, "it runs")
            generator.signal(signal.SIGHUP)
            generator.signal(signal.SIGHUP)
            # the second one does not wait for answers that are under way: these count as errors
            assert generator.wait(10) in (ExitCode.OK, ExitCode.FAILURE), generator.log
            assert "offered" in generator.log, "the summary"


@pytest.mark.parametrize("number", [signal.SIGHUP, signal.SIGTERM])
def test_a_watched_status_ends_as_with_ctrl_c(server: Server, number: signal.Signals) -> None:
    open_metadata(server)
    with Footfall("status", "--watch", settings={"redis_url": server.url}) as status:
        status.wait_for("checkpoint")
        status.signal(number)
        assert status.wait(10) == ExitCode.OK


@pytest.mark.parametrize(
    ("number", "raised"),
    [(signal.SIGHUP, "Terminated"), (signal.SIGTERM, "Terminated"), (signal.SIGINT, "KeyboardInterrupt")],
)
def test_a_stop_that_comes_while_an_object_is_finalized_is_not_lost(number: signal.Signals, raised: str) -> None:
    command = [sys.executable, "-c", _IN_FINALIZER, str(int(number))]
    done = subprocess.run(command, capture_output=True, text=True, timeout=15, check=True)
    assert (done.stdout, done.stderr) == (f"{raised}\n", "")


def test_every_command_is_among_these() -> None:
    group = typer.main.get_command(cli.app)
    assert isinstance(group, typer.core.TyperGroup)
    assert set(group.commands) == {words[0] for words in COMMANDS} | {"up", "receiver", "processor", "api", "auth"}


@pytest.mark.parametrize("number", [signal.SIGHUP, signal.SIGTERM])
@pytest.mark.parametrize("words", COMMANDS, ids=" ".join)
def test_a_command_that_waits_for_the_server_ends_at_once_and_in_order(
    words: list[str], number: signal.Signals, tmp_path: Path
) -> None:
    (tmp_path / "users.ndjson").write_text(USER)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        silent.settimeout(20)
        url = f"redis://127.0.0.1:{silent.getsockname()[1]}"
        with Footfall(*words, settings={"redis_url": url, "server_timeout": 60}, cwd=tmp_path) as command:
            connection, _ = silent.accept()
            with connection:
                command.signal(number)
                expected = ExitCode.OK if "--watch" in words else -signal.SIGTERM
                assert command.wait(10) == expected, command.log
            assert "Traceback" not in command.log


def test_a_command_that_has_started_the_server_stops_it_first(tmp_path: Path) -> None:
    with _Own("status", "--watch", cwd=tmp_path, settings={"data_dir": tmp_path}) as status:
        status.wait_for("checkpoint")
        status.signal(signal.SIGHUP)
        assert status.wait(10) == ExitCode.OK
        assert embedded.find(tmp_path) is None
        assert "User requested shutdown" in "".join(path.read_text() for path in tmp_path.rglob("*.log"))


class _Own(Footfall):
    program = program()


@pytest.mark.parametrize(
    ("words", "connections"),
    [("receiver", 2), ("receiver --workers 2", 4), ("processor --port", 2), ("status --watch", 1)],
)
def test_a_terminal_that_is_closed_ends_what_runs_in_it(words: str, connections: int, server: Server) -> None:
    client = open_metadata(server)
    terminal, its_end = pty.openpty()
    connected = len(client.client_list())
    command = [*words.split(), *([str(free_port())] if words.endswith("--port") else [])]
    with subprocess.Popen(
        launch.command([sys.executable, "-c", _IN_TERMINAL, *command], signal.SIGKILL),
        stdin=its_end,
        stdout=its_end,
        stderr=its_end,
        env=environment({"redis_url": server.url, "receiver_port": free_port(), "log_level": "debug"}),
        start_new_session=True,
    ) as process:
        os.close(its_end)
        wait_until(lambda: b"\n" in os.read(terminal, 4096), "it says something", 20)
        wait_until(lambda: len(client.client_list()) == connected + connections, "it works", 20)
        os.close(terminal)
        code = process.wait(10)
    # a status has nobody to show the last one to
    assert code == ExitCode.OK or (command[0] == "status" and code == ExitCode.FAILURE)


# --- in this process


@pytest.fixture
def _as_before() -> Iterator[None]:
    """Handlers are restored."""
    numbers = (signal.SIGHUP, signal.SIGTERM)
    handlers = [signal.getsignal(number) for number in numbers]
    yield
    for number, handler in zip(numbers, handlers, strict=True):
        signal.signal(number, handler)


@pytest.mark.usefixtures("_as_before")
def test_a_hang_up_is_what_termination_is_once() -> None:
    came: list[Any] = []
    handler: Callable[..., None] = lambda number, _frame: came.append(number)  # noqa: E731
    signal.signal(signal.SIGTERM, handler)
    signals.take_hang_up()
    for _ in range(3):
        signal.raise_signal(signal.SIGHUP)
    assert came == [signal.SIGTERM]
    signals.prepare()
    assert signal.getsignal(signal.SIGHUP) == signal.SIG_IGN, "as under nohup"
    assert signal.getsignal(signal.SIGTERM) == handler
