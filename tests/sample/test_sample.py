"""The sample data: its fixed facts, and that it is believable."""

import hashlib
import re
import time
import unicodedata
from collections import Counter, defaultdict
from datetime import UTC, datetime, timedelta, timezone
from itertools import pairwise
from statistics import mean
from typing import Any

import msgspec
import pytest

from footfall import sample
from footfall.domain.entries import parse_entry_id
from footfall.domain.model import LoadedCheckIn, LoadedLocation, LoadedUser
from footfall.sample.draw import Draw
from footfall.sample.names import ascii_letters

USERS = sample.users()
LOCATIONS = sample.locations()
CHECK_INS = sample.check_ins()

FIRST_MS = 1609602085397
WEEK_MS = 7 * 24 * 3_600_000
PACIFIC = timezone(timedelta(hours=-8))

#: The SHA-256 of all three as JSON. A change of it changes what every user sees first: record it on purpose.
DIGEST = "550ea392c9a53ec0e506545df447ea1e15071b645b7452901ec0dcb3bc9f0b7e"

# Coarse shapes, drawn from a map and not from the generator's table, as (longitude, latitude).
#: San Francisco, the Peninsula and the South Bay, inside of the shoreline
WEST_AND_SOUTH = (
    *((-122.505, 37.780), (-122.477, 37.805), (-122.440, 37.805), (-122.410, 37.806), (-122.397, 37.796)),
    *((-122.390, 37.783), (-122.386, 37.765), (-122.385, 37.740), (-122.395, 37.710), (-122.392, 37.665)),
    *((-122.390, 37.615), (-122.365, 37.595), (-122.330, 37.583), (-122.305, 37.572), (-122.260, 37.535)),
    *((-122.215, 37.492), (-122.150, 37.465), (-122.105, 37.450), (-122.060, 37.425), (-121.980, 37.425)),
    *((-121.940, 37.440), (-121.800, 37.250), (-122.000, 37.250), (-122.200, 37.400), (-122.400, 37.520)),
    *((-122.490, 37.600), (-122.500, 37.700), (-122.505, 37.735)),
)
#: the East Bay
EAST = (
    *((-122.300, 37.880), (-122.295, 37.830), (-122.285, 37.805), (-122.270, 37.799), (-122.235, 37.775)),
    *((-122.200, 37.745), (-122.180, 37.700), (-122.120, 37.640), (-122.080, 37.590), (-122.060, 37.530)),
    *((-121.990, 37.470), (-121.900, 37.450), (-121.850, 37.550), (-121.900, 38.000), (-122.060, 38.020)),
    (-122.250, 37.950),
)
#: the island of Alameda, its middle
ALAMEDA = ((-122.270, 37.757), (-122.233, 37.757), (-122.233, 37.769), (-122.270, 37.769))
#: boxes of water: west, south, east, north
WATER = {
    "the ocean": (-123.0, 37.40, -122.52, 37.82),
    "the Golden Gate": (-122.52, 37.811, -122.43, 37.825),
    "the bay off San Francisco": (-122.38, 37.70, -122.335, 37.88),
    "the bay off San Mateo": (-122.32, 37.60, -122.19, 37.69),
    "the bay off Fremont": (-122.19, 37.50, -122.12, 37.60),
    "Lake Merritt": (-122.262, 37.801, -122.252, 37.808),
    "San Pablo Bay": (-122.50, 38.01, -122.30, 38.10),
}


def point(location: LoadedLocation) -> tuple[float, float]:
    longitude, latitude = location.location.split(",")
    return float(longitude), float(latitude)


def is_inside(at: tuple[float, float], shape: tuple[tuple[float, float], ...]) -> bool:
    """Whether a ray to the east crosses the shape's border an odd number of times."""
    x, y = at
    crossings = 0
    for (x1, y1), (x2, y2) in pairwise((*shape, shape[0])):
        if (y1 > y) != (y2 > y) and x < x1 + (y - y1) * (x2 - x1) / (y2 - y1):
            crossings += 1
    return crossings % 2 == 1


def ms(check_in: LoadedCheckIn) -> int:
    return parse_entry_id(check_in.id)[0]


def local(time_ms: int) -> datetime:
    return datetime.fromtimestamp(time_ms / 1000, PACIFIC)


