"""Real nginx and HAProxy in front of real services, with the examples of docs/proxies, for the tests."""

import http.client
import os
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import NamedTuple, Self

from footfall.process import launch
from processes import Api, Auth, Receiver
from servers import Server, free_port, installed, wait_until

EXAMPLES = Path(__file__).parent.parent / "docs" / "proxies"
#: where the examples have the services
PREFIX = "/footfall"
#: seconds that a proxy has to start, to reload or to end
_PATIENCE = 15.0
#: and to begin to reload: HAProxy's master passes over a signal that comes too early
_ASKED_AGAIN = 2.0


class WebProxy:
    """A running proxy; `close()` (or leaving the `with`) ends it and removes its directory.

    `ports`: of the services, and maybe of `receiver 2`; nobody is at that of one that is not named. `changes`: what
    stands in place of texts in its example, which must be there.
    """

    program = ""
    #: file in docs/proxies
    example = ""
    #: what it has for a second receiver, and what that is at a port of this machine
    second = ("", "")
    #: what makes it read its configuration again
    reload_signal: signal.Signals

    def __init__(self, ports: Mapping[str, int], changes: Mapping[str, str] | None = None) -> None:
        self.directory = Path(tempfile.mkdtemp(prefix="footfall-proxy-"))
        self._changes = {
            f"127.0.0.1:{known}": f"127.0.0.1:{ports.get(name, 1)}" for name, known in _KNOWN_PORTS.items()
        }
        self._changes |= changes or {}
        if "receiver 2" in ports:
            known, other = self.second
            self._changes[known] = other.format(ports["receiver 2"])
        self._log = (self.directory / "output").open("wb")
        program = installed(self.program)
        try:
            for attempts_left in (4, 3, 2, 1, 0):
                self.port = free_port()
                self._write()
                self._process = subprocess.Popen(
                    launch.command([program, *self._arguments()]),  # SIGTERM: its workers end with it
                    stdin=subprocess.DEVNULL,
                    stdout=self._log,
                    stderr=self._log,
                    start_new_session=True,
                )
                wait_until(lambda: self._answers() or self._has_ended(), f"{self.program} answers", _PATIENCE)
                if not self._has_ended():
                    wait_until(self._is_up, f"{self.program} is up", _PATIENCE)
                    return
                assert attempts_left, self.log
        except BaseException:
            self.close()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @property
    def url(self) -> str:
        """`http://127.0.0.1:<port>/footfall`"""
        return f"http://127.0.0.1:{self.port}{PREFIX}"

    @property
    def log(self) -> str:
        """What it has written so far."""
        return "".join(path.read_text(errors="replace") for path in self.directory.glob("*output"))

    def workers(self) -> set[int]:
        """Its processes that answer requests, also those that only finish what is under way."""
        pid = self._process.pid
        return set(map(int, Path(f"/proc/{pid}/task/{pid}/children").read_text().split()))

    def reload(self) -> None:
        """Have it read its configuration again; return when new workers are there."""
        before = self.workers()
        asked = 0.0

        def has_reloaded() -> bool:
            nonlocal asked
            if time.monotonic() - asked > _ASKED_AGAIN:
                asked = time.monotonic()
                self._process.send_signal(self.reload_signal)
            return bool(self.workers() - before)

        wait_until(has_reloaded, f"{self.program} has reloaded", _PATIENCE)

    def close(self) -> None:
        """End it, at once."""
        if hasattr(self, "_process") and self._process.poll() is None:
            self._process.terminate()
            try:
                self._process.wait(_PATIENCE)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()
        self._log.close()
        shutil.rmtree(self.directory, ignore_errors=True)

    # --- private

    def _write(self) -> None:
        """The example as this proxy runs it, and what the package has around it."""
        text = (EXAMPLES / self.example).read_text()
        for known, other in {**self._changes, **self._listening()}.items():
            assert known in text, f"{self.example} has no {known!r}"
            text = text.replace(known, other)
        (self.directory / self.example).write_text(text)
        self._write_rest()

    def _listening(self) -> dict[str, str]:
        raise NotImplementedError

    def _write_rest(self) -> None:
        raise NotImplementedError

    def _arguments(self) -> list[str]:
        raise NotImplementedError

    def _has_ended(self) -> bool:
        return self._process.poll() is not None

    def _is_up(self) -> bool:
        """Whether it hears signals, now that it answers."""
        return True

    def _answers(self) -> bool:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=_PATIENCE)
        try:
            connection.request("GET", "/")
            return connection.getresponse().status == 404
        except OSError:
            return False
        finally:
            connection.close()


class Nginx(WebProxy):
    program, example = "nginx", "nginx.conf"
    second = ("# server 10.0.0.2:8082", "server 127.0.0.1:{}")
    reload_signal = signal.SIGHUP

    def _listening(self) -> dict[str, str]:
        return {"listen 8080;": f"listen 127.0.0.1:{self.port};"}

    def _write_rest(self) -> None:
        place = self.directory
        temporary = "".join(
            f"{kind}_temp_path {place}/{kind};\n" for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
        )
        user = "user root;\n" if os.geteuid() == 0 else ""  # as another one it could not read this directory
        (place / "main.conf").write_text(
            f"{user}daemon off;\npid {place}/pid;\nerror_log {place}/error-output notice;\n"
            f"events {{}}\nhttp {{\naccess_log off;\n{temporary}include {place}/{self.example};\n}}\n"
        )

    def _arguments(self) -> list[str]:
        place = str(self.directory)
        return ["-e", f"{place}/error-output", "-p", place, "-c", f"{place}/main.conf"]


class HAProxy(WebProxy):
    program, example = "haproxy", "haproxy.cfg"
    second = ("# server receiver2 10.0.0.2:8082", "server receiver2 127.0.0.1:{}")
    reload_signal = signal.SIGUSR2

    def _listening(self) -> dict[str, str]:
        return {"bind :8080": f"bind 127.0.0.1:{self.port}"}

    def _write_rest(self) -> None:
        (self.directory / "global.cfg").write_text("global\n    hard-stop-after 20s\n")

    def _is_up(self) -> bool:
        """Before its master has written this, it seldom hears one."""
        return "Loading success." in self.log

    def _arguments(self) -> list[str]:
        return ["-W", "-f", str(self.directory / "global.cfg"), "-f", str(self.directory / self.example)]


KINDS: dict[str, type[WebProxy]] = {"nginx": Nginx, "haproxy": HAProxy}
#: the services' ports in the examples
_KNOWN_PORTS = {"receiver": 8082, "api": 8081, "auth": 8083}


class Services(NamedTuple):
    """One of each, on one server, that trust proxies of this machine."""

    receiver: Receiver
    api: Api
    auth: Auth

    @property
    def ports(self) -> dict[str, int]:
        """By the names that the examples have for them."""
        return {name: service.port for name, service in self._asdict().items()}


@contextmanager
def services(server: Server, receiver: type[Receiver] = Receiver, **settings: object) -> Iterator[Services]:
    """Services for as long as the `with` lasts."""
    options = {"trusted_proxies": "127.0.0.1", "bcrypt_cost": 4, **settings}
    with ExitStack() as stack:
        kinds = (receiver, Api, Auth)
        yield Services(*(stack.enter_context(kind(server.url, **options)) for kind in kinds))  # type: ignore[arg-type]
