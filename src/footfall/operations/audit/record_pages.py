"""Pages of records: users and locations, each with its index entries, as they are read at once."""

from footfall.domain.model import MAX_LATITUDE, MAX_LONGITUDE
from footfall.operations.audit.reader import SnapshotReader
from footfall.store.calls import audit
from footfall.store.calls.audit import Location, Snapshot, User

_CHANGING = "records are changed faster than they can be read; run it again"


def read_users(reader: SnapshotReader, ids: list[int]) -> tuple[Snapshot, list[User | str]]:
    """These users; the type of a key that is no hash instead."""
    while True:
        emails = [lower(email) for (email,) in reader.fields([reader.keys.user(user) for user in ids], "email")]
        snapshot, users = reader.read(audit.read_users(reader.keys, ids, emails))
        if emails == [lower(user.email) if isinstance(user, User) else b"" for user in users]:
            return snapshot, users
        reader.retries.again(_CHANGING)


def read_locations(reader: SnapshotReader, ids: list[int]) -> tuple[Snapshot, list[Location | str]]:
    """These locations; the type of a key that is no hash instead."""
    hashes = [reader.keys.location(location) for location in ids]
    while True:
        categories = [category for (category,) in reader.fields(hashes, "category")]
        snapshot, locations = reader.read(audit.read_locations(reader.keys, ids, categories))
        if categories == [one.category or b"" if isinstance(one, Location) else b"" for one in locations]:
            return snapshot, locations
        reader.retries.again(_CHANGING)


def lower(email: bytes | None) -> bytes:
    """An e-mail as the index has it; Lua's lower case is ASCII's."""
    return (email or b"").decode(errors="replace").lower().encode()


def place_of(location: bytes) -> tuple[float, float] | None:
    """Longitude and latitude in a location's field; None when it does not hold a place."""
    try:
        longitude, latitude = map(float, location.split(b","))
    except ValueError:
        return None
    return (longitude, latitude) if abs(longitude) <= MAX_LONGITUDE and abs(latitude) <= MAX_LATITUDE else None
