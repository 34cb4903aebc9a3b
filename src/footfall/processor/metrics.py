"""What the processor counts, for Prometheus: once per batch, nothing per entry."""

import math
from collections import Counter as Tally

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    disable_created_metrics,
    generate_latest,
)

from footfall.domain.entries import Reason
from footfall.processor.calls import Done
from footfall.processor.gaps import Gaps
from footfall.processor.trim import Trim

disable_created_metrics()  # type: ignore[no-untyped-call]
_ENTRIES = (1, 10, 50, 100, 250, 500, 1000, 2000, 5000, 10000)
_SECONDS = (0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2)


class _Total:
    """A counter of what somebody else counts."""

    def __init__(self, counter: Counter) -> None:
        self._counter = counter
        self._before = 0

    def rise_to(self, total: int) -> None:
        """So many were counted by now."""
        self._counter.inc(total - self._before)
        self._before = total


class Metrics:
    """The numbers of one processor."""

    def __init__(self) -> None:
        self._registry = registry = CollectorRegistry()
        self._applied = Counter("footfall_processor_applied", "Entries whose effects were stored", registry=registry)
        self._dead_letters = Counter(
            "footfall_processor_dead_letters", "Entries that became dead letters", ["reason"], registry=registry
        )
        for reason in Reason:  # each is there from the beginning, at 0
            self._dead_letters.labels(reason.value)
        self._fenced = Counter(
            "footfall_processor_fenced_batches", "Batches dropped: somebody else was faster", registry=registry
        )
        self._trimmed = _Total(Counter("footfall_processor_trimmed", "Processed entries removed", registry=registry))
        self._trimmed_needed = _Total(
            Counter(
                "footfall_processor_trimmed_needed",
                "Of these, those that a consumer group still needed",
                registry=registry,
            )
        )
        self._held_back = Gauge(
            "footfall_processor_held_back", "Entries kept for a consumer group beyond `retain`", registry=registry
        )
        self._lost = _Total(
            Counter("footfall_processor_lost", "Entries that others removed unprocessed", registry=registry)
        )
        self._sizes = Histogram(
            "footfall_processor_batch_entries", "Entries per batch", buckets=_ENTRIES, registry=registry
        )
        self._seconds = Histogram(
            "footfall_processor_call_seconds", "Time of a call of process.lua", buckets=_SECONDS, registry=registry
        )
        self._lease = Gauge("footfall_processor_lease", "1 while it works, 0 while it stands by", registry=registry)
        self._backlog = Gauge("footfall_processor_backlog", "Entries that are not processed yet", registry=registry)
        self._oldest = Gauge(
            "footfall_processor_oldest_unprocessed_seconds", "Age of the oldest of them, by its id", registry=registry
        )

    def applied(self, done: Done) -> None:
        """A batch was applied."""
        self._applied.inc(done.applied.checkins)
        if done.applied.dead_letters:
            for reason, count in Tally(reason for _, reason in done.batch.dead_letters).items():
                self._dead_letters.labels(reason.value).inc(count)
        self._sizes.observe(len(done.batch))
        self._seconds.observe(done.took_s)

    def fenced(self, batches: int) -> None:
        """So many batches were dropped."""
        self._fenced.inc(batches)

    def trimmed(self, trim: Trim) -> None:
        """It has run."""
        self._trimmed.rise_to(trim.removed)
        self._trimmed_needed.rise_to(trim.removed_needed)
        self._held_back.set(trim.held.entries if trim.held else 0)

    def noticed(self, gaps: Gaps) -> None:
        """It was looked for gaps."""
        self._lost.rise_to(gaps.lost)

    def text(self, *, works: bool, backlog: float = math.nan, oldest_s: float = math.nan) -> bytes:
        """Everything in the text format, with what holds now; NaN is what the server does not tell."""
        self._lease.set(works)
        self._backlog.set(backlog)
        self._oldest.set(oldest_s)
        return generate_latest(self._registry)
