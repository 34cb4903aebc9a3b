"""The sample data: people and places around San Francisco Bay, all invented, and five weeks of check-ins.

It is made rather than stored, and is the same on every machine and every Python: the counters that the
documentation shows can be relied on.
"""

from itertools import accumulate, pairwise

from footfall.domain.model import LoadedCheckIn, LoadedLocation, LoadedUser
from footfall.sample.people import people
from footfall.sample.places import places
from footfall.sample.visits import check_ins_at, last_visits

#: every sample user's, documented
PASSWORD = "secret"


def users() -> list[LoadedUser]:
    """1,000 users, ids 1 to 1000, as they are before the first check-in. Number 180 is Sophia Marshall."""
    everybody = people()
    return [
        LoadedUser(
            id=person.id,
            first_name=person.first_name,
            last_name=person.last_name,
            email=person.email,
            password=PASSWORD,
            num_checkins=person.num_checkins,
            last_checkin=time,
            last_seen_at=place.id,
        )
        for person, (time, place) in zip(everybody, last_visits(everybody, places()), strict=True)
    ]


def locations() -> list[LoadedLocation]:
    """215 locations with details, ids 1 to 215, as they are before the first check-in.

    The sum of their `num_checkins` is that of the users': each check-in had a user and a location.
    """
    everywhere = places()
    total = sum(person.num_checkins for person in people())
    demand = [0, *accumulate(sum(place.demand) for place in everywhere)]
    shares = [total * upto // demand[-1] for upto in demand]
    return [
        LoadedLocation(
            id=place.id,
            name=place.name,
            category=place.category,
            location=place.point,
            num_checkins=upto - before,
            num_stars=(upto - before) * 5 * place.quality // 1000,
            details=place.details,
        )
        for place, (before, upto) in zip(everywhere, pairwise(shares), strict=True)
    ]


def check_ins() -> list[LoadedCheckIn]:
    """5,000 check-ins in order, from `1609602085397-0` into February 2021; sequence numbers are 0.

    Each is made within the location's opening hours, at most one in 45 minutes by the same user.
    """
    return check_ins_at(places(), people())
