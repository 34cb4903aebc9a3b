"""What the receiver's OpenAPI document says: handlers read bodies themselves, to the byte, so nothing else knows."""

from dataclasses import dataclass
from typing import Annotated

import msgspec
from litestar.openapi.spec import Example, OpenAPIMediaType, Operation, Parameter, RequestBody, Schema
from litestar.openapi.spec.enums import OpenAPIType
from msgspec import Meta

from footfall.domain.model import MAX_ID
from footfall.receiver.batch_body import MAX_ITEMS


class Accepted(msgspec.Struct):
    """The id of the entry that holds the check-in."""

    id: str


class Rejected(msgspec.Struct):
    """A check-in of a batch that was not stored: its place from 0, and what it would have been answered alone."""

    index: int
    status: int
    detail: str


class RejectedAlike(msgspec.Struct):
    """More check-ins of a batch that were not stored, all with one status: their places from 0."""

    status: int
    indexes: list[int]


class AcceptedBatch(msgspec.Struct, rename="camel", omit_defaults=True):
    """What became of a batch: how many were stored, their entries in order, and the others."""

    accepted: int
    ids: list[str]
    rejected: Annotated[list[Rejected], Meta(description="The first 100 that were not stored")]
    also_rejected: Annotated[list[RejectedAlike], Meta(description="The others, by status; left out without any")] = []


_ID = Schema(type=OpenAPIType.INTEGER, minimum=1, maximum=MAX_ID)
_STARS = Schema(type=OpenAPIType.INTEGER, minimum=0, maximum=5)
_CHECK_IN = Schema(
    type=OpenAPIType.OBJECT,
    title="CheckIn",
    description="Who was where, and how it was",
    properties={"userId": _ID, "locationId": _ID, "starRating": _STARS},
    required=["userId", "locationId", "starRating"],
    additional_properties=False,
)
_LINES = r'^(\{"userId":[1-9][0-9]{0,14},"locationId":[1-9][0-9]{0,14},"starRating":[0-5]\}\n)+$'
_EXAMPLE = {"userId": 180, "locationId": 13, "starRating": 4}
_KEY = Parameter(
    name="Idempotency-Key",
    param_in="header",
    schema=Schema(type=OpenAPIType.STRING, pattern="^[!-~]{1,64}$"),
    description="Chosen by the client, another one for each request; the same when it is sent again",
    examples={"example": Example(value="3f9c2d1e-7b54-4a08-9c6e-1d2f3a4b5c6d")},
)


@dataclass
class CheckInOperation(Operation):
    """Body and header of `POST /api/checkin`."""

    def __post_init__(self) -> None:
        example = Example(summary="Four stars", value=_EXAMPLE)
        media_type = OpenAPIMediaType(schema=_CHECK_IN, examples={"check-in": example})
        self.request_body = RequestBody(content={"application/json": media_type}, required=True)
        self.parameters = [_KEY]


@dataclass
class BatchOperation(Operation):
    """Body and header of `POST /api/checkins`."""

    def __post_init__(self) -> None:
        items = Schema(type=OpenAPIType.ARRAY, items=_CHECK_IN, max_items=MAX_ITEMS)
        # before OpenAPI 3.2 nothing describes the lines of a sequence, but a pattern of what they may be like
        lines = Schema(
            type=OpenAPIType.STRING,
            pattern=_LINES,
            description="A check-in a line, as JSON; in any order of its fields, with any spaces between them",
        )
        array_example = Example(summary="Two check-ins", value=[_EXAMPLE, _EXAMPLE | {"userId": 181}])
        lines_example = Example(summary="One check-in", value='{"userId":180,"locationId":13,"starRating":4}\n')
        content = {
            "application/json": OpenAPIMediaType(schema=items, examples={"array": array_example}),
            "application/x-ndjson": OpenAPIMediaType(schema=lines, examples={"lines": lines_example}),
        }
        self.request_body = RequestBody(content=content, required=True)
        self.parameters = [_KEY]
