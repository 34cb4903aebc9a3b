"""What the OpenAPI document says of a route, where the framework would say something else."""

from dataclasses import dataclass
from typing import Any

import msgspec
from litestar.openapi.spec import Example, OpenAPIResponse, Operation


def answers_like(example: Any) -> type[Operation]:
    """The `operation_class` of a route that answers 200 with something like `example`."""

    @dataclass
    class ReadOperation(Operation):
        def __post_init__(self) -> None:
            responses = self.responses or {}
            # the framework's own answer to invalid parameters; ours is the problem document with 422
            responses.pop("400", None)
            answer = responses["200"]
            assert isinstance(answer, OpenAPIResponse)
            for media_type in (answer.content or {}).values():
                media_type.examples = {"example": Example(value=msgspec.to_builtins(example))}

    return ReadOperation
