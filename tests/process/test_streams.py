"""Standard input, output and error: whatever becomes of them, a command says one line, or goes on and ends in order."""

import contextlib
import io
import itertools
import os
import re
import secrets
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import httpx
import pytest
import redis
import typer

from audit_scene import E4, prepare
from chaos.replay import raw_client
from footfall import cli
from footfall.errors import ExitCode, OutputError
from footfall.process.streams import Stream
from processes import Api, Auth, Footfall, Processor, Receiver, Service, environment
from receiver_scene import GOOD
from servers import Server, free_port, wait_until
from up_process import Up, load_sample

#: each command that ends by itself, or when it cannot be seen any more
COMMANDS = [
    ["--help"],
    ["--version"],
    ["status", "--help"],
    ["status"],
    ["status", "--json"],
    ["status", "--watch"],
    ["status", "--watch", "--json"],
    ["verify"],
    ["verify", "--json"],
    ["rebuild", "--yes"],
    ["redis", "LRANGE", "ncc:none", "0", "9"],
    ["dead-letters", "list"],
    ["dead-letters", "retry"],
    ["dead-letters", "discard", "--yes", "--json"],
    ["tokens", "list"],
    ["tokens", "create", "TOKEN"],
    ["users", "set", "1", "--first-name", "Mira"],
    ["locations", "set", "1", "--name", "Pier"],
    ["load", "locations", "--from", "locations.ndjson"],
    ["generate", "--rate", "200"],
]
JSON = {"Content-Type": "application/json"}
SERVICES = {"up", "receiver", "processor", "api", "auth"}
SERVICE_CLASSES: list[type[Service]] = [Receiver, Api, Auth, Processor]

#: `footfall`, with what the first argument names closed
_CLOSED = """
import os, sys
for number in sys.argv.pop(1):
    os.close(int(number))
os.execv(sys.executable, [sys.executable, "-m", "footfall", *sys.argv[1:]])
"""


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    """Of a server with a small system, dead letters among it."""
    with Server() as server, contextlib.closing(raw_client(server.port)) as client:
        prepare(server, client)
        yield server.url


@pytest.fixture(scope="module")
def receiver(url: str) -> Iterator[Receiver]:
    with Receiver(url) as receiver:
        yield receiver


def with_receiver(words: Sequence[str], receiver: Receiver) -> list[str]:
    """The words of a command; `generate` posts to this receiver."""
    return [*words, *(["--url", receiver.url] if words[0] == "generate" else [])]


def ended(words: Sequence[str], url: str, directory: Path, receiver: Receiver, **options: Any) -> tuple[int, str]:
    """Exit code and standard error of a command."""
    place = '{"id":1,"name":"Pier","category":"bar","location":"1,2"}'
    (directory / "locations.ndjson").write_text(place)
    if words[0] == "dead-letters":  # others may have settled those that were there
        with redis.Redis.from_url(url) as client:
            client.xadd("ncc:checkins:dead", {"id": E4, "reason": "malformed", "userId": "no"})
    words = with_receiver(words, receiver)
    words = [secrets.token_hex(4) if word == "TOKEN" else word for word in words]
    done = subprocess.run(
        [sys.executable, "-m", "footfall", *words],
        env=environment({"redis_url": url}) | {"PYTHONUNBUFFERED": ""} | options.pop("env", {}),
        cwd=directory,
        stderr=subprocess.PIPE,
        text=True,
        timeout=30,
        check=False,
        **options,
    )
    return done.returncode, done.stderr


def test_every_command_is_among_these() -> None:
    group = typer.main.get_command(cli.app)
    assert isinstance(group, typer.core.TyperGroup)
    assert set(group.commands) == {words[0] for words in COMMANDS if words[0][0] != "-"} | SERVICES


