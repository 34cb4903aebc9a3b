"""What the API answers about one user. Password and e-mail are never read."""

from typing import Annotated, Any

from litestar import Request, Response, get
from litestar.di import NamedDependency
from litestar.openapi.spec import Example
from litestar.params import PathParameter
from msgspec import Meta

from footfall.api.describe import answers_like
from footfall.api.parameters import EmailParameter, IdParameter
from footfall.api.reading import Reader
from footfall.api.record_shapes import COUNT, NUMBER, TEXT, Shape, id_in
from footfall.domain.model import Record
from footfall.errors import ForbiddenError, NotFoundError
from footfall.http.app import problems
from footfall.identity import guard
from footfall.identity.credentials import session_id
from footfall.identity.sessions import Session, Sessions


class User(Record, frozen=True):
    """A user. The names are null when nobody has loaded this user: the first check-in made the record."""

    id: int
    first_name: str | None
    last_name: str | None
    num_checkins: int
    last_checkin: Annotated[int | None, Meta(description="In ms; null before the first check-in")]
    last_seen_at: Annotated[int | None, Meta(description="Id of the location; null before the first check-in")]


class FullName(Record, frozen=True):
    """How a user is called."""

    full_name: Annotated[str | None, Meta(description="First and last name; null when nobody has loaded this user")]


USER_FIELDS = {
    "id": COUNT,
    "firstName": TEXT,
    "lastName": TEXT,
    "numCheckins": COUNT,
    "lastCheckin": NUMBER,
    "lastSeenAt": NUMBER,
}
USER = Shape(User, USER_FIELDS)
_NAMES = Shape(
    lambda _, *names: FullName(full_name=" ".join(filter(None, names)) or None),
    {"id": COUNT, "firstName": TEXT, "lastName": TEXT},
)

SOPHIA = User(
    id=180,
    first_name="Sophia",
    last_name="Marshall",
    num_checkins=2332,
    last_checkin=1609605397408,
    last_seen_at=13,
)

#: the parameter is named as in the path, so that errors name what the client sees
UserId = Annotated[
    IdParameter,
    PathParameter(description="The user's id", examples=[Example(value=SOPHIA.id)]),
]


@get(
    "/api/user/{id:str}",
    operation_id="getUser",
    summary="A user",
    tags=["users"],
    response_description="The user",
    operation_class=answers_like(SOPHIA),
    responses=problems(404, 422, 503),
)
async def user(id: UserId, reader: NamedDependency[Reader]) -> User:  # noqa: A002
    """Name, number of check-ins, and when and where the user was last seen."""
    return await reader.one(USER, reader.keys.user(id), "user")


@get(
    "/api/user/{id:str}/fullname",
    operation_id="getUserFullName",
    summary="A user's name",
    tags=["users"],
    response_description="The name",
    operation_class=answers_like(FullName(full_name="Sophia Marshall")),
    responses=problems(404, 422, 503),
)
async def full_name(id: UserId, reader: NamedDependency[Reader]) -> FullName:  # noqa: A002
    """First and last name, as one text."""
    return await reader.one(_NAMES, reader.keys.user(id), "user")


@get(
    "/api/user/email/{email:path}",
    operation_id="getUserByEmail",
    guards=[guard.signed_in],
    summary="The user with an e-mail address",
    tags=["users"],
    response_description="The user",
    operation_class=answers_like(SOPHIA),
    responses=problems(401, 403, 404, 422, 503),
)
async def by_email(
    email: Annotated[
        EmailParameter,
        PathParameter(
            description="The e-mail address, in any case", examples=[Example(value="sophia.marshall@example.com")]
        ),
    ],
    request: Request[Any, Any, Any],
    reader: NamedDependency[Reader],
    sessions: NamedDependency[Sessions],
) -> Response[User]:
    """As `/api/user/{id}`: the e-mail is not in the answer.

    While sign-in is on, it needs a token, or the session of the user whose address it is; for a session, an address
    that nobody has is like another user's.
    """
    index = reader.keys.users_email
    headers: dict[str, str] = {}
    asks = guard.sender(request)
    found = await reader.call("HGET", index, email.lower())
    if isinstance(asks, Session):
        if found != b"%d" % asks.user_id:
            raise ForbiddenError("a session may ask for its own user's e-mail address only")
        headers = sessions.headers(asks, session_id(request.headers.getall("cookie", [])))
    elif asks is not None:
        headers = {"cache-control": "no-store"}
    if found is None:
        raise NotFoundError("there is no such user")
    return Response(await reader.one(USER, reader.keys.user(id_in(index, found)), "user"), headers=headers)


routes = [user, full_name]
#: of which it is a setting who may ask
guarded = [by_email]
