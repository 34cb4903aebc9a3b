"""The receiver's ordinary ASGI app: every route."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import msgspec
from litestar import Litestar, Request, post
from litestar.di import NamedDependency
from litestar.openapi.datastructures import ResponseSpec
from litestar.openapi.spec import Example, OpenAPIMediaType, Operation, Reference, RequestBody, Schema
from litestar.openapi.spec.enums import OpenAPIType

from footfall.config import Settings
from footfall.errors import TooLargeError
from footfall.keys import Keys
from footfall.model import MAX_ID
from footfall.receiver.check_in import MAX_BODY, decode, require_json
from footfall.receiver.intake import Intake
from footfall.serve import worker_settings
from footfall.store.books import open_pipeline
from footfall.web import create_app, problems

#: bytes of a body that is too large which are read all the same; a sender that is cut off may never see the answer
_MAX_READ = 2 * 1024 * 1024


class Accepted(msgspec.Struct):
    """The id of the entry that holds the check-in."""

    id: str


_ID = Schema(type=OpenAPIType.INTEGER, minimum=1, maximum=MAX_ID)
_STARS = Schema(type=OpenAPIType.INTEGER, minimum=0, maximum=5)


@dataclass
class _CheckInOperation(Operation):
    """The handler reads the body itself, to the byte, so its description is given here."""

    def __post_init__(self) -> None:
        properties: dict[str, Reference | Schema] = {"userId": _ID, "locationId": _ID, "starRating": _STARS}
        schema = Schema(
            type=OpenAPIType.OBJECT,
            properties=properties,
            required=list(properties),
            additional_properties=False,
        )
        example = Example(summary="Four stars", value={"userId": 180, "locationId": 13, "starRating": 4})
        media_type = OpenAPIMediaType(schema=schema, examples={"check-in": example})
        self.request_body = RequestBody(content={"application/json": media_type}, required=True)


@post(
    "/api/checkin",
    status_code=202,
    request_max_body_size=_MAX_READ,
    operation_class=_CheckInOperation,
    summary="Store one check-in",
    responses={
        202: ResponseSpec(Accepted, generate_examples=False, description="Stored; the id of its entry"),
        **problems(400, 404, 413, 415, 422, 503),
    },
)
async def check_in(request: Request[Any, Any, Any], intake: NamedDependency[Intake]) -> Accepted:
    """The body is validated: every field must be there, an integer in its range, and no other field. The user and the
    location must be known. When the answer is 202 the check-in is in the stream, and will be counted exactly once.
    """
    body = await _body(request)
    require_json(request.headers.get("content-type"))
    entry_id, _ = await intake.store(decode(body))
    return Accepted(entry_id)


async def _body(request: Request[Any, Any, Any]) -> bytes:
    """The body, read to its end. Raises TooLargeError."""
    body = b""
    async for part in request.stream():
        if len(body) <= MAX_BODY:
            body += part
    if len(body) > MAX_BODY:
        raise TooLargeError(f"a check-in takes at most {MAX_BODY} bytes")
    return body


def create(settings: Settings | None = None) -> Litestar:
    """The receiver; in a worker process, from the settings in its environment."""
    settings = settings or worker_settings()

    @asynccontextmanager
    async def lifespan(app: Litestar) -> AsyncIterator[None]:
        pipeline = open_pipeline(settings.server_url, settings)
        app.state.intake = Intake(pipeline, Keys(settings.prefix), settings)
        app.state.shared.update(intake=app.state.intake, request_timeout=settings.request_timeout)
        pipeline.start()
        yield
        await app.state.intake.drain()
        await pipeline.close()

    return create_app(
        title="Footfall receiver",
        description="Takes check-ins. A 202 says that the check-in is stored.",
        handlers=[check_in],
        lifespan=lifespan,
        provide=("intake",),
    )
