"""Check-ins to load, held compactly until all of them have been read and found good."""

from array import array
from collections.abc import Iterator

from footfall.store.pipeline import Argument


class CheckIns:
    """Check-ins in the order of their ids. They take 33 bytes each, so 10 million take 330 MB."""

    def __init__(self) -> None:
        self._ms = array("Q")
        self._sequence = array("Q")
        self._location = array("Q")
        self._user = array("Q")
        self._stars = array("B")

    def __len__(self) -> int:
        return len(self._ms)

    def append(self, entry_id: tuple[int, int], location_id: int, user_id: int, stars: int) -> None:
        """Add one; its id (ms, sequence number) must be greater than that of the last one."""
        self._ms.append(entry_id[0])
        self._sequence.append(entry_id[1])
        self._location.append(location_id)
        self._user.append(user_id)
        self._stars.append(stars)

    @property
    def first_id(self) -> tuple[int, int]:
        """(ms, sequence number) of the first one; (0, 0) when there is none."""
        return (self._ms[0], self._sequence[0]) if self._ms else (0, 0)

    def of_unknown(self, users: set[int], locations: set[int]) -> int:
        """How many name one of these users, or one of these locations."""
        return sum(
            user in users or location in locations for user, location in zip(self._user, self._location, strict=True)
        )

    @property
    def users(self) -> set[int]:
        """The users that are named."""
        return set(self._user)

    @property
    def locations(self) -> set[int]:
        """The locations that are named."""
        return set(self._location)

    @property
    def last_id(self) -> tuple[int, int]:
        """(ms, sequence number) of the last one; (0, 0) when there is none."""
        return (self._ms[-1], self._sequence[-1]) if self._ms else (0, 0)

    def chunks(self, size: int) -> Iterator[list[Argument]]:
        """Entry id, location id, user id and stars of `size` check-ins at a time, in one flat list."""
        for start in range(0, len(self), size):
            chunk: list[Argument] = []
            part = slice(start, start + size)
            for ms, sequence, location, user, stars in zip(
                self._ms[part],
                self._sequence[part],
                self._location[part],
                self._user[part],
                self._stars[part],
                strict=True,
            ):
                chunk += (b"%d-%d" % (ms, sequence), location, user, stars)
            yield chunk
