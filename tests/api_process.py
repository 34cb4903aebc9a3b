"""The API server as a real process, for the tests of its routes."""

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Self

import httpx

from footfall.config import ENV_PREFIX, env_name
from servers import Server, free_port

#: seconds that the service has to start or to end
_PATIENCE = 20.0
_COMMAND = [sys.executable, "-m", "footfall", "api"]
_CANNOT_LISTEN = 7


class ApiProcess:
    """One running API server; `close()` (or leaving the `with`) ends it.

    `client` sends requests to it. `ready`: return only when it has reached the server behind it.
    """

    @classmethod
    @contextmanager
    def on_empty(cls, server: Server) -> Iterator[Self]:
        """One for many tests, on a server that is emptied first: the last test may have left it broken."""
        server.reset()
        with cls(server.url) as process:
            yield process

    def __init__(self, redis_url: str, *, ready: bool = True) -> None:
        self._log = tempfile.TemporaryFile()  # noqa: SIM115
        self.client = httpx.Client()
        for _ in range(5):
            self.port = free_port()
            self._process = self._start(redis_url)
            self.client.base_url = httpx.URL(f"http://127.0.0.1:{self.port}")
            if self._wait(ready):
                return
        raise AssertionError("no port was free")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @property
    def log(self) -> str:
        """What the process has written so far."""
        self._log.seek(0)
        return self._log.read().decode(errors="replace")

    def close(self) -> None:
        """Stop it and wait until it is gone."""
        self.client.close()
        self._process.terminate()
        try:
            self._process.wait(_PATIENCE)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._log.close()

    def _start(self, redis_url: str) -> "subprocess.Popen[bytes]":
        environment = {name: value for name, value in os.environ.items() if not name.startswith(ENV_PREFIX)}
        environment |= {env_name("redis_url"): redis_url, env_name("api_port"): str(self.port)}
        return subprocess.Popen(_COMMAND, env=environment, stdin=subprocess.DEVNULL, stdout=self._log, stderr=self._log)

    def _wait(self, ready: bool) -> bool:
        deadline = time.monotonic() + _PATIENCE
        while time.monotonic() < deadline:
            if self._process.poll() == _CANNOT_LISTEN:
                return False
            if self._process.poll() is not None:
                break
            try:
                if self.client.get("/api/checkins/latest").status_code != 503 or not ready:
                    return True
            except httpx.TransportError:
                pass
            time.sleep(0.02)
        log = self.log
        self.close()
        raise AssertionError(f"the API server did not start:\n{log}")
