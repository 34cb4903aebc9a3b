"""How much is read at once, and how often it is read again. Tests make both small."""

import time
from typing import NamedTuple

from footfall.errors import UnavailableError


class Sizes(NamedTuple):
    """How much is read or written at once: a few ms of the server's time each."""

    #: names that one SCAN, HSCAN or ZSCAN looks at
    scanned: int = 1000
    #: entries of the stream
    entries: int = 2000
    dead_letters: int = 1000
    #: records that are compared in one page
    compared: int = 200
    #: records that are checked in one page before a rebuild
    checked: int = 1000
    #: records that are rebuilt in one call
    rebuilt: int = 100
    #: entries that such a call may replay itself: what a processor applies between two calls, and some more
    between: int = 5000


class Retries:
    """The one policy of retries, for a whole run: nested loops use up the same tries, so that they do not multiply.

    What others change while it is read, or between reading and writing, is tried again, `most` times until there is
    progress: a page that is done. What cannot be continued (StreamChangedError) is not retried here: `verify` starts
    again from the beginning, `runs` times at most; a rebuild leaves that to the operator.
    """

    def __init__(self, most: int = 1000, pause_s: float = 0.05, runs: int = 3) -> None:
        self.most, self.pause_s, self.runs = most, pause_s, runs
        self._used = 0

    def again(self, reason: str) -> None:
        """Count one more try. Raises UnavailableError with the reason when all are used up."""
        self._used += 1
        if self._used >= self.most:
            raise UnavailableError(reason)

    def again_later(self, reason: str) -> None:
        """As `again`, after a pause: for what only others can end."""
        self.again(reason)
        time.sleep(self.pause_s)

    def progress(self) -> None:
        """Something is done: from now on, all tries are there again."""
        self._used = 0
