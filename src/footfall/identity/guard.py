"""Guards of routes of the API server: who may use them."""

from typing import Any

from litestar.connection import ASGIConnection
from litestar.handlers import BaseRouteHandler

from footfall.errors import ForbiddenError, UnauthorizedError
from footfall.identity import tokens
from footfall.identity.credentials import Credential, bearer, credential
from footfall.identity.identities import NOBODY
from footfall.identity.sessions import Session
from footfall.identity.tokens import Token

Connection = ASGIConnection[Any, Any, Any, Any]


async def admin(connection: Connection, _handler: BaseRouteHandler) -> None:
    """Only a token of role `admin` may use it; the handler has it as `request.auth`.

    Raises UnauthorizedError without a known token, ForbiddenError with one of another role; what the reader raises
    when the server cannot be asked.
    """
    sent = bearer(connection.headers.getall("authorization", []))
    token = await _token(connection, sent) if sent else None
    if token is None:
        raise UnauthorizedError("this needs a token: `Authorization: Bearer ...`")
    if token.role != "admin":
        raise ForbiddenError("this needs a token of role admin")
    connection.scope["auth"] = token


async def admin_while_signing_in(connection: Connection, handler: BaseRouteHandler) -> None:
    """While sign-in is on, as `admin`; without it there are no secrets. Raises as `admin`."""
    if connection.app.state.settings.auth.enabled:
        await admin(connection, handler)


async def signed_in(connection: Connection, _handler: BaseRouteHandler) -> None:
    """While sign-in is on, only a token or a session may use it; the handler finds it with `sender`.

    Raises UnauthorizedError; as the reader and the sessions when the server cannot be asked.
    """
    if not connection.app.state.settings.auth.enabled:
        return
    headers = connection.headers
    sent = credential(headers.getall("authorization", []), headers.getall("cookie", []))
    found: Token | Session | None = None
    if sent is not None and sent.kind == "token":
        found = await _token(connection, sent)
    elif sent is not None:
        found = await connection.app.state.sessions.find(sent.digest)
    if found is None:
        raise UnauthorizedError(str(NOBODY))
    connection.scope["auth"] = found


def sender(connection: Connection) -> Token | Session | None:
    """Who the guard has let through; None when it has asked for nobody."""
    found: Token | Session | None = connection.scope.get("auth")
    return found


async def _token(connection: Connection, sent: Credential) -> Token | None:
    reader = connection.app.state.reader
    value = await reader.call("HGET", reader.keys.tokens, sent.digest)
    return None if value is None else tokens.decode(value, reader.keys.tokens)
