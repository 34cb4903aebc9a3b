"""Users and locations that were removed for good: a file may still name them. Their rows are skipped, and said."""

from collections.abc import Iterable
from typing import Literal

from redis import Redis

from footfall.logs import log

#: ids that a message names
NAMED = 3
_PAGE = 1000


def removed_ids(client: Redis, key: bytes) -> set[int]:
    """The users or locations that were removed, by the hash that remembers them: about 100 bytes each."""
    fields = (field for field, _ in client.hscan_iter(key.decode(), count=_PAGE))
    return {int(field) for field in fields if field.isdigit()}


class Removed:
    """The removed users or locations, and those of them that rows were skipped for."""

    def __init__(self, kind: Literal["user", "location"], ids: set[int] | None = None) -> None:
        self._kind = kind
        self._ids = ids or set()
        self._skipped: set[int] = set()

    def __len__(self) -> int:
        """How many were skipped."""
        return len(self._skipped)

    def __str__(self) -> str:
        """Those that were skipped, for a person: `2 users that were removed for good (4, 7)`."""
        those = f"{self._kind} that was" if len(self) == 1 else f"{self._kind}s that were"
        return f"{len(self):,} {those} removed for good ({named(self._skipped)})"

    def skip(self, one: int) -> bool:
        """Whether to skip a row, as that of a removed one."""
        if one not in self._ids:
            return False
        self._skipped.add(one)
        return True

    def add(self, one: int) -> None:
        """Note that one was removed, and is skipped, after its row had been found good."""
        self._skipped.add(one)
        log.warning("Skipping %s %d: it was removed for good meanwhile.", self._kind, one)


def named(ids: Iterable[int]) -> str:
    """The first of these ids."""
    in_order = sorted(ids)
    return ", ".join([*map(str, in_order[:NAMED]), *(["..."] if len(in_order) > NAMED else [])])
