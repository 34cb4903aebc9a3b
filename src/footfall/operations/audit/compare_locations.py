"""Comparing locations with their index entries, and with what they were loaded with and the stream adds."""

from typing import Any

import msgspec

from footfall.domain.baseline import LocationBaseline
from footfall.domain.model import MAX_STARS, average_stars
from footfall.operations.audit.compare import REMOVED, Comparer, number_of
from footfall.operations.audit.record_pages import place_of
from footfall.operations.audit.tally import LocationTally
from footfall.store.calls.audit import Location

#: half a cell of the server's geo index, and a little more for rounding, in degrees
_GEO_TOLERANCE = 3e-6


class LocationComparer(Comparer):
    """Compares locations."""

    def compare(self, location: int, found: Location | str, tally: LocationTally) -> None:
        """Compare a location."""
        keys, key = self._keys, self._keys.location(location)
        place = tally.place(location)
        if isinstance(found, str):
            self.wrong_type(key, location, found, tally)
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
        more = self._surplus_at(location, found, wanted, wanted_stars, (key, "numCheckins", found.num_checkins))
        wanted, wanted_stars = wanted + more.num_checkins, wanted_stars + more.num_stars
        count = self.compare_count(key, "numCheckins", found.num_checkins, wanted, why)
        stars_why = f"{loaded.num_stars} loaded, {stars_added} counted"
        stars = self.compare_count(key, "numStars", found.num_stars, wanted_stars, stars_why)
        tally.mark(place, 0 if count is None else count - loaded.num_checkins)
        if self._against_stream:
            count, stars = wanted, wanted_stars
        if count is not None and stars is not None:
            average = average_stars(stars, count)
            if found.average_stars != b"%d" % average:
                self._differences.add(key, "averageStars", found.average_stars, average, f"{stars} / {count}")
        self.compare_score(keys.locations_by_checkins, location, found.by_checkins, count)
        self._place(key, location, found)
        if found.category is not None:
            category = keys.category(found.category.decode(errors="replace"))
            self.compare_score(category, location, found.category_score, location)

    def _missing_location(self, location: int, found: Location, wanted: int | None, why: str, added: int) -> None:
        keys = self._keys
        if found.baseline is not None or added:
            self.reported.add(location)
            expected = "a location" if wanted is None else f"a location with numCheckins {wanted}"
            why = why if wanted is not None else ""
            self._differences.add(keys.location(location), None, None, expected, why, is_count=True)
            return
        self.compare_score(keys.locations_by_checkins, location, found.by_checkins, None)
        if found.longitude is not None:
            self._differences.add(keys.locations_geo, location, "there", None)
        if found.details_type != b"none":
            self._differences.add(keys.location_details(location), None, "there", None, "there is no such location")

    def _removed_location(self, location: int, found: Location, tally: LocationTally) -> None:
        """Nothing may be left but what is remembered: the check-ins and stars that were counted."""
        keys, removed = self._keys, self._keys.locations_removed
        counted = self.compare_removed(removed, location, found, tally)
        place = tally.place(location)
        stars = tally.stars[place]
        if isinstance(counted, LocationBaseline) and self._against_stream:
            more = self.surplus_of(b"%d" % counted.num_checkins, tally.counts[place])
            if more and 0 <= counted.num_stars - stars <= MAX_STARS * more:
                difference = (removed, location, f"numCheckins {counted.num_checkins}", tally.counts[place], REMOVED)
                self._surplus.location(location, LocationBaseline(more, counted.num_stars - stars), difference)
            elif counted.num_stars != stars:
                self._differences.add(removed, location, f"numStars {counted.num_stars}", stars, REMOVED, is_count=True)
        if found.id is not None or found.num_checkins is not None:
            self._differences.add(keys.location(location), None, "there", None, "it was removed")
        self.require_no_baseline(keys.locations_baseline, location, found)
        self.compare_score(keys.locations_by_checkins, location, found.by_checkins, None)
        if found.longitude is not None and keys.locations_geo not in self._unreadable:
            self._differences.add(keys.locations_geo, location, "there", None)
        if found.details_type != b"none":
            self._differences.add(keys.location_details(location), None, "there", None, "the location was removed")

    def _place(self, key: bytes, location: int, found: Location) -> None:
        geo = self._keys.locations_geo
        if geo in self._unreadable:
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

    def _surplus_at(
        self, location: int, found: Location, wanted: int, stars: int, what: tuple[Any, ...]
    ) -> LocationBaseline:
        """What a location has beyond the stream, as `surplus_of`; it goes to the surplus."""
        more = self.surplus_of(found.num_checkins, wanted, found.by_checkins, self._keys.locations_by_checkins)
        if not more:
            return LocationBaseline()
        more_stars = (number_of(found.num_stars) or 0) - stars
        counted = LocationBaseline(more, more_stars if 0 <= more_stars <= MAX_STARS * more else 0)
        self._surplus.location(location, counted, (*what, wanted, "as loaded and counted"))
        return counted
