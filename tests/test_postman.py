"""The Postman collections: every operation once, with its example; to be had from each service."""

import json
from collections.abc import Iterator
from typing import Any

import pytest

from footfall.postman import SCHEMA, collection
from openapi_documents import DOCUMENTS, operations
from processes import Api
from servers import Server


@pytest.fixture(scope="module")
def api(shared_server: Server) -> Iterator[Api]:
    with Api(shared_server.url) as process:
        yield process


def entries(found: dict[str, Any]) -> list[dict[str, Any]]:
    """All requests of a collection."""
    return [entry for folder in found["item"] for entry in folder["item"]]


def path_of(entry: dict[str, Any]) -> str:
    """The path of a request as OpenAPI has it."""
    segments = entry["request"]["url"]["path"]
    return "/" + "/".join(f"{{{part[1:]}}}" if part.startswith(":") else part for part in segments)


@pytest.mark.parametrize("service", DOCUMENTS)
def test_every_operation_is_in_it_once(service: str) -> None:
    found = collection(DOCUMENTS[service], "http://127.0.0.1:1")
    described = [(o.method.upper(), o.path) for o in operations() if o.service == service]
    assert sorted((entry["request"]["method"], path_of(entry)) for entry in entries(found)) == sorted(described)


@pytest.mark.parametrize("service", DOCUMENTS)
def test_every_request_has_its_example(service: str) -> None:
    for entry in entries(collection(DOCUMENTS[service], "http://127.0.0.1:1")):
        request = entry["request"]
        url = request["url"]
        assert entry["name"]
        assert url["raw"].startswith("{{baseUrl}}/")
        assert {variable["key"] for variable in url["variable"]} == {p[1:] for p in url["path"] if p.startswith(":")}
        for given in (*url["variable"], *url["query"], *request["header"]):
            assert given["value"] != "", given
        if any(header["key"] == "Content-Type" for header in request["header"]):
            json.loads(request["body"]["raw"])
        codes = [response["code"] for response in entry["response"]]
        assert any(200 <= code < 300 for code in codes)
        assert all(response["body"] or response["code"] == 204 for response in entry["response"])


def test_a_request_looks_as_in_the_document() -> None:
    found = {path_of(entry): entry for entry in entries(collection(DOCUMENTS["receiver"], "http://127.0.0.1:1"))}
    request = found["/api/checkin"]["request"]
    assert request["method"] == "POST"
    assert json.loads(request["body"]["raw"]) == {"userId": 180, "locationId": 13, "starRating": 4}
    assert [header["key"] for header in request["header"] if not header.get("disabled")] == ["Content-Type"]


def test_it_says_what_it_is() -> None:
    found = collection(DOCUMENTS["api"], "http://127.0.0.1:8081")
    assert found["info"]["schema"] == SCHEMA
    assert found["info"]["name"] == "Footfall API"
    assert found["variable"] == [{"key": "baseUrl", "value": "http://127.0.0.1:8081", "type": "string"}]


def test_a_service_gives_its_own(api: Api) -> None:
    answer = api.client.get("/schema/postman.json")
    assert answer.headers["content-type"] == "application/json"
    assert answer.json() == collection(DOCUMENTS["api"], api.url)


@pytest.mark.parametrize("host", ["", "a b", '"><script>', "x" * 300, "h\xe9"])
def test_a_host_that_is_none_is_not_taken_over(host: str, api: Api) -> None:
    answer = api.client.get("/schema/postman.json", headers={b"Host": host.encode("latin-1")})
    if answer.status_code != 400:  # refused before anyone looks at the path
        assert answer.json()["variable"][0]["value"] == "http://127.0.0.1"
