"""Real processors that start in a few milliseconds, so that a test can kill many of them."""

import subprocess
import sys
from typing import Self

from footfall.config import env_name
from processes import environment

#: Reads commands, one per line: `start <variable>=<value> ...` forks a `footfall processor` with these in its
#: environment and prints its process id; `kill <pid>` kills that one with -9 and prints its exit code. Forked, a
#: processor has everything imported.
_PROGRAM = """
import os, signal, sys
import uvloop
from footfall import cli
from footfall.processor import service
from footfall.process import launch

parent = os.getpid()
for line in sys.stdin:
    command, *words = line.split()
    if command == "start":
        child = os.fork()
        if child == 0:
            os.environ.update(word.split("=", 1) for word in words)
            launch.end_with_parent(parent, signal.SIGKILL)
            os.dup2(2, 1)
            sys.argv = ["footfall", "processor"]
            cli.main()
        print(child, flush=True)
    else:
        os.kill(int(words[0]), signal.SIGKILL)
        print(os.waitstatus_to_exitcode(os.waitpid(int(words[0]), 0)[1]), flush=True)
"""


class Forks:
    """Starts and kills processors."""

    def __init__(self, **settings: object) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-c", _PROGRAM],
            env=environment({"log_level": "error", **settings}),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        """End it; the processors that still run end with it."""
        self._process.communicate()

    def start(self, **settings: object) -> int:
        """Start a processor, with these settings besides those of all; its process id."""
        return int(self._ask(" ".join(["start", *(f"{env_name(name)}={value}" for name, value in settings.items())])))

    def kill(self, pid: int) -> None:
        """kill -9; return when it is gone. It must have been running."""
        assert self._ask(f"kill {pid}") == "-9"

    def _ask(self, command: str) -> str:
        assert self._process.stdin
        assert self._process.stdout
        print(command, file=self._process.stdin, flush=True)
        return self._process.stdout.readline().strip()
