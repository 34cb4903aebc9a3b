"""The rows of the input that cannot be loaded, each with where it is and why."""

from footfall.errors import ExitCode, FootfallError

#: bad rows that the message shows; of the others it gives the number
SHOWN = 100


class BadRowsError(FootfallError):
    """Rows of the input are bad: nothing was loaded. The message lists them, one per line."""

    exit_code = ExitCode.BAD_ROWS


class BadRows:
    """Collects bad rows, so that one run shows them all."""

    def __init__(self) -> None:
        self.count = 0
        self._lines: list[str] = []

    def add(self, place: str, field: str, reason: str) -> None:
        """Note a bad row: its place, such as `line 3`, and the first thing that is wrong with it."""
        self.count += 1
        if self.count <= SHOWN:
            self._lines.append(f"{place}: {field}: {reason}" if field else f"{place}: {reason}")

    def raise_if_any(self, source: str) -> None:
        """Raise BadRowsError when there is at least one."""
        if not self.count:
            return
        lines = [*self._lines, f"... and {self.count - SHOWN} more"] if self.count > SHOWN else self._lines
        rows = "1 bad row" if self.count == 1 else f"{self.count} bad rows"
        raise BadRowsError("\n".join([f"{source}: {rows}, nothing was loaded", *lines]))
