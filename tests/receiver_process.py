"""The receiver as a real process, for the tests of what posts to it."""

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from typing import Self

import httpx

from footfall.config import ENV_PREFIX, env_name
from footfall.model import MAX_ID
from servers import free_port

#: seconds that the service has to start or to end
_PATIENCE = 20.0
_COMMAND = [sys.executable, "-m", "footfall", "receiver"]
_CANNOT_LISTEN = 7
#: refused, so that asking leaves nothing behind; 503 while the receiver has not reached the server
_QUESTION = {"userId": MAX_ID, "locationId": MAX_ID, "starRating": 0}


class ReceiverProcess:
    """One running receiver; `close()` (or leaving the `with`) ends it. The server must be there and not be loading.

    `settings`: further ones, by name.
    """

    def __init__(self, redis_url: str, settings: Mapping[str, object] | None = None) -> None:
        self._log = tempfile.TemporaryFile()  # noqa: SIM115
        for _ in range(5):
            self.port = free_port()
            self._process = self._start({"redis_url": redis_url, "receiver_port": self.port, **(settings or {})})
            if self._wait():
                return
        raise AssertionError("no port was free")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @property
    def url(self) -> str:
        """`http://127.0.0.1:<port>`"""
        return f"http://127.0.0.1:{self.port}"

    @property
    def log(self) -> str:
        """What the process has written so far."""
        self._log.seek(0)
        return self._log.read().decode(errors="replace")

    def close(self) -> None:
        """Stop it and wait until it is gone."""
        self._process.terminate()
        try:
            self._process.wait(_PATIENCE)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._log.close()

    def _start(self, settings: Mapping[str, object]) -> "subprocess.Popen[bytes]":
        environment = {name: value for name, value in os.environ.items() if not name.startswith(ENV_PREFIX)}
        environment |= {env_name(name): str(value) for name, value in settings.items()}
        return subprocess.Popen(_COMMAND, env=environment, stdin=subprocess.DEVNULL, stdout=self._log, stderr=self._log)

    def _wait(self) -> bool:
        deadline = time.monotonic() + _PATIENCE
        while time.monotonic() < deadline:
            if self._process.poll() == _CANNOT_LISTEN:
                return False
            if self._process.poll() is not None:
                break
            try:
                if httpx.post(f"{self.url}/api/checkin", json=_QUESTION).status_code != 503:
                    return True
            except httpx.TransportError:
                pass
            time.sleep(0.02)
        log = self.log
        self.close()
        raise AssertionError(f"the receiver did not start:\n{log}")
