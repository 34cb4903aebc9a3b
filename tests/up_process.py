"""`footfall up` as a real process in a directory of its own, and everything that it starts."""

import contextlib
import os
import signal
import socket
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Self

import httpx
import redis

from footfall import config
from footfall.domain.model import MAX_ID
from footfall.embedded import server as embedded
from footfall.errors import ExitCode
from footfall.keys import Keys
from footfall.operations import loader
from processes import Footfall
from servers import free_port, wait_until

_UP = "Footfall is up"
_PROGRAM = """
from footfall.cli import main
from footfall.embedded import server as embedded
embedded.start.__kwdefaults__["first_port"] = {port}
main()
"""


def program() -> tuple[str, str]:
    """`footfall` for the interpreter, but its Valkey looks for a free port from another one than 6379 up.

    When many come and go there, a part whose server was killed may find that of another test before it ends.
    """
    return "-c", _PROGRAM.format(port=free_port())


class Up(Footfall):
    """A running `footfall up`; made, everything is up. It works in `directory`, on free ports."""

    def __init__(self, directory: Path, *options: str, wait: bool = True, **settings: object) -> None:
        """`wait`: whether to return only when everything is up."""
        self.directory = directory
        self._wait = wait
        self.program = program()
        super().__init__("up", *options, settings=self._ports() | settings, cwd=directory)

    @property
    def receiver(self) -> str:
        return f"http://127.0.0.1:{self.settings['receiver_port']}"

    @property
    def processor(self) -> str:
        return f"http://127.0.0.1:{self.settings['processor_port']}"

    @property
    def auth(self) -> str:
        return f"http://127.0.0.1:{self.settings['auth_port']}"

    @property
    def api(self) -> str:
        return f"http://127.0.0.1:{self.settings['api_port']}"

    def start(self) -> None:
        seen = len(self.log)
        super().start()
        if not self._wait:
            return
        while True:
            wait_until(lambda: _UP in self.log[seen:] or self.exit_code is not None, "everything is up", 30)
            if self.exit_code != ExitCode.PORT_TAKEN:
                break
            self.settings |= self._ports()  # another process was faster on one of them
            super().start()
        assert self.exit_code is None, self.log
        wait_until(self._reach_the_server, "both services have reached the server")

    def part(self, word: str) -> int:
        """The process id of the part whose command line holds the word."""
        [pid] = [pid for pid, command in processes(self.directory).items() if word in command]
        return pid

    def assert_nothing_is_left(self) -> None:
        """No process of its own or of its server, and nobody listens on its ports."""
        wait_until(lambda: not processes(self.directory), f"no process in {self.directory} is left", 5)
        for name in self._ports():
            with socket.socket() as probe:
                assert probe.connect_ex(("127.0.0.1", int(str(self.settings[name])))) != 0, name

    def last_line(self) -> str:
        return self.log.rstrip().rpartition("\n")[2]

    def _reach_the_server(self) -> bool:
        latest = httpx.get(f"{self.api}/api/checkins/latest").status_code
        nobody = {"userId": MAX_ID, "locationId": MAX_ID, "starRating": 0}
        return 503 not in (latest, httpx.post(f"{self.receiver}/api/checkin", json=nobody).status_code)

    @staticmethod
    def _ports() -> dict[str, object]:
        return {name: free_port() for name in ("receiver_port", "api_port", "processor_port", "auth_port")}


def processes(directory: Path) -> dict[int, str]:
    """The living processes that work in a directory, or below it: their command lines by process id."""
    found = {}
    for entry in Path("/proc").iterdir():
        with contextlib.suppress(OSError):  # it has ended, or is not ours
            if entry.name.isdigit() and (entry / "cwd").readlink().is_relative_to(directory):
                found[int(entry.name)] = (entry / "cmdline").read_text().replace("\0", " ")
    return found


@contextlib.contextmanager
def stored(directory: Path) -> Iterator[redis.Redis]:
    """A client for what a stopped `up` has left in its directory."""
    server = embedded.start(directory / ".footfall", first_port=free_port())
    try:
        with redis.Redis.from_url(server.url, decode_responses=True) as client:
            yield client
    finally:
        server.stop()


def load_sample(directory: Path) -> None:
    """Put the sample into `.footfall`, nothing of it processed."""
    server = embedded.start(directory / ".footfall", first_port=free_port())
    try:
        with redis.Redis.from_url(server.url) as client:
            loader.load(
                "all", loader.LoadOptions(sample=True), config.load(), client, confirm=lambda _: False, progress=None
            )
    finally:
        server.stop()


def assert_stored(directory: Path, accepted: list[str]) -> None:
    """Every check-in with one of these ids is in the stream that a stopped `up` has left."""
    with stored(directory) as client:
        entries: Any = client.xrange(Keys("ncc").stream, min(accepted).partition("-")[0])
        assert not set(accepted) - {entry_id for entry_id, _ in entries}


class Load:
    """Check-ins of user 180 at location 13, posted one after the other by several clients while in the `with`."""

    def __init__(self, receiver: str) -> None:
        self._url = f"{receiver}/api/checkin"
        self._done = threading.Event()
        self._threads = [threading.Thread(target=self._post) for _ in range(3)]
        #: the ids that were answered with 202
        self.accepted: list[str] = []

    def __enter__(self) -> Self:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._done.set()
        for thread in self._threads:
            thread.join()

    def _post(self) -> None:
        with httpx.Client(timeout=10) as client:
            while not self._done.is_set():
                with contextlib.suppress(httpx.TransportError):
                    answer = client.post(self._url, json={"userId": 180, "locationId": 13, "starRating": 4})
                    if answer.status_code == 202:
                        self.accepted.append(answer.json()["id"])
                        continue
                self._done.wait(0.01)


def interrupt_group(up: Up) -> None:
    """Ctrl-C in the terminal that `up` runs in: everything in its process group gets it."""
    os.killpg(up.pid, signal.SIGINT)
