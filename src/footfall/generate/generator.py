"""The generator: offers check-ins on schedule, shows how it goes, and ends in good order."""

import asyncio
import contextlib
import signal
import time
from collections.abc import Iterator

from rich.console import Console
from rich.live import Live
from rich.text import Text

from footfall.errors import OutputError
from footfall.generate.http import Target
from footfall.generate.poster import ANSWER_S, Poster
from footfall.generate.tally import Tally
from footfall.process import signals

#: The event loop's timers tick in ms. A check-in due before the next tick is sent now rather than late; its latency
#: counts from then.
_TICK_S = 0.001
#: check-ins sent before the loop looks for answers again
_AT_ONCE = 200
#: seconds that those under way get after a signal
_GRACE_S = 2.0
#: Seconds between two looks at a live display: drawing takes about 1 ms, in which no answer is read.
_LIVE_S = 0.5
#: seconds between two lines when the output isn't a terminal
_LINE_S = 5.0


class Generator:
    """One run of offering check-ins to a receiver."""

    def __init__(
        self, target: Target, bodies: Iterator[bytes], gaps: Iterator[float], *, count: int | None, console: Console
    ) -> None:
        self._target = target
        self._bodies = bodies
        self._gaps = gaps
        self._count = count
        self._console = console
        self._tally = Tally()
        self._started_at = 0.0
        self._due = 0.0
        self._is_stopped = False
        self._live: Live | None = None
        #: until when those under way are waited for
        self._limit: asyncio.Timeout | None = None

    async def run(self) -> Tally:
        """Offer `count` check-ins, or as many as there is time for until SIGINT or SIGTERM; say what came of them.

        Those who read what is said may go away: then it is over, too, as after a signal.
        """
        self._loop = asyncio.get_running_loop()
        self._poster = Poster(self._target, self._tally, self._say)
        self._all_offered = asyncio.Event()
        with contextlib.ExitStack() as stack:
            if self._console.is_interactive:
                self._live = stack.enter_context(Live(console=self._console, auto_refresh=False, transient=True))
            self._started_at = time.perf_counter()
            self._due = self._started_at + next(self._gaps)
            self._offer()
            showing = self._loop.create_task(self._show())
            await self._until_over()
            showing.cancel()
            self._poster.close()
        return self._tally

    # --- private

    async def _until_over(self) -> None:
        try:
            async with asyncio.timeout(None) as limit:
                self._limit = limit
                for number in (signal.SIGINT, signal.SIGTERM):
                    self._loop.add_signal_handler(number, self._stop)
                await self._all_offered.wait()
                if limit.when() is None:
                    limit.reschedule(self._loop.time() + ANSWER_S)
                await self._poster.quiet()
        except TimeoutError:
            pass
        finally:
            for number in (signal.SIGINT, signal.SIGTERM):
                self._loop.remove_signal_handler(number)

    def _stop(self) -> None:
        signals.ignore_hang_up()
        grace_s = 0.0 if self._is_stopped else _GRACE_S
        self._stop_offering()
        self._is_stopped = True
        if self._limit is not None and not self._limit.expired():
            self._limit.reschedule(self._loop.time() + grace_s)

    def _offer(self) -> None:
        """Send all that is due, and come again when the next one is."""
        tally = self._tally
        now = time.perf_counter()
        tally.late_s = max(tally.late_s, now - self._due)
        for _ in range(_AT_ONCE):
            if self._all_offered.is_set() or self._due > now + _TICK_S:
                break
            tally.offered += 1
            self._poster.post(next(self._bodies), min(self._due, now))
            self._due += next(self._gaps)
            if tally.offered == self._count:
                self._stop_offering()
        if not self._all_offered.is_set():
            self._loop.call_later(max(self._due - time.perf_counter(), 0), self._offer)

    def _stop_offering(self) -> None:
        if not self._all_offered.is_set():
            self._tally.offering_s = time.perf_counter() - self._started_at
            self._all_offered.set()

    async def _show(self) -> None:
        then, before = self._started_at, 0
        while True:
            await asyncio.sleep(_LIVE_S if self._live else _LINE_S)
            now, accepted = time.perf_counter(), self._tally.accepted
            line = self._tally.progress((accepted - before) / (now - then))
            then, before = now, accepted
            self._say(line, live=True)

    def _say(self, message: str, *, live: bool = False) -> None:
        try:
            if live and self._live:
                self._live.update(Text(message), refresh=True)
            else:
                self._console.print(message, highlight=False, markup=False, soft_wrap=True)
        except OutputError:  # the command ends with it, when those under way are answered
            if not self._is_stopped:
                self._stop()