@pytest.mark.parametrize("words", COMMANDS, ids=" ".join)
def test_output_that_cannot_be_written_is_one_line_and_exit_code_1(
    words: list[str], url: str, receiver: Receiver, tmp_path: Path
) -> None:
    with Path("/dev/full").open("w") as full:
        code, said = ended(words, url, tmp_path, receiver, stdout=full)
        assert (code, said) == (
            ExitCode.FAILURE,
            "error: standard output cannot be written: No space left on device\n",
        )


@pytest.mark.parametrize("words", COMMANDS, ids=" ".join)
def test_output_that_nobody_reads_is_one_line_and_exit_code_1(
    words: list[str], url: str, receiver: Receiver, tmp_path: Path
) -> None:
    reading, writing = os.pipe()
    os.close(reading)
    try:
        code, said = ended(words, url, tmp_path, receiver, stdout=writing)
    finally:
        os.close(writing)
    assert (code, said) == (ExitCode.FAILURE, "error: standard output cannot be written: nobody reads it any more\n")


@pytest.mark.parametrize("unbuffered", ["", "1"])
def test_a_reader_that_has_enough_ends_what_would_have_no_end(
    url: str, receiver: Receiver, tmp_path: Path, unbuffered: str
) -> None:
    for words in (["status", "--watch", "--json"], ["generate"]):
        reading, writing = os.pipe()
        with (
            os.fdopen(reading) as output,
            subprocess.Popen(
                [sys.executable, "-m", "footfall", *with_receiver(words, receiver)],
                env=environment({"redis_url": url}) | {"PYTHONUNBUFFERED": unbuffered},
                stdout=writing,
                stderr=subprocess.PIPE,
                cwd=tmp_path,
            ) as running,
        ):
            os.close(writing)
            assert output.readline()
            output.close()
            assert running.stderr is not None
            said = running.stderr.read()
            assert running.wait(30) == ExitCode.FAILURE
            assert said == b"error: standard output cannot be written: nobody reads it any more\n"


@pytest.mark.parametrize("words", [["nonsense"], ["status", "--redis-url", "redis://127.0.0.1:1"], ["status"]])
def test_what_cannot_be_said_on_standard_error_changes_no_exit_code(words: list[str], url: str, tmp_path: Path) -> None:
    codes = []
    for name in (os.devnull, "/dev/full"):
        with Path(name).open("w") as error:
            done = subprocess.run(
                [sys.executable, "-m", "footfall", *words],
                env=environment({"redis_url": url}),
                cwd=tmp_path,
                stdout=subprocess.PIPE,
                stderr=error,
                timeout=30,
                check=False,
            )
        codes.append((done.returncode, bool(done.stdout)))
    assert codes[0] == codes[1]


@pytest.mark.parametrize("unbuffered", ["", "1"])
@pytest.mark.parametrize("workers", [1, 2])
def test_a_service_goes_on_without_its_log_and_says_so_once(url: str, workers: int, unbuffered: str) -> None:
    port = free_port()
    settings = {"redis_url": url, "receiver_port": port, "receiver_workers": workers, "log_level": "debug"}
    with (
        Path("/dev/full").open("w") as full,
        subprocess.Popen(
            [sys.executable, "-m", "footfall", "receiver"],
            env=environment(settings) | {"PYTHONUNBUFFERED": unbuffered},
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
        ) as running,
    ):
        try:
            wait_until(lambda: answers(port), "it serves")
        finally:
            running.terminate()
            _, said = running.communicate(timeout=30)
        assert running.returncode == ExitCode.OK
    lines = said.splitlines()
    assert set(lines) == {"error: the log cannot be written: No space left on device; trying with each line"}
    assert len(lines) <= 1 + (workers > 1) * workers, "once in each process"


def answers(port: int) -> bool:
    """Whether a receiver is ready there."""
    try:
        return httpx.get(f"http://127.0.0.1:{port}/readyz").status_code == 200
    except httpx.TransportError:
        return False


def without(closed: str) -> tuple[str, ...]:
    """`footfall` for the interpreter, with these of its files closed when it starts."""
    return "-c", _CLOSED, closed


