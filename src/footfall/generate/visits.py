"""What is posted and when: who checks in where, how many stars they give, and the gaps between them."""

import random
from collections.abc import Iterator, Sequence
from itertools import accumulate
from math import isqrt

import msgspec

from footfall.domain.model import CheckIn
from footfall.sample.draw import Draw

#: most users and most locations that take part: about 10 MB each
MAX_KNOWN = 100_000

#: How often 0 to 5 stars are given, in percent: people tend to like where they go.
_STARS = (1, 2, 7, 24, 38, 28)

#: what weights are divided out of: large enough that the least popular of MAX_KNOWN differ still
_UNIT = 10**9
#: By Zipf's law the second place would have half of the first's visitors. With this added to every rank the first few
#: are closer together, and the first of 215 gets about 3 % of all check-ins.
_HEAD = 8


def check_ins(users: Sequence[int], locations: Sequence[int], seed: int) -> Iterator[bytes]:
    """Bodies of check-ins, without end. The same arguments give the same ones, on every machine and Python.

    Locations follow Zipf's law (p ~ 1 / (rank + 8)), users a flatter one (p ~ 1 / sqrt(rank)); who ranks where is
    drawn from the seed.
    """
    draw = Draw(seed)
    users, locations = draw.shuffled(users), draw.shuffled(locations)
    user_weights = list(accumulate(_UNIT // isqrt(10_000 * rank) for rank in range(1, len(users) + 1)))
    location_weights = list(accumulate(_UNIT // (_HEAD + rank) for rank in range(1, len(locations) + 1)))
    stars_weights = list(accumulate(_STARS))
    encode = msgspec.json.Encoder().encode
    while True:
        yield encode(
            CheckIn(
                user_id=users[draw.weighted(user_weights)],
                location_id=locations[draw.weighted(location_weights)],
                star_rating=draw.weighted(stars_weights),
            )
        )


def gaps(rate: float, source: random.Random) -> Iterator[float]:
    """Seconds between one arrival and the next, without end: exponential, `rate` arrivals per second on average."""
    while True:
        yield source.expovariate(rate)
