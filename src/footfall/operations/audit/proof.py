"""What the stream can tell: whether it reaches back to what was loaded."""

from datetime import UTC, datetime
from typing import Literal

from footfall.store.calls.audit import Snapshot

#: `records`: each record is what was loaded and what the stream adds. `sums`: only all of them together. `indexes`: not
#: even that
Proof = Literal["records", "sums", "indexes"]

#: Removed entries that are explained at most. More than somebody removes by hand: then it was a trim, and the sums are
#: what can be proven.
_MOST_EXPLAINED = 10_000


def strongest_proof(snapshot: Snapshot) -> tuple[Proof, str]:
    """What can be proven with this stream, and why not more."""
    if snapshot.taken_over is not None:
        return (
            "indexes",
            f"the stream was taken over from another program, which had processed {snapshot.taken_over:,} entries",
        )
    short = f"the stream does not reach back to what was loaded: {entries_are(snapshot.removed)} no longer in it"
    if snapshot.trimmed > 0:
        by_whom = f"{snapshot.trimmed:,} were trimmed by a processor (retain){_since(snapshot.trimmed_since)}"
        return "sums", f"{short}, of which {by_whom}"
    if snapshot.unexplained > _MOST_EXPLAINED:
        return "sums", short
    return "records", ""


def entries_are(entries: int) -> str:
    """`1 entry is`, `5 entries are`"""
    return "1 entry is" if entries == 1 else f"{entries:,} entries are"


def _since(ms: int | None) -> str:
    return "" if ms is None else f" since {datetime.fromtimestamp(ms / 1000, UTC):%Y-%m-%d %H:%M:%S} UTC"