def is_open(location: LoadedLocation, at: datetime) -> bool:
    """Whether the hours of that day, or those of the day before that end after midnight, include the time."""
    assert location.details is not None
    hours = [day.hours for day in location.details.hours]
    for day, hour in ((at.weekday(), at.hour), ((at.weekday() - 1) % 7, at.hour + 24)):
        if hours[day] != "Closed":
            opens, closes = map(int, hours[day].split("-"))
            if opens <= hour < (closes if closes > opens else closes + 24):
                return True
    return False


BY_ID = {location.id: location for location in LOCATIONS}
TIMES = [local(ms(check_in)) for check_in in CHECK_INS]


def test_there_are_as_many_as_promised_with_ids_from_one() -> None:
    assert [user.id for user in USERS] == list(range(1, 1001))
    assert [location.id for location in LOCATIONS] == list(range(1, 216))
    assert len(CHECK_INS) == 5000


@pytest.mark.parametrize(
    ("records", "record_type"),
    [(USERS, LoadedUser), (LOCATIONS, LoadedLocation), (CHECK_INS, LoadedCheckIn)],
)
def test_all_records_satisfy_the_models_constraints(records: list[Any], record_type: type) -> None:
    assert msgspec.convert(msgspec.to_builtins(records), list[record_type]) == records  # type: ignore[valid-type]


def test_it_is_the_same_on_every_machine_and_in_every_run() -> None:
    data = msgspec.json.encode((sample.users(), sample.locations(), sample.check_ins()))
    assert hashlib.sha256(data).hexdigest() == DIGEST


def test_it_is_made_in_less_than_a_second() -> None:
    start = time.process_time()
    sample.users(), sample.locations(), sample.check_ins()
    assert time.process_time() - start < 1


def test_draws_are_even_and_weighted_as_asked() -> None:
    draw = Draw(7)
    assert sorted(draw.shuffled(range(50))) == list(range(50))
    weighted = Counter(draw.weighted([1, 1, 4]) for _ in range(4000))
    assert weighted.keys() == {0, 2}
    assert 2800 < weighted[2] < 3200
    dealt = draw.deal("abc")
    assert [sorted(next(dealt) for _ in range(3)) for _ in range(4)] == [["a", "b", "c"]] * 4


# Users


def test_user_180_is_sophia_marshall_with_2331_check_ins() -> None:
    sophia = USERS[179]
    assert (sophia.id, sophia.first_name, sophia.last_name) == (180, "Sophia", "Marshall")
    assert (sophia.email, sophia.num_checkins) == ("sophia.marshall@example.com", 2331)
    assert sophia.last_seen_at != 13  # so that her check-in there is seen to change it


def test_emails_are_unique_plain_ascii_forms_of_the_names() -> None:
    assert len({user.email for user in USERS}) == len(USERS)
    for user in USERS:
        assert re.fullmatch(r"[a-z]+\.[a-z]+([2-9]|[1-9]\d+)?@example\.com", user.email), user
        first, last = ascii_letters(user.first_name), ascii_letters(user.last_name)
        if first and last:  # empty for other scripts, whose names say how they are spelled
            assert re.fullmatch(rf"{first}\.{last}\d*@example\.com", user.email), user


def test_a_number_tells_people_of_the_same_name_apart() -> None:
    numbered = [user for user in USERS if re.search(r"\d@", user.email)]
    assert numbered
    for user in numbered:
        assert any(re.sub(r"\d+@", "@", user.email) == other.email for other in USERS), user


@pytest.mark.parametrize(
    ("name", "letters"),
    [
        ("Nguyễn", "nguyen"),
        ("O'Brien", "obrien"),
        ("Großmann", "grossmann"),
        ("İpek", "ipek"),
        ("Yıldız", "yildiz"),  # noqa: RUF001
        ("Łukasz", "lukasz"),
        ("Đặng", "dang"),
        ("Ødegård", "odegard"),
        ("Hæstad", "haestad"),
        ("van den Berg", "vandenberg"),
    ],
)
def test_a_name_is_spelled_in_ascii(name: str, letters: str) -> None:
    assert ascii_letters(name) == letters


