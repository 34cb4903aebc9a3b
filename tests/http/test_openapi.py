"""The OpenAPI documents of all services: valid, complete, and with examples that are what they say."""

import re
from collections.abc import Iterator
from typing import Any

import jsonschema_rs
import pytest
import schemathesis

from footfall.http.problems import MEDIA_TYPE
from openapi_documents import DOCUMENTS, Operation, operations

OPERATIONS = list(operations())


def examples(holder: dict[str, Any]) -> list[Any]:
    """The examples of a parameter or of a body."""
    return [example["value"] for example in holder.get("examples", {}).values()] or holder["schema"].get("examples", [])


def holders(operation: Operation) -> Iterator[tuple[str, dict[str, Any]]]:
    """Everything in an operation that has a schema, and what it is."""
    for parameter in operation.description.get("parameters", []):
        yield f"parameter {parameter['name']}", parameter
    for media_type, media in operation.description.get("requestBody", {}).get("content", {}).items():
        yield f"body {media_type}", media
    for status, response in operation.description["responses"].items():
        for media_type, media in (response.get("content") or {}).items():
            if status != "204":
                yield f"answer {status} {media_type}", media


@pytest.mark.parametrize("service", DOCUMENTS)
def test_a_document_is_valid(service: str) -> None:
    document = DOCUMENTS[service]
    assert document["openapi"].startswith("3.1.")
    assert document["info"].keys() >= {"title", "version", "description"}
    for schema in document.get("components", {}).get("schemas", {}).values():
        jsonschema_rs.Draft202012Validator({**schema, "components": document["components"]})
    schemathesis.openapi.from_dict(document).validate()


@pytest.mark.parametrize("service", DOCUMENTS)
def test_operation_ids_are_unique(service: str) -> None:
    ids = [operation.description["operationId"] for operation in OPERATIONS if operation.service == service]
    assert len(set(ids)) == len(ids)
    for one in ids:
        assert re.fullmatch("(get|list|stream|post|create|update|delete|sign)[A-Z][A-Za-z]+|sign(In|Out)", one), one


@pytest.mark.parametrize("service", DOCUMENTS)
def test_a_document_says_what_generators_and_linters_ask_for(service: str) -> None:
    document = DOCUMENTS[service]
    assert document["info"]["license"] == {"name": "MIT", "identifier": "MIT"}
    assert document["security"] == [{}], "where nothing else is said, anybody may"
    tags = {tag for one in OPERATIONS if one.service == service for tag in one.description["tags"]}
    assert {tag["name"] for tag in document["tags"]} == tags
    assert all(tag["description"] for tag in document["tags"])
    for name, schema in document["components"]["schemas"].items():
        assert schema.get("title", name) == name


def inline_objects(part: Any) -> Iterator[Any]:
    """Schemas of objects that have no name."""
    if isinstance(part, dict):
        if part.get("type") == "object" and "properties" in part:
            yield part
        for one in part.values():
            yield from inline_objects(one)
    elif isinstance(part, list):
        for one in part:
            yield from inline_objects(one)


@pytest.mark.parametrize("operation", OPERATIONS, ids=str)
def test_every_object_of_an_operation_has_a_name(operation: Operation) -> None:
    assert not list(inline_objects(operation.description))


@pytest.mark.parametrize("operation", OPERATIONS, ids=str)
def test_an_operation_says_what_it_is(operation: Operation) -> None:
    assert operation.description["summary"]
    assert operation.description["description"]
    assert len(operation.description["tags"]) == 1
    for parameter in operation.description.get("parameters", []):
        assert parameter["description"], parameter["name"]
    in_path = {p["name"] for p in operation.description.get("parameters", []) if p["in"] == "path"}
    assert in_path == set(re.findall(r"\{(\w+)\}", operation.path))


@pytest.mark.parametrize("operation", OPERATIONS, ids=str)
def test_an_operation_has_an_example_of_each_parameter_body_and_answer(operation: Operation) -> None:
    for what, holder in holders(operation):
        assert examples(holder), what


@pytest.mark.parametrize("operation", OPERATIONS, ids=str)
def test_an_example_is_what_its_schema_says(operation: Operation) -> None:
    components = DOCUMENTS[operation.service].get("components", {})
    for what, holder in holders(operation):
        validator = jsonschema_rs.Draft202012Validator({**holder["schema"], "components": components})
        for example in examples(holder):
            assert validator.is_valid(example), (what, [str(error) for error in validator.iter_errors(example)])


@pytest.mark.parametrize("operation", OPERATIONS, ids=str)
def test_an_error_is_a_problem_document(operation: Operation) -> None:
    for status, response in operation.description["responses"].items():
        if status >= "400":
            assert response["content"].keys() == {MEDIA_TYPE}, status
            (example,) = examples(response["content"][MEDIA_TYPE])
            assert example["status"] == int(status)
