"""What stops a command: Ctrl-C (SIGINT), `kill` (SIGTERM), and a terminal that is closed (SIGHUP), which is as SIGTERM.

Under `nohup` SIGHUP is ignored from the start, and stays so.
"""

import signal
from types import FrameType


class Terminated(SystemExit):
    """SIGTERM came, and nothing waits for it: the command ends in order, as with Ctrl-C."""


def prepare() -> None:
    """Let SIGTERM and SIGHUP end this process in order, as long as nothing else handles SIGTERM."""
    if signal.getsignal(signal.SIGTERM) == signal.SIG_DFL:
        signal.signal(signal.SIGTERM, _terminate)
    take_hang_up()


def take_hang_up() -> None:
    """Take SIGHUP for SIGTERM, also after a library has taken it for something else."""
    if signal.getsignal(signal.SIGHUP) != signal.SIG_IGN:
        signal.signal(signal.SIGHUP, _hang_up)


def ignore_hang_up() -> None:
    """To be called when the process is told to stop: a SIGHUP that comes, too, is not somebody's second thought."""
    signal.signal(signal.SIGHUP, signal.SIG_IGN)


def die_of_termination() -> None:
    """End as SIGTERM ends a process, so that whoever sent it sees that."""
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    signal.raise_signal(signal.SIGTERM)


def _terminate(_signal: int, _frame: FrameType | None) -> None:
    ignore_hang_up()
    raise Terminated


def _hang_up(_signal: int, _frame: FrameType | None) -> None:
    ignore_hang_up()  # the terminal sends one, and so does the shell
    signal.raise_signal(signal.SIGTERM)
