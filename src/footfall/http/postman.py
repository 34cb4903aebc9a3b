"""A Postman collection (v2.1) of a service's routes, made from its OpenAPI document."""

import re
from collections.abc import Iterator, Mapping
from http import HTTPStatus
from typing import Any

import msgspec
from litestar import MediaType, Request
from litestar.openapi.plugins import OpenAPIRenderPlugin

from footfall.http.forwarded import base_url
from footfall.http.postman_run import Variables, body, events, in_path, order, takes_token

SCHEMA = "https://schema.getpostman.com/json/collection/v2.1.0/collection.json"
#: what the collection calls the address of the service
_BASE = "{{baseUrl}}"
#: how a feed without end is asked for: to end with the first check-in that there is
_CUT_OFF = {"lastEventId": {"value": "0-0", "disabled": False}, "limit": {"value": "1", "disabled": False}}

_ABOUT = """\
Set the variables of the collection, or those of an environment, which are stronger, to your own; they begin with what
the sample has. Run as a whole, it adds what it changes, and removes it again, for good. Where a token or a session is
needed and there is none, 401 is the answer that its test wants."""

Json = Mapping[str, Any]


def collection(document: Json, base_url: str) -> dict[str, Any]:
    """The collection: a folder for each tag, in it a request for each operation, with its example and its answers.

    What an operation can do without is there, but switched off. `base_url` is where the service is. Run as a whole, it
    tries the service: each request has its test.
    """
    folders: dict[str, list[Json]] = {tag["name"]: [] for tag in document["tags"]}
    variables = Variables(base_url)
    cookie = document["components"].get("securitySchemes", {}).get("session", {}).get("name", "")
    operations = [(path, *described) for path, item in document["paths"].items() for described in item.items()]
    for path, method, operation in sorted(operations, key=lambda one: order(*one[:2])):
        request = _request(path, method, operation, variables)
        entry = {
            "name": operation["summary"],
            "event": events(path, method, operation, cookie, variables),
            "request": request,
            "response": list(_responses(operation, request)),
        }
        folders[operation["tags"][0]].append(entry)
    items = [{"name": tag, "item": entries} for tag, entries in folders.items() if entries]
    info = document["info"]
    return {
        "info": {
            "name": info["title"],
            "description": f"{info.get('description', '')}\n\n{_ABOUT}",
            "version": info["version"],
            "schema": SCHEMA,
        },
        "auth": {"type": "bearer", "bearer": [{"key": "token", "value": "{{token}}", "type": "string"}]},
        "item": items,
        "variable": variables.described(),
    }


class PostmanCollection(OpenAPIRenderPlugin):
    """The collection at `/schema/postman.json`."""

    def __init__(self) -> None:
        super().__init__(path="/postman.json", media_type=MediaType.JSON)

    def render(self, request: Request[Any, Any, Any], openapi_schema: dict[str, Any]) -> bytes:
        return msgspec.json.encode(collection(openapi_schema, base_url(request.scope)))


# --- private


def _request(path: str, method: str, operation: Json, variables: Variables) -> dict[str, Any]:
    parameters: list[Json] = operation.get("parameters", [])
    segments = [re.sub(r"^\{(.*)\}$", r":\1", segment) for segment in path.strip("/").split("/")]
    query = list(_entries(parameters, "query"))
    if _is_endless(operation):
        query = [{**entry, **_CUT_OFF.get(entry["key"], {})} for entry in query]
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
            "variable": list(_path_entries(path, method, parameters, variables)),
        },
    }
    if not takes_token(operation):
        request["auth"] = {"type": "noauth"}
    for media_type, media in operation.get("requestBody", {}).get("content", {}).items():
        headers.append({"key": "Content-Type", "value": media_type})
        request["body"] = {
            "mode": "raw",
            "raw": body(path, _example(media), variables),
            "options": {"raw": {"language": "json"}},
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


def _path_entries(path: str, method: str, parameters: list[Json], variables: Variables) -> Iterator[dict[str, Any]]:
    first, held = path.partition("{")[2].partition("}")[0], in_path(path, method)
    for entry in _entries(parameters, "path"):
        value = variables.put(held, entry["value"]) if held and entry["key"] == first else entry["value"]
        yield {"key": entry["key"], "value": value, "description": entry["description"]}


def _is_endless(operation: Json) -> bool:
    return any("text/event-stream" in (answer.get("content") or {}) for answer in operation["responses"].values())


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
