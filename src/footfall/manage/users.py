"""Users: added, changed, removed."""

import asyncio

import msgspec
from msgspec import UNSET

from footfall.keys import Keys
from footfall.manage.documents import UserChange
from footfall.manage.outcomes import TRIES, called, changed, is_done, too_busy
from footfall.manage.passwords import PasswordHasher
from footfall.model import NewUser
from footfall.store.pipeline import Argument, Pipeline
from footfall.store.scripts import ADD_USER, CHANGE_USER, REMOVE_USER


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
        keys = self._keys
        password = await self._hasher.hash(user.password)
        script_keys = [
            keys.meta,
            keys.users_by_checkins,
            keys.users_email,
            keys.users_baseline,
            keys.users_removed,
            keys.user(user.id),
        ]
        arguments: list[Argument] = [user.id, user.first_name, user.last_name]
        arguments += (user.email, user.email.lower(), password)
        is_done(await changed(self._pipeline, ADD_USER, script_keys, arguments), "user")

    async def change(self, user_id: int, change: UserChange) -> None:
        """Change what `change` has; a new password ends the user's sessions.

        Raises NotFoundError; ConflictError when nobody has added the user yet, or when another one has the e-mail;
        InvalidError for a password that cannot be hashed.
        """
        keys = self._keys
        fields: dict[str, Argument] = msgspec.to_builtins(change)  # those that are there
        has_password = "password" in fields
        if change.password is not UNSET:
            fields["password"] = await self._hasher.hash(change.password)
        email = "" if change.email is UNSET else change.email.lower()
        for _ in range(TRIES):
            stored, digests = await self._read(user_id)
            ended = digests if has_password else []
            script_keys = [keys.meta, keys.users_email, keys.user(user_id), keys.user_sessions(user_id)]
            script_keys += [keys.session(digest) for digest in ended]
            arguments: list[Argument] = [user_id, email, stored, _lower(stored), len(ended) if has_password else ""]
            arguments += [*ended, *(value for field in fields.items() for value in field)]
            if is_done(await changed(self._pipeline, CHANGE_USER, script_keys, arguments), "user"):
                return
        raise too_busy()

    async def remove(self, user_id: int) -> int:
        """Remove a user for good; how many check-ins had been counted beyond what was loaded.

        Raises NotFoundError.
        """
        keys = self._keys
        indexes = [
            *(keys.meta, keys.users_by_checkins, keys.users_recent, keys.users_last_seen, keys.users_email),
            *(keys.users_baseline, keys.users_removed),
        ]
        for _ in range(TRIES):
            stored, digests = await self._read(user_id)
            own = [keys.user(user_id), keys.user_sessions(user_id), *map(keys.session, digests)]
            own.append(keys.user_history(user_id))
            arguments: list[Argument] = [user_id, stored, _lower(stored), *digests]
            reply = await changed(self._pipeline, REMOVE_USER, indexes + own, arguments)
            if is_done(reply, "user"):
                return int(reply[1])
        raise too_busy()

    async def _read(self, user_id: int) -> tuple[bytes, list[str]]:
        """The user's e-mail, empty when there is none, and the digests of the sessions."""
        keys = self._keys
        email, digests = await asyncio.gather(
            called(self._pipeline, "HGET", keys.user(user_id), "email"),
            called(self._pipeline, "SMEMBERS", keys.user_sessions(user_id)),
        )
        return email or b"", [digest.decode() for digest in digests]


def _lower(email: bytes) -> str:
    """An e-mail as the index has it; Lua's lower case is ASCII's."""
    return email.decode(errors="replace").lower()
