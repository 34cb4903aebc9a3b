"""The right to load: one load at a time, and each write checks that it is still the holder's."""

import contextlib
import threading
import uuid
from collections.abc import Callable, Iterable
from itertools import islice
from types import TracebackType
from typing import Concatenate, ParamSpec, Self, TypeVar

from redis import Redis
from redis.exceptions import LockError, RedisError

from footfall.errors import BrokenKeyError, RefusedError
from footfall.keys import Keys
from footfall.logs import log
from footfall.store.calls.load import broken_key
from footfall.store.scripts import Call

P = ParamSpec("P")
T = TypeVar("T")

#: seconds until the lease of a load that was killed ends
LEASE_S = 10.0
RENEWAL_S = 2.0
#: seconds to wait for another load's lease: enough to outlast one that was killed
PATIENCE_S = 11.0


class Lease:
    """Held while in its `with`, renewed in the background.

    Raises RefusedError on entering when another load holds it for longer than a killed one would.
    """

    def __init__(self, client: Redis, keys: Keys) -> None:
        self.client = client
        self.keys = keys
        self._token = uuid.uuid4().hex
        self._lock = client.lock(keys.loader_lease.decode(), timeout=LEASE_S, thread_local=False)
        self._ended = threading.Event()
        self._renewer = threading.Thread(target=self._renew, daemon=True)

    def __enter__(self) -> Self:
        if not self._lock.acquire(blocking=False, token=self._token):
            self._shorten()
            log.warning("Another load is running, or was killed a moment ago; waiting for %g s at most.", PATIENCE_S)
            if not self._lock.acquire(blocking_timeout=PATIENCE_S, token=self._token):
                raise RefusedError("another load is running; wait for its end")
        self._renewer.start()
        return self

    def __exit__(self, *_: type[BaseException] | BaseException | TracebackType | None) -> None:
        self._ended.set()
        self._renewer.join()
        with contextlib.suppress(LockError, RedisError):  # it ends by itself
            self._lock.release()

    def run(self, call: Callable[Concatenate[Keys, str, P], Call[T]], *arguments: P.args, **named: P.kwargs) -> T:
        """What a call of a load's script results in; `call` makes it, of keys, token and these arguments.

        Raises LoadLeaseLostError, BrokenKeyError.
        """
        return call(self.keys, self._token, *arguments, **named).run_sync(self.client)

    def _shorten(self) -> None:
        """Leave another's lease no more time than a lease has: with more, it is of before the clock was set back."""
        key, ms = self.keys.loader_lease, round(LEASE_S * 1000)
        left = int(self.client.pttl(key))
        if left == -1:
            raise BrokenKeyError(f"{key.decode()} does not expire, so it is nobody's lease; delete it")
        if left > ms:
            self.client.pexpire(key, ms)

    def _renew(self) -> None:
        while not self._ended.wait(RENEWAL_S):
            try:
                self._lock.reacquire()
            except LockError:
                return  # lost: the next script says so
            except RedisError:
                continue


def check_types(client: Redis, keys: Keys, used: Iterable[bytes]) -> None:
    """Raise BrokenKeyError for one of the keys that is there with another type than it must have."""
    remaining = iter(used)
    while part := list(islice(remaining, 1000)):
        pipeline = client.pipeline(transaction=False)
        for key in part:
            pipeline.type(key)
        for key, found in zip(part, pipeline.execute(), strict=True):
            kind = keys.type_of(key)
            if found not in (b"none", kind.encode()):
                raise broken_key(key.decode(errors="replace"), f"is a {found.decode()}, not a {kind}")
