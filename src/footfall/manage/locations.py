"""Locations: added, changed, removed."""

import msgspec
from msgspec import UNSET

from footfall.errors import InvalidError
from footfall.kept import period_keys
from footfall.keys import Keys
from footfall.loader.checks import details_problem, point_problem
from footfall.manage.documents import LocationChange
from footfall.manage.outcomes import TRIES, called, changed, is_done, too_busy
from footfall.model import LocationDetails, NewLocation, indexed_place
from footfall.store.pipeline import Argument, Pipeline
from footfall.store.scripts import ADD_LOCATION, CHANGE_LOCATION, REMOVE_LOCATION


class Locations:
    """Changes locations on one server. Raises LoadingError, BrokenKeyError and UnavailableError as Users."""

    def __init__(self, pipeline: Pipeline, keys: Keys) -> None:
        self._pipeline, self._keys = pipeline, keys

    async def add(self, location: NewLocation) -> None:
        """Add a location; one that so far only check-ins name keeps its counters.

        Raises InvalidError; ConflictError when there is one, or when the id was removed.
        """
        keys = self._keys
        _require_sound(location.id, location.location, location.details)
        script_keys = [
            *(keys.meta, keys.locations_by_checkins, keys.locations_geo, keys.locations_baseline),
            *(keys.locations_removed, keys.location(location.id), keys.location_details(location.id)),
            keys.category(location.category),
        ]
        arguments: list[Argument] = [location.id, location.name, location.category, location.location]
        arguments += indexed_place(*map(float, location.location.split(",")))
        arguments.append(msgspec.json.encode(location.details) if location.details else b"")
        is_done(await changed(self._pipeline, ADD_LOCATION, script_keys, arguments), "location")

    async def change(self, location_id: int, change: LocationChange) -> None:
        """Change what `change` has; details as a whole, and None removes them.

        Raises InvalidError; NotFoundError; ConflictError when nobody has added the location yet.
        """
        keys = self._keys
        place = None if change.location is UNSET else change.location
        details = change.details or None
        _require_sound(location_id, place, details)
        fields: dict[str, Argument] = msgspec.to_builtins(change)  # those that are there
        fields.pop("details", None)
        longitude, latitude = indexed_place(*map(float, place.split(","))) if place else ("", "")
        word = "keep" if change.details is UNSET else "set" if details else "remove"
        for _ in range(TRIES):
            stored, old_category = await self._category(location_id)
            category = old_category if change.category is UNSET else keys.category(change.category)
            script_keys = [
                *(keys.meta, keys.locations_geo, keys.location(location_id), keys.location_details(location_id)),
                *(old_category, category),
            ]
            arguments: list[Argument] = [location_id, stored, longitude, latitude, word]
            arguments += [msgspec.json.encode(details) if details else b""]
            arguments += [value for field in fields.items() for value in field]
            if is_done(await changed(self._pipeline, CHANGE_LOCATION, script_keys, arguments), "location"):
                return
        raise too_busy()

    async def remove(self, location_id: int) -> int:
        """Remove a location for good; how many check-ins had been counted beyond what was loaded.

        Raises NotFoundError.
        """
        keys = self._keys
        seconds, _ = await self._pipeline.call("TIME")
        periods = period_keys(keys, 1000 * int(seconds))
        for _ in range(TRIES):
            stored, category = await self._category(location_id)
            script_keys = [
                *(keys.meta, keys.locations_by_checkins, keys.locations_geo, keys.locations_baseline),
                *(keys.locations_removed, category, keys.location(location_id), keys.location_details(location_id)),
                *(keys.location_history(location_id), keys.location_now(location_id)),
                *(keys.trending_state, *keys.trending_orders, *periods),
            ]
            reply = await changed(self._pipeline, REMOVE_LOCATION, script_keys, [location_id, stored])
            if is_done(reply, "location"):
                return int(reply[1])
        raise too_busy()

    async def _category(self, location_id: int) -> tuple[bytes, bytes]:
        """The location's category and its key: the scripts take the geo key for none."""
        keys = self._keys
        stored = await called(self._pipeline, "HGET", keys.location(location_id), "category") or b""
        return stored, keys.category(stored.decode(errors="replace")) if stored else keys.locations_geo


def _require_sound(location_id: int, place: str | None, details: LocationDetails | None) -> None:
    """Raise InvalidError when what is well formed is no place on the map, or no details of this location."""
    problems = [point_problem(place) if place is not None else None, details_problem(details, location_id)]
    if errors := [problem for problem in problems if problem]:
        raise InvalidError(errors)
