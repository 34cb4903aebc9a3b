"""What a token with a rate may still post: over all receivers never more than its rate in a second of the server's."""

import asyncio
import math

from footfall.errors import RateLimitedError, TooLargeError
from footfall.store.calls.sign_in import reserve_quota
from footfall.store.pipeline import Pipeline


class Quota:
    """The share of one token in one receiver: it is fetched in pieces, so most check-ins need no round trip.

    A piece is used up to the end of its second, reckoned from before it was asked for: never in the next one.
    """

    def __init__(self, pipeline: Pipeline, key: bytes, rate: int) -> None:
        self.rate = rate
        self._pipeline = pipeline
        self._key = key
        self._time = asyncio.get_running_loop().time
        self._lock = asyncio.Lock()
        #: the server's second that was heard of last, and the loop's time at which it ends
        self._second = b""
        self._ends = 0.0
        #: check-ins of this second that this receiver has, and that nobody has
        self._mine = 0
        self._unclaimed = rate

    def take(self, check_ins: int) -> bool:
        """Take so many out of what is here; whether there were so many."""
        if self._mine >= check_ins and self._time() < self._ends:
            self._mine -= check_ins
            return True
        return False

    async def reserve(self, check_ins: int) -> None:
        """Take so many, from the server when they are not here.

        Raises RateLimitedError when they are not there either, TooLargeError when they never are, UnavailableError and
        BrokenKeyError when the server cannot be asked.
        """
        if check_ins > self.rate:
            raise TooLargeError(f"this token may post {self.rate} check-ins a second, and no more at once")
        if self.take(check_ins):
            return
        async with self._lock:  # the others take of what the first one has fetched
            if not self.take(check_ins):
                await self._fetch(check_ins)

    def headers(self) -> dict[str, str]:
        """The RateLimit headers of an answer (draft-ietf-httpapi-ratelimit-headers, as of -08)."""
        left_s = self._ends - self._time()
        remaining, reset = (self._mine + self._unclaimed, math.ceil(left_s)) if left_s > 0 else (self.rate, 1)
        return {
            "ratelimit-policy": f'"check-ins";q={self.rate};w=1',
            "ratelimit": f'"check-ins";r={remaining};t={reset}',
        }

    async def _fetch(self, check_ins: int) -> None:
        has_ended = self._time() >= self._ends
        if not has_ended and self._mine + self._unclaimed < check_ins:
            raise self._limited()
        began = self._time()
        mine = 0 if has_ended else self._mine
        call = reserve_quota(self._key, rate=self.rate, needed=check_ins, second=self._second, mine=mine)
        second, given, self._unclaimed, ms = await call.start(self._pipeline.connection)
        self._mine = given if has_ended or second != self._second else self._mine + given
        self._second, self._ends = second, began + ms / 1000
        if not self.take(check_ins):
            raise self._limited()

    def _limited(self) -> RateLimitedError:
        left_s = max(0.0, self._ends - self._time())
        return RateLimitedError(f"this token may post {self.rate} check-ins a second", max(1, math.ceil(left_s)))
