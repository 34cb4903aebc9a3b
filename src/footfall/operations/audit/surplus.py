"""What records have beyond the stream: held back as long as entries that are gone can explain it."""

from typing import Any

from footfall.domain.baseline import LocationBaseline, UserBaseline
from footfall.operations.audit.differences import Differences
from footfall.operations.audit.gone import Counted


class Surplus:
    """Collects what records have beyond the stream, as long as removed entries can explain it."""

    def __init__(self, differences: Differences, limit: int) -> None:
        """`limit`: check-ins that can be explained."""
        self._differences = differences
        self._limit = limit
        #: check-ins of all users, and at all locations, so far
        self._users = self._locations = 0
        self._held_back: list[tuple[Any, ...]] = []
        #: whether there was some that is not explained
        self.has_differences = False
        self.counted = Counted()

    @property
    def is_possible(self) -> bool:
        """Whether there may be some that is explained."""
        return self._limit > 0

    def user(self, user: int, counted: UserBaseline, difference: tuple[Any, ...]) -> None:
        """A user has so much more; it is this difference when it is not explained."""
        self.counted.users[user] = counted
        self._users += counted.num_checkins
        self._hold_back(difference)

    def location(self, location: int, counted: LocationBaseline, difference: tuple[Any, ...]) -> None:
        """A location has so much more, or the same number with other stars."""
        self.counted.locations[location] = counted
        self._locations += counted.num_checkins
        self._hold_back(difference)

    def give_up(self) -> None:
        """It is not explained: these are differences, and so are those to come."""
        self._limit, self.counted = 0, Counted()
        self.has_differences |= bool(self._held_back)
        for difference in self._held_back:
            self._differences.add(*difference, is_count=True)
        self._held_back.clear()

    def _hold_back(self, difference: tuple[Any, ...]) -> None:
        self._held_back.append(difference)
        if max(self._users, self._locations) > self._limit:
            self.give_up()
