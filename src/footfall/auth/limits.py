"""How often somebody may try to sign in: counted on the server, so in all processes together."""

import math
from hashlib import sha256
from typing import NamedTuple

from footfall.config import AuthSettings
from footfall.errors import RateLimitedError
from footfall.keys import Keys
from footfall.store.calls.sign_in import give_back_attempt, take_attempt
from footfall.store.pipeline import Pipeline

#: What one e-mail takes from all addresses together, in limits of one address: guesses that are spread over many have
#: an end, and it takes many to keep somebody out.
SPREAD = 100


class Attempt(NamedTuple):
    """With which e-mail (in lower case), and from where."""

    email: str
    address: str
    #: digest of a session that was sent along, when it is of the user with this e-mail
    own_session: str | None = None


class Attempts:
    """Failed attempts to sign in, and those under way. No key holds an e-mail or an address in the clear.

    They are counted by e-mail and address together: who fails elsewhere keeps nobody out. Who has a session of this
    user is not kept out by anybody else's failures, not even by those from the same address.
    """

    def __init__(self, pipeline: Pipeline, keys: Keys, settings: AuthSettings) -> None:
        self._pipeline = pipeline
        self._keys = keys
        self._window_ms = settings.login_window_s * 1000
        self._per_email, self._per_address = settings.login_per_email, settings.login_per_address

    async def take(self, attempt: Attempt) -> None:
        """Count an attempt. Raises RateLimitedError when there were too many; then it is not counted."""
        call = take_attempt(self._keys, self._limits(attempt), self._window_ms)
        wait_ms = await call.start(self._pipeline.connection)
        if wait_ms:
            raise RateLimitedError("there were too many attempts to sign in", math.ceil(wait_ms / 1000))

    async def give_back(self, attempt: Attempt) -> None:
        """Do not count an attempt that was none: the password was right, or was not looked at."""
        await give_back_attempt(self._keys, self._limits(attempt)).start(self._pipeline.connection)

    def _limits(self, attempt: Attempt) -> dict[str, int]:
        """Digests of what is counted, and how many attempts it takes."""
        email, address, own_session = attempt
        # what is free text comes last, behind a word of its own
        if own_session is not None:
            return {_digest(f"session {own_session} {email}"): self._per_email}
        return {
            _digest(f"both {address} {email}"): self._per_email,
            _digest(f"email {email}"): self._per_email * SPREAD,
            _digest(f"address {address}"): self._per_address,
        }


def _digest(what: str) -> str:
    return sha256(what.encode()).hexdigest()
