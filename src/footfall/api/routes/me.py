"""What the API answers about the one who asks."""

from typing import Annotated, Any

from litestar import Request, Response, get
from litestar.di import NamedDependency
from msgspec import Meta
from msgspec.structs import asdict

from footfall.api.describe import answers_like
from footfall.api.reading import Reader
from footfall.api.record_shapes import TEXT, Shape
from footfall.api.routes.users import SOPHIA, USER_FIELDS, User
from footfall.errors import NotFoundError, UnauthorizedError
from footfall.http.app import problems
from footfall.identity.credentials import session, session_id
from footfall.identity.sessions import Sessions


class Me(User, frozen=True):
    """A user, as only that user sees it."""

    email: Annotated[str | None, Meta(description="Null when nobody has loaded this user")]


_ME = Shape(Me, {**USER_FIELDS, "email": TEXT})


@get(
    "/api/me",
    operation_id="getMe",
    summary="The user who is signed in",
    tags=["users"],
    security=[{"session": []}],
    response_description="The user",
    operation_class=answers_like(Me(**asdict(SOPHIA), email="sophia.marshall@example.com")),
    responses=problems(401, 503),
)
async def me(
    request: Request[Any, Any, Any], reader: NamedDependency[Reader], sessions: NamedDependency[Sessions]
) -> Response[Me]:
    """The record of the session's user, with the e-mail address. The browser is given the session's cookie again when
    the session was renewed, so that both end at the same time.
    """
    cookies = request.headers.getall("cookie", [])
    sent = session(cookies)
    found = await sessions.find(sent.digest) if sent else None
    if found is None:
        raise UnauthorizedError("this needs a session: sign in first")
    try:
        user = await reader.one(_ME, reader.keys.user(found.user_id), "user")
    except NotFoundError:
        raise UnauthorizedError("the session's user was removed") from None
    return Response(user, headers=sessions.headers(found, session_id(cookies)))


routes = [me]
