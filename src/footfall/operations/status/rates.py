"""How many entries come in and are processed, from one status to the next."""

import msgspec

from footfall.operations.status.document import Status


class Rates(msgspec.Struct, rename="camel", kw_only=True):
    """Entries per second since the status before; None when there was none, or the stream was replaced since."""

    added_per_s: float | None = None
    processed_per_s: float | None = None


def rates_between(before: Status, now: Status, seconds: float) -> Rates:
    """The rates, of two statuses and the time between them."""
    if before.generation != now.generation:
        return Rates()
    return Rates(
        added_per_s=_per_second(_added(before), _added(now), seconds),
        processed_per_s=_per_second(before.processed, now.processed, seconds),
    )


def _added(status: Status) -> int | None:
    return None if status.processed is None or status.backlog is None else status.processed + status.backlog


def _per_second(before: int | None, now: int | None, seconds: float) -> float | None:
    return None if before is None or now is None or now < before else round((now - before) / seconds, 1)
