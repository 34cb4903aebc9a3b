"""Records of users and locations with their index entries, as one page of them is read."""

import msgspec

from footfall.audit.look import Head, Look
from footfall.loader.records import LocationBaseline, UserBaseline
from footfall.store.scripts import READ_LOCATIONS, READ_USERS

_user_baseline = msgspec.json.Decoder(UserBaseline)
_location_baseline = msgspec.json.Decoder(LocationBaseline)


class User(msgspec.Struct, array_like=True):
    """A user's record, and what the indexes have of it."""

    id: bytes | None
    email: bytes | None
    num_checkins: bytes | None
    last_checkin: bytes | None
    last_seen_at: bytes | None
    by_checkins: bytes | None
    recent: bytes | None
    last_seen: bytes | None
    email_owner: bytes | None
    baseline: bytes | None
    removed: bytes | None

    def loaded(self) -> UserBaseline:
        """What it was loaded with. Raises msgspec.DecodeError."""
        return UserBaseline() if self.baseline is None else _user_baseline.decode(self.baseline)

    def counted(self) -> UserBaseline:
        """What had been counted for it when it was removed. Raises msgspec.DecodeError."""
        return _user_baseline.decode(self.removed or b"")


class Location(msgspec.Struct, array_like=True):
    """A location's record, and what the indexes have of it."""

    id: bytes | None
    name: bytes | None
    category: bytes | None
    location: bytes | None
    num_checkins: bytes | None
    num_stars: bytes | None
    average_stars: bytes | None
    by_checkins: bytes | None
    longitude: bytes | None
    latitude: bytes | None
    category_score: bytes | None
    details_type: bytes
    baseline: bytes | None
    removed: bytes | None

    def loaded(self) -> LocationBaseline:
        """What it was loaded with. Raises msgspec.DecodeError."""
        return LocationBaseline() if self.baseline is None else _location_baseline.decode(self.baseline)

    def counted(self) -> LocationBaseline:
        """What had been counted for it when it was removed. Raises msgspec.DecodeError."""
        return _location_baseline.decode(self.removed or b"")


def read_users(look: Look, ids: list[int]) -> tuple[Head, list[User | str]]:
    """These users; the type of a key that is no hash instead."""
    keys = look.keys
    indexes = [
        keys.users_by_checkins,
        keys.users_recent,
        keys.users_last_seen,
        keys.users_email,
        keys.users_baseline,
        keys.users_removed,
    ]
    hashes = [keys.user(user) for user in ids]
    while True:
        emails = [lower(email) for (email,) in look.fields(hashes, "email")]
        arguments = [value for pair in zip(ids, emails, strict=True) for value in pair]
        head, reply = look.script(READ_USERS, indexes + hashes, arguments)
        users = [User(*row) if isinstance(row, list) else row.decode() for row in reply]
        read = [lower(user.email) if isinstance(user, User) else b"" for user in users]
        if read == emails:
            return head, users


def read_locations(look: Look, ids: list[int]) -> tuple[Head, list[Location | str]]:
    """These locations; the type of a key that is no hash instead."""
    keys = look.keys
    indexes = [keys.locations_by_checkins, keys.locations_geo, keys.locations_baseline, keys.locations_removed]
    hashes = [keys.location(location) for location in ids]
    while True:
        categories = [category for (category,) in look.fields(hashes, "category")]
        page = [
            key
            for location, own, category in zip(ids, hashes, categories, strict=True)
            for key in (own, keys.location_details(location), category_key(look, category))
        ]
        head, reply = look.script(READ_LOCATIONS, indexes + page, ids)
        locations = [Location(*row) if isinstance(row, list) else row.decode() for row in reply]
        read = [one.category or b"" if isinstance(one, Location) else b"" for one in locations]
        if read == categories:
            return head, locations


def lower(email: bytes | None) -> bytes:
    """An e-mail as the index has it; Lua's lower case is ASCII's."""
    return (email or b"").decode(errors="replace").lower().encode()


def category_key(look: Look, category: bytes) -> bytes:
    """The key of a category, and the scripts' sign for none."""
    return look.keys.category(category.decode(errors="replace")) if category else look.keys.locations_geo
