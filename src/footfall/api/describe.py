"""What the OpenAPI document says of a route, where the framework would say something else."""

from dataclasses import dataclass
from typing import Any

import msgspec
from litestar.openapi.spec import Example, OpenAPIResponse, Operation, Parameter, Reference, Schema
from litestar.openapi.spec.enums import OpenAPIType

from footfall.http.app import CURSOR


def answers_like(example: Any) -> type[Operation]:
    """The `operation_class` of a route that answers 200 with something like `example`."""

    @dataclass
    class ReadOperation(Operation):
        def __post_init__(self) -> None:
            for parameter in self.parameters or []:
                without_null(parameter)
            responses = self.responses or {}
            # the framework's own answer to invalid parameters; ours is a problem document: 422, and 400 of a cursor
            if not any(isinstance(one, Parameter) and one.name == CURSOR for one in self.parameters or []):
                responses.pop("400", None)
            answer = responses["200"]
            assert isinstance(answer, OpenAPIResponse)
            for media_type in (answer.content or {}).values():
                media_type.examples = {"example": Example(value=msgspec.to_builtins(example))}

    return ReadOperation


def without_null(parameter: Parameter | Reference) -> None:
    """A parameter that may be left out is not one that may be null, as the framework has it."""
    if isinstance(parameter, Parameter) and isinstance(parameter.schema, Schema) and parameter.schema.one_of:
        (parameter.schema,) = (
            kind for kind in parameter.schema.one_of if isinstance(kind, Schema) and kind.type != OpenAPIType.NULL
        )
