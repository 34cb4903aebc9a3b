"""The Postman collections: every operation once, with its example; to be had from each service."""

import json
import re
from collections.abc import Iterator
from typing import Any

import pytest

from footfall import sample
from footfall.http.postman import SCHEMA, collection
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


def variables(found: dict[str, Any]) -> dict[str, str]:
    return {variable["key"]: variable["value"] for variable in found["variable"]}


def body_of(entry: dict[str, Any], found: dict[str, Any]) -> Any:
    """The JSON body of a request, with the values that variables begin with; the ids of what it adds are 1 here."""
    raw = re.sub(r"\{\{(\w+)\}\}", lambda name: variables(found)[name[1]] or "1", entry["request"]["body"]["raw"])
    return json.loads(raw)


@pytest.mark.parametrize("service", DOCUMENTS)
def test_every_operation_is_in_it_once(service: str) -> None:
    found = collection(DOCUMENTS[service], "http://127.0.0.1:1")
    described = [(o.method.upper(), o.path) for o in operations() if o.service == service]
    assert sorted((entry["request"]["method"], path_of(entry)) for entry in entries(found)) == sorted(described)


@pytest.mark.parametrize("service", DOCUMENTS)
def test_every_request_has_its_example(service: str) -> None:
    found = collection(DOCUMENTS[service], "http://127.0.0.1:1")
    for entry in entries(found):
        request = entry["request"]
        url = request["url"]
        assert entry["name"]
        assert url["raw"].startswith("{{baseUrl}}/")
        assert {variable["key"] for variable in url["variable"]} == {p[1:] for p in url["path"] if p.startswith(":")}
        for given in (*url["variable"], *url["query"], *request["header"]):
            assert given["value"] != "", given
        if any(header["key"] == "Content-Type" for header in request["header"]):
            assert body_of(entry, found)
        codes = [response["code"] for response in entry["response"]]
        assert any(200 <= code < 300 for code in codes)
        assert all(response["body"] or response["code"] == 204 for response in entry["response"])


def test_a_request_looks_as_in_the_document_but_for_what_is_in_variables() -> None:
    found = collection(DOCUMENTS["receiver"], "http://127.0.0.1:1")
    one, many = entries(found)[:2]
    assert one["request"]["method"] == "POST"
    assert body_of(one, found) == {"userId": 180, "locationId": 13, "starRating": 4}
    assert '"userId": {{userId}}' in one["request"]["body"]["raw"]
    assert [sent["userId"] for sent in body_of(many, found)] == [180, 181]
    assert [header["key"] for header in one["request"]["header"] if not header.get("disabled")] == ["Content-Type"]


def test_it_says_what_it_is() -> None:
    found = collection(DOCUMENTS["api"], "http://127.0.0.1:8081")
    assert found["info"]["schema"] == SCHEMA
    assert found["info"]["name"] == "Footfall API"
    assert found["variable"][0]["key"] == "baseUrl"
    assert found["variable"][0]["value"] == "http://127.0.0.1:8081"


@pytest.mark.parametrize("service", DOCUMENTS)
def test_every_variable_is_described_and_none_is_there_in_vain(service: str) -> None:
    found = collection(DOCUMENTS[service], "http://127.0.0.1:1")
    text = json.dumps([found["item"], found["auth"]])
    placed = set(re.findall(r"\{\{(\w+)\}\}", text))
    scripted = set(re.findall(r'ariables\.[gs]et\(\\"(\w+)', text))
    assert bool(scripted) == (service == "api")
    assert placed | scripted <= variables(found).keys()
    for name in variables(found):
        assert f"{{{{{name}}}}}" in text or f'\\"{name}\\"' in text, name
    assert all(variable["description"] for variable in found["variable"])


def test_they_begin_with_who_signs_in_on_the_sample() -> None:
    for service in ("api", "auth"):
        begin = variables(collection(DOCUMENTS[service], "http://127.0.0.1:1"))
        assert (begin["email"], begin["password"]) == ("sophia.marshall@example.com", sample.PASSWORD)
        assert begin["token"] == ""


def test_what_is_added_comes_before_it_is_read_changed_and_removed() -> None:
    for folder in collection(DOCUMENTS["api"], "http://127.0.0.1:1")["item"]:
        methods = [entry["request"]["method"] for entry in folder["item"]]
        assert methods == sorted(methods, key=["POST", "GET", "PATCH", "DELETE"].index), folder["name"]


def test_a_token_is_sent_where_one_counts_and_nowhere_else() -> None:
    for operation in operations():
        found = collection(DOCUMENTS[operation.service], "http://127.0.0.1:1")
        [entry] = [
            entry
            for entry in entries(found)
            if (entry["request"]["method"].lower(), path_of(entry)) == (operation.method, operation.path)
        ]
        counts = {"token": []} in operation.description.get("security", [])
        assert ("auth" not in entry["request"]) == counts, str(operation)


def test_a_service_gives_its_own(api: Api) -> None:
    answer = api.client.get("/schema/postman.json")
    assert answer.headers["content-type"] == "application/json"
    assert answer.json() == collection(DOCUMENTS["api"], api.url)


@pytest.mark.parametrize("host", ["", "a b", '"><script>', "x" * 300, "h\xe9"])
def test_a_host_that_is_none_is_not_taken_over(host: str, api: Api) -> None:
    answer = api.client.get("/schema/postman.json", headers={b"Host": host.encode("latin-1")})
    if answer.status_code != 400:  # refused before anyone looks at the path
        assert answer.json()["variable"][0]["value"] == "http://127.0.0.1"
