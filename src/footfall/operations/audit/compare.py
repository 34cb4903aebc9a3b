"""Comparing records with their index entries, and with what they were loaded with and the stream adds."""

import re
from typing import Any

import msgspec

from footfall.domain.baseline import LocationBaseline, UserBaseline
from footfall.domain.model import MAX_LATITUDE, MAX_LONGITUDE, MAX_STARS, average_stars
from footfall.operations.audit.differences import Differences
from footfall.operations.audit.gone import Surplus
from footfall.operations.audit.look import Look
from footfall.operations.audit.records import lower
from footfall.operations.audit.tally import LAST_SEQUENCE, LocationTally, Tally, UserTally
from footfall.store.calls.audit import Location, User

#: half a cell of the server's geo index, and a little more for rounding, in degrees
_GEO_TOLERANCE = 3e-6
_REMOVED = "counted before it was removed"
_number = re.compile(rb"0|[1-9][0-9]{0,15}").fullmatch


class Comparer:
    """Compares pages, and notes what differs.

    `surplus` gets what a record has beyond the stream, as long as it takes it.

    `against_stream`: counters must be what was loaded and what the tallies have; otherwise they need only be numbers.
    `has_origin`: records that were loaded have a baseline. Both are so unless the stream was taken over.
    """

    def __init__(
        self, look: Look, differences: Differences, surplus: Surplus, *, against_stream: bool, has_origin: bool
    ) -> None:
        self._keys = look.keys
        self._differences = differences
        self._surplus = surplus
        self._against_stream = against_stream
        self._has_origin = has_origin
        #: indexes of another type, which were noted; nothing can be said of their members
        self.unreadable: set[bytes] = set()
        #: e-mails that were noted as somebody else's
        self.wrong_emails: set[bytes] = set()
        #: records that were noted, so that it is no news when index entries do not follow from them
        self.noted_users: set[int] = set()
        self.noted_locations: set[int] = set()

    # --- users

    def user(self, user: int, found: User | str, tally: UserTally) -> None:
        """Compare a user."""
        keys, key = self._keys, self._keys.user(user)
        place = tally.place(user)
        if isinstance(found, str):
            self._differences.add(key, None, f"a {found}", "a hash", is_count=True)
            self.noted_users.add(user)
            tally.mark(place, 0)
            return
        if found.removed is not None:
            self._removed_user(user, found, tally)
            return
        try:
            loaded = found.loaded()
        except msgspec.DecodeError:
            self._differences.add(keys.users_baseline, user, found.baseline, "JSON of counters", is_count=True)
            tally.mark(place, 0)
            return
        added = tally.counts[place] if self._against_stream else 0
        wanted = loaded.num_checkins + added
        why = f"{loaded.num_checkins} loaded, {added} counted"
        if found.id is None and found.num_checkins is None:
            self._missing_user(user, found, wanted if self._against_stream else None, why, added)
            tally.mark(place, 0)
            return
        if found.id != b"%d" % user:
            self._differences.add(key, "id", found.id, user)
        if found.email is not None and found.baseline is None and self._has_origin:
            self._differences.add(keys.users_baseline, user, None, "JSON of counters", is_count=True)
        more = self._more(found.num_checkins, wanted, found.by_checkins, keys.users_by_checkins)
        difference = (key, "numCheckins", found.num_checkins, wanted, why)
        wanted += more
        count = self._count(key, "numCheckins", found.num_checkins, wanted, why)
        tally.mark(place, 0 if count is None else count - loaded.num_checkins)
        self._score(keys.users_by_checkins, user, found.by_checkins, wanted if self._against_stream else count)
        at, seen_at = self._last(user, place, found, loaded, tally, more, difference)
        self._score(keys.users_recent, user, found.recent, at)
        if user not in self.noted_users and at is not None and seen_at is not None:
            self._score(keys.users_last_seen, b"%016d:%013d:%d" % (seen_at, at, user), found.last_seen, 0)
        if found.email and keys.users_email not in self.unreadable and found.email_owner != b"%d" % user:
            self.wrong_emails.add(lower(found.email))
            self._differences.add(keys.users_email, lower(found.email), found.email_owner, user)

    def _missing_user(self, user: int, found: User, wanted: int | None, why: str, added: int) -> None:
        keys = self._keys
        if found.baseline is not None or added:
            self.noted_users.add(user)
            expected = "a user" if wanted is None else f"a user with numCheckins {wanted}"
            self._differences.add(
                keys.user(user), None, None, expected, why if wanted is not None else "", is_count=True
            )
            return
        for index, score in ((keys.users_by_checkins, found.by_checkins), (keys.users_recent, found.recent)):
            self._score(index, user, score, None)

    def _removed_user(self, user: int, found: User, tally: UserTally) -> None:
        """Nothing may be left but what is remembered: the check-ins that were counted."""
        keys = self._keys
        self._ledger(keys.users_removed, user, found, tally)
        if found.id is not None or found.num_checkins is not None:
            self._differences.add(keys.user(user), None, "there", None, "it was removed")
        self._no_baseline(keys.users_baseline, user, found)
        for index, score in ((keys.users_by_checkins, found.by_checkins), (keys.users_recent, found.recent)):
            self._score(index, user, score, None)

    def _last(
        self,
        user: int,
        place: int,
        found: User,
        loaded: UserBaseline,
        tally: UserTally,
        more: int,
        difference: tuple[Any, ...],
    ) -> tuple[int | None, int | None]:
        """Compare the last check-in; its time and location as they must be. `more`: check-ins beyond the stream."""
        key = self._keys.user(user)
        at, location, why = loaded.last_checkin, loaded.last_seen_at, "as loaded"
        if not self._against_stream:
            # they come together, and are numbers
            at, location, why = _number_of(found.last_checkin), _number_of(found.last_seen_at), "of both or none"
        elif tally.counts[place] and (at is None or tally.ms[place] >= at):
            at, location = tally.ms[place], tally.locations[place]
            is_gone = tally.sequences[place] == LAST_SEQUENCE
            why = "by an entry that is gone" if is_gone else f"by entry {at}-{tally.sequences[place]}"
        if more:
            there, seen_there = _number_of(found.last_checkin), _number_of(found.last_seen_at)
            is_later = there is not None and seen_there is not None and (there, seen_there) != (at, location)
            if is_later and (at is None or (there or 0) >= at):
                at, location = there, seen_there
                counted = UserBaseline(more, there, seen_there)
            else:
                counted = UserBaseline(more)
            self._surplus.user(user, counted, difference)
        for name, value, wanted in (
            ("lastCheckin", found.last_checkin, at),
            ("lastSeenAt", found.last_seen_at, location),
        ):
            if value != (None if wanted is None else b"%d" % wanted):
                self._differences.add(key, name, value, wanted, why)
                self.noted_users.add(user)
        if (at is None) != (location is None) and user not in self.noted_users:
            missing = "lastCheckin" if at is None else "lastSeenAt"
            self._differences.add(key, missing, None, "a number", why)
            self.noted_users.add(user)
        return at, location

    # --- locations

    def location(self, location: int, found: Location | str, tally: LocationTally) -> None:
        """Compare a location."""
        keys, key = self._keys, self._keys.location(location)
        place = tally.place(location)
        if isinstance(found, str):
            self._differences.add(key, None, f"a {found}", "a hash", is_count=True)
            self.noted_locations.add(location)
            tally.mark(place, 0)
            return
        if found.removed is not None:
            self._removed_location(location, found, tally)
            return
        try:
            loaded = found.loaded()
        except msgspec.DecodeError:
            self._differences.add(keys.locations_baseline, location, found.baseline, "JSON of counters", is_count=True)
            tally.mark(place, 0)
            return
        details = found.details_type.decode()
        if details not in ("none", "string"):
            self._differences.add(keys.location_details(location), None, f"a {details}", "a string")
        added, stars_added = (tally.counts[place], tally.stars[place]) if self._against_stream else (0, 0)
        why = f"{loaded.num_checkins} loaded, {added} counted"
        wanted = loaded.num_checkins + added
        if found.id is None and found.num_checkins is None:
            self._missing_location(location, found, wanted if self._against_stream else None, why, added)
            tally.mark(place, 0)
            return
        if found.id != b"%d" % location:
            self._differences.add(key, "id", found.id, location)
        if found.name is not None and found.baseline is None and self._has_origin:
            self._differences.add(keys.locations_baseline, location, None, "JSON of counters", is_count=True)
        wanted_stars = loaded.num_stars + stars_added
        more = self._more_at(location, found, wanted, wanted_stars, (key, "numCheckins", found.num_checkins))
        wanted, wanted_stars = wanted + more.num_checkins, wanted_stars + more.num_stars
        count = self._count(key, "numCheckins", found.num_checkins, wanted, why)
        stars_why = f"{loaded.num_stars} loaded, {stars_added} counted"
        stars = self._count(key, "numStars", found.num_stars, wanted_stars, stars_why)
        tally.mark(place, 0 if count is None else count - loaded.num_checkins)
        if self._against_stream:
            count, stars = wanted, wanted_stars
        if count is not None and stars is not None:
            average = average_stars(stars, count)
            if found.average_stars != b"%d" % average:
                self._differences.add(key, "averageStars", found.average_stars, average, f"{stars} / {count}")
        self._score(keys.locations_by_checkins, location, found.by_checkins, count)
        self._place(key, location, found)
        if found.category is not None:
            category = keys.category(found.category.decode(errors="replace"))
            self._score(category, location, found.category_score, location)

    def _missing_location(self, location: int, found: Location, wanted: int | None, why: str, added: int) -> None:
        keys = self._keys
        if found.baseline is not None or added:
            self.noted_locations.add(location)
            expected = "a location" if wanted is None else f"a location with numCheckins {wanted}"
            why = why if wanted is not None else ""
            self._differences.add(keys.location(location), None, None, expected, why, is_count=True)
            return
        self._score(keys.locations_by_checkins, location, found.by_checkins, None)
        if found.longitude is not None:
            self._differences.add(keys.locations_geo, location, "there", None)
        if found.details_type != b"none":
            self._differences.add(keys.location_details(location), None, "there", None, "there is no such location")

    def _removed_location(self, location: int, found: Location, tally: LocationTally) -> None:
        """Nothing may be left but what is remembered: the check-ins and stars that were counted."""
        keys, removed = self._keys, self._keys.locations_removed
        counted = self._ledger(removed, location, found, tally)
        place = tally.place(location)
        stars = tally.stars[place]
        if isinstance(counted, LocationBaseline) and self._against_stream:
            more = self._more(b"%d" % counted.num_checkins, tally.counts[place])
            if more and 0 <= counted.num_stars - stars <= MAX_STARS * more:
                difference = (removed, location, f"numCheckins {counted.num_checkins}", tally.counts[place], _REMOVED)
                self._surplus.location(location, LocationBaseline(more, counted.num_stars - stars), difference)
            elif counted.num_stars != stars:
                self._differences.add(
                    removed, location, f"numStars {counted.num_stars}", stars, _REMOVED, is_count=True
                )
        if found.id is not None or found.num_checkins is not None:
            self._differences.add(keys.location(location), None, "there", None, "it was removed")
        self._no_baseline(keys.locations_baseline, location, found)
        self._score(keys.locations_by_checkins, location, found.by_checkins, None)
        if found.longitude is not None and keys.locations_geo not in self.unreadable:
            self._differences.add(keys.locations_geo, location, "there", None)
        if found.details_type != b"none":
            self._differences.add(keys.location_details(location), None, "there", None, "the location was removed")

    def _place(self, key: bytes, location: int, found: Location) -> None:
        geo = self._keys.locations_geo
        if geo in self.unreadable:
            return
        if found.location is None:
            if found.longitude is not None:
                self._differences.add(geo, location, "there", None)
            return
        wanted = place_of(found.location)
        if wanted is None:
            self._differences.add(key, "location", found.location, "longitude,latitude")
        elif found.longitude is None or found.latitude is None:
            self._differences.add(geo, location, None, found.location)
        else:
            there = float(found.longitude), float(found.latitude)
            if max(abs(a - b) for a, b in zip(there, wanted, strict=True)) > _GEO_TOLERANCE:
                self._differences.add(geo, location, f"{there[0]:.6f},{there[1]:.6f}", found.location)

    # --- both

    def _ledger(
        self, removed: bytes, record: int, found: User | Location, tally: Tally
    ) -> UserBaseline | LocationBaseline | None:
        """Compare the check-ins that are remembered of a removed record; None when they cannot be read."""
        place = tally.place(record)
        try:
            counted = found.counted()
        except msgspec.DecodeError:
            self._differences.add(removed, record, found.removed, "JSON of counters", is_count=True)
            tally.mark(place, 0)
            return None
        tally.mark(place, counted.num_checkins)
        wanted = tally.counts[place]
        more = self._more(b"%d" % counted.num_checkins, wanted)
        if more and isinstance(counted, UserBaseline):
            difference = (removed, record, f"numCheckins {counted.num_checkins}", wanted, _REMOVED)
            self._surplus.user(record, UserBaseline(more), difference)
        if self._against_stream and counted.num_checkins != wanted + more:
            self._differences.add(
                removed, record, f"numCheckins {counted.num_checkins}", wanted, _REMOVED, is_count=True
            )
        return counted

    def _no_baseline(self, baselines: bytes, record: int, found: User | Location) -> None:
        if found.baseline is not None:
            self._differences.add(baselines, record, found.baseline, None, "it was removed")

    def _more(self, found: bytes | None, wanted: int, score: bytes | None = None, index: bytes | None = None) -> int:
        """How many check-ins a record has beyond the stream, when entries that are gone may explain that.

        They were in its index, too.
        """
        if not (self._against_stream and self._surplus.is_possible):
            return 0
        count = _number_of(found) or 0
        if index is not None and index not in self.unreadable and (score is None or float(score) != count):
            return 0
        return max(0, count - wanted)

    def _more_at(
        self, location: int, found: Location, wanted: int, stars: int, what: tuple[Any, ...]
    ) -> LocationBaseline:
        """What a location has beyond the stream, as `_more`; it is noted."""
        more = self._more(found.num_checkins, wanted, found.by_checkins, self._keys.locations_by_checkins)
        if not more:
            return LocationBaseline()
        more_stars = (_number_of(found.num_stars) or 0) - stars
        counted = LocationBaseline(more, more_stars if 0 <= more_stars <= MAX_STARS * more else 0)
        self._surplus.location(location, counted, (*what, wanted, "as loaded and counted"))
        return counted

    def _count(self, key: bytes, name: str, found: bytes | None, wanted: int, why: str) -> int | None:
        """The counter, or None when it is none."""
        count = _number_of(found)
        if self._against_stream:
            if count != wanted:
                self._differences.add(key, name, found, wanted, why, is_count=True)
        elif count is None and (found is not None or self._has_origin):
            self._differences.add(key, name, found, "a number", is_count=True)
        return count

    def _score(self, index: bytes, member: object, found: bytes | None, wanted: int | None) -> None:
        if index in self.unreadable or (None if found is None else float(found)) == wanted:
            return
        shown = None if found is None else f"{float(found):.17g}"
        self._differences.add(index, member, shown, wanted)


def place_of(location: bytes) -> tuple[float, float] | None:
    """Longitude and latitude in a location's field; None when it does not hold a place."""
    try:
        longitude, latitude = map(float, location.split(b","))
    except ValueError:
        return None
    return (longitude, latitude) if abs(longitude) <= MAX_LONGITUDE and abs(latitude) <= MAX_LATITUDE else None


def _number_of(text: bytes | None) -> int | None:
    return int(text) if text is not None and _number(text) else None
