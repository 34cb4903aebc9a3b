"""What commands show a person while they work, and what they leave when it is done.

On a terminal that is bars; elsewhere (a file, a log collector) a line now and then.
"""

import sys
import time
from collections.abc import Callable
from types import TracebackType
from typing import Literal

from rich.console import Console
from rich.filesize import decimal
from rich.progress import BarColumn, Progress, ProgressColumn, Task, TaskID
from rich.text import Text

from footfall.logs import log

Unit = Literal["", "bytes"]

#: seconds: work that took less leaves no summary
_WORTH_A_LINE_S = 1.0
#: seconds between two lines where there is no terminal, or this part of the time so far, whatever is longer: work that
#: takes a day does not fill the log
_LINE_S, _LINE_PART = 5.0, 0.1
_MINUTE_S, _HOUR_S, _DAY_S = 60, 3600, 86_400


def progress(console: Console | None = None, now: Callable[[], float] = time.monotonic) -> Progress:
    """Progress of long work, on standard error: bars that are gone when it is done, or lines of the log."""
    return _Work(console or Console(stderr=True), now)


def duration(seconds: float) -> str:
    """About how long that is, for a person: `12 s`, `2 min`, `33 h`."""
    if seconds < 2 * _MINUTE_S - 30:
        return f"{max(1, round(seconds))} s"
    if seconds < 2 * _HOUR_S - 30 * _MINUTE_S:
        return f"{round(seconds / _MINUTE_S)} min"
    return f"{round(seconds / _HOUR_S)} h" if seconds < 3 * _DAY_S else f"{round(seconds / _DAY_S)} days"


class Bars:
    """The bars of one piece of work, or none."""

    def __init__(self, progress: Progress | None) -> None:
        self._progress = progress

    def bar(self, description: str, total: int | None, unit: Unit = "") -> Callable[[int], None]:
        """A new bar: call it with by how much it moves on."""
        progress = self._progress
        if progress is None:
            return lambda _n: None
        task = progress.add_task(description, total=total, unit=unit)
        return lambda n: progress.advance(task, n)

    def clear(self) -> None:
        """Take all bars away; they leave no summary."""
        if self._progress is not None:
            for task in self._progress.task_ids:
                self._progress.remove_task(task)


# --- private


class _Work(Progress):
    def __init__(self, console: Console, now: Callable[[], float]) -> None:
        columns = (
            _Column(lambda task: task.description),
            BarColumn(),
            _Column(_percent),
            _Column(_amount),
            _Column(_rate),
            _Column(_time_left),
        )
        super().__init__(
            *columns,
            console=console,
            transient=True,
            redirect_stdout=sys.stdout.isatty(),
            disable=not console.is_terminal,
            get_time=now,
        )
        self._now = now
        self._began = now()
        self._next_line = self._began + _LINE_S
        #: when each piece of work moved on the last time: of one without a total nothing else tells when it was done
        self._moved: dict[TaskID, float] = {}

    def advance(self, task_id: TaskID, advance: float = 1) -> None:
        super().advance(task_id, advance)
        now = self._moved[task_id] = self._now()
        if self.disable and now >= self._next_line:
            self._next_line = now + max(_LINE_S, _LINE_PART * (now - self._began))
            log.info("%s.", _line(self._tasks[task_id]))

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        super().__exit__(kind, error, trace)
        for task in self.tasks:
            lasted = self._lasted(task)
            if lasted < (_LINE_S if self.disable else _WORTH_A_LINE_S):
                continue
            text = _summary(task, lasted, failed=kind is not None)
            if self.disable:
                log.info("%s.", text)
            else:
                self.console.print(text, markup=False, highlight=False, soft_wrap=True)

    def _lasted(self, task: Task) -> float:
        moved = self._moved.get(task.id)
        if moved is None or task.start_time is None:
            return 0
        return moved - task.start_time if task.finished_time is None else task.finished_time


class _Column(ProgressColumn):
    def __init__(self, text_of: Callable[[Task], str]) -> None:
        super().__init__()
        self._text_of = text_of

    def render(self, task: Task) -> Text:
        return Text(self._text_of(task))


def _number(value: float, unit: Unit) -> str:
    return decimal(int(value)) if unit == "bytes" else f"{int(value):,}"


def _unit(task: Task) -> Unit:
    return "bytes" if task.fields.get("unit") == "bytes" else ""


def _percent(task: Task) -> str:
    return "" if not task.total else f"{int(task.percentage)} %"


def _amount(task: Task) -> str:
    unit = _unit(task)
    done = _number(task.completed, unit)
    return done if task.total is None else f"{done} of {_number(task.total, unit)}"


def _rate(task: Task) -> str:
    return "" if task.speed is None else f"{_number(task.speed, _unit(task))}/s"


def _time_left(task: Task) -> str:
    return f"about {duration(task.time_remaining)} left" if task.time_remaining else ""


def _line(task: Task) -> str:
    """How far a piece of work is."""
    percent = _percent(task)
    parts = [f"{task.description}: {percent} ({_amount(task)})" if percent else f"{task.description}: {_amount(task)}"]
    return ", ".join([*parts, *filter(None, (_rate(task), _time_left(task)))])


def _summary(task: Task, lasted: float, *, failed: bool) -> str:
    """What became of a piece of work."""
    if failed and not task.finished:
        return f"{task.description}: stopped at {_amount(task)} after {duration(lasted)}"
    rate = f"{_number(task.completed / lasted, _unit(task))}/s"
    return f"{task.description}: {_number(task.completed, _unit(task))} in {duration(lasted)}, {rate}"