def test_names_come_from_many_languages_and_scripts() -> None:
    names = [f"{user.first_name} {user.last_name}" for user in USERS]
    assert sum(not name.isascii() for name in names) > 300
    scripts = Counter(unicodedata.name(name[0]).split()[0] for name in names)
    assert scripts.keys() == {"LATIN", "CJK", "HIRAGANA", "HANGUL", "CYRILLIC", "GREEK", "DEVANAGARI"}
    assert scripts["LATIN"] > 900
    assert all(unicodedata.is_normalized("NFC", name) for name in names)
    assert len({user.first_name for user in USERS}) > 300
    assert len({user.last_name for user in USERS}) > 300


def test_few_users_check_in_much_and_many_a_little() -> None:
    counts = sorted(user.num_checkins for user in USERS)
    assert counts[0] >= 1
    assert 30 < counts[500] < 120
    assert 5000 < counts[-1] <= 10_000
    assert sum(counts[-100:]) > sum(counts[:-100])


def test_every_user_was_somewhere_open_in_the_three_weeks_before_the_first_check_in() -> None:
    for user in USERS:
        assert user.last_checkin is not None
        assert user.last_seen_at is not None
        assert FIRST_MS - 3 * WEEK_MS - 3_600_000 < user.last_checkin < FIRST_MS
        assert is_open(BY_ID[user.last_seen_at], local(user.last_checkin)), user


def test_every_users_password_is_the_documented_one() -> None:
    assert {user.password for user in USERS} == {"secret"}


# Locations


def test_every_location_is_on_land() -> None:
    for location in LOCATIONS:
        at = point(location)
        assert any(is_inside(at, shape) for shape in (WEST_AND_SOUTH, EAST, ALAMEDA)), location
        for water, (west, south, east, north) in WATER.items():
            assert not (west < at[0] < east and south < at[1] < north), (water, location)


def test_the_shapes_of_the_land_leave_the_water_out() -> None:
    for water, (west, south, east, north) in WATER.items():
        middle = ((west + east) / 2, (south + north) / 2)
        assert water == "Lake Merritt" or not any(is_inside(middle, s) for s in (WEST_AND_SOUTH, EAST, ALAMEDA))
    assert is_inside((-122.4194, 37.7749), WEST_AND_SOUTH)
    assert is_inside((-122.2585, 37.8719), EAST)


def test_points_have_six_decimals_and_are_unique_and_spread_around_the_bay() -> None:
    assert all(re.fullmatch(r"-12[12]\.\d{6},3[78]\.\d{6}", location.location) for location in LOCATIONS)
    assert len({location.location for location in LOCATIONS}) == len(LOCATIONS)
    longitudes, latitudes = zip(*map(point, LOCATIONS), strict=True)
    assert max(longitudes) - min(longitudes) > 0.5
    assert max(latitudes) - min(latitudes) > 0.5


def test_all_categories_are_there_in_a_believable_mix() -> None:
    categories = Counter(location.category for location in LOCATIONS)
    assert categories.keys() == {"retail", "cafe", "restaurant", "bar", "hair", "gym"}
    assert min(categories.values()) >= 15
    assert categories.most_common(1)[0][0] == "restaurant"


def test_names_phones_and_websites_are_unique() -> None:
    details = [location.details for location in LOCATIONS if location.details]
    for values in (
        [location.name for location in LOCATIONS],
        [detail.phone for detail in details],
        [detail.website for detail in details],
    ):
        assert len(set(values)) == 215


def test_every_location_has_full_details() -> None:
    for location in LOCATIONS:
        details = location.details
        assert details is not None
        assert details.id == location.id
        assert [day.day for day in details.hours] == list(range(7))
        assert all(re.fullmatch(r"Closed|\d{1,2}-\d{1,2}", day.hours) for day in details.hours), details
        assert any(day.hours != "Closed" for day in details.hours)
        assert 1 <= len(details.socials) <= 3
        assert len({social.name for social in details.socials}) == len(details.socials)
        assert re.fullmatch(r"https://[a-z-]{1,63}\.example\.com", details.website), details
        assert re.fullmatch(r"[A-Z].{20,150}\.", details.description), details
        # 555-0100 to 555-0199 are given to no one
        assert re.fullmatch(r"\((415|510|650|408|925)\) 555-01\d\d", details.phone), details


def test_locations_have_believable_stars() -> None:
    averages = []
    for location in LOCATIONS:
        assert location.num_checkins > 0
        assert 0 <= location.num_stars <= 5 * location.num_checkins
        averages.append(location.num_stars / location.num_checkins)
    assert sum(2.5 <= average <= 4.8 for average in averages) >= 210
    assert 3.5 < mean(averages) < 4.1


