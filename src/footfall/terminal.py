"""What commands show a person while they work."""

from collections.abc import Callable

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn


def progress() -> Progress:
    """Bars for long work, on standard error, gone when it is done; none without a terminal."""
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
    console = Console(stderr=True)
    return Progress(*columns, console=console, transient=True, disable=not console.is_terminal)


class Bars:
    """The bars of one piece of work, or none."""

    def __init__(self, progress: Progress | None) -> None:
        self._progress = progress

    def bar(self, description: str, total: int | None) -> Callable[[int], None]:
        """A new bar: call it with by how much it moves on."""
        progress = self._progress
        if progress is None:
            return lambda _n: None
        task = progress.add_task(description, total=total)
        return lambda n: progress.advance(task, n)

    def clear(self) -> None:
        """Take all bars away."""
        if self._progress is not None:
            for task in self._progress.task_ids:
                self._progress.remove_task(task)
