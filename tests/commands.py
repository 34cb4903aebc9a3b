"""Commands run in this process, and at a terminal."""

import logging
import os
import select
import signal
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from footfall import cli, logs

#: `footfall` with its standard input as the terminal whose Ctrl-C it gets
IN_TERMINAL = """
import fcntl, termios
from footfall.cli import main
fcntl.ioctl(0, termios.TIOCSCTTY, 0)
main()
"""


@dataclass
class Ended:
    """How a command has ended, and what it has written."""

    code: int
    out: str
    err: str


Run = Callable[..., Ended]


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> Iterator[Run]:
    """Runs a command in this process, in an empty directory, without a terminal."""
    for name in ("excepthook", "unraisablehook", "stdout", "stderr"):
        monkeypatch.setattr(sys, name, getattr(sys, name))
    handlers = {number: signal.getsignal(number) for number in (signal.SIGHUP, signal.SIGTERM)}
    monkeypatch.setattr(logging.getLogger(), "handlers", [])
    monkeypatch.setenv("COLUMNS", "200")
    monkeypatch.chdir(tmp_path)

    def run_one(*words: str) -> Ended:
        logging.getLogger().handlers[:] = []
        monkeypatch.setattr(sys, "argv", ["footfall", *words])
        with pytest.raises(SystemExit) as ended:
            cli.main()
        out, err = capsys.readouterr()
        return Ended(int(ended.value.code or 0), out, err)

    level = logs.log.level
    yield run_one
    logs.log.setLevel(level)
    for number, handler in handlers.items():
        signal.signal(number, handler)


def read_until(terminal: int, found: Callable[[bytes], bool] | bytes | None) -> bytes:
    """What is written to the terminal until that is found in it, or until its end."""
    screen = b""
    while found is None or not (found in screen if isinstance(found, bytes) else found(screen)):
        assert select.select([terminal], [], [], 20)[0], screen
        try:
            part = os.read(terminal, 4096)
        except OSError:  # Linux: nobody writes to it any more
            part = b""
        if not part:
            assert found is None, screen
            return screen
        screen += part
    return screen
