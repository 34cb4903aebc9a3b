"""Guards of routes: who may use them."""

from typing import Any

from litestar.connection import ASGIConnection
from litestar.handlers import BaseRouteHandler

from footfall.auth import tokens
from footfall.auth.credentials import bearer
from footfall.errors import ForbiddenError, UnauthorizedError


async def admin(connection: ASGIConnection[Any, Any, Any, Any], _handler: BaseRouteHandler) -> None:
    """For the `guards` of a route of the API server: only a token of role `admin` may use it.

    Raises UnauthorizedError without a known token, ForbiddenError with one of another role; what the reader raises
    when the server cannot be asked.
    """
    reader = connection.app.state.reader
    credential = bearer(connection.headers.getall("authorization", []))
    value = await reader.call("HGET", reader.keys.tokens, credential.digest) if credential else None
    if value is None:
        raise UnauthorizedError("this needs a token: `Authorization: Bearer ...`")
    token = tokens.decode(value, reader.keys.tokens)
    if token.role != "admin":
        raise ForbiddenError("this needs a token of role admin")
    connection.scope["auth"] = token  # the handler has it as `request.auth`
