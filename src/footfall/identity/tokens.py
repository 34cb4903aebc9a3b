"""Bearer tokens of service clients. A token is shown once; the server keeps only its SHA-256."""

import re
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Annotated, Literal

import msgspec
from msgspec import Meta
from redis import Redis
from redis.exceptions import ResponseError

from footfall.errors import BrokenKeyError, FootfallError, InvalidError, NotFoundError
from footfall.identity.credentials import digest, new_token
from footfall.keys import Keys
from footfall.store.calls.sign_in import add_token

#: what a token may do: post check-ins of any user; or that, and manage users and locations
Role = Literal["checkin", "admin"]

#: check-ins per second that a token can be limited to, at most
MAX_RATE = 1_000_000

_is_name = re.compile(r"[A-Za-z0-9_.-]{1,64}").fullmatch


class Token(msgspec.Struct, frozen=True):
    """What is known of a token."""

    name: str
    role: Role
    #: in ms
    created: int
    #: check-ins per second over all receivers; 0: as many as it can
    rate: Annotated[int, Meta(ge=0, le=MAX_RATE)] = 0


_decode = msgspec.json.Decoder(Token).decode


def decode(value: bytes, key: bytes) -> Token:
    """The token in a field of the hash. Raises BrokenKeyError."""
    try:
        return _decode(value)
    except msgspec.DecodeError:
        raise BrokenKeyError(f"{key.decode()}: a field is not a token") from None


def create(client: Redis, keys: Keys, name: str, role: Role, rate: int = 0) -> str:
    """Make a token; its text, which nothing but this call ever tells.

    Raises InvalidError for a name that is none or a rate out of range, TakenError when another token has the name.
    """
    if not _is_name(name):
        raise InvalidError([("name", "must be 1 to 64 of A-Z a-z 0-9 _ . -")])
    if not 0 <= rate <= MAX_RATE:
        raise InvalidError([("rate", f"must be 0 to {MAX_RATE}")])
    secret = new_token()
    token = Token(name=name, role=role, created=time.time_ns() // 1_000_000, rate=rate)
    if not add_token(keys, digest(secret), msgspec.json.encode(token), name).run_sync(client):
        raise TakenError(f"there is a token with the name {name} already")
    return secret


def all_tokens(client: Redis, keys: Keys) -> list[tuple[str, Token]]:
    """The digest of each token and what is known of it, by name."""
    found: dict[bytes, bytes] = _hgetall(client, keys)
    tokens = [(known_by.decode(), decode(value, keys.tokens)) for known_by, value in found.items()]
    return sorted(tokens, key=lambda item: item[1].name)


def revoke(client: Redis, keys: Keys, name: str) -> None:
    """End a token. Raises NotFoundError when none has the name."""
    gone = [known_by for known_by, token in all_tokens(client, keys) if token.name == name]
    if not gone or not client.hdel(keys.tokens.decode(), *gone):
        raise NotFoundError(f"there is no token with the name {name}")


def as_text(tokens: Sequence[Token]) -> str:
    """The tokens, a line each."""
    if not tokens:
        return "There are no tokens."
    rows = [("NAME", "ROLE", "RATE", "CREATED")]
    for token in tokens:
        created = datetime.fromtimestamp(token.created / 1000, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
        rows.append((token.name, token.role, f"{token.rate}/s" if token.rate else "any", created))
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = ["  ".join(f"{cell:<{width}}" for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]
    return "\n".join(lines)


def as_json(tokens: Sequence[Token]) -> str:
    """The tokens, a JSON object each, in one list."""
    return msgspec.json.encode(tokens).decode()


class TakenError(FootfallError):
    """Another token has the name."""


def _hgetall(client: Redis, keys: Keys) -> dict[bytes, bytes]:
    try:
        return client.hgetall(keys.tokens.decode())  # type: ignore[return-value]
    except ResponseError:
        raise _broken(keys) from None


def _broken(keys: Keys) -> BrokenKeyError:
    return BrokenKeyError(f"{keys.tokens.decode()} does not hold what it must")
