"""Sessions, attempts to sign in, tokens and what they may post: begin_session.lua and so on.

No error names a key here: those of sessions and attempts hold digests.
"""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from footfall.errors import BrokenKeyError
from footfall.keys import Keys
from footfall.store.calls.reply import Errors, after_ok, broken, one_of
from footfall.store.pipeline import Reply
from footfall.store.scripts import (
    ADD_TOKEN,
    BEGIN_SESSION,
    GIVE_BACK_ATTEMPT,
    RENEW_SESSION,
    RESERVE_QUOTA,
    TAKE_ATTEMPT,
    Call,
)


class Reserved(NamedTuple):
    """A share of what a token may post."""

    #: the server's second that it is of
    second: bytes
    #: check-ins; 0 when it did not reach
    given: int
    #: check-ins of this second that nobody has
    left: int
    #: until the next second
    ms: int


def begin_session(keys: Keys, user_id: int, digest: str, *, content: bytes, ms: int, password: bytes) -> Call[bool]:
    """Begin the session with this digest, for so long; not when the user has another password than this (a hash).

    Whether it has begun. Raises BrokenKeyError.
    """
    script_keys = [keys.session(digest), keys.user_sessions(user_id), keys.user(user_id)]
    return Call(BEGIN_SESSION, script_keys, [content, digest, ms, password], _has_begun)


def renew_session(keys: Keys, user_id: int, digest: str, ms: int) -> Call[bool]:
    """Let a session last for so long from now on; whether there is one."""
    return Call(RENEW_SESSION, [keys.session(digest), keys.user_sessions(user_id)], [ms], _is_there)


def take_attempt(keys: Keys, limits: Mapping[str, int], window_ms: int) -> Call[int]:
    """Count an attempt by all of these digests, each with how many it takes, unless there were too many by one.

    Ms until there may be another: 0 when it was counted. Raises BrokenKeyError.
    """
    return Call(TAKE_ATTEMPT, _counters(keys, limits), [window_ms, *limits.values()], _wait_ms)


def give_back_attempt(keys: Keys, limits: Mapping[str, int]) -> Call[int]:
    """Take back an attempt that was counted; by how many of the digests."""
    return Call(GIVE_BACK_ATTEMPT, _counters(keys, limits), [], _number)


def reserve_quota(key: bytes, *, rate: int, needed: int, second: bytes, mine: int) -> Call[Reserved]:
    """Get a share of a token's rate. `mine`: what the caller still has of this second. Raises BrokenKeyError."""
    return Call(RESERVE_QUOTA, [key], [rate, needed, second, mine], _reserved)


def add_token(keys: Keys, digest: str, content: bytes, name: str) -> Call[bool]:
    """Make a token known; not when another one has the name. Whether it is. Raises BrokenKeyError."""
    return Call(ADD_TOKEN, [keys.tokens], [digest, content, name], _is_added)


def _counters(keys: Keys, limits: Mapping[str, int]) -> Sequence[bytes]:
    return [keys.login_attempts(digest) for digest in limits]


def _unnamed(what: str) -> Errors:
    return {b"BROKEN": lambda _key: BrokenKeyError(f"{what} does not hold what it must")}


_SESSION_ERRORS, _ATTEMPT_ERRORS = _unnamed("a session"), _unnamed("a count of attempts")
_QUOTA_ERRORS = _unnamed("the quota of the token")
_TOKEN_ERRORS: Errors = {b"BROKEN": broken("does not hold what it must")}


def _has_begun(reply: Reply) -> bool:
    word, _ = one_of((b"OK", b"GONE"), reply, _SESSION_ERRORS)
    return word == b"OK"


def _is_there(reply: Reply) -> bool:
    word, _ = one_of((b"OK", b"ENDED"), reply)
    return word == b"OK"


def _wait_ms(reply: Reply) -> int:
    word, values = one_of((b"OK", b"LIMITED"), reply, _ATTEMPT_ERRORS)
    return 0 if word == b"OK" else int(values[0])


def _number(reply: Reply) -> Any:
    return after_ok(reply)[0]


def _reserved(reply: Reply) -> Reserved:
    return Reserved(*after_ok(reply, _QUOTA_ERRORS))


def _is_added(reply: Reply) -> bool:
    word, _ = one_of((b"OK", b"TAKEN"), reply, _TOKEN_ERRORS)
    return word == b"OK"