def test_locations_and_users_have_had_as_many_check_ins() -> None:
    assert sum(location.num_checkins for location in LOCATIONS) == sum(user.num_checkins for user in USERS)


# Check-ins


def test_the_first_five_check_ins_are_the_documented_ones() -> None:
    assert [(c.id, c.user_id, c.location_id, c.star_rating) for c in CHECK_INS[:5]] == [
        ("1609602085397-0", 789, 171, 5),
        ("1609603711960-0", 455, 181, 5),
        ("1609604227545-0", 752, 100, 4),
        ("1609604778689-0", 102, 144, 4),
        ("1609605397408-0", 180, 13, 4),
    ]


def test_ids_rise_into_february_2021_and_have_sequence_number_zero() -> None:
    ids = [parse_entry_id(check_in.id) for check_in in CHECK_INS]
    assert all(before < after for before, after in pairwise(ids))
    assert {sequence for _, sequence in ids} == {0}
    last = datetime.fromtimestamp(ids[-1][0] / 1000, UTC)
    assert (last.year, last.month) == (2021, 2)


def test_users_and_locations_of_all_check_ins_exist() -> None:
    assert {check_in.user_id for check_in in CHECK_INS} <= {user.id for user in USERS}
    assert {check_in.location_id for check_in in CHECK_INS} == BY_ID.keys()


def test_every_check_in_is_within_opening_hours() -> None:
    for check_in, at in zip(CHECK_INS, TIMES, strict=True):
        assert is_open(BY_ID[check_in.location_id], at), check_in


def test_nobody_checks_in_twice_within_45_minutes() -> None:
    seen: dict[int, int] = {}
    for check_in in CHECK_INS:
        assert ms(check_in) - seen.get(check_in.user_id, 0) >= 45 * 60_000, check_in
        seen[check_in.user_id] = ms(check_in)


def test_days_have_a_rhythm() -> None:
    hours = Counter(at.hour for at in TIMES)
    evening = sum(hours[hour] for hour in range(17, 21))
    assert sum(hours[hour] for hour in range(2, 6)) < evening / 20
    assert min(hours[12], hours[18]) > 1.2 * max(hours[9], hours[15])
    by_category: dict[str, Counter[int]] = defaultdict(Counter)
    for check_in, at in zip(CHECK_INS, TIMES, strict=True):
        by_category[BY_ID[check_in.location_id].category][at.hour] += 1
    assert by_category["cafe"].most_common(1)[0][0] < 12
    assert by_category["bar"].most_common(1)[0][0] >= 17


def test_weeks_have_a_rhythm_and_no_day_is_empty() -> None:
    days = Counter(at.date() for at in TIMES)
    assert len(days) == (TIMES[-1].date() - TIMES[0].date()).days + 1 >= 31
    assert min(days.values()) > 50
    by_weekday: dict[int, list[int]] = defaultdict(list)
    for day, count in days.items():
        by_weekday[day.weekday()].append(count)
    assert mean(by_weekday[5]) > 1.5 * mean(by_weekday[0])


def test_some_places_and_people_are_seen_much_more_than_others() -> None:
    places = Counter(check_in.location_id for check_in in CHECK_INS)
    assert sum(count for _, count in places.most_common(21)) > 0.25 * len(CHECK_INS)
    assert max(places.values()) < 0.1 * len(CHECK_INS)
    people = Counter(check_in.user_id for check_in in CHECK_INS)
    assert len(people) > 700
    assert sum(count for _, count in people.most_common(100)) > 0.25 * len(CHECK_INS)
    assert max(people.values()) < 0.03 * len(CHECK_INS)


def test_stars_are_good_on_average_and_each_place_keeps_its_quality() -> None:
    assert {check_in.star_rating for check_in in CHECK_INS} == {0, 1, 2, 3, 4, 5}
    assert 3.6 < mean(check_in.star_rating for check_in in CHECK_INS) < 4.0
    stars: dict[int, list[int]] = defaultdict(list)
    for check_in in CHECK_INS:
        stars[check_in.location_id].append(check_in.star_rating)
    for location_id, ratings in stars.items():
        location = BY_ID[location_id]
        if len(ratings) >= 50:
            assert mean(ratings) == pytest.approx(location.num_stars / location.num_checkins, abs=0.5)
