"""The receiver does what its OpenAPI document says, and nothing else: schemathesis makes up requests from it."""

import itertools
from collections.abc import Iterator
from typing import Any

import msgspec
import pytest
import schemathesis
from hypothesis import HealthCheck, settings
from schemathesis import GenerationMode
from schemathesis.checks import CHECKS

from footfall import config
from footfall.receiver.app import create
from processes import Receiver
from receiver_scene import open_books
from servers import Server

KEY = "Idempotency-Key"
_numbers = itertools.count()
#: made up requests for each route, beside those for its examples and its limits
EXAMPLES = 150

document = create(config.load({"redis_url": "redis://nowhere"})).openapi_schema.to_schema()
schema = schemathesis.openapi.from_dict(
    document,
    config=schemathesis.Config.from_dict(
        {"checks": {"negative_data_rejection": {"expected-statuses": [400, 404, 405, 413, 415, 422]}}}
    ),
)


@schemathesis.serializer("application/x-ndjson")
def _lines(_context: Any, value: Any) -> bytes:
    """One JSON value a line; what is a string already, as it is."""
    if isinstance(value, str):
        return value.encode()
    return b"\n".join(map(msgspec.json.encode, value if isinstance(value, list) else [value]))


@pytest.fixture(scope="module")
def receiver() -> Iterator[Receiver]:
    with Server() as server:
        open_books(server)
        with Receiver(server.url, unknown_ids="create") as receiver:
            yield receiver


@schema.parametrize()
@settings(max_examples=EXAMPLES, derandomize=True, deadline=None, suppress_health_check=list(HealthCheck))
def test_no_request_is_answered_otherwise_than_described(case: schemathesis.Case[Any], receiver: Receiver) -> None:
    is_valid = case.meta is not None and case.meta.generation.mode is GenerationMode.POSITIVE
    if is_valid:
        case.body = whole_numbers(case.body)
        if KEY in case.headers:  # that the key was used for another request is no defect
            case.headers[KEY] = f"{case.headers[KEY][:50]}{next(_numbers)}"
    excluded: list[Any] = []
    if case.path == "/api/checkins" and not is_valid:  # what is wrong with one check-in is said in the answer
        excluded = [CHECKS.get_one("negative_data_rejection")]
    case.call_and_validate(base_url=receiver.url, excluded_checks=excluded)


def whole_numbers(value: Any) -> Any:
    """The value with 4 for each 4.0: JSON Schema takes both for an integer, Footfall the first."""
    if isinstance(value, dict):
        return {name: whole_numbers(item) for name, item in value.items()}
    if isinstance(value, list):
        return [whole_numbers(item) for item in value]
    return int(value) if isinstance(value, float) and value.is_integer() else value


def test_of_a_batch_that_is_not_as_described_only_what_is_right_is_accepted(receiver: Receiver) -> None:
    good = {"userId": 1, "locationId": 2, "starRating": 3}
    for wrong in (None, {}, [good], {**good, "starRating": 6}, {**good, "userId": 4.0}, {**good, "more": 1}):
        answer = receiver.client.post("/api/checkins", json=[good, wrong]).json()
        assert (answer["accepted"], [item["index"] for item in answer["rejected"]]) == (1, [1])


def test_the_document_is_the_one_that_is_served(receiver: Receiver) -> None:
    assert receiver.client.get("/schema/openapi.json").json() == document