_ALL_WAYS = ["".join(some) for count in (1, 2, 3) for some in itertools.combinations("012", count)]


@pytest.mark.parametrize("closed", _ALL_WAYS)
@pytest.mark.parametrize("words", [["status"], ["--version"], ["redis", "PING"], ["generate", "--count", "3"]])
def test_a_command_needs_none_of_its_standard_files(
    words: list[str], closed: str, url: str, receiver: Receiver, tmp_path: Path
) -> None:
    done = subprocess.run(
        [sys.executable, *without(closed), *with_receiver(words, receiver)],
        env=environment({"redis_url": url}),
        cwd=tmp_path,
        capture_output=True,
        timeout=30,
        check=False,
    )
    assert (done.returncode, done.stderr) == (ExitCode.OK, b"")
    assert bool(done.stdout) == ("1" not in closed)


@pytest.mark.parametrize("closed", _ALL_WAYS)
@pytest.mark.parametrize("workers", [1, 2])
def test_a_receiver_whose_standard_files_are_closed_serves_and_ends_in_order(
    closed: str, workers: int, url: str
) -> None:
    with _closed(Receiver, closed)(url, receiver_workers=workers) as receiver:
        assert_nowhere(receiver, closed)
        assert receiver.client.post("/api/checkin", content=GOOD, headers=JSON).status_code == 202
        assert receiver.terminate() == ExitCode.OK
        assert "Traceback" not in receiver.log


@pytest.mark.parametrize("kind", SERVICE_CLASSES[1:], ids=lambda kind: str(kind.__name__))
def test_any_service_whose_standard_files_are_closed_ends_in_order(kind: type[Service], url: str) -> None:
    with _closed(kind, "012")(url) as service:
        assert_nowhere(service, "012")
        assert service.terminate() == ExitCode.OK


def test_up_with_its_standard_files_closed_runs_everything_and_ends_in_order(tmp_path: Path) -> None:
    load_sample(tmp_path)
    with _ClosedUp(tmp_path, wait=False) as up:
        wait_until(lambda: answers(int(up.receiver.rpartition(":")[2])), "the receiver is ready", 30)
        assert_nowhere(up, "012")
        assert up.terminate() == ExitCode.OK
        up.assert_nothing_is_left()


class _ClosedUp(Up):
    def start(self) -> None:
        self.program = ("-c", _CLOSED.replace('"-m", "footfall"', f'"-c", {self.program[1]!r}'), "012")
        super().start()


def _closed(kind: type[Service], closed: str) -> type[Service]:
    return type(kind.__name__, (kind,), {"program": without(closed)})


def assert_nowhere(process: Footfall, closed: str) -> None:
    """What was closed leads to /dev/null, and no socket has its number."""
    for number in closed:
        assert os.readlink(f"/proc/{process.pid}/fd/{number}") == os.devnull  # noqa: PTH115


# --- one stream


class Disk(io.StringIO):
    """A file on a disk that may be full."""

    is_full = False

    def write(self, text: str) -> int:
        if self.is_full:
            raise OSError(28, "No space left on device")
        return super().write(text)


def test_a_log_is_written_again_when_there_is_space_and_each_outage_is_said_once(
    capsys: pytest.CaptureFixture[str],
) -> None:
    disk = Disk()
    log: Any = Stream(disk, is_log=True)
    for is_full in (False, True, True, False, True):
        disk.is_full = is_full
        print(f"full: {is_full}", file=log, flush=True)
    assert re.findall(r"full: \w+", disk.getvalue()) == ["full: False"] * 2
    assert capsys.readouterr().err.count("the log cannot be written") == 2


def test_output_is_an_error_each_time() -> None:
    disk = Disk()
    disk.is_full = True
    output: Any = Stream(disk, is_log=False)
    for _ in range(2):
        with pytest.raises(OutputError, match="No space left on device"):
            print("x", file=output)
    assert output.failure == "No space left on device"
