"""What the stream can tell: whether it reaches back to what was loaded."""

from datetime import UTC, datetime
from typing import Literal

from footfall.operations.audit.gone import MOST
from footfall.store.calls.audit import Head

#: `records`: each record is what was loaded and what the stream adds. `sums`: only all of them together. `indexes`: not
#: even that
Proof = Literal["records", "sums", "indexes"]


def provable(head: Head) -> tuple[Proof, str]:
    """What can be proven with this stream, and why not more."""
    if head.taken_over is not None:
        return (
            "indexes",
            f"the stream was taken over from another program, which had processed {head.taken_over:,} entries",
        )
    short = f"the stream does not reach back to what was loaded: {entries_are(head.removed)} no longer in it"
    if head.trimmed > 0:
        by_whom = f"{head.trimmed:,} were trimmed by a processor (retain){_since(head.trimmed_since)}"
        return "sums", f"{short}, of which {by_whom}"
    if head.unexplained > MOST:
        return "sums", short
    return "records", ""


def entries_are(entries: int) -> str:
    """`1 entry is`, `5 entries are`"""
    return "1 entry is" if entries == 1 else f"{entries:,} entries are"


def _since(ms: int | None) -> str:
    return "" if ms is None else f" since {datetime.fromtimestamp(ms / 1000, UTC):%Y-%m-%d %H:%M:%S} UTC"
