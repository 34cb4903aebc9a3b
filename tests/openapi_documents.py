"""The OpenAPI documents of all services, for the tests that walk them."""

import json
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

from litestar import Litestar

from footfall import config
from footfall.api import app as api
from footfall.auth import app as auth
from footfall.config import Settings
from footfall.http.openapi import completed
from footfall.processor import health as processor
from footfall.receiver import app as receiver

_CREATE: dict[str, Callable[[Settings], Litestar]] = {
    "receiver": receiver.create,
    "api": api.create,
    "auth": auth.create,
    "processor": processor.create,
}


class Operation(NamedTuple):
    """One operation of one service; as text: `api GET /api/user/{id}`."""

    service: str
    method: str
    path: str
    description: dict[str, Any]

    def __str__(self) -> str:
        return f"{self.service} {self.method.upper()} {self.path}"


def document(service: str) -> dict[str, Any]:
    """What the service says of itself."""
    settings = config.load({"redis_url": "redis://127.0.0.1:1"})
    found: dict[str, Any] = json.loads(json.dumps(completed(_CREATE[service](settings).openapi_schema.to_schema())))
    return found


DOCUMENTS = {service: document(service) for service in _CREATE}


def operations() -> Iterator[Operation]:
    """Every operation of every service; in an order that does not change, as running tests in parallel needs it."""
    for service, found in DOCUMENTS.items():
        for path, item in sorted(found["paths"].items()):
            for method, description in sorted(item.items()):
                yield Operation(service, method, path, description)
