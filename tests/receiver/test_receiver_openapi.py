"""The receiver does what its OpenAPI document says, and nothing else: schemathesis makes up requests from it.

While sign-in is off, and while it is on: with a session, with a token, with neither.
"""

import itertools
from collections.abc import Iterator
from typing import Any

import msgspec
import pytest
import schemathesis
from schemathesis.checks import CHECKS

from auth_scene import new_token, signed_in, with_user
from footfall import config
from footfall.http.openapi import completed
from footfall.receiver.app import create
from made_up_requests import examples, has_its_method, is_valid, schema_of, whole_numbers
from processes import Auth, Receiver
from receiver_scene import open_metadata
from servers import Server

CHECK_IN, CHECK_INS = "/api/checkin", "/api/checkins"
KEY = "Idempotency-Key"
_numbers = itertools.count()
#: made up requests for each route, beside those for its examples and its limits
EXAMPLES = 100

#: what a request that is not as described may be answered with, whoever sends it
REFUSALS = [400, 404, 405, 413, 415, 422]
_settings = examples(EXAMPLES)


def _document(**chosen: object) -> dict[str, Any]:
    return completed(create(config.load({"redis_url": "redis://nowhere", **chosen})).openapi_schema.to_schema())


document, guarded_document = _document(), _document(auth="true")
schema = schema_of(document, REFUSALS, credentials=True)
guarded_schema = schema_of(guarded_document, REFUSALS, credentials=False)
nobodys_schema = schema_of(guarded_document, [*REFUSALS, 401], credentials=True)


@schemathesis.serializer("application/x-ndjson")
def _lines(_context: Any, value: Any) -> bytes:
    """One JSON value a line; what is a string already, as it is."""
    if isinstance(value, str):
        return value.encode()
    return b"\n".join(map(msgspec.json.encode, value if isinstance(value, list) else [value]))


@pytest.fixture(scope="module")
def receiver() -> Iterator[Receiver]:
    with Server() as server:
        open_metadata(server)
        with Receiver(server.url, unknown_ids="create") as receiver:
            yield receiver


@pytest.fixture(scope="module")
def sign_in() -> Iterator[Server]:
    """A server with user 1, who can sign in, and location 2."""
    with Server() as server:
        with_user(server).close()
        yield server


@pytest.fixture(scope="module")
def guarded(sign_in: Server) -> Iterator[Receiver]:
    with Receiver(sign_in.url, unknown_ids="create", auth="true") as receiver:
        yield receiver


@pytest.fixture(scope="module")
def cookie(sign_in: Server) -> str:
    with Auth(sign_in.url) as auth:
        return signed_in(auth)


@pytest.fixture(scope="module")
def token(sign_in: Server) -> str:
    return new_token(sign_in)


def _send(case: schemathesis.Case[Any], receiver: Receiver, headers: dict[str, str] | None = None) -> Any:
    """The answer, which is as described."""
    if is_valid(case):
        case.body = whole_numbers(case.body)
        if KEY in case.headers:  # that the key was used for another request is no defect
            case.headers[KEY] = f"{case.headers[KEY][:50]}{next(_numbers)}"
    excluded: list[Any] = []
    if case.path == CHECK_INS and not is_valid(case):  # what is wrong with one check-in is said in the answer
        excluded = [CHECKS.get_one("negative_data_rejection")]
    return case.call_and_validate(base_url=receiver.url, headers=headers, excluded_checks=excluded)


@schema.parametrize()
@_settings
def test_no_request_is_answered_otherwise_than_described(case: schemathesis.Case[Any], receiver: Receiver) -> None:
    _send(case, receiver)


@guarded_schema.parametrize()
@_settings
def test_no_request_with_a_session_is_answered_otherwise_than_described(
    case: schemathesis.Case[Any], guarded: Receiver, cookie: str
) -> None:
    if is_valid(case):
        case.body = some_own(case.body)
    assert _send(case, guarded, {"Cookie": cookie}).status_code != 401


@guarded_schema.parametrize()
@_settings
def test_no_request_with_a_token_is_answered_otherwise_than_described(
    case: schemathesis.Case[Any], guarded: Receiver, token: str
) -> None:
    assert _send(case, guarded, {"Authorization": token}).status_code not in (401, 403)


@nobodys_schema.parametrize()
@_settings
def test_no_request_of_nobody_is_answered_otherwise_than_described(
    case: schemathesis.Case[Any], guarded: Receiver
) -> None:
    answer = _send(case, guarded)
    if case.path in (CHECK_IN, CHECK_INS) and has_its_method(case):
        assert answer.status_code == 401


def some_own(value: Any) -> Any:
    """Check-ins, with user 1 in place of each user with an odd id."""
    if isinstance(value, list):
        return [some_own(item) for item in value]
    return {**value, "userId": 1} if isinstance(value, dict) and value["userId"] % 2 else value


def test_of_a_batch_that_is_not_as_described_only_what_is_right_is_accepted(receiver: Receiver) -> None:
    good = {"userId": 1, "locationId": 2, "starRating": 3}
    for wrong in (None, {}, [good], {**good, "starRating": 6}, {**good, "userId": 4.0}, {**good, "more": 1}):
        answer = receiver.client.post(CHECK_INS, json=[good, wrong]).json()
        assert (answer["accepted"], [item["index"] for item in answer["rejected"]]) == (1, [1])


def test_the_documents_are_those_that_are_served(receiver: Receiver, guarded: Receiver) -> None:
    assert receiver.client.get("/schema/openapi.json").json() == document
    assert guarded.client.get("/schema/openapi.json").json() == guarded_document


def test_the_document_says_whether_a_check_in_needs_a_session_or_a_token() -> None:
    session: dict[str, list[str]] = {"session": []}
    token: dict[str, list[str]] = {"token": []}
    for said, ways in {"off": [session, token, {}], "on": [session, token]}.items():
        found = {"off": document, "on": guarded_document}[said]
        assert found["components"]["securitySchemes"].keys() == {"session", "token"}
        for path, item in found["paths"].items():
            for operation in item.values():
                assert operation.get("security") == (ways if path in (CHECK_IN, CHECK_INS) else None), (said, path)
        assert {"401", "403"} <= found["paths"][CHECK_IN]["post"]["responses"].keys()
        assert "401" in found["paths"][CHECK_INS]["post"]["responses"]
