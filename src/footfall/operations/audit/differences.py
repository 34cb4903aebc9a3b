"""What does not agree: each with where it is, what is there, and what must be."""

import msgspec

#: differences that are shown; of the others there is the number
SHOWN = 100


class Difference(msgspec.Struct, frozen=True, omit_defaults=True):
    """One thing that is not as it must be."""

    key: str
    #: a field of a hash, a member of an index; None: the key itself
    part: str | None
    #: None: nothing
    found: str | None
    #: None: nothing
    wanted: str | None
    #: where `wanted` comes from
    why: str = ""

    def __str__(self) -> str:
        where = self.key if self.part is None else f"{self.key} {self.part}"
        found = "it is missing" if self.found is None else f"it is {self.found}"
        wanted = "must not be there" if self.wanted is None else f"must be {self.wanted}"
        return f"{where}: {found}, {wanted}{f' ({self.why})' if self.why else ''}"


class Differences:
    """Collects differences, the first of them with all there is to say."""

    def __init__(self) -> None:
        self.count = 0
        self.shown: list[Difference] = []
        #: whether one of them is a count: then sums that disagree are no news
        self.has_count = False

    def add(
        self, key: bytes, part: object, found: object, wanted: object, why: str = "", *, is_count: bool = False
    ) -> None:
        """Note a difference; texts, bytes and numbers are taken as they are."""
        self.count += 1
        self.has_count |= is_count
        if self.count <= SHOWN:
            self.shown.append(Difference(_text(key) or "", _text(part), _text(found), _text(wanted), why))


def _text(value: object) -> str | None:
    if value is None:
        return None
    return value.decode(errors="replace") if isinstance(value, bytes) else str(value)
