"""Services do what their OpenAPI documents say, and nothing else: schemathesis makes up requests.

The receiver's is in test_receiver_openapi.py.
"""

from collections.abc import Iterator
from typing import Any

import pytest
import schemathesis
from schemathesis.checks import CHECKS

from auth_scene import signed_in
from chaos.replay import raw_client
from footfall import config
from footfall.api.app import create as create_api
from footfall.auth.app import create as create_auth
from footfall.domain.model import MAX_LATITUDE, MAX_LONGITUDE
from footfall.http.openapi import completed
from footfall.identity import tokens
from footfall.keys import Keys
from footfall.processor.health import create as create_processor
from live_reader import LIVE
from made_up_requests import examples, has_its_method, is_valid, schema_of, whole_numbers
from processes import Api, Auth, Footfall, Processor
from servers import Server

#: made up requests for each route, beside those for its examples and its limits
EXAMPLES = 60
#: what a request that is not as described may be answered with
REFUSALS = [400, 401, 404, 405, 409, 413, 415, 422, 429]
#: bytes that a password can have
MAX_PASSWORD = 72

_settings = examples(EXAMPLES)


def _document(create: Any, **chosen: object) -> Any:
    return completed(create(config.load({"redis_url": "redis://nowhere", **chosen})).openapi_schema.to_schema())


def _needs_credentials(context: Any) -> bool:
    return bool(context.operation.definition.raw.get("security"))


api_schema = schema_of(_document(create_api), REFUSALS, credentials=False)
nobodys_schema = schema_of(_document(create_api, auth=True), REFUSALS, credentials=True)
auth_schema = schema_of(_document(create_auth), REFUSALS, credentials=True)
processor_schema = schema_of(_document(create_processor), REFUSALS, credentials=False)


@pytest.fixture(scope="module")
def loaded() -> Iterator[Server]:
    """A server with the sample, all of it processed."""
    with Server() as server:
        for command in (["load", "all", "--sample"], ["processor", "--once"]):
            with Footfall(*command, settings={"redis_url": server.url}) as process:
                assert process.wait() == 0, process.log
        yield server


@pytest.fixture(scope="module")
def api(loaded: Server) -> Iterator[Api]:
    with Api(loaded.url, bcrypt_cost=4) as process:
        yield process


@pytest.fixture(scope="module")
def guarded(loaded: Server) -> Iterator[Api]:
    with Api(loaded.url, auth="true") as process:
        yield process


@pytest.fixture(scope="module")
def token(loaded: Server) -> str:
    client = raw_client(loaded.port)
    secret = tokens.create(client, Keys("ncc"), "tests", "admin")
    client.close()
    return secret


@pytest.fixture(scope="module")
def cookie(loaded: Server, auth: Auth) -> str:
    email = str(loaded.client().hget("ncc:users:777", "email"))
    return signed_in(auth, email, "secret")


@pytest.fixture(scope="module")
def processor(loaded: Server) -> Iterator[Processor]:
    with Processor(loaded.url) as process:
        yield process


@pytest.fixture(scope="module")
def auth(loaded: Server) -> Iterator[Auth]:
    with Auth(loaded.url) as process:
        yield process


@api_schema.parametrize()
@_settings
def test_no_request_is_answered_by_the_api_otherwise_than_described(
    case: schemathesis.Case[Any], api: Api, token: str, cookie: str
) -> None:
    if is_valid(case):
        put_right(case)
    excluded: list[Any] = []
    if case.path == LIVE:
        # its schema is that of the text, which it would hold against each event; test_live.py knows what those are
        excluded = [CHECKS.get_one("response_schema_conformance")]
        if "lastEventId" not in case.query and "Last-Event-ID" not in case.headers:
            case.query["lastEventId"] = "0-0"  # so that there is an event to read
    headers = {"Cookie": cookie} if case.path == "/api/me" else {"Authorization": f"Bearer {token}"}
    case.call_and_validate(base_url=api.url, headers=headers, excluded_checks=excluded)


def put_right(case: schemathesis.Case[Any]) -> None:
    """What a schema cannot say: the order of two times, bytes of a password, the range of a place, days of details."""
    path, body = case.path_parameters, whole_numbers(case.body)
    if "start" in path:
        path["start"], path["end"] = sorted([path["start"], path["end"]], key=int)
    if isinstance(body, dict) and "password" in body:
        body["password"] = body["password"].encode()[:MAX_PASSWORD].decode(errors="ignore")
    if isinstance(body, dict) and "location" in body:
        lng, lat = map(float, body["location"].split(","))
        if abs(lng) > MAX_LONGITUDE or abs(lat) > MAX_LATITUDE:
            body["location"] = f"{lng / 10:.4f},{lat / 10:.4f}"
    if isinstance(body, dict) and body.get("details"):
        body["details"]["id"] = body.get("id", path.get("id"))
        for day, hours in enumerate(body["details"]["hours"]):
            hours["day"] = day
    case.body = body


@nobodys_schema.include(_needs_credentials).parametrize()
@_settings
def test_no_request_of_nobody_is_answered_by_the_api_otherwise_than_described(
    case: schemathesis.Case[Any], guarded: Api
) -> None:
    answer = case.call_and_validate(base_url=guarded.url)
    assert answer.status_code == 401 or not has_its_method(case)


@auth_schema.parametrize()
@_settings
def test_no_request_is_answered_by_the_auth_service_otherwise_than_described(
    case: schemathesis.Case[Any], auth: Auth
) -> None:
    case.call_and_validate(base_url=auth.url)


@processor_schema.parametrize()
@_settings
def test_no_request_is_answered_by_the_processor_otherwise_than_described(
    case: schemathesis.Case[Any], processor: Processor
) -> None:
    case.call_and_validate(base_url=processor.url)


def test_the_documents_are_those_that_are_served(api: Api, guarded: Api, auth: Auth, processor: Processor) -> None:
    assert guarded.client.get("/schema/openapi.json").json() == nobodys_schema.raw_schema
    assert api.client.get("/schema/openapi.json").json() == api_schema.raw_schema
    assert auth.client.get("/schema/openapi.json").json() == auth_schema.raw_schema
    assert processor.client.get("/schema/openapi.json").json() == processor_schema.raw_schema
