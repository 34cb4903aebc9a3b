"""Logs: one line for a person, or one JSON object for a machine."""

import io
import json
import logging
import re
from collections.abc import Callable, Iterator
from contextlib import redirect_stderr
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any

import pytest

from footfall import logs
from footfall.logs import LogFormat, LogLevel, Outage, checkin_log, log


@pytest.fixture(autouse=True)
def _as_before() -> Iterator[None]:
    """Configuring the log is undone."""
    loggers = (logging.getLogger(), log, checkin_log)
    handlers, levels = list(loggers[0].handlers), [logger.level for logger in loggers]
    yield
    loggers[0].handlers[:] = handlers
    for logger, level in zip(loggers, levels, strict=True):
        logger.setLevel(level)


def written(say: Callable[[], object], level: LogLevel = "info", log_format: LogFormat = "text") -> list[str]:
    """The lines that are logged."""
    stream = io.StringIO()
    with redirect_stderr(stream):
        logs.configure(level, log_format, "stderr")
        say()
    return stream.getvalue().splitlines()


def say_all() -> None:
    log.debug("one")
    log.info("two %d", 2)
    log.warning("three")
    log.error("four")


def fail() -> None:
    try:
        int("soon")
    except ValueError:
        log.exception("it failed")


def test_for_a_person_a_line_is_level_and_message() -> None:
    assert written(say_all) == ["info: two 2", "warning: three", "error: four"]


@pytest.mark.parametrize(("level", "lines"), [("debug", 4), ("info", 3), ("warning", 2), ("error", 1)])
def test_what_is_below_the_level_is_not_logged(level: LogLevel, lines: int) -> None:
    assert len(written(say_all, level)) == lines


def test_for_a_machine_a_line_is_an_object_with_the_time_in_utc() -> None:
    [line] = written(lambda: log.info("%s\nnext line", 'Zoë said "hi"'), log_format="json")
    document = json.loads(line)
    assert list(document) == ["time", "level", "message"]
    assert (document["level"], document["message"]) == ("info", 'Zoë said "hi"\nnext line')
    time = datetime.fromisoformat(document["time"])
    assert time.utcoffset() == timedelta(0)
    assert abs(datetime.now(UTC) - time) < timedelta(minutes=1)


def test_an_exception_follows_the_line_with_its_trace() -> None:
    lines = written(fail)
    assert lines[:2] == ["error: it failed", "Traceback (most recent call last):"]
    assert lines[-1].startswith("ValueError: invalid literal")


def test_an_exception_is_in_the_object() -> None:
    [line] = written(fail, log_format="json")
    document = json.loads(line)
    assert document["message"] == "it failed"
    assert document["exception"].startswith("Traceback")
    assert document["exception"].splitlines()[-1].startswith("ValueError: invalid literal")


def test_each_check_in_is_logged_at_debug_or_when_asked() -> None:
    def say() -> None:
        checkin_log.debug("Updating ...")
        checkin_log.info("Processed ...")

    def say_when_asked() -> None:
        logs.show_check_ins()
        say()

    both = ["debug: Updating ...", "info: Processed ..."]
    assert written(say, "debug") == both
    assert "debug: Updating ..." not in written(say)
    assert written(say_when_asked) == both
    assert written(say_when_asked, "error") == both


def test_of_libraries_only_warnings_are_logged() -> None:
    def say() -> None:
        logging.getLogger("library").info("chatter")
        logging.getLogger("library").warning("look")

    assert written(say, "debug") == ["warning: look"]


def test_configured_again_a_line_comes_once() -> None:
    logs.configure("debug", "json", "stderr")
    assert written(say_all, "error") == ["error: four"]


def test_the_log_goes_to_standard_output_when_nothing_else_is_said(capsys: pytest.CaptureFixture[str]) -> None:
    logs.configure("info", "text")
    say_all()
    assert capsys.readouterr() == ("info: two 2\nwarning: three\nerror: four\n", "")


def test_the_reason_of_an_end_goes_to_the_log_or_to_standard_error_before_there_is_one(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert written(lambda: logs.report_error("100 % wrong"), "error", "text") == ["error: 100 % wrong"]
    logging.getLogger().handlers[:] = []
    logs.report_error("wrong")
    assert capsys.readouterr() == ("", "error: wrong\n")


# --- outages


def outage(**how: Any) -> Outage:
    return Outage("Nothing works: %s.", "It works", **how)


def in_order(*steps: Callable[[], object]) -> Callable[[], None]:
    def run() -> None:
        for step in steps:
            step()

    return run


def test_an_outage_is_said_once_for_each_reason_and_once_when_it_ends() -> None:
    one = outage()
    fails = partial(one.begin, "it is 5 % full")
    lines = written(in_order(one.end, fails, fails, partial(one.begin, "it is slow"), fails, one.end, one.end, fails))
    ended = [line for line in lines if line.startswith("info: It works after ")]
    assert re.fullmatch(r"info: It works after \d+\.\d s\.", "".join(ended))
    full, slow = "error: Nothing works: it is 5 % full.", "error: Nothing works: it is slow."
    assert lines == [full, slow, full, *ended, full]
    assert one.reason == "it is 5 % full"


def test_a_reason_that_is_no_news_is_said_only_when_an_outage_begins() -> None:
    one = outage()
    away, broken = partial(one.begin, "away", is_news=False), partial(one.begin, "broken")
    lines = written(in_order(away, away, broken, away, broken, partial(one.begin, "denied")))
    assert lines == [f"error: Nothing works: {reason}." for reason in ("away", "broken", "denied")]
    assert one.reason == "denied"


def test_what_works_now_and_then_still_fails() -> None:
    one = outage(calm_s=3600)
    assert len(written(in_order(partial(one.begin, "full"), one.end, partial(one.begin, "full"), one.end))) == 1
    assert one.reason == "full"


def test_an_outage_that_somebody_else_says_too_is_said_at_level_debug() -> None:
    one = outage(is_quiet=True)
    steps = in_order(partial(one.begin, "away"), one.end)
    assert written(steps) == []
    assert len(written(steps, "debug")) == 2


def test_the_traceback_of_an_unexpected_error_is_logged_once() -> None:
    one = outage()
    steps = [partial(one.begin, "a defect", error=ZeroDivisionError("half"))] * 3
    assert written(in_order(*steps)) == ["error: Nothing works: a defect.", "ZeroDivisionError: half"]
