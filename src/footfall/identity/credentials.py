"""What a request says of who sends it: a bearer token, or the cookie of a session. Of both only the SHA-256 is kept."""

import re
import secrets
from collections.abc import Sequence
from hashlib import sha256
from typing import Literal, NamedTuple

#: name of the session's cookie
COOKIE = "footfall_session"

_find_cookie = re.compile(rf"(?:^|;)[ \t]*{COOKIE}=([^;]*)").search
#: 32 random bytes in base64url
SESSION_ID_SIZE = 43
_is_session_id = re.compile(rf"[A-Za-z0-9_-]{{{SESSION_ID_SIZE}}}").fullmatch
_is_token = re.compile(r"ff_[A-Za-z0-9_-]{43}").fullmatch


class Credential(NamedTuple):
    """A token or a session, by the SHA-256 of its secret: what is on the server cannot be used to sign in."""

    kind: Literal["token", "session"]
    digest: str


def credential(authorization: Sequence[str], cookies: Sequence[str]) -> Credential | None:
    """What these headers of a request hold; None when they hold nothing that could be known.

    With an Authorization header the cookie does not count.
    """
    return bearer(authorization) if authorization else session(cookies)


def bearer(authorization: Sequence[str]) -> Credential | None:
    """The token in the one Authorization header; None when there is none, or more than one header."""
    if len(authorization) != 1:
        return None
    scheme, _, rest = authorization[0].strip(" \t").partition(" ")
    secret = rest.lstrip(" ")
    return Credential("token", digest(secret)) if scheme.lower() == "bearer" and _is_token(secret) else None


def session(cookies: Sequence[str]) -> Credential | None:
    """The session whose cookie comes first in the Cookie headers."""
    return session_with(session_id(cookies))


def session_id(cookies: Sequence[str]) -> str:
    """The value of the session's cookie; empty when there is none."""
    found = _find_cookie(";".join(cookies))
    return found[1].strip(" \t") if found else ""


def session_with(found: str) -> Credential | None:
    """The session with this id; None when it is no id."""
    return Credential("session", digest(found)) if _is_session_id(found) else None


def is_token(text: str) -> bool:
    """Whether it looks like a token."""
    return _is_token(text) is not None


def new_session_id() -> str:
    """A session id that nobody can guess."""
    return secrets.token_urlsafe(32)


def new_token() -> str:
    """A token that nobody can guess."""
    return "ff_" + secrets.token_urlsafe(32)


def digest(secret: str) -> str:
    """What the server knows a secret by."""
    return sha256(secret.encode()).hexdigest()
