"""Who a receiver's clients are: asked once on the server, then known for a while without a round trip."""

import asyncio
from dataclasses import dataclass

from footfall.config import AuthSettings
from footfall.errors import BrokenKeyError, ForbiddenError, UnauthorizedError, WrongTypeError
from footfall.identity import tokens
from footfall.identity.credentials import Credential
from footfall.identity.quota import Quota
from footfall.identity.sessions import Sessions
from footfall.keys import Keys
from footfall.store.pipeline import Pipeline

#: Seconds after the server was asked for which its answer counts: within them a logout, a revoked token and the end
#: of a session take effect in every receiver.
KNOWN_S = 2.0
#: who is known at a time, at most; each takes about 0.5 KB
_MAX_KNOWN = 100_000

FORBIDDEN = ForbiddenError("the check-in is another user's than the session")
NOBODY = UnauthorizedError("this needs a session (sign in) or a token (`Authorization: Bearer ...`)")


@dataclass(slots=True)
class Identity:
    """Who sends a request."""

    #: whose check-ins it may post; None: anybody's
    user_id: int | None
    #: whose its idempotency keys are: no two users or tokens share one
    owner: str
    #: loop time until which it counts without asking again
    until: float
    #: of a token with a rate
    quota: Quota | None = None

    def may_post(self, user_id: int) -> bool:
        """Whether it may post a check-in of this user; if not, that is refused with `FORBIDDEN`."""
        return self.user_id is None or self.user_id == user_id


class Identities:
    """Everybody who was known within the last `KNOWN_S` seconds."""

    def __init__(self, pipeline: Pipeline, keys: Keys, settings: AuthSettings) -> None:
        self._pipeline = pipeline
        self._keys = keys
        self._sessions = Sessions(pipeline, keys, settings)
        self._time = asyncio.get_running_loop().time
        #: oldest first
        self._known: dict[Credential, Identity] = {}
        self._looking: dict[Credential, asyncio.Task[Identity | None]] = {}

    def known(self, credential: Credential | None) -> Identity | None:
        """Who that is, when the server need not be asked."""
        identity = self._known.get(credential)  # type: ignore[arg-type]  # None is no key of it
        return identity if identity is not None and identity.until > self._time() else None

    async def find(self, credential: Credential | None) -> Identity:
        """Who that is; the server is asked once, however many want to know.

        Raises UnauthorizedError when it is nobody, UnavailableError or BrokenKeyError when the server cannot be asked.
        """
        identity = self.known(credential)
        if identity is None and credential is not None:
            looking = self._looking.get(credential)
            if looking is None:
                looking = self._looking[credential] = asyncio.create_task(self._look_up(credential))
                looking.add_done_callback(lambda _: self._looking.pop(credential))
            identity = await asyncio.shield(looking)
        if identity is None:
            raise UnauthorizedError(str(NOBODY))
        return identity

    # --- private

    async def _look_up(self, credential: Credential) -> Identity | None:
        asked_at = self._time()
        found = self._session if credential.kind == "session" else self._token
        before = self._known.pop(credential, None)
        identity = await found(credential.digest, asked_at + KNOWN_S, before)
        if identity is not None:
            self._forget(asked_at)
            self._known[credential] = identity
        return identity

    async def _session(self, digest: str, until: float, _before: Identity | None) -> Identity | None:
        session = await self._sessions.find(digest)
        if session is None:
            return None
        ends = until - KNOWN_S + session.left_s
        return Identity(session.user_id, f"user-{session.user_id}", min(until, ends))

    async def _token(self, digest: str, until: float, before: Identity | None) -> Identity | None:
        try:
            value = await self._pipeline.call("HGET", self._keys.tokens, digest)
        except WrongTypeError:
            raise BrokenKeyError(f"{self._keys.tokens.decode()} does not hold what it must") from None
        if value is None:
            return None
        token = tokens.decode(value, self._keys.tokens)
        quota = before.quota if before is not None else None
        if token.rate and (quota is None or quota.rate != token.rate):
            quota = Quota(self._pipeline, self._keys.token_quota(digest), token.rate)
        return Identity(None, f"token-{token.name}", until, quota if token.rate else None)

    def _forget(self, now: float) -> None:
        """Drop the oldest: all that no longer count, and as many as are too many."""
        known = self._known
        while known:
            oldest = next(iter(known))
            if known[oldest].until > now and len(known) < _MAX_KNOWN:
                return
            del known[oldest]
