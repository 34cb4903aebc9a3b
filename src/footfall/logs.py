"""Logs: `level: message` lines for a person, or one JSON object per line for a machine."""

import logging
import sys
import time
from datetime import UTC, datetime
from typing import Literal, TextIO, cast

import msgspec

LogFormat = Literal["text", "json"]
LogLevel = Literal["debug", "info", "warning", "error"]

log = logging.getLogger("footfall")
#: one line per check-in; shown with `--delay` or at level debug
checkin_log = logging.getLogger("footfall.checkin")


class _TextFormatter(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        line = f"{record.levelname.lower()}: {record.getMessage()}"
        return f"{line}\n{self.formatException(record.exc_info)}" if record.exc_info else line


class _JsonFormatter(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        line: dict[str, str] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "message": record.getMessage(),
        }
        if record.exc_info:
            line["exception"] = self.formatException(record.exc_info)
        return msgspec.json.encode(line).decode()


class _Handler(logging.StreamHandler[TextIO]):
    """Writes to a standard file as it is now: while bars are shown, its lines stand above them."""

    def __init__(self, name: Literal["stdout", "stderr"]) -> None:
        logging.Handler.__init__(self)
        self._name = name

    @property
    def stream(self) -> TextIO:  # type: ignore[override]
        return cast("TextIO", getattr(sys, self._name))


def configure(level: LogLevel, log_format: LogFormat, to: Literal["stdout", "stderr"] = "stdout") -> None:
    """Send the log of this process to standard output, as services do, or to standard error."""
    handler = _Handler(to)
    handler.setFormatter(_JsonFormatter() if log_format == "json" else _TextFormatter())
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(logging.WARNING)
    log.setLevel(level.upper())


def show_check_ins() -> None:
    """Log every check-in, whatever the level."""
    checkin_log.setLevel(logging.DEBUG)


class Outage:
    """Something that does not work for a while: said once for each reason, and once more when it works again.

    However often it is tried meanwhile, the log says no more.
    """

    def __init__(self, fails: str, works_again: str, *, calm_s: float = 0.0, is_quiet: bool = False) -> None:
        """`fails`: what is said of a reason, with `%s` for it. `works_again`: what is said, with the time that it took.

        `calm_s`: seconds without a failure after which it works again; what works now and then is still failing.
        `is_quiet`: said at level debug: somebody else says it, too.
        """
        #: why it does not work now; None: it works
        self.reason: str | None = None
        self._fails, self._works_again = fails, works_again
        self._calm_s = calm_s
        self._levels = (logging.DEBUG, logging.DEBUG) if is_quiet else (logging.ERROR, logging.INFO)
        #: of `time.monotonic`: when it began, and when it failed last
        self._began_at = self._failed_at = 0.0
        #: what was said last; None when no other reason was worth a line of its own
        self._said: str | None = None

    def begin(self, reason: str, *, is_news: bool = True, error: BaseException | None = None) -> None:
        """It does not work, or still does not. `is_news`: say the reason when another was said before.

        `error`: an unexpected one, of which the traceback is logged.
        """
        self._failed_at = time.monotonic()
        begins = self.reason is None
        if begins:
            self._began_at = self._failed_at
        self.reason = reason
        if begins or (is_news and reason != self._said):
            self._said = reason if is_news else None
            log.log(self._levels[0], self._fails, reason, exc_info=error)

    def end(self) -> None:
        """It works. Costs nothing when it has worked all the time."""
        if self.reason is None:
            return
        now = time.monotonic()
        if now - self._failed_at >= self._calm_s:
            self.reason = None
            log.log(self._levels[1], "%s after %.1f s.", self._works_again, now - self._began_at)


def report_error(message: str) -> None:
    """Say why this command ends: through its log when that is configured, else as the log would."""
    if logging.getLogger().handlers:
        log.error("%s", message)
    else:
        print(f"error: {message}", file=sys.stderr)
