"""hold_lease.lua and release_lease.lua: which of the processors works."""

import os
import secrets
import socket

from footfall.errors import BrokenKeyError
from footfall.keys import Keys
from footfall.store.calls.reply import Errors, one_of
from footfall.store.pipeline import Reply
from footfall.store.scripts import HOLD_LEASE, RELEASE_LEASE, Call


def new_lease_token() -> str:
    """What the lease's key holds: no two are the same, and it tells an operator whose it is."""
    return f"{socket.gethostname()}:{os.getpid()}:{secrets.token_hex(8)}"


def holder(token: bytes) -> str:
    """Whose a token is, for a person."""
    host, _, rest = token.decode(errors="replace").partition(":")
    pid, _, _ = rest.partition(":")
    return f"process {pid} on {host}" if pid.isdigit() else host


def hold_lease(keys: Keys, token: str, ms: int) -> Call[bytes | None]:
    """Take the lease, or renew it, for so long. None, or the token of who has it instead.

    `token` ends in `:<ms>ms`. Raises BrokenKeyError when the key holds something else.
    """
    return Call(HOLD_LEASE, [keys.processor_lease], [token, ms], _other)


def release_lease(keys: Keys, token: str) -> Call[bool]:
    """Give the lease back; whether it was this token's. Raises BrokenKeyError when the key holds something else."""
    return Call(RELEASE_LEASE, [keys.processor_lease], [token], _is_done)


def _broken(key: bytes, what: bytes = b"it is not a lease") -> BrokenKeyError:
    return BrokenKeyError(f"{key.decode()}: {what.decode()}; delete it")


_ERRORS: Errors = {b"BROKEN": _broken}


def _other(reply: Reply) -> bytes | None:
    word, values = one_of((b"OK", b"OTHER"), reply, _ERRORS)
    return values[0] if word == b"OTHER" else None


def _is_done(reply: Reply) -> bool:
    word, _ = one_of((b"OK", b"OTHER"), reply, _ERRORS)
    return word == b"OK"
