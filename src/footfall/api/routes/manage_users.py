"""Adding, changing and removing users: with a token of role admin."""

from typing import Annotated, Any

from litestar import Request, Response, delete, patch, post
from litestar.di import NamedDependency
from litestar.openapi.datastructures import ResponseSpec
from litestar.openapi.spec import Example
from litestar.params import PathParameter

from footfall.api.parameters import IdParameter
from footfall.api.reading import Reader
from footfall.api.routes import users
from footfall.domain.documents import UserChange
from footfall.domain.model import NewUser
from footfall.http import bodies
from footfall.http.app import problems
from footfall.identity import guard
from footfall.logs import log
from footfall.operations.manage.users import Users

_NEW = NewUser(
    id=5001,
    first_name="Mira",
    last_name="Okafor",
    email="mira.okafor@example.com",
    password="correct horse",
)
#: somebody whom check-ins named before
_ADDED = users.User(
    id=5001, first_name="Mira", last_name="Okafor", num_checkins=2, last_checkin=1609605397408, last_seen_at=13
)
_UserId = Annotated[
    IdParameter,
    PathParameter(description="The user's id", examples=[Example(value=_NEW.id)]),
]


@post(
    "/api/users",
    operation_id="createUser",
    guards=[guard.admin],
    request_max_body_size=bodies.MAX_READ,
    summary="Add a user",
    tags=["users"],
    security=[{"token": []}],
    operation_class=bodies.takes(NewUser, _NEW, (201, _ADDED)),
    responses={
        201: ResponseSpec(users.User, generate_examples=False, description="Added; `Location` is where it is"),
        **problems(400, 401, 403, 409, 413, 415, 422, 503),
    },
)
async def add_user(
    request: Request[Any, Any, Any], reader: NamedDependency[Reader], managed_users: NamedDependency[Users]
) -> Response[users.User]:
    """The id is the client's choice. A user whom so far only check-ins name keeps its counters. 409: there is one, the
    id was removed for good, or another user has the e-mail, in whatever case.
    """
    user = await bodies.document(request, NewUser)
    await managed_users.add(user)
    log.info("The token %s added user %d.", request.auth.name, user.id)
    added = await users.user.fn(IdParameter(user.id), reader)
    return Response(added, headers={"location": f"/api/user/{user.id}"})


@patch(
    "/api/user/{id:str}",
    operation_id="updateUser",
    guards=[guard.admin],
    request_max_body_size=bodies.MAX_READ,
    summary="Change a user",
    tags=["users"],
    security=[{"token": []}],
    operation_class=bodies.takes(UserChange, UserChange(last_name="Lindqvist"), (200, _ADDED)),
    responses={
        200: ResponseSpec(users.User, generate_examples=False, description="The user as it is now"),
        **problems(400, 401, 403, 404, 409, 413, 415, 422, 503),
    },
)
async def change_user(
    request: Request[Any, Any, Any],
    id: _UserId,  # noqa: A002
    reader: NamedDependency[Reader],
    managed_users: NamedDependency[Users],
) -> Response[users.User]:
    """Changes the fields that are there. Counters cannot be changed. A new password ends the user's sessions."""
    # as a plain int: hiredis packs no others
    await managed_users.change(int(id), await bodies.document(request, UserChange))
    log.info("The token %s changed user %d.", request.auth.name, id)
    return Response(await users.user.fn(id, reader))


@delete(
    "/api/user/{id:str}",
    operation_id="deleteUser",
    guards=[guard.admin],
    summary="Remove a user",
    tags=["users"],
    security=[{"token": []}],
    operation_class=bodies.EmptyOperation,
    responses=problems(401, 403, 404, 422, 503),
    response_description="Removed",
)
async def remove_user(
    request: Request[Any, Any, Any],
    id: _UserId,  # noqa: A002
    managed_users: NamedDependency[Users],
) -> None:
    """For good: record, index entries and sessions go, and the id is not given out again. What was counted at locations
    stays. Entries that are not processed yet, and later ones, become dead letters.
    """
    await managed_users.remove(int(id))
    log.info("The token %s removed user %d.", request.auth.name, id)


routes = [add_user, change_user, remove_user]
