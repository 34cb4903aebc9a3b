"""The lease: which of the processors on one stream works. The others stand by."""

import asyncio
import contextlib
import math
from collections.abc import AsyncIterator

from footfall.errors import FootfallError
from footfall.keys import Keys
from footfall.store.calls.lease import hold_lease, holder, new_lease_token, release_lease
from footfall.store.pipeline import Connection

#: renewals, and polls of a standby, in the time that a lease lasts: so a standby works within two of these times
_RENEWALS, _POLLS = 3, 4
#: seconds between two polls of a standby at most: a lease that is given back is taken at once
_POLL_S = 0.25
#: seconds between two calls at least, however short the lease is
_LEAST_S = 0.01


class LeaseLostError(FootfallError):
    """Another processor has the lease: this one stood still for too long."""


class Lease:
    """One process's hold on the lease, or on nothing when `lease_s` is 0: then everybody works.

    It only keeps processors from doing the same work twice. That an entry counts once is the fence's doing, so nothing
    goes wrong when two believe that they hold it.
    """

    def __init__(self, keys: Keys, lease_s: float) -> None:
        self._keys = keys
        self._lease_s = lease_s
        self._ms = max(1, round(lease_s * 1000))
        self._token = f"{new_lease_token()}:{self._ms}ms"
        self._renewals: asyncio.Task[None] | None = None

    @property
    def renewal_s(self) -> float:
        """Seconds between two renewals."""
        return max(_LEAST_S, self._lease_s / _RENEWALS) if self._lease_s else math.inf

    @property
    def poll_interval_s(self) -> float:
        """Seconds after which a standby tries again."""
        return max(_LEAST_S, min(_POLL_S, self._lease_s / _POLLS))

    @property
    def is_held(self) -> bool:
        """Whether it was still held when it was last renewed. Costs nothing, so it may be asked for each batch."""
        return self._renewals is None or not self._renewals.done()

    def require_held(self) -> None:
        """Raise what has ended the renewals: LeaseLostError, or another FootfallError when they were not possible."""
        if self._renewals is not None and self._renewals.done():
            self._renewals.result()

    async def take(self, connection: Connection) -> str | None:
        """Take or renew it; None, or who has it instead. Raises BrokenKeyError when its key holds something else."""
        if not self._lease_s:
            return None
        other = await hold_lease(self._keys, self._token, self._ms).start(connection)
        return None if other is None else holder(other)

    @contextlib.asynccontextmanager
    async def renewed_over(self, connection: Connection) -> AsyncIterator[None]:
        """While in this, it is renewed between the other commands of the connection."""
        if not self._lease_s:
            yield
            return
        self._renewals = asyncio.create_task(self._renew(connection))
        try:
            yield
        finally:
            self._renewals.cancel()
            await asyncio.gather(self._renewals, return_exceptions=True)
            self._renewals = None

    async def release(self, connection: Connection) -> None:
        """Give it back when it is ours, so that a standby need not wait for its end."""
        if self._lease_s:
            await release_lease(self._keys, self._token).start(connection)

    async def _renew(self, connection: Connection) -> None:
        while True:
            await asyncio.sleep(self.renewal_s)
            other = await self.take(connection)
            if other is not None:
                raise LeaseLostError(f"{other} has taken over")
