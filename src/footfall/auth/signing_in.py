"""Signing in and out."""

import re
from functools import cache

from footfall import sample
from footfall.auth.check_passwords import Passwords
from footfall.auth.limits import Attempt, Attempts
from footfall.auth.metrics import LoginOutcome, Metrics
from footfall.config import AuthSettings
from footfall.errors import (
    BrokenKeyError,
    FootfallError,
    OverloadedError,
    RateLimitedError,
    UnauthorizedError,
    WrongTypeError,
)
from footfall.identity.credentials import Credential
from footfall.identity.sessions import Sessions
from footfall.keys import Keys
from footfall.logs import log
from footfall.store.pipeline import Pipeline

_OUTCOMES: dict[type[FootfallError], LoginOutcome] = {UnauthorizedError: "refused", RateLimitedError: "limited"}


@cache
def _sample_emails() -> frozenset[str]:
    return frozenset(user.email.lower() for user in sample.users())


_is_id = re.compile(rb"[1-9][0-9]{0,15}").fullmatch


class SigningIn:
    """Checks e-mail and password, and begins and ends sessions."""

    def __init__(self, pipeline: Pipeline, keys: Keys, settings: AuthSettings, metrics: Metrics) -> None:
        self._pipeline = pipeline
        self._keys = keys
        self._sessions = Sessions(pipeline, keys, settings)
        self._attempts = Attempts(pipeline, keys, settings)
        self._passwords = Passwords(metrics, settings.bcrypt_cost)
        self._metrics = metrics

    def close(self) -> None:
        """Begin no more checks."""
        self._passwords.close()

    async def login(self, email: str, password: str, address: str, before: Credential | None) -> tuple[int, str]:
        """Begin a session; the user's id and the session's. The session that was sent along (`before`) ends.

        Raises UnauthorizedError for a wrong password and, alike, for an e-mail that nobody has; RateLimitedError
        after too many attempts, OverloadedError when too many people sign in at once; as the server's errors are.
        """
        try:
            signed_in = await self._login(email.lower(), password, address, before)
        except FootfallError as error:
            self._metrics.login(_OUTCOMES.get(type(error), "failed"))
            raise
        self._metrics.login("signed-in")
        return signed_in

    async def logout(self, session: Credential | None) -> None:
        """End a session, if there is one."""
        await self._end(session)
        self._metrics.logout()

    async def _login(self, email: str, password: str, address: str, before: Credential | None) -> tuple[int, str]:
        user_id, stored = await self._user(email)
        attempt = Attempt(email, address, await self._own(before, user_id))
        await self._attempts.take(attempt)
        try:
            matches = await self._passwords.check(password, stored)
        except OverloadedError:
            await self._attempts.give_back(attempt)
            raise
        if not matches or stored is None or await self._is_left_of_sample(email, password):
            raise UnauthorizedError("the e-mail or the password is wrong")
        session_id = await self._sessions.begin(user_id, stored)
        await self._attempts.give_back(attempt)
        await self._end(before)
        return user_id, session_id

    async def _own(self, session: Credential | None, user_id: int) -> str | None:
        """The digest of a session when it is this user's, and has not ended."""
        if session is None:
            return None
        found = await self._sessions.find(session.digest)
        return session.digest if found is not None and found.user_id == user_id else None

    async def _is_left_of_sample(self, email: str, password: str) -> bool:
        """Whether this is a user of the sample, with the known password, in data that is not the sample."""
        if password != sample.PASSWORD or email not in _sample_emails():
            return False
        if await self._pipeline.call("HGET", self._keys.meta, "sample") == b"1":
            return False
        log.warning(
            "A user of the sample was kept from signing in: the data is not the sample, and the password known."
        )
        return True

    async def _end(self, session: Credential | None) -> None:
        if session is not None:
            await self._sessions.end(session.digest)

    async def _user(self, email: str) -> tuple[int, bytes | None]:
        """Id and hash of the user with this e-mail; without a hash when there is none: as many questions are asked.

        A record that is broken has no hash, either: the answer must not tell that somebody has this e-mail.
        """
        keys = self._keys
        try:
            found: bytes | None = await self._pipeline.call("HGET", keys.users_email, email)
        except WrongTypeError:
            raise BrokenKeyError(f"{keys.users_email.decode()} holds another type than it must") from None
        user_id = int(found) if found is not None and _is_id(found) else None
        key = keys.user(user_id or 0)
        try:
            user_email, password = await self._pipeline.call("HMGET", key, "email", "password")
        except WrongTypeError:
            log.warning("%s holds another type than it must: nobody can sign in with it.", key.decode())
            return 0, None
        if user_id is None or (user_email or b"").decode(errors="replace").lower() != email:
            return 0, None
        return user_id, password
