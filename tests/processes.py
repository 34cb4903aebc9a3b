"""Real `footfall` processes for the tests: started, watched, killed and restarted at will."""

import os
import re
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Self

import httpx

from footfall.config import ENV_PREFIX, env_name
from footfall.domain.model import MAX_ID
from footfall.errors import ExitCode
from footfall.process import launch
from servers import free_port, wait_until

#: seconds that a process has to start or to end
_PATIENCE = 30.0


def environment(settings: Mapping[str, object]) -> dict[str, str]:
    """This process's environment with just these settings.

    Without another word, services do not look at their connections again: many serve several tests, each of which
    empties the server, and a service takes no other data for that which it began with.
    """
    settings = {"server_check_s": 3600, **settings}
    inherited = {name: value for name, value in os.environ.items() if not name.upper().startswith(ENV_PREFIX)}
    return inherited | {env_name(name): str(value) for name, value in settings.items() if value is not None}


def assert_well_written(log: str) -> None:
    """No sentence of a log has a full stop too many, as when the reason in it ends in one."""
    assert not re.search(r"(?<!\.)\.([;,]|\.(?!\.))(\s|$)", log), log


class Footfall:
    """One `footfall` command. `close()` (or leaving the `with`) ends it; it never outlives the test process.

    `settings` are given by name, in its environment.
    """

    #: what the interpreter runs
    program: Sequence[str] = ("-m", "footfall")

    def __init__(self, *command: str, settings: Mapping[str, object] | None = None, cwd: Path | None = None) -> None:
        self.command = command
        self.settings = dict(settings or {})
        self._cwd = cwd
        self._output = tempfile.TemporaryFile()  # noqa: SIM115
        self.start()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def log(self) -> str:
        """What it has written so far, over all its starts."""
        size = os.fstat(self._output.fileno()).st_size
        return os.pread(self._output.fileno(), size, 0).decode(errors="replace")

    @property
    def exit_code(self) -> int | None:
        """As `subprocess` has it; None while it runs."""
        return self._process.poll()

    def start(self) -> None:
        """Start it (again), with the same settings. In a process group of its own, as from a shell."""
        self._process = subprocess.Popen(
            launch.command([sys.executable, *self.program, *self.command], signal.SIGKILL),
            env=environment(self.settings),
            cwd=self._cwd,
            stdin=subprocess.DEVNULL,
            stdout=self._output,
            stderr=self._output,
            start_new_session=True,
        )

    def wait_for(self, text: str, timeout: float = _PATIENCE) -> None:
        """Wait until it has written `text`."""
        self.wait_until(lambda: text in self.log, f"{text!r} in the output", timeout)

    def wait_until(self, predicate: Callable[[], object], description: str, timeout: float = _PATIENCE) -> None:
        """As `servers.wait_until`, but fails at once, with the output, when the process has ended."""

        def holds() -> bool:
            if predicate():
                return True
            assert self.exit_code is None, f"`{' '.join(self.command)}` ended ({self.exit_code}):\n{self.log}"
            return False

        wait_until(holds, f"{description}; output:\n{self.log[-2000:]}", timeout)

    def signal(self, number: signal.Signals) -> None:
        """Send it a signal."""
        os.kill(self.pid, number)

    def wait(self, timeout: float = _PATIENCE) -> int:
        """Wait for its end; its exit code."""
        return self._process.wait(timeout)

    def kill(self) -> None:
        """kill -9; return when it is gone."""
        self.signal(signal.SIGKILL)
        self.wait()

    def terminate(self) -> int:
        """SIGTERM; its exit code when it is gone."""
        self.signal(signal.SIGTERM)
        return self.wait()

    def close(self) -> None:
        """End it, whatever state it is in."""
        if self.exit_code is None:
            self.signal(signal.SIGCONT)
            self.signal(signal.SIGTERM)
            try:
                self.wait()
            except subprocess.TimeoutExpired:
                self.kill()
        written = self.log
        self._output.close()
        assert_well_written(written)


class Service(Footfall):
    """A `footfall` command that serves HTTP on a free port; made, it listens and has reached the server.

    `ready`: whether to wait until it has reached the server, too.
    """

    #: the setting of its port, and a request that leaves nothing behind
    port_setting = ""
    probe: tuple[str, str, object] = ("GET", "/schema/openapi.json", None)

    def __init__(self, redis_url: str, *, ready: bool = True, **settings: object) -> None:
        self.client = httpx.Client(timeout=10)
        self._ready = ready
        name = self.port_setting.removesuffix("_port")
        super().__init__(name, settings={"redis_url": redis_url, self.port_setting: free_port(), **settings})

    @property
    def port(self) -> int:
        """Where it listens; it may change when it is started again."""
        return int(str(self.settings[self.port_setting]))

    @property
    def url(self) -> str:
        """`http://127.0.0.1:<port>`"""
        return f"http://127.0.0.1:{self.port}"

    def start(self) -> None:
        super().start()
        while True:
            self.client.base_url = httpx.URL(self.url)
            wait_until(lambda: self._answers() or self.exit_code is not None, "the service answers", _PATIENCE)
            if self.exit_code is None:
                return
            assert self.exit_code == ExitCode.PORT_TAKEN, self.log
            self.settings[self.port_setting] = free_port()
            super().start()

    def close(self) -> None:
        self.client.close()
        super().close()

    def _answers(self) -> bool:
        method, path, body = self.probe
        try:
            status = self.client.request(method, path, json=body).status_code
        except httpx.TransportError:
            return False
        return status != 503 or not self._ready


class Receiver(Service):
    """A running receiver."""

    port_setting = "receiver_port"
    probe = ("POST", "/api/checkin", {"userId": MAX_ID, "locationId": MAX_ID, "starRating": 0})

    def post(self, user: int, location: int, stars: int) -> httpx.Response:
        """Post one check-in."""
        return self.client.post("/api/checkin", json={"userId": user, "locationId": location, "starRating": stars})


class AsgiReceiver(Receiver):
    """A receiver without its fast path."""

    program = (str(Path(__file__).with_name("asgi_receiver.py")),)


class FastReceiver(Receiver):
    """A receiver whose other path answers check-ins with 500."""

    program = (str(Path(__file__).with_name("fast_receiver.py")),)


class Api(Service):
    """A running API server."""

    port_setting = "api_port"
    probe = ("GET", "/api/checkins/latest", None)


class Auth(Service):
    """A running auth service."""

    port_setting = "auth_port"
    probe = ("GET", "/readyz", None)


class Processor(Service):
    """A running processor with a port; made, it works or stands by."""

    port_setting = "processor_port"
    probe = ("GET", "/readyz", None)
