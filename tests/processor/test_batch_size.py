"""The size of batches: what the server applies in the time that one call may hold it."""

import pytest

from footfall.processor.batch_size import BatchSize


def after_calls(size: BatchSize, *, entry_s: float, calls: int = 100) -> int:
    """The size after so many calls of which each entry took so long."""
    for _ in range(calls):
        size.adapt(size.entries, size.entries * entry_s)
    return size.entries


@pytest.mark.parametrize(("entry_s", "entries"), [(10e-6, 1000), (5e-6, 2000), (100e-6, 100)])
def test_it_comes_to_what_takes_ten_milliseconds(entry_s: float, entries: int) -> None:
    assert after_calls(BatchSize(4000), entry_s=entry_s) == pytest.approx(entries, rel=0.01)


def test_it_stays_within_its_limits() -> None:
    assert BatchSize(4000).entries == 250
    assert after_calls(BatchSize(4000), entry_s=0.0) == 4000, "a clock may stand still"
    assert after_calls(BatchSize(300), entry_s=1e-6) == 300
    assert after_calls(BatchSize(4000), entry_s=1.0) == 50
    assert after_calls(BatchSize(10), entry_s=1.0) == 10


def test_one_disturbed_call_changes_little() -> None:
    size = BatchSize(4000)
    before = after_calls(size, entry_s=10e-6)
    size.adapt(size.entries, 0.020)
    assert before * 0.85 < size.entries < before


def test_a_call_with_few_entries_tells_nothing() -> None:
    size = BatchSize(4000)
    size.adapt(49, 1.0)
    assert size.entries == 250


def test_it_tells_what_the_server_cannot_send_at_once() -> None:
    size = BatchSize(4000)
    assert not size.exceeds_one_reply
    after_calls(size, entry_s=10e-6)
    assert size.exceeds_one_reply
