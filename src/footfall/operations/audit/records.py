"""Records of users and locations with their index entries, as one page of them is read."""

from footfall.operations.audit.look import Look
from footfall.store.calls import audit
from footfall.store.calls.audit import Head, Location, User


def read_users(look: Look, ids: list[int]) -> tuple[Head, list[User | str]]:
    """These users; the type of a key that is no hash instead."""
    while True:
        emails = [lower(email) for (email,) in look.fields([look.keys.user(user) for user in ids], "email")]
        head, users = look.read(audit.read_users(look.keys, ids, emails))
        if emails == [lower(user.email) if isinstance(user, User) else b"" for user in users]:
            return head, users


def read_locations(look: Look, ids: list[int]) -> tuple[Head, list[Location | str]]:
    """These locations; the type of a key that is no hash instead."""
    hashes = [look.keys.location(location) for location in ids]
    while True:
        categories = [category for (category,) in look.fields(hashes, "category")]
        head, locations = look.read(audit.read_locations(look.keys, ids, categories))
        if categories == [one.category or b"" if isinstance(one, Location) else b"" for one in locations]:
            return head, locations


def lower(email: bytes | None) -> bytes:
    """An e-mail as the index has it; Lua's lower case is ASCII's."""
    return (email or b"").decode(errors="replace").lower().encode()
