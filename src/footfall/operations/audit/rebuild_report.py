"""What `footfall rebuild` has changed, and how it is shown."""

from dataclasses import dataclass, field

from rich.console import Console

#: locations that are named
_NAMED = 10


@dataclass
class Rebuilt:
    """What a rebuild has changed."""

    users: int = 0
    locations: int = 0
    #: records of which there was nothing: they have counters again, and nothing else
    made: int = 0
    #: entries of indexes that followed from no record, and whole indexes of another type
    strays: int = 0
    #: entries of the stream that were replayed
    entries: int = 0
    #: whether a batch that was applied in part is undone
    torn: bool = False
    #: locations whose place cannot be indexed, since it is none
    no_places: list[int] = field(default_factory=list)


def render(done: Rebuilt, console: Console) -> None:
    """Print what was changed, for a person."""

    def show(text: str, style: str | None = None) -> None:
        console.print(text, style=style, highlight=False, markup=False, soft_wrap=True)

    show(
        f"Rebuilt from {done.entries:,} entries: {done.users:,} users, {done.locations:,} locations and "
        f"{done.strays:,} index entries were changed."
    )
    if done.torn:
        show("a batch that was applied in part is undone; processing goes on with it")
    if done.made:
        records = "1 record was" if done.made == 1 else f"{done.made:,} records were"
        show(f"{records} missing, with counters only now; load users and locations again for the rest", "yellow")
    for location in done.no_places[:_NAMED]:
        show(f"location {location} is not indexed by place: its field location is not `longitude,latitude`", "yellow")
