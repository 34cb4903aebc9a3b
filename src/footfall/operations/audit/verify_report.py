"""What `footfall verify` found, and how it is shown."""

import msgspec
from rich.console import Console

from footfall.operations.audit.differences import Difference
from footfall.operations.audit.gone import Gone
from footfall.operations.audit.proof import Proof

_HOW_TO_NOTE = "`footfall verify --note-gone` notes that, once; until then nothing can be rebuilt."


class Report(msgspec.Struct, rename="camel", kw_only=True):
    """What `footfall verify` found."""

    #: how many things do not agree
    differences: int
    #: the first of them
    shown: list[Difference]
    users: int
    locations: int
    #: entries of the stream that were read
    entries: int
    #: what was read is as it was when this was the checkpoint
    checkpoint: str
    proof: Proof
    #: why the proof is no better
    reason: str
    #: entries that are gone although they were processed, and are not noted; None without any
    gone: Gone | None
    #: such entries that are noted: each record is proven with them
    noted: int


def as_json(report: Report) -> str:
    """The report for `--json`."""
    return msgspec.json.encode(report).decode()


def render(report: Report, console: Console) -> None:
    """Print the report for a person."""

    def show(text: str, style: str | None = None) -> None:
        console.print(text, style=style, highlight=False, markup=False, soft_wrap=True)

    for difference in report.shown:
        show(str(difference), "red")
    if report.gone:
        show(f"{report.gone}. {_HOW_TO_NOTE}", "red")
    if report.differences > len(report.shown):
        show(f"... and {report.differences - len(report.shown):,} more", "red")
    show(f"Verified {report.users:,} users and {report.locations:,} locations up to {report.checkpoint}.")
    show({
        "records": f"Each is compared with what was loaded and all {report.entries:,} entries of the stream"
        + (f", and what is noted of {report.noted:,} that are gone from it." if report.noted else "."),
        "sums": "Sums and indexes are compared, single counters are not:",
        "indexes": "Only indexes are compared, counters are not:",
    }[report.proof] + (f" {report.reason}." if report.reason else ""))  # fmt: skip
    plural = "" if report.differences == 1 else "s"
    if report.differences or not report.gone:
        show(f"{report.differences:,} difference{plural}." if report.differences else "No differences.")
