"""What makes a location bad although each field by itself is well formed."""

from footfall.domain.model import MAX_LATITUDE, MAX_LONGITUDE, LocationDetails

#: field and reason; None when nothing is wrong
Problem = tuple[str, str] | None

#: degrees
_POLE = 90


def point_problem(point: str) -> Problem:
    """What is wrong with a well-formed "lng,lat": (field, reason)."""
    longitude, latitude = map(float, point.split(","))
    if abs(longitude) <= _POLE < abs(latitude) <= MAX_LONGITUDE:
        return "location", "latitude and longitude look swapped: the longitude comes first"
    if abs(longitude) > MAX_LONGITUDE:
        return "location", f"the longitude must be between -{MAX_LONGITUDE:g} and {MAX_LONGITUDE:g}"
    if abs(latitude) > MAX_LATITUDE:
        return "location", f"the latitude must be between -{MAX_LATITUDE:.8f} and {MAX_LATITUDE:.8f}"
    return None


def details_problem(details: LocationDetails | None, location_id: int) -> Problem:
    """What is wrong with well-formed details of this location: (field, reason)."""
    if details is None:
        return None
    if details.id != location_id:
        return "details", f"id must be the location's, {location_id}"
    if sorted(day.day for day in details.hours) != list(range(7)):
        return "details", "hours must have each day from 0 to 6 once"
    return None
