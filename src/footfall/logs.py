"""Logs: `level: message` lines for a person, or one JSON object per line for a machine."""

import logging
import sys
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


def complain(message: str) -> None:
    """Say why this command ends: through its log when that is configured, else as the log would."""
    if logging.getLogger().handlers:
        log.error("%s", message)
    else:
        print(f"error: {message}", file=sys.stderr)
