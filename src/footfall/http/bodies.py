"""Bodies of requests: read to the byte, and described in the OpenAPI document."""

from dataclasses import dataclass
from typing import Any, TypeVar

import msgspec
from litestar import Request
from litestar.openapi.spec import Example, OpenAPIMediaType, OpenAPIResponse, Operation, RequestBody

from footfall.domain.documents import decode
from footfall.domain.model import Record
from footfall.errors import UnsupportedTypeError
from footfall.http.app import body_of

RecordT = TypeVar("RecordT", bound=Record)

#: bytes; a location with the longest details takes about 30 KB, when its letters take 4 bytes each
MAX_BODY = 64 * 1024
#: bytes of a body that is too large which are read all the same; a sender that is cut off may never see the answer
MAX_READ = 2 * 1024 * 1024


async def document(request: Request[Any, Any, Any], kind: type[RecordT]) -> RecordT:
    """The record in a request's JSON body.

    Raises UnsupportedTypeError, TooLargeError, MalformedError, InvalidError.
    """
    content_type = request.headers.get("content-type", "")
    if content_type.partition(";")[0].strip().lower() != "application/json":
        raise UnsupportedTypeError("the content type must be application/json")
    if request.headers.get("content-encoding", "identity").strip().lower() not in ("", "identity"):
        raise UnsupportedTypeError("the body is taken without content encoding")
    return decode(await body_of(request, MAX_BODY), kind)


def takes(kind: type[Record], example: Record, answer: tuple[int, Record]) -> type[Operation]:
    """The `operation_class` of a route with such a body; `answer`: its status, and an example of what it says."""
    status, answered = answer
    media_type = OpenAPIMediaType(
        schema=_schema(kind),
        examples={"example": Example(value=msgspec.to_builtins(example))},
    )

    @dataclass
    class WriteOperation(Operation):
        def __post_init__(self) -> None:
            self.request_body = RequestBody(content={"application/json": media_type}, required=True)
            response = (self.responses or {})[str(status)]
            assert isinstance(response, OpenAPIResponse)
            for shown in (response.content or {}).values():
                shown.examples = {"example": Example(value=msgspec.to_builtins(answered))}

    return WriteOperation


@dataclass
class EmptyOperation(Operation):
    """The `operation_class` of a route without a body, whose answer has none: what is invalid is a 422, no 400."""

    def __post_init__(self) -> None:
        responses = self.responses or {}
        responses.pop("400", None)
        answer = responses["204"]
        assert isinstance(answer, OpenAPIResponse)
        answer.content = None


def _schema(kind: type[Record]) -> Any:
    """JSON Schema of a record, in one piece, with patterns as JavaScript has them."""
    schema = msgspec.json.schema(kind)
    definitions = schema.pop("$defs")

    def inlined(part: Any) -> Any:
        if isinstance(part, list):
            return [inlined(item) for item in part]
        if not isinstance(part, dict):
            return part
        if "$ref" in part:
            return inlined(definitions[part["$ref"].rpartition("/")[2]])
        return {
            name: value.replace(r"\Z", "$") if name == "pattern" and isinstance(value, str) else inlined(value)
            for name, value in part.items()
        }

    return inlined(schema)
