"""What became of the check-ins that were offered: counts, latencies, and the lines that show them."""

import math
from collections import Counter
from collections.abc import Iterator
from typing import NamedTuple

#: Buckets per doubling: each is 1.1 % wider than the one before, which is how exact a percentile is.
_PER_DOUBLING = 64
#: 1 us to 2**28 us, about 4.5 minutes
_BUCKETS = 28 * _PER_DOUBLING
#: kinds of refusals and of errors that are told apart; a receiver could give every answer a text of its own
_MAX_KINDS = 20


class Refusal(NamedTuple):
    """An answer other than 202: the status, and what the problem document says."""

    status: int
    detail: str


class Latencies:
    """Counts how many took how long, in memory that does not grow."""

    def __init__(self) -> None:
        self.longest_s = 0.0
        self._counts = [0] * _BUCKETS
        self._total = 0

    def add(self, seconds: float) -> None:
        place = int(math.log2(max(seconds * 1e6, 1.0)) * _PER_DOUBLING)
        self._counts[min(place, _BUCKETS - 1)] += 1
        self._total += 1
        self.longest_s = max(self.longest_s, seconds)

    def percentile(self, percent: float) -> float:
        """Seconds within which `percent` of them were done (nearest rank), at most 1.1 % too high; 0 when none was."""
        rank = math.ceil(self._total * percent / 100)
        seen = 0
        for place, count in enumerate(self._counts):
            seen += count
            if count and seen >= rank:
                return min(2 ** ((place + 1) / _PER_DOUBLING) / 1e6, self.longest_s)
        return 0.0


class Tally:
    """Every offered check-in ends in exactly one of accepted, refused, errors and not sent."""

    def __init__(self) -> None:
        self.offered = 0
        self.accepted = 0
        #: answered, but not with 202
        self.refused: Counter[Refusal] = Counter()
        #: not answered, by kind
        self.errors: Counter[str] = Counter()
        #: too many waited for a connection already
        self.not_sent = 0
        #: of the accepted, from the moment they were meant to be sent
        self.latencies = Latencies()
        #: seconds in which check-ins were offered
        self.offering_s = 0.0
        #: the longest that this program was behind its own schedule
        self.late_s = 0.0

    def accept(self, latency_s: float) -> None:
        self.accepted += 1
        self.latencies.add(latency_s)

    def refuse(self, refusal: Refusal) -> None:
        if refusal not in self.refused and len(self.refused) >= _MAX_KINDS:
            refusal = Refusal(refusal.status, "(other reasons)")
        self.refused[refusal] += 1

    def fail(self, kind: str) -> None:
        if kind not in self.errors and len(self.errors) >= _MAX_KINDS:
            kind = "(other errors)"
        self.errors[kind] += 1

    @property
    def went_well(self) -> bool:
        """Whether some were accepted, and all others refused on purpose."""
        on_purpose = all(400 <= status < 500 or status == 503 for status, _ in self.refused)
        answered = not self.errors and not self.not_sent
        return answered and on_purpose and (self.accepted > 0 or self.offered == 0)

    def progress(self, rate: float) -> str:
        """One line on how it stands; `rate` is how many per second are being accepted."""
        p50, p99 = (_ms(self.latencies.percentile(percent)) for percent in (50, 99))
        parts = [f"{self.accepted:,} accepted, {rate:,.1f} per second, p50 {p50}, p99 {p99}"]
        statuses: Counter[int] = Counter()
        for refusal, count in self.refused.items():
            statuses[refusal.status] += count
        parts += [f"{count:,} refused with {status}" for status, count in sorted(statuses.items())]
        parts += [f"{count:,} failed ({kind})" for kind, count in self.errors.most_common()]
        if self.not_sent:
            parts.append(f"{self.not_sent:,} not sent")
        return "; ".join(parts)

    def summary(self, asked_rate: float, seed: int) -> Iterator[str]:
        """What came of it all, line by line."""
        rate = self.offered / self.offering_s if self.offering_s else 0.0
        yield f"offered   {self.offered:>9,}  in {self.offering_s:.1f} s: {rate:,.1f} per second of {asked_rate:,.10g}"
        yield f"accepted  {self.accepted:>9,}"
        yield f"refused   {self.refused.total():>9,}"
        for refusal, count in self.refused.most_common():
            yield f"          {count:>9,}  {refusal.status} {refusal.detail}".rstrip()
        yield f"errors    {self.errors.total():>9,}"
        for kind, count in self.errors.most_common():
            yield f"          {count:>9,}  {kind}"
        yield f"not sent  {self.not_sent:>9,}"
        times = [f"p{percent} {_ms(self.latencies.percentile(percent))}" for percent in (50, 90, 99)]
        times.append(f"max {_ms(self.latencies.longest_s)}")
        yield f"latency   {', '.join(times) if self.accepted else '-'}"
        yield f"seed      {seed}"
        if self.late_s > 1:
            yield f"This machine could not offer more: it was up to {self.late_s:.1f} s behind its own schedule."


def _ms(seconds: float) -> str:
    return f"{seconds * 1000:,.1f} ms"
