"""A child that ends with its parent, even when the parent is killed with -9.

`command(argv)` wraps a command line; what it returns runs this file as a script, in an interpreter that
imports nothing it can do without (about 20 ms before the command itself starts).

On Linux the script asks the kernel for a signal at the parent's death and then becomes the command: the
process id is the command's own. Elsewhere it stays as a guard between the two, passes SIGTERM and SIGHUP on and
ends as the command ends.

Linux counts the death of the *thread* that started the child: start it from the main thread.
"""

import os
import select
import signal
import sys
from collections.abc import Sequence
from types import FrameType
from typing import NoReturn

#: prctl(2): the signal that this process gets when its parent dies
_PR_SET_PDEATHSIG = 1
#: seconds between two looks of a guard at its parent
_GUARD_INTERVAL = 0.2


def command(argv: Sequence[str], death_signal: signal.Signals = signal.SIGTERM) -> list[str]:
    """The command line that runs `argv` as a child that gets `death_signal` when this process dies."""
    # -I -S: no site-packages, no PYTHON* variables, no directory of the script on the path
    return [sys.executable, "-I", "-S", __file__, str(os.getpid()), str(int(death_signal)), *argv]


def end_with_parent(parent: int, death_signal: int = signal.SIGTERM) -> None:
    """Have the kernel send this process `death_signal` when `parent` dies. Does nothing where Linux is not."""
    if sys.platform != "linux":
        return
    import ctypes  # noqa: PLC0415 - half of the script's time, and only needed here

    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(_PR_SET_PDEATHSIG, death_signal, 0, 0, 0) != 0:
        sys.exit(f"cannot tie this process to its parent: {os.strerror(ctypes.get_errno())}")
    if os.getppid() != parent:  # it died before the kernel knew; nobody would ever send the signal
        sys.exit("the process that started this one has ended")


def become(parent: int, death_signal: int, argv: list[str]) -> NoReturn:
    """Turn this process into `argv`, which gets `death_signal` when `parent` dies (Linux)."""
    end_with_parent(parent, death_signal)
    try:
        os.execvp(argv[0], argv)
    except OSError as error:
        sys.exit(f"cannot run {argv[0]}: {error}")


def guard(parent: int, death_signal: int, argv: list[str]) -> NoReturn:
    """Run `argv` as a child, send it `death_signal` when `parent` dies, and end as it ends."""
    wake_read, wake_write = os.pipe()
    os.set_blocking(wake_write, False)
    signal.set_wakeup_fd(wake_write)

    def wake(_signal: int, _frame: FrameType | None) -> None:
        """Only wakes the loop. A terminal's Ctrl-C reaches the command too (SIG_IGN would be inherited)."""

    signal.signal(signal.SIGINT, wake)
    signal.signal(signal.SIGCHLD, wake)
    passed_on = {signal.SIGTERM, signal.SIGHUP}
    signal.pthread_sigmask(signal.SIG_BLOCK, passed_on)  # one that comes now is passed on, too
    child = os.posix_spawnp(argv[0], argv, os.environ, setsigmask=())
    for number in passed_on:
        if signal.getsignal(number) != signal.SIG_IGN:
            signal.signal(number, lambda sent, _: os.kill(child, sent))
    signal.pthread_sigmask(signal.SIG_UNBLOCK, passed_on)
    orphaned = False
    while True:
        ended, status = os.waitpid(child, os.WNOHANG)
        if ended:
            code = os.waitstatus_to_exitcode(status)
            sys.exit(code if code >= 0 else 128 - code)
        if not orphaned and os.getppid() != parent:
            orphaned = True
            os.kill(child, death_signal)
        if select.select([wake_read], [], [], _GUARD_INTERVAL)[0]:
            os.read(wake_read, 64)


if __name__ == "__main__":
    _tie = become if sys.platform == "linux" else guard
    _tie(int(sys.argv[1]), int(sys.argv[2]), sys.argv[3:])
