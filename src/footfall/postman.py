"""A Postman collection (v2.1) of a service's routes, made from its OpenAPI document."""

import re
from collections.abc import Iterator, Mapping
from http import HTTPStatus
from typing import Any

import msgspec
from litestar import MediaType, Request
from litestar.openapi.plugins import OpenAPIRenderPlugin

from footfall.forwarded import base_url

SCHEMA = "https://schema.getpostman.com/json/collection/v2.1.0/collection.json"
#: what the collection calls the address of the service
_BASE = "{{baseUrl}}"

Json = Mapping[str, Any]


def collection(document: Json, base_url: str) -> dict[str, Any]:
    """The collection: a folder for each tag, in it a request for each operation, with its example and its answers.

    What an operation can do without is there, but switched off. `base_url` is where the service is.
    """
    folders: dict[str, list[Json]] = {}
    for path, item in sorted(document["paths"].items()):
        for method, operation in item.items():
            request = _request(path, method, operation)
            entry = {
                "name": operation["summary"],
                "request": request,
                "response": list(_responses(operation, request)),
            }
            folders.setdefault((operation.get("tags") or [""])[0], []).append(entry)
    info = document["info"]
    return {
        "info": {
            "name": info["title"],
            "description": info.get("description", ""),
            "version": info["version"],
            "schema": SCHEMA,
        },
        "item": [{"name": tag, "item": entries} for tag, entries in folders.items()],
        "variable": [{"key": "baseUrl", "value": base_url, "type": "string"}],
    }


class PostmanCollection(OpenAPIRenderPlugin):
    """The collection at `/schema/postman.json`."""

    def __init__(self) -> None:
        super().__init__(path="/postman.json", media_type=MediaType.JSON)

    def render(self, request: Request[Any, Any, Any], openapi_schema: dict[str, Any]) -> bytes:
        return msgspec.json.encode(collection(openapi_schema, base_url(request.scope)))


# --- private


def _request(path: str, method: str, operation: Json) -> dict[str, Any]:
    parameters: list[Json] = operation.get("parameters", [])
    segments = [re.sub(r"^\{(.*)\}$", r":\1", segment) for segment in path.strip("/").split("/")]
    query = list(_entries(parameters, "query"))
    needed = "&".join(f"{entry['key']}={entry['value']}" for entry in query if not entry["disabled"])
    headers = list(_entries(parameters, "header"))
    request = {
        "method": method.upper(),
        "description": operation.get("description", ""),
        "header": headers,
        "url": {
            "raw": f"{_BASE}/{'/'.join(segments)}" + (f"?{needed}" if needed else ""),
            "host": [_BASE],
            "path": segments,
            "query": query,
            "variable": [_without(entry, "disabled") for entry in _entries(parameters, "path")],
        },
    }
    for media_type, media in operation.get("requestBody", {}).get("content", {}).items():
        headers.append({"key": "Content-Type", "value": media_type})
        language = "json" if media_type.endswith("json") else "text"
        request["body"] = {
            "mode": "raw",
            "raw": _text(_example(media), indent=2),
            "options": {"raw": {"language": language}},
        }
        break  # one is enough: a request has one body
    return request


def _entries(parameters: list[Json], place: str) -> Iterator[dict[str, Any]]:
    for parameter in parameters:
        if parameter["in"] == place:
            yield {
                "key": parameter["name"],
                "value": _text(_example(parameter)),
                "description": parameter.get("description", ""),
                "disabled": not parameter.get("required", False),
            }


def _responses(operation: Json, request: Json) -> Iterator[dict[str, Any]]:
    for status, response in operation["responses"].items():
        answer = {
            "name": response.get("description", ""),
            "originalRequest": request,
            "status": HTTPStatus(int(status)).phrase,
            "code": int(status),
            "header": [],
            "cookie": [],
            "body": "",
        }
        for media_type, media in (response.get("content") or {}).items():
            answer["header"] = [{"key": "Content-Type", "value": media_type}]
            answer["body"] = _text(_example(media), indent=2)
        yield answer


def _example(holder: Json) -> Any:
    """The first example of a parameter or a body; nothing when there is none."""
    for example in holder.get("examples", {}).values():
        return example["value"]
    return next(iter(holder.get("schema", {}).get("examples", [])), "")


def _text(value: Any, indent: int = 0) -> str:
    if isinstance(value, str):
        return value
    return msgspec.json.format(msgspec.json.encode(value), indent=indent).decode()


def _without(entry: Json, name: str) -> dict[str, Any]:
    return {key: value for key, value in entry.items() if key != name}
