"""API server and auth service do what their OpenAPI documents say, and nothing else: schemathesis makes up requests.

The receiver's is in test_receiver_openapi.py.
"""

import json
from collections.abc import Iterator
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, settings
from schemathesis.checks import CHECKS

from chaos.replay import raw_client
from footfall import config
from footfall.api.app import create as create_api
from footfall.auth import tokens
from footfall.auth.app import create as create_auth
from footfall.keys import Keys
from processes import Api, Auth, Footfall
from servers import Server

#: made up requests for each route, beside those for its examples and its limits
EXAMPLES = 60
#: is answered without an end; test_live.py has its bad requests
LIVE = "/api/checkins/live"
#: where a request can be wrong in a way that its schema cannot say
MAY_BE_REFUSED = {
    "/api/checkins/{start}/{end}": "start comes after end",
    "/api/user/email/{email}": "which characters are spaces is another matter in JavaScript",
    "/api/users": "a password has more than 72 bytes",
    "/api/user/{id}": "a password has more than 72 bytes",
    "/api/locations": "details have another id than the location",
    "/api/location/{id}": "details have another id than the location",
}
#: what a request that is not as described may be answered with
REFUSALS = [400, 401, 404, 405, 409, 413, 415, 422, 429]

_settings = settings(max_examples=EXAMPLES, derandomize=True, deadline=None, suppress_health_check=list(HealthCheck))


def _schema(create: Any) -> schemathesis.BaseSchema:
    document = create(config.load({"redis_url": "redis://nowhere"})).openapi_schema.to_schema()
    # as it is served, without Python's types; in the same order in each process of a test run
    document = json.loads(json.dumps(document, sort_keys=True))
    checks = {"negative_data_rejection": {"expected-statuses": REFUSALS}}
    return schemathesis.openapi.from_dict(document, config=schemathesis.Config.from_dict({"checks": checks}))


api_schema, auth_schema = _schema(create_api), _schema(create_auth)


@pytest.fixture(scope="module")
def loaded() -> Iterator[Server]:
    """A server with the sample, all of it processed."""
    with Server() as server:
        for command in (["load", "all"], ["processor", "--once"]):
            with Footfall(*command, settings={"redis_url": server.url}) as process:
                assert process.wait() == 0, process.log
        yield server


@pytest.fixture(scope="module")
def api(loaded: Server) -> Iterator[Api]:
    with Api(loaded.url, bcrypt_cost=4) as process:
        yield process


@pytest.fixture(scope="module")
def token(loaded: Server) -> str:
    client = raw_client(loaded.port)
    secret = tokens.create(client, Keys("ncc"), "tests", "admin")
    client.close()
    return secret


@pytest.fixture(scope="module")
def auth(loaded: Server) -> Iterator[Auth]:
    with Auth(loaded.url) as process:
        yield process


@api_schema.exclude(path=LIVE).parametrize()
@_settings
def test_no_request_is_answered_by_the_api_otherwise_than_described(
    case: schemathesis.Case[Any], api: Api, token: str
) -> None:
    excluded: list[Any] = [CHECKS.get_one("positive_data_acceptance")] if case.path in MAY_BE_REFUSED else []
    case.call_and_validate(base_url=api.url, headers={"Authorization": f"Bearer {token}"}, excluded_checks=excluded)


@auth_schema.parametrize()
@_settings
def test_no_request_is_answered_by_the_auth_service_otherwise_than_described(
    case: schemathesis.Case[Any], auth: Auth
) -> None:
    case.call_and_validate(base_url=auth.url)


def test_the_documents_are_those_that_are_served(api: Api, auth: Auth) -> None:
    assert api.client.get("/schema/openapi.json").json() == api_schema.raw_schema
    assert auth.client.get("/schema/openapi.json").json() == auth_schema.raw_schema
