"""What the stream can tell: whether it reaches back to what was loaded."""

from typing import Literal

from footfall.audit.look import Head

#: `records`: each record is what was loaded and what the stream adds. `sums`: only all of them together. `indexes`: not
#: even that
Proof = Literal["records", "sums", "indexes"]


def provable(head: Head) -> tuple[Proof, str]:
    """What can be proven with this stream, and why not more."""
    if head.taken_over is not None:
        return (
            "indexes",
            f"the stream was taken over from another program, which had processed {head.taken_over} entries",
        )
    if head.removed > 0 or head.max_deleted != b"0-0":
        return "sums", f"the stream does not reach back to what was loaded: {head.removed} entries are no longer in it"
    if head.added < head.loaded:
        return "sums", f"{head.loaded} entries were loaded, but only {head.added} were ever added to this stream"
    return "records", ""
