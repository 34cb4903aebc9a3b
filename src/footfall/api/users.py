"""What the API answers about users. Password and e-mail are never read."""

from typing import Annotated

from litestar import get
from litestar.di import NamedDependency
from litestar.openapi.spec import Example
from litestar.params import PathParameter
from msgspec import Meta

from footfall.api.describe import answers_like
from footfall.api.parameters import IdParameter
from footfall.api.reading import Reader
from footfall.errors import NotFoundError
from footfall.model import Record
from footfall.web import problems

_FIELDS = ("id", "firstName", "lastName", "numCheckins", "lastCheckin", "lastSeenAt")


class User(Record, frozen=True):
    """A user. The names are null when nobody has loaded this user: the first check-in made the record."""

    id: int
    first_name: str | None
    last_name: str | None
    num_checkins: int
    last_checkin: Annotated[int | None, Meta(description="In ms; null before the first check-in")]
    last_seen_at: Annotated[int | None, Meta(description="Id of the location; null before the first check-in")]


_SOPHIA = User(
    id=180,
    first_name="Sophia",
    last_name="Marshall",
    num_checkins=2332,
    last_checkin=1609605397408,
    last_seen_at=13,
)


@get(
    "/api/user/{id:str}",
    summary="A user",
    tags=["users"],
    response_description="The user",
    operation_class=answers_like(_SOPHIA),
    responses=problems(404, 422, 503),
)
async def user(
    # named as in the path, so that errors name what the client sees
    id: Annotated[  # noqa: A002
        IdParameter,
        PathParameter(description="The user's id", examples=[Example(value=_SOPHIA.id)]),
    ],
    reader: NamedDependency[Reader],
) -> User:
    """Name, number of check-ins, and when and where the user was last seen."""
    record = await reader.record(reader.keys.user(id), _FIELDS)
    if record is None:
        raise NotFoundError("there is no such user")
    return User(
        id=record.count("id"),
        first_name=record.text("firstName"),
        last_name=record.text("lastName"),
        num_checkins=record.count("numCheckins"),
        last_checkin=record.number("lastCheckin"),
        last_seen_at=record.number("lastSeenAt"),
    )


routes = [user]
