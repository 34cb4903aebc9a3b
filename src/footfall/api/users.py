"""What the API answers about one user. Password and e-mail are never read."""

from typing import Annotated

from litestar import get
from litestar.di import NamedDependency
from litestar.openapi.spec import Example
from litestar.params import PathParameter
from msgspec import Meta

from footfall.api.describe import answers_like
from footfall.api.parameters import EmailParameter, IdParameter
from footfall.api.reading import Reader
from footfall.api.records import COUNT, NUMBER, TEXT, Shape, id_in
from footfall.errors import NotFoundError
from footfall.model import Record
from footfall.web import problems


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
    summary="The user with an e-mail address",
    tags=["users"],
    response_description="The user",
    operation_class=answers_like(SOPHIA),
    responses=problems(404, 422, 503),
)
async def by_email(
    email: Annotated[
        EmailParameter,
        PathParameter(
            description="The e-mail address, in any case", examples=[Example(value="sophia.marshall@example.com")]
        ),
    ],
    reader: NamedDependency[Reader],
) -> User:
    """As `/api/user/{id}`: the e-mail is not in the answer."""
    index = reader.keys.users_email
    found = await reader.call("HGET", index, email.lower())
    if found is None:
        raise NotFoundError("there is no such user")
    return await reader.one(USER, reader.keys.user(id_in(index, found)), "user")


routes = [user, full_name, by_email]
