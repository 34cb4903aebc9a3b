"""What tests have in common that let schemathesis make up requests from an OpenAPI document."""

import json
from collections.abc import Mapping
from typing import Any

import schemathesis
from hypothesis import HealthCheck, settings
from schemathesis import GenerationMode


def schema_of(document: Mapping[str, Any], refusals: list[int], *, credentials: bool) -> schemathesis.BaseSchema:
    """What to make up requests from. `refusals`: what a request that is not as described may be answered with.

    `credentials`: whether sessions and tokens are made up, too, which nobody has.
    """
    # as it is served, without Python's types; in the same order in each process of a test run
    plain = json.loads(json.dumps(document, sort_keys=True))
    chosen = {
        "checks": {"negative_data_rejection": {"expected-statuses": refusals}},
        "generation": {"with-security-parameters": credentials},
        "max-stream-events": 1,  # of the live feed, which has no end
    }
    return schemathesis.openapi.from_dict(plain, config=schemathesis.Config.from_dict(chosen))


def examples(count: int) -> settings:
    """Decorates a test: so many made up requests, beside those for a route's examples and limits; always the same."""
    return settings(max_examples=count, derandomize=True, deadline=None, suppress_health_check=list(HealthCheck))


def is_valid(case: schemathesis.Case[Any]) -> bool:
    """Whether the request is as described."""
    return case.meta is not None and case.meta.generation.mode is GenerationMode.POSITIVE


def has_its_method(case: schemathesis.Case[Any]) -> bool:
    """Whether the request has the method that its route takes."""
    expected: str = case.operation.method.upper()
    return case.method.upper() == expected


def whole_numbers(value: Any) -> Any:
    """The value with 4 for each 4.0: JSON Schema takes both for an integer, Footfall the first."""
    if isinstance(value, dict):
        return {name: whole_numbers(item) for name, item in value.items()}
    if isinstance(value, list):
        return [whole_numbers(item) for item in value]
    return int(value) if isinstance(value, float) and value.is_integer() else value
