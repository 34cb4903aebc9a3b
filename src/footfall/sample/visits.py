"""Who is where and when: people near their homes, places as their hours and their popularity have it."""

from itertools import accumulate
from math import isqrt

from footfall.domain.model import LoadedCheckIn
from footfall.sample.area import TOWNS
from footfall.sample.draw import Draw
from footfall.sample.people import Person
from footfall.sample.places import HOURS_PER_WEEK, Place

_LAST_VISITS_SEED = 3
_CHECK_INS_SEED = 4

#: (ms, user, location, stars): the check-ins that the documentation walks through
_FIRST = (
    (1609602085397, 789, 171, 5),
    (1609603711960, 455, 181, 5),
    (1609604227545, 752, 100, 4),
    (1609604778689, 102, 144, 4),
    (1609605397408, 180, 13, 4),
)
_COUNT = 5000

_HOUR_MS = 3_600_000
#: Saturday 2 January 2021, 7:00 in San Francisco (UTC-8): the last full hour before the first check-in
_START_MS = 1609599600000
_START_HOUR = 5 * 24 + 7
#: from there to the end of Thursday 4 February in San Francisco, which is Friday morning in UTC
_HOURS = 33 * 24 + 17

#: how much likelier a person is to visit a place at home than one elsewhere
_HOME_FACTOR = 20
#: nobody checks in again sooner
_REST_MS = 45 * 60_000


def last_visits(people: list[Person], places: list[Place]) -> list[tuple[int, Place]]:
    """Time in ms and place of each person's last visit, in the three weeks before the check-ins begin."""
    draw = Draw(_LAST_VISITS_SEED)
    near = {
        home: list(accumulate(sum(place.demand) * (_HOME_FACTOR if place.town == home else 1) for place in places))
        for home in TOWNS
    }
    hours = {place.id: list(accumulate(place.demand)) for place in places}
    visits = []
    for person in people:
        place = places[draw.weighted(near[person.home])]
        # who checks in more often was seen more recently
        draws = 1 + isqrt(person.num_checkins) // 8
        time = max(_time_before_start(hours[place.id], draw) for _ in range(draws))
        visits.append((time, place))
    return visits


def _time_before_start(cumulative_demand: list[int], draw: Draw) -> int:
    """A time at which a place is visited, in the three weeks before the start."""
    week = draw.below(3) - 3
    hour = (draw.weighted(cumulative_demand) - _START_HOUR) % HOURS_PER_WEEK
    return _START_MS + (week * HOURS_PER_WEEK + hour) * _HOUR_MS + draw.below(_HOUR_MS)


def check_ins_at(places: list[Place], people: list[Person]) -> list[LoadedCheckIn]:
    """The check-ins in order of time, no two in the same millisecond."""
    draw = Draw(_CHECK_INS_SEED)
    crowd = _Crowd(people, draw)
    checkins = []
    for time, user, location, stars in _FIRST:
        crowd.seen(user, time)
        checkins.append(_check_in(time, user, location, stars))
    by_hour = [list(accumulate(place.demand[hour] for place in places)) for hour in range(HOURS_PER_WEEK)]
    for time in _times([weights[-1] for weights in by_hour], draw):
        place = places[draw.weighted(by_hour[_hour_of_week(time)])]
        stars = sum(draw.chance(place.quality) for _ in range(5))
        checkins.append(_check_in(time, crowd.visitor(place, time), place.id, stars))
    return checkins


def _check_in(time: int, user: int, location: int, stars: int) -> LoadedCheckIn:
    return LoadedCheckIn(id=f"{time}-0", location_id=location, user_id=user, star_rating=stars)


def _hour_of_week(time: int) -> int:
    """The hour since Monday 0:00, local time."""
    return ((time - _START_MS) // _HOUR_MS + _START_HOUR) % HOURS_PER_WEEK


def _times(demand: list[int], draw: Draw) -> list[int]:
    """The times in ms of all check-ins after the first five, spread as the demand per hour of the week."""
    cumulative = list(accumulate(demand[(_START_HOUR + hour) % HOURS_PER_WEEK] for hour in range(_HOURS)))
    times: set[int] = set()
    while len(times) < _COUNT - len(_FIRST):
        time = _START_MS + draw.weighted(cumulative) * _HOUR_MS + draw.below(_HOUR_MS)
        if time > _FIRST[-1][0]:
            times.add(time)
    return sorted(times)


class _Crowd:
    """Says who visits a place: the more active, and those who live near."""

    def __init__(self, people: list[Person], draw: Draw) -> None:
        self._people = people
        self._draw = draw
        self._seen_at: dict[int, int] = {}
        # the root, since five weeks of somebody with 10,000 check-ins would be all that one sees otherwise
        self._near = {
            town: list(
                accumulate(
                    isqrt(100 * person.num_checkins) * (_HOME_FACTOR if person.home == town else 1) for person in people
                )
            )
            for town in TOWNS
        }

    def seen(self, person_id: int, time: int) -> None:
        self._seen_at[person_id] = time

    def visitor(self, place: Place, time: int) -> int:
        """The id of somebody who has rested since the last check-in."""
        while True:
            person_id = self._people[self._draw.weighted(self._near[place.town])].id
            if time - self._seen_at.get(person_id, 0) >= _REST_MS:
                self.seen(person_id, time)
                return person_id
