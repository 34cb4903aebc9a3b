"""The towns and neighbourhoods around San Francisco Bay in which the sample's places lie."""

from typing import NamedTuple

from footfall.sample.draw import Draw

#: millionths of a degree per metre at 37.6 degrees north, as numerator and denominator
_LATITUDE_PER_METRE = (1_000_000, 111_000)
_LONGITUDE_PER_METRE = (1_000_000, 88_200)


class Town(NamedTuple):
    """A circle that is land all over: centre in millionths of a degree, radius in metres."""

    name: str
    latitude: int
    longitude: int
    radius: int
    area_code: int
    #: how many of the places are in it
    places: int


#: The radii keep clear of the bay, the ocean and Lake Merritt; all circles are east of 122.52 degrees west.
TOWNS = (
    Town("the Mission District", 37_759900, -122_414800, 900, 415, 15),
    Town("North Beach", 37_800500, -122_409500, 450, 415, 9),
    Town("Union Square", 37_787900, -122_407500, 450, 415, 10),
    Town("SoMa", 37_778500, -122_405600, 600, 415, 10),
    Town("Hayes Valley", 37_776400, -122_425000, 500, 415, 9),
    Town("the Castro", 37_760900, -122_435000, 450, 415, 8),
    Town("Noe Valley", 37_750200, -122_433700, 600, 415, 7),
    Town("the Haight", 37_769200, -122_448100, 450, 415, 7),
    Town("the Inner Sunset", 37_762500, -122_466000, 350, 415, 7),
    Town("the Inner Richmond", 37_780500, -122_465000, 600, 415, 7),
    Town("Cow Hollow", 37_798000, -122_436000, 400, 415, 6),
    Town("downtown Oakland", 37_808000, -122_272000, 500, 510, 11),
    Town("Temescal", 37_836000, -122_262000, 600, 510, 8),
    Town("Rockridge", 37_843000, -122_252000, 500, 510, 6),
    Town("downtown Berkeley", 37_870000, -122_268000, 800, 510, 12),
    Town("Alameda", 37_765000, -122_242000, 350, 510, 5),
    Town("San Leandro", 37_724900, -122_156100, 800, 510, 4),
    Town("Hayward", 37_672000, -122_085000, 800, 510, 4),
    Town("Fremont", 37_548500, -121_988600, 1000, 510, 6),
    Town("Walnut Creek", 37_901000, -122_062000, 800, 925, 7),
    Town("Concord", 37_978000, -122_031100, 1000, 925, 4),
    Town("Burlingame", 37_579000, -122_348000, 500, 650, 5),
    Town("San Mateo", 37_566500, -122_323600, 700, 650, 6),
    Town("Redwood City", 37_486000, -122_229000, 500, 650, 6),
    Town("Palo Alto", 37_444500, -122_161000, 700, 650, 8),
    Town("Mountain View", 37_394000, -122_079000, 800, 650, 7),
    Town("Sunnyvale", 37_377000, -122_031000, 800, 408, 5),
    Town("Santa Clara", 37_350000, -121_945000, 800, 408, 4),
    Town("downtown San José", 37_335000, -121_889000, 900, 408, 8),
    Town("Willow Glen", 37_308000, -121_901000, 600, 408, 4),
)


def point_in(town: Town, draw: Draw) -> str:
    """A point of the town's circle as "lng,lat", in degrees with six decimals."""
    while True:
        east, north = (draw.below(2 * town.radius + 1) - town.radius for _ in range(2))
        if east * east + north * north <= town.radius * town.radius:
            longitude = _degrees(town.longitude, east, _LONGITUDE_PER_METRE)
            latitude = _degrees(town.latitude, north, _LATITUDE_PER_METRE)
            return f"{longitude},{latitude}"


def _degrees(centre: int, metres: int, per_metre: tuple[int, int]) -> str:
    """`centre` moved by some metres, as text."""
    millionths = centre + metres * per_metre[0] // per_metre[1]
    return f"{'-' if millionths < 0 else ''}{abs(millionths) // 1_000_000}.{abs(millionths) % 1_000_000:06}"
