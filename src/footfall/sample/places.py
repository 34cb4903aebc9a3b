"""The sample's places: where they lie, what they are called, when and how much they are visited."""

import re
from typing import NamedTuple

from footfall.domain.model import DayHours, LocationDetails, Social
from footfall.sample.area import TOWNS, Town, point_in
from footfall.sample.draw import Draw
from footfall.sample.hours import open_hours
from footfall.sample.kinds import FIRST_WORDS, KINDS, TOUCHES, Kind
from footfall.sample.names import ascii_letters

_SEED = 2

HOURS_PER_WEEK = 168

#: The places of the first five check-ins, on a Saturday before nine: cafes, so that they are open.
_EARLY = (171, 181, 100, 144, 13)

#: How much a place is visited in each hour of the day, from midnight on; only opening hours count.
_BY_HOUR = {
    "cafe": (0, 0, 0, 0, 0, 0, 4, 9, 10, 9, 8, 6, 7, 7, 6, 5, 4, 3, 2, 2, 1, 1, 0, 0),
    "restaurant": (0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 3, 6, 13, 11, 5, 3, 3, 8, 14, 15, 11, 6, 3, 0),
    "bar": (4, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 2, 3, 3, 4, 5, 8, 9, 10, 10, 10, 9, 7),
    "retail": (0, 0, 0, 0, 0, 0, 0, 2, 3, 3, 4, 6, 8, 7, 6, 6, 7, 8, 6, 4, 2, 0, 0, 0),
    "hair": (0, 0, 0, 0, 0, 0, 0, 0, 0, 2, 3, 3, 3, 3, 3, 3, 3, 4, 4, 2, 0, 0, 0, 0),
    "gym": (1, 1, 1, 1, 1, 3, 8, 8, 6, 5, 4, 4, 5, 4, 2, 3, 5, 9, 10, 8, 4, 2, 1, 1),
}
#: How much it is visited on each day of the week, Monday first.
_BY_DAY = {
    "cafe": (9, 9, 9, 9, 10, 13, 12),
    "restaurant": (7, 7, 8, 9, 13, 15, 11),
    "bar": (5, 6, 7, 9, 15, 16, 8),
    "retail": (7, 7, 7, 8, 10, 16, 13),
    "hair": (7, 8, 8, 10, 12, 15, 8),
    "gym": (13, 12, 12, 11, 9, 9, 8),
}


class Place(NamedTuple):
    """A location without its counters, and what its counters and check-ins are drawn from."""

    id: int
    name: str
    category: str
    town: Town
    #: "lng,lat" in degrees
    point: str
    details: LocationDetails
    #: how likely a check-in is in each hour of the week, from Monday 0:00 local time on
    demand: tuple[int, ...]
    #: how likely each of the five stars is, in thousandths: 760 makes 3.8 stars on average
    quality: int


def places() -> list[Place]:
    """All places, ids from 1 on. Names, points and phone numbers are unique."""
    draw = Draw(_SEED)
    kinds = _kinds(draw)
    towns = draw.shuffled([town for town in TOWNS for _ in range(town.places)])
    ranks = draw.shuffled(range(len(kinds)))
    names = _Names(draw)
    phones = {town.area_code: draw.deal(range(100)) for town in TOWNS}
    return [
        _place(
            draw,
            place_id,
            kind,
            town,
            name=names.next(kind),
            phone=f"({town.area_code}) 555-01{next(phones[town.area_code]):02}",
            rank=rank,
        )
        for place_id, (kind, town, rank) in enumerate(zip(kinds, towns, ranks, strict=True), 1)
    ]


def _kinds(draw: Draw) -> list[Kind]:
    kinds = draw.shuffled([kind for kind in KINDS for _ in range(kind.places)])
    cafes = (index for index, kind in enumerate(kinds) if kind.category == "cafe" and index + 1 not in _EARLY)
    for place_id in _EARLY:
        cafe = next(cafes)
        kinds[place_id - 1], kinds[cafe] = kinds[cafe], kinds[place_id - 1]
    return kinds


class _Names:
    """Gives each place a name that no other has."""

    def __init__(self, draw: Draw) -> None:
        self._given: set[str] = set()
        self._first_words = draw.deal(FIRST_WORDS)
        self._patterns = {kind: draw.deal(kind.patterns) for kind in KINDS}
        self._words = {kind: draw.deal(kind.words) for kind in KINDS}

    def next(self, kind: Kind) -> str:
        while True:
            pattern = next(self._patterns[kind])
            first_word = next(self._first_words) if "{a}" in pattern else ""
            name = pattern.format(a=first_word, b=next(self._words[kind]))
            if name not in self._given:
                self._given.add(name)
                return name


def _place(draw: Draw, place_id: int, kind: Kind, town: Town, *, name: str, phone: str, rank: int) -> Place:
    week = draw.pick(kind.weeks).split()
    return Place(
        id=place_id,
        name=name,
        category=kind.category,
        town=town,
        point=point_in(town, draw),
        details=_details(draw, place_id, kind, town, name=name, phone=phone, week=week),
        demand=_demand(kind.category, week, rank),
        # the better two of three draws: most places are good, a few are not
        quality=470 + sum(sorted(draw.below(486) for _ in range(3))[1:]) // 2,
    )


def _details(
    draw: Draw, place_id: int, kind: Kind, town: Town, *, name: str, phone: str, week: list[str]
) -> LocationDetails:
    words = [ascii_letters(word) for word in re.split(r"[\s-]+", name.replace("&", "and"))]
    handles = {"instagram": "".join(words), "facebook": ".".join(words), "twitter": "_".join(words)}
    networks = draw.shuffled(list(handles))[: 1 + draw.below(3)]
    return LocationDetails(
        id=place_id,
        hours=[DayHours(day=day, hours=hours) for day, hours in enumerate(week)],
        socials=[Social(name=network, handle=handles[network]) for network in networks],
        website=f"https://{'-'.join(words)}.example.com",
        description=f"{draw.pick(kind.offers)} in {town.name}. {draw.pick(TOUCHES[kind.category])}",
        phone=phone,
    )


def _demand(category: str, week: list[str], rank: int) -> tuple[int, ...]:
    # Zipf's law with an offset: the first places lead without having it all
    popularity = 100_000 // (rank + 6)
    demand = [0] * HOURS_PER_WEEK
    for day, hours in enumerate(week):
        for hour in open_hours(hours):
            weight = _BY_HOUR[category][hour % 24] * _BY_DAY[category][day]
            demand[(day * 24 + hour) % HOURS_PER_WEEK] = popularity * weight
    return tuple(demand)
