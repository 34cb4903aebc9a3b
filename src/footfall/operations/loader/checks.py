"""What makes a row bad although each field by itself is well formed."""

from collections.abc import Callable, Iterable
from typing import TypeVar

from footfall.domain.entries import parse_entry_id
from footfall.domain.locations import Problem, details_problem, point_problem
from footfall.domain.model import MAX_TIME_MS, LoadedCheckIn, LoadedLocation, LoadedUser
from footfall.domain.passwords import MAX_BYTES, digest_in, is_hash
from footfall.operations.loader.bad_rows import BadRows
from footfall.operations.loader.checkins import CheckIns
from footfall.operations.loader.removed import Removed

#: ms by which the clock of whoever wrote a file may be ahead of the server's
CLOCK_TOLERANCE_MS = 1000

#: times that are neither: as ms they lie in 1970 to 1973, as seconds in 2001 or later
_LIKE_SECONDS = range(10**9, 10**11)
#: how many of a smaller unit make a ms; such times of today are no ms of the next 20,000 years
_SMALLER = {1000: "microseconds", 1_000_000: "nanoseconds"}
#: which stored user has each of these e-mails (in lower case); None for nobody
Owners = Callable[[list[str]], list[bytes | None]]
KeyT = TypeVar("KeyT", int, str)


def check_users(
    rows: Iterable[tuple[str, LoadedUser]], bad: BadRows, *, now_ms: int, owners: Owners, removed: Removed
) -> list[LoadedUser]:
    """The good rows, without those of removed users.

    They are held as objects: about 1 KB per user, with what finds duplicates.

    An e-mail may be one that a stored user has when that user is in the file too, by necessity with another one.
    """
    users: list[LoadedUser] = []
    id_places: dict[int, str] = {}
    email_places: dict[str, str] = {}
    for place, user in rows:
        if removed.skip(user.id):
            continue  # whatever it has: the e-mail is another user's by now, maybe in this file
        email = user.email.lower()
        problem = (
            _user_problem(user, now_ms)
            or _duplicate("id", user.id, id_places)
            or _duplicate("email", email, email_places)
        )
        if problem:
            bad.add(place, *problem)
        else:
            users.append(user)
            id_places[user.id] = email_places[email] = place
    emails = list(email_places)
    for start in range(0, len(emails), 1000):
        part = emails[start : start + 1000]
        for user, email, owner in zip(users[start : start + 1000], part, owners(part), strict=True):
            if owner is None or owner == b"%d" % user.id or (owner.isdigit() and int(owner) in id_places):
                continue
            bad.add(email_places[email], "email", f"user {owner.decode(errors='replace')} on the server has it")
    return users


def check_locations(
    rows: Iterable[tuple[str, LoadedLocation]], bad: BadRows, *, removed: Removed
) -> list[LoadedLocation]:
    """The good rows, without those of removed locations, held as objects: about 1 KB each, 3 KB with details."""
    locations: list[LoadedLocation] = []
    places: dict[int, str] = {}
    for place, location in rows:
        if removed.skip(location.id):
            continue
        problem = _location_problem(location) or _duplicate("id", location.id, places)
        if problem:
            bad.add(place, *problem)
        else:
            locations.append(location)
            places[location.id] = place
    return locations


def check_check_ins(rows: Iterable[tuple[str, LoadedCheckIn]], bad: BadRows, *, now_ms: int) -> CheckIns:
    """The good rows. Users and locations need not exist: process.lua knows what to do then."""
    check_ins = CheckIns()
    latest = min(now_ms, MAX_TIME_MS)
    previous = (0, 0)
    for place, row in rows:
        try:
            entry_id = parse_entry_id(row.id if "-" in row.id else row.id + "-0")
        except ValueError:
            bad.add(place, "id", "must be <ms>-<sequence number> or <ms>")
            continue
        if problem := _time_problem(entry_id[0], latest):
            # in the future: the server gives out rising ids only, it would go on from there, or not at all
            bad.add(place, "id", problem)
        elif entry_id <= previous:
            bad.add(place, "id", f"must be greater than the one before, {previous[0]}-{previous[1]}")
        else:
            check_ins.append(entry_id, row.location_id, row.user_id, row.star_rating)
            previous = entry_id
    return check_ins


def _duplicate(field: str, value: KeyT, places: dict[KeyT, str]) -> Problem:
    first = places.get(value)
    return (field, f"is the same as in {first}") if first else None


def _user_problem(user: LoadedUser, now_ms: int) -> Problem:
    if digest := digest_in(user.password):
        return "password", f"looks like {digest}; taken are only clear text, which the load hashes, and bcrypt hashes"
    if not is_hash(user.password) and len(user.password.encode()) > MAX_BYTES:
        return "password", f"is longer than the {MAX_BYTES} bytes that bcrypt takes"
    if (user.last_checkin is None) != (user.last_seen_at is None):
        missing = "lastCheckin" if user.last_checkin is None else "lastSeenAt"
        return missing, "is missing: lastCheckin and lastSeenAt come together or not at all"
    if user.last_checkin is not None:
        problem = _time_problem(user.last_checkin, min(now_ms + CLOCK_TOLERANCE_MS, MAX_TIME_MS))
        return ("lastCheckin", problem) if problem else None
    return None


def _time_problem(ms: int, latest: int) -> str | None:
    if ms == 0:
        return "must be later than 0 ms"
    if ms in _LIKE_SECONDS:
        return "looks like seconds; milliseconds are wanted"
    if ms <= latest:
        return None
    for factor, unit in _SMALLER.items():
        if _LIKE_SECONDS.start * 1000 <= ms // factor <= latest:
            return f"looks like {unit}; milliseconds are wanted"
    return "lies in the future"


def _location_problem(location: LoadedLocation) -> Problem:
    if location.num_stars > 5 * location.num_checkins:
        return "numStars", "is more than 5 per check-in"
    return point_problem(location.location) or details_problem(location.details, location.id)
