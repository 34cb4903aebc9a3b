"""The sample's people: what they are called, where they live, how much they check in."""

from itertools import accumulate
from typing import NamedTuple

from footfall.sample.area import TOWNS, Town
from footfall.sample.draw import Draw
from footfall.sample.names import LATIN, OTHER_SCRIPTS, Name

_SEED = 1
_COUNT = 1000
#: how many people in 1,000 have a last name from elsewhere than their first
_MIXED_PERMILLE = 150


class Person(NamedTuple):
    """A user without the last visit."""

    id: int
    first_name: str
    last_name: str
    email: str
    home: Town
    num_checkins: int


#: The person whom the documentation follows through the first five check-ins.
_SOPHIA = 180


def people() -> list[Person]:
    """All people, ids from 1 on. E-mail addresses are unique."""
    draw = Draw(_SEED)
    emails = _Emails()
    sophias_email = emails.next("sophia", "marshall")
    homes = list(accumulate(town.places for town in TOWNS))
    drawn = []
    for person_id in range(1, _COUNT + 1):
        first, last = _name(draw)
        home = TOWNS[draw.weighted(homes)]
        num_checkins = _num_checkins(draw)
        if person_id == _SOPHIA:
            drawn.append(Person(person_id, "Sophia", "Marshall", sophias_email, home, 2331))
        else:
            email = emails.next(first.ascii, last.ascii)
            drawn.append(Person(person_id, first.text, last.text, email, home, num_checkins))
    return drawn


class _Emails:
    """Gives each person an address that no other has."""

    def __init__(self) -> None:
        self._bearers: dict[str, int] = {}

    def next(self, first: str, last: str) -> str:
        """`first.last@example.com`; `first.last2@example.com` for the second of that name."""
        name = f"{first}.{last}"
        self._bearers[name] = bearer = self._bearers.get(name, 0) + 1
        return f"{name}{bearer if bearer > 1 else ''}@example.com"


_CULTURES = (*LATIN, *OTHER_SCRIPTS)
_CULTURE_WEIGHTS = list(accumulate(culture.weight for culture in _CULTURES))
_LATIN_WEIGHTS = _CULTURE_WEIGHTS[: len(LATIN)]


def _name(draw: Draw) -> tuple[Name, Name]:
    culture = _CULTURES[draw.weighted(_CULTURE_WEIGHTS)]
    first = draw.pick(culture.first)
    if draw.chance(_MIXED_PERMILLE) and culture in LATIN:
        culture = LATIN[draw.weighted(_LATIN_WEIGHTS)]
    return first, draw.pick(culture.last)


def _num_checkins(draw: Draw) -> int:
    """From 1 to almost 10,000: half of all have no more than 60, one in a hundred more than 3,700.

    A log-logistic distribution, cut off: its inverse needs no other arithmetic than a division.
    """
    share = draw.below(1_000_000)
    return 1 + 60 * share // (1_006_000 - share)
