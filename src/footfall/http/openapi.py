"""A service's OpenAPI document, as tools take it: every schema has a name, and every operation says who may call it."""

from collections.abc import Mapping
from typing import Any

from litestar import Request
from litestar.openapi.plugins import JsonRenderPlugin
from litestar.openapi.spec import License, Tag

from footfall.http.forwarded import server_url

LICENSE = License(name="MIT", identifier="MIT")
#: what the operations are about
TAGS = [
    Tag(name="check-ins", description="Who was where, and how it was"),
    Tag(name="users", description="Who checks in"),
    Tag(name="locations", description="Where one checks in"),
    Tag(name="signing in", description="Sessions of users"),
    Tag(name="running it", description="Health and metrics, for what watches a service"),
]

Json = dict[str, Any]


class Document(JsonRenderPlugin):
    """The document at `/schema/openapi.json`."""

    def render(self, request: Request[Any, Any, Any], openapi_schema: Json) -> bytes:
        there = {**openapi_schema, "servers": [{"url": server_url(request.scope)}]}
        return self.render_json(request, completed(there))


def completed(document: Mapping[str, Any]) -> Json:
    """The framework's document, with names for the schemas of bodies, which it has in one piece.

    A schema with a title becomes the component of that name; when there is another one of that name (what is sent may
    have other rules than what is answered), its name ends with `Input`. Tags that nothing has are left out.
    """
    names = _Names(dict(document.get("components", {}).get("schemas", {})))
    paths = names.without_inline(document["paths"])
    used = {tag for item in paths.values() for operation in item.values() for tag in operation.get("tags", ())}
    return {
        **document,
        "paths": paths,
        "tags": [tag for tag in document.get("tags", ()) if tag["name"] in used],
        "components": {**document.get("components", {}), "schemas": dict(sorted(names.schemas.items()))},
    }


# --- private


class _Names:
    def __init__(self, schemas: Json) -> None:
        self.schemas = schemas

    def without_inline(self, part: Any) -> Any:
        """The part with references to components in the place of schemas with a title."""
        if isinstance(part, list):
            return [self.without_inline(one) for one in part]
        if not isinstance(part, dict):
            return part
        inner = {name: self.without_inline(one) for name, one in part.items()}
        if part.get("type") != "object" or not isinstance(part.get("title"), str) or "properties" not in part:
            return inner
        return {"$ref": f"#/components/schemas/{self._name_of(inner)}"}

    def _name_of(self, schema: Json) -> str:
        name: str = schema["title"]
        while self.schemas.setdefault(name, {**schema, "title": name}) != {**schema, "title": name}:
            name += "Input"
        return name
