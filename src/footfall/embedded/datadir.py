"""The embedded Valkey's data directory: its lock, `server.json`, and the server's log.

`lock` is flock'd. The lock belongs to the open file, and the server process inherits that, so it is held exactly
as long as a server (or a child of it that rewrites the append-only file) lives, whatever ends it.
"""

import contextlib
import fcntl
import os
import secrets
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

import msgspec

#: lines of the server's log that an error shows
_TAIL = 12


class State(msgspec.Struct, frozen=True):
    """`server.json`: the server that runs here. Holds good while the lock is held and it answers."""

    url: str
    pid: int
    port: int


class DataDir:
    """The directory at `path`; nothing is created before `create`."""

    def __init__(self, path: Path) -> None:
        self.path = path.absolute()
        #: what the server that runs here, or ran here last, has said
        self.log = self.path / "valkey.log"
        self._lock = self.path / "lock"
        self._state = self.path / "server.json"
        self._password = self.path / "server-password"

    def create(self) -> None:
        """Make the directory, for its owner only, unless it exists."""
        self.path.mkdir(mode=0o700, parents=True, exist_ok=True)

    @contextlib.contextmanager
    def locked(self) -> Iterator[int | None]:
        """The open lock file, None when it is locked already. A child that inherits it keeps it locked."""
        lock = os.open(self._lock, os.O_RDWR | os.O_CREAT, 0o600)
        try:
            yield lock if _flock(lock, fcntl.LOCK_EX) else None
        finally:
            os.close(lock)

    def is_locked(self) -> bool:
        """Whether a server lives here, or is being started."""
        try:
            lock = os.open(self._lock, os.O_RDONLY)
        except FileNotFoundError:
            return False
        try:
            return not _flock(lock, fcntl.LOCK_SH)
        finally:
            os.close(lock)

    def read_state(self) -> State | None:
        """What the last server's starter has written; None when there is nothing (readable)."""
        try:
            return msgspec.json.decode(self._state.read_bytes(), type=State)
        except (OSError, msgspec.DecodeError):
            return None

    def write_state(self, state: State) -> None:
        """Tell other processes of the server, all at once."""
        unfinished = self._state.with_suffix(".new")
        unfinished.write_bytes(msgspec.json.encode(state))
        unfinished.replace(self._state)

    def remove_state(self) -> None:
        """Tell other processes that the server is going away."""
        self._state.unlink(missing_ok=True)

    def password(self) -> str | None:
        """The password that the server has, or had last; None when it has never had one, or that may not be read."""
        try:
            return self._password.read_text().strip() or None
        except (OSError, UnicodeDecodeError):
            return None

    def ensure_password(self) -> str:
        """The same, made when there is none; for the owner of the directory only. To be called under the lock."""
        password = self.password()
        if password is None:
            password = secrets.token_urlsafe(32)
            unfinished = self._password.with_suffix(".new")
            unfinished.unlink(missing_ok=True)
            with os.fdopen(os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
                print(password, file=file)
            unfinished.replace(self._password)
        return password

    def open_log(self) -> BinaryIO:
        """A new log for a new server. The one before is kept as `valkey.log.1`, older ones are not."""
        with contextlib.suppress(FileNotFoundError):
            self.log.replace(self.log.with_suffix(".log.1"))
        return self.log.open("wb")

    def log_tail(self) -> str:
        """The last lines of the log."""
        try:
            return "\n".join(self.log.read_text(errors="replace").splitlines()[-_TAIL:])
        except OSError:
            return ""


def _flock(lock: int, kind: int) -> bool:
    try:
        fcntl.flock(lock, kind | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
