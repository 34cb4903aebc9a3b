"""Standard input, output and error: open from the start, and what becomes of a command when it cannot write to them."""

import errno
import os
import sys
from typing import Any, TextIO

from footfall.errors import OutputError

#: whoever read it is gone: `| head` has enough, Ctrl-C has ended `| tee` too, a terminal was closed
_UNREAD = (errno.EPIPE, errno.EIO)


class Stream:
    """A standard output that is there, or not.

    What a command was asked for is worth an error: an OutputError each time that it cannot be written. A log is not:
    what it tells of goes on, and what cannot be written is lost. That is said once, unless nobody reads it any more.
    """

    def __init__(self, stream: TextIO, *, is_log: bool) -> None:
        self.is_log = is_log
        #: why it cannot be written now, for a log; or could not once
        self.failure: str | None = None
        self._stream = stream
        #: whether the stream underneath took what was written last
        self._is_taken = True

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)

    def write(self, text: str) -> int:
        """As the stream underneath."""
        try:
            self._stream.write(text)
        except OSError as error:
            self._is_taken = False
            self._failed(error)
        else:
            self._is_taken = True
        return len(text)

    def flush(self) -> None:
        """As the stream underneath."""
        try:
            self._stream.flush()
        except OSError as error:
            self._failed(error)
        else:
            if self.is_log and self._is_taken:
                self.failure = None

    def _failed(self, error: OSError) -> None:
        before, is_unread = self.failure, error.errno in _UNREAD
        self.failure = "nobody reads it any more" if is_unread else str(error.strerror)
        if not self.is_log:
            raise _unwritten(self.failure)
        if before is None and not is_unread and self is not sys.stderr:
            print(f"error: the log cannot be written: {self.failure}; trying with each line", file=sys.stderr)


def prepare() -> None:
    """To be called before anything else is opened: else the next socket would be what was closed, and get the log."""
    for number, name in enumerate(("stdin", "stdout", "stderr")):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # it gets the lowest number that is free
            os.set_inheritable(number, True)
        if getattr(sys, name) is None:
            setattr(sys, name, os.fdopen(number, "w" if number else "r", closefd=False))
    watch(stdout_is_log=False)


def watch(*, stdout_is_log: bool) -> None:
    """Make both outputs a Stream; standard error is always a log."""
    for name, is_log in (("stdout", stdout_is_log), ("stderr", True)):
        stream: Any = getattr(sys, name)
        if isinstance(stream, Stream):
            stream.is_log = is_log
        else:
            setattr(sys, name, Stream(stream, is_log=is_log))


def finish() -> None:
    """Write what waits in standard output; after it, nothing is. Raises OutputError when some of it could not be."""
    stdout: Any = sys.stdout
    try:
        stdout.flush()
        if not stdout.is_log and stdout.failure is not None:
            raise _unwritten(stdout.failure)
    finally:
        stdout.is_log = True  # the interpreter writes once more what could not be


def _unwritten(why: str) -> OutputError:
    return OutputError(f"standard output cannot be written: {why}")
