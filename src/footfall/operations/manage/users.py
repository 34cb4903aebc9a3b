"""Users: added, changed, removed."""

import asyncio

import msgspec
from msgspec import UNSET

from footfall.domain.documents import UserChange
from footfall.domain.model import NewUser
from footfall.keys import Keys
from footfall.operations.manage.hash_passwords import PasswordHasher
from footfall.operations.manage.outcomes import TRIES, called, changed, too_busy
from footfall.store.calls.manage import add_user, change_user, remove_user
from footfall.store.pipeline import Argument, Pipeline


class Users:
    """Changes users on one server.

    All methods raise LoadingError while data is being loaded, BrokenKeyError when a key is not what it must be,
    UnavailableError when the server does not answer; nothing was changed then, unless the connection was lost
    (ConnectionLostError): then it is not known.
    """

    def __init__(self, pipeline: Pipeline, keys: Keys, hasher: PasswordHasher) -> None:
        self._pipeline, self._keys, self._hasher = pipeline, keys, hasher

    async def add(self, user: NewUser) -> None:
        """Add a user; one whom so far only check-ins name keeps its counters.

        Raises ConflictError when there is one, when the id was removed, or when another user has the e-mail;
        InvalidError for a password that cannot be hashed.
        """
        password = await self._hasher.hash(user.password)
        names = {"first_name": user.first_name, "last_name": user.last_name}
        await changed(self._pipeline, add_user(self._keys, user.id, **names, email=user.email, password=password))

    async def change(self, user_id: int, change: UserChange) -> None:
        """Change what `change` has; a new password ends the user's sessions.

        Raises NotFoundError; ConflictError when nobody has added the user yet, or when another one has the e-mail;
        InvalidError for a password that cannot be hashed.
        """
        fields: dict[str, Argument] = msgspec.to_builtins(change)  # those that are there
        if change.password is not UNSET:
            fields["password"] = await self._hasher.hash(change.password)
        email = None if change.email is UNSET else change.email
        for _ in range(TRIES):
            stored, digests = await self._read(user_id)
            ended = digests if "password" in fields else None
            call = change_user(self._keys, user_id, fields, stored_email=stored, new_email=email, ended=ended)
            if await changed(self._pipeline, call):
                return
        raise too_busy()

    async def remove(self, user_id: int) -> int:
        """Remove a user for good; how many check-ins had been counted beyond what was loaded.

        Raises NotFoundError.
        """
        for _ in range(TRIES):
            stored, digests = await self._read(user_id)
            call = remove_user(self._keys, user_id, stored_email=stored, sessions=digests)
            counted = await changed(self._pipeline, call)
            if counted is not None:
                return counted
        raise too_busy()

    async def _read(self, user_id: int) -> tuple[bytes, list[str]]:
        """The user's e-mail, empty when there is none, and the digests of the sessions."""
        keys = self._keys
        email, digests = await asyncio.gather(
            called(self._pipeline, "HGET", keys.user(user_id), "email"),
            called(self._pipeline, "SMEMBERS", keys.user_sessions(user_id)),
        )
        return email or b"", [digest.decode() for digest in digests]
