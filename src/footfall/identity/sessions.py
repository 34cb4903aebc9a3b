"""Sessions of users, on the server: every service knows them, and each ends by itself when it is not used."""

import asyncio
from typing import NamedTuple

import msgspec

from footfall.config import AuthSettings
from footfall.domain.model import Id
from footfall.errors import BrokenKeyError, UnauthorizedError, WrongTypeError
from footfall.identity.credentials import COOKIE, digest, new_session_id
from footfall.keys import Keys
from footfall.store.calls.sign_in import begin_session, renew_session
from footfall.store.pipeline import Argument, Pipeline, Reply

#: sessions that a user can have at a time: one more ends another
_MAX_SESSIONS = 100
#: a session is renewed when this part of its time is over, not with each request: each renewal is a write
_RENEW_AFTER = 0.1


class _Content(msgspec.Struct, frozen=True, rename="camel"):
    user_id: Id


class Session(NamedTuple):
    """A session that has not ended."""

    user_id: int
    #: seconds until it ends, unless it is renewed
    left_s: float
    #: whether it was renewed just now
    is_renewed: bool


#: without the key: it holds the session's digest
_decode = msgspec.json.Decoder(_Content).decode


class Sessions:
    """The sessions on one server. All methods raise UnavailableError when it does not answer, and BrokenKeyError."""

    def __init__(self, pipeline: Pipeline, keys: Keys, settings: AuthSettings) -> None:
        self._pipeline = pipeline
        self._keys = keys
        self._ttl_s = settings.session_ttl_s
        self._secure = "; Secure" if settings.session_secure else ""

    async def begin(self, user_id: int, password: bytes) -> str:
        """Begin a session of a user whose password (the hash) was checked; its id, which the server does not know.

        Raises UnauthorizedError when the user has another password by now, or was removed.
        """
        await self._make_room(user_id)
        session_id = new_session_id()
        content, ms = msgspec.json.encode(_Content(user_id)), self._ttl_s * 1000
        call = begin_session(self._keys, user_id, digest(session_id), content=content, ms=ms, password=password)
        if not await call.start(self._pipeline.connection):
            raise UnauthorizedError("the user has just been changed")
        return session_id

    async def find(self, known_by: str) -> Session | None:
        """The session with this digest, which goes on by being used; None when there is none (any more)."""
        key = self._keys.session(known_by)
        call = self._pipeline.call
        try:
            value, left_ms = await asyncio.gather(call("GET", key), call("PTTL", key))
        except WrongTypeError:
            raise _broken() from None
        user_id = self._user_of(value)
        if user_id is None:
            return None
        ttl_ms = self._ttl_s * 1000  # one that would last longer is of before the clock was set back: shortened
        if ttl_ms * (1 - _RENEW_AFTER) < left_ms <= ttl_ms:
            return Session(user_id, left_ms / 1000, is_renewed=False)
        is_there = await renew_session(self._keys, user_id, known_by, ttl_ms).start(self._pipeline.connection)
        return Session(user_id, self._ttl_s, is_renewed=True) if is_there else None

    async def end(self, known_by: str) -> None:
        """End the session with this digest, if there is one."""
        key = self._keys.session(known_by)
        user_id = self._user_of(await self._call("GETDEL", key))
        if user_id is not None:
            await self._call("SREM", self._keys.user_sessions(user_id), known_by)

    def cookie(self, session_id: str) -> str:
        """The Set-Cookie header that gives a browser the session."""
        return self._cookie(session_id, self._ttl_s)

    def no_cookie(self) -> str:
        """The Set-Cookie header that takes it away."""
        return self._cookie("", 0)

    def headers(self, session: Session, session_id: str) -> dict[str, str]:
        """The headers of an answer that only this session may see; a renewed one's cookie is set again with it."""
        headers = {"cache-control": "no-store"}
        if session.is_renewed:
            headers["set-cookie"] = self.cookie(session_id)
        return headers

    # --- private

    def _cookie(self, session_id: str, max_age: int) -> str:
        return f"{COOKIE}={session_id}; HttpOnly; Max-Age={max_age}; Path=/; SameSite=Lax{self._secure}"

    async def _call(self, command: str, key: bytes, *arguments: Argument) -> Reply:
        try:
            return await self._pipeline.call(command, key, *arguments)
        except WrongTypeError:
            raise _broken() from None

    @staticmethod
    def _user_of(value: bytes | None) -> int | None:
        if value is None:
            return None
        try:
            return _decode(value).user_id
        except msgspec.DecodeError:
            raise _broken() from None

    async def _make_room(self, user_id: int) -> None:
        """Forget those that have ended by themselves, and end one when there are too many all the same."""
        call, key = self._call, self._keys.user_sessions(user_id)
        if await call("SCARD", key) < _MAX_SESSIONS:
            return
        members: list[bytes] = await call("SMEMBERS", key)
        exist = await asyncio.gather(*(call("EXISTS", self._keys.session(member.decode())) for member in members))
        ended = [member for member, exists in zip(members, exist, strict=True) if not exists]
        if not ended:
            ended = members[: len(members) - _MAX_SESSIONS + 1]
            await asyncio.gather(*(call("DEL", self._keys.session(member.decode())) for member in ended))
        await call("SREM", key, *ended)


def _broken() -> BrokenKeyError:
    return BrokenKeyError("a session does not hold what it must")
