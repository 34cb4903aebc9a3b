"""How often somebody may try to sign in: counted on the server, so in all processes together."""

import math
from collections.abc import Sequence
from hashlib import sha256

from footfall.config import Settings
from footfall.errors import BrokenKeyError, RateLimitedError
from footfall.keys import Keys
from footfall.store.pipeline import Pipeline
from footfall.store.scripts import GIVE_BACK_ATTEMPT, TAKE_ATTEMPT


class Attempts:
    """Failed attempts to sign in, and those under way: by e-mail, and by address. No key holds either in the clear."""

    def __init__(self, pipeline: Pipeline, keys: Keys, settings: Settings) -> None:
        self._pipeline = pipeline
        self._keys = keys
        self._arguments = [settings.login_window_s * 1000, settings.login_per_email, settings.login_per_address]

    async def take(self, email: str, address: str) -> None:
        """Count an attempt. Raises RateLimitedError when there were too many; then it is not counted."""
        reply = await TAKE_ATTEMPT.run(self._pipeline.connection, self._counters(email, address), self._arguments)
        if reply[0] == b"LIMITED":
            raise RateLimitedError("there were too many attempts to sign in", math.ceil(reply[1] / 1000))
        if reply[0] != b"TAKEN":
            raise BrokenKeyError("a count of attempts does not hold what it must")

    async def give_back(self, email: str, address: str) -> None:
        """Do not count an attempt that was none: the password was right, or was not looked at."""
        await GIVE_BACK_ATTEMPT.run(self._pipeline.connection, self._counters(email, address), [])

    def _counters(self, email: str, address: str) -> Sequence[bytes]:
        parts = f"email {email}", f"address {address}"
        return [self._keys.login_attempts(sha256(part.encode()).hexdigest()) for part in parts]
