"""What long work shows on a terminal and elsewhere, and what it leaves."""

import io
import logging

import pytest
from rich.console import Console

from footfall.process.terminal import Bars, duration, progress


class Clock:
    """A clock that is set by hand."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def on_terminal() -> Console:
    return Console(file=io.StringIO(), force_terminal=True, width=160)


def written(console: Console) -> str:
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


@pytest.fixture
def lines(caplog: pytest.LogCaptureFixture) -> pytest.LogCaptureFixture:
    caplog.set_level(logging.INFO, "footfall")
    return caplog


def test_a_bar_shows_per_cent_rate_and_time_left() -> None:
    console, clock = on_terminal(), Clock()
    with progress(console, clock) as bars:
        advance = Bars(bars).bar("users", 1000)
        for _ in range(5):
            clock.now += 1
            advance(50)
        bars.refresh()
    shown = written(console)
    for part in ("users", "25 %", "250 of 1,000", "50/s", "about 15 s left"):
        assert part in shown


def test_a_bar_of_bytes_counts_them_as_files_are_measured() -> None:
    console, clock = on_terminal(), Clock()
    with progress(console, clock) as bars:
        advance = Bars(bars).bar("reading", 10_000_000, "bytes")
        clock.now += 2
        advance(2_500_000)
        bars.refresh()
    assert "2.5 MB of 10.0 MB" in written(console)


def test_work_that_took_its_time_leaves_a_summary_on_the_terminal_and_quick_work_none() -> None:
    console, clock = on_terminal(), Clock()
    with progress(console, clock) as bars:
        slow, quick = Bars(bars).bar("users", 1000), Bars(bars).bar("locations", 10)
        quick(10)
        clock.now += 130
        slow(1000)
    last = written(console).splitlines()[-1]
    assert last.endswith("users: 1,000 in 2 min, 7/s")
    assert "locations: 10 in" not in written(console)


def test_work_without_a_known_end_is_timed_until_it_moved_on_the_last_time() -> None:
    console, clock = on_terminal(), Clock()
    with progress(console, clock) as bars:
        advance = Bars(bars).bar("keys", None)
        clock.now += 10
        advance(500)
        clock.now += 1000
    assert written(console).splitlines()[-1].endswith("keys: 500 in 10 s, 50/s")


def test_work_that_is_stopped_says_how_far_it_came() -> None:
    console, clock = on_terminal(), Clock()

    def work() -> None:
        with progress(console, clock) as bars:
            advance = Bars(bars).bar("users", 1000)
            clock.now += 12
            advance(450)
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        work()
    assert written(console).splitlines()[-1].endswith("users: stopped at 450 of 1,000 after 12 s")


def test_bars_that_were_taken_away_leave_nothing() -> None:
    console, clock = on_terminal(), Clock()
    with progress(console, clock) as work:
        bars = Bars(work)
        advance = bars.bar("keys", 10)
        clock.now += 12
        advance(10)
        bars.clear()
    assert "keys: 10 in" not in written(console)


def test_without_a_terminal_long_work_says_a_line_now_and_then_and_a_summary(lines: pytest.LogCaptureFixture) -> None:
    console, clock = Console(file=io.StringIO()), Clock()
    with progress(console, clock) as bars:
        advance = Bars(bars).bar("users", 1000)
        for _ in range(10):
            clock.now += 1
            advance(100)
    assert written(console) == ""
    assert lines.messages == [
        "users: 50 % (500 of 1,000), 100/s, about 5 s left.",
        "users: 100 % (1,000 of 1,000), 100/s.",
        "users: 1,000 in 10 s, 100/s.",
    ]


def test_without_a_terminal_work_of_a_day_does_not_fill_the_log(lines: pytest.LogCaptureFixture) -> None:
    clock = Clock()
    with progress(Console(file=io.StringIO()), clock) as bars:
        advance = Bars(bars).bar("users", 86_400)
        for _ in range(86_400):
            clock.now += 1
            advance(1)
    assert 20 < len(lines.messages) < 150


def test_without_a_terminal_quick_work_says_nothing(lines: pytest.LogCaptureFixture) -> None:
    clock = Clock()
    with progress(Console(file=io.StringIO()), clock) as bars:
        clock.now += 3
        Bars(bars).bar("users", 10)(10)
    assert lines.messages == []


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0.2, "1 s"), (12.4, "12 s"), (89, "89 s"), (120, "2 min"), (5000, "83 min"), (118_800, "33 h"), (1e6, "12 days")],
)
def test_durations_are_said_in_a_unit_that_fits(seconds: float, text: str) -> None:
    assert duration(seconds) == text
