"""What stops a command: Ctrl-C (SIGINT), `kill` (SIGTERM), and a terminal that is closed (SIGHUP), which is as SIGTERM.

Under `nohup` SIGHUP is ignored from the start, and stays so.
"""

import signal
import sys
from types import FrameType

#: seconds after which a stop that got lost is tried again
_TRY_AGAIN_S = 0.01


class Terminated(SystemExit):
    """SIGTERM came, and nothing waits for it: the command ends in order, as with Ctrl-C."""


def prepare() -> None:
    """Let SIGTERM and SIGHUP end this process in order, as long as nothing else handles SIGTERM."""
    if signal.getsignal(signal.SIGTERM) == signal.SIG_DFL:
        signal.signal(signal.SIGTERM, _terminate)
        sys.unraisablehook = _not_raised
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


def _not_raised(unraisable: "sys.UnraisableHookArgs") -> None:
    """A stop that came while Python finalized an object is dropped by it: it is raised again, a little later."""
    if isinstance(unraisable.exc_value, Terminated | KeyboardInterrupt):
        again = _terminate if isinstance(unraisable.exc_value, Terminated) else signal.default_int_handler
        signal.signal(signal.SIGALRM, again)
        signal.setitimer(signal.ITIMER_REAL, _TRY_AGAIN_S)
    else:
        sys.__unraisablehook__(unraisable)


def _hang_up(_signal: int, _frame: FrameType | None) -> None:
    ignore_hang_up()  # the terminal sends one, and so does the shell
    signal.raise_signal(signal.SIGTERM)
