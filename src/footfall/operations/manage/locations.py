"""Locations: added, changed, removed."""

import msgspec
from msgspec import UNSET

from footfall.domain.documents import LocationChange
from footfall.domain.locations import details_problem, point_problem
from footfall.domain.model import LocationDetails, NewLocation, indexed_place
from footfall.errors import InvalidError
from footfall.keys import Keys
from footfall.operations.manage.outcomes import TRIES, called, changed, too_busy
from footfall.store.calls.manage import add_location, change_location, remove_location
from footfall.store.pipeline import Argument, Pipeline


class Locations:
    """Changes locations on one server. Raises LoadingError, BrokenKeyError and UnavailableError as Users."""

    def __init__(self, pipeline: Pipeline, keys: Keys) -> None:
        self._pipeline, self._keys = pipeline, keys

    async def add(self, location: NewLocation) -> None:
        """Add a location; one that so far only check-ins name keeps its counters.

        Raises InvalidError; ConflictError when there is one, or when the id was removed.
        """
        _require_sound(location.id, location.location, location.details)
        call = add_location(
            self._keys,
            location.id,
            name=location.name,
            category=location.category,
            location=location.location,
            place=_indexed(location.location),
            details=msgspec.json.encode(location.details) if location.details else b"",
        )
        await changed(self._pipeline, call)

    async def change(self, location_id: int, change: LocationChange) -> None:
        """Change what `change` has; details as a whole, and None removes them.

        Raises InvalidError; NotFoundError; ConflictError when nobody has added the location yet.
        """
        place = None if change.location is UNSET else change.location
        details = change.details or None
        _require_sound(location_id, place, details)
        fields: dict[str, Argument] = msgspec.to_builtins(change)  # those that are there
        fields.pop("details", None)
        for _ in range(TRIES):
            call = change_location(
                self._keys,
                location_id,
                fields,
                stored_category=await self._category(location_id),
                new_category=None if change.category is UNSET else change.category,
                place=_indexed(place) if place else None,
                details="keep" if change.details is UNSET else msgspec.json.encode(details) if details else "remove",
            )
            if await changed(self._pipeline, call):
                return
        raise too_busy()

    async def remove(self, location_id: int) -> int:
        """Remove a location for good; how many check-ins had been counted beyond what was loaded.

        Raises NotFoundError.
        """
        seconds, _ = await self._pipeline.call("TIME")
        for _ in range(TRIES):
            stored = await self._category(location_id)
            call = remove_location(self._keys, location_id, stored_category=stored, now_ms=1000 * int(seconds))
            counted = await changed(self._pipeline, call)
            if counted is not None:
                return counted
        raise too_busy()

    async def _category(self, location_id: int) -> bytes:
        """The location's category; empty when there is none."""
        return await called(self._pipeline, "HGET", self._keys.location(location_id), "category") or b""


def _indexed(place: str) -> tuple[float, float]:
    """Longitude and latitude as the index takes them."""
    return indexed_place(*map(float, place.split(",")))


def _require_sound(location_id: int, place: str | None, details: LocationDetails | None) -> None:
    """Raise InvalidError when what is well formed is no place on the map, or no details of this location."""
    problems = [point_problem(place) if place is not None else None, details_problem(details, location_id)]
    if errors := [problem for problem in problems if problem]:
        raise InvalidError(errors)
