"""What every service is asked by who runs it: `/healthz`, `/readyz`, `/metrics`.

The first is the same for all. Of the others a service has the handlers, and here is how they are described.
"""

from collections.abc import Callable
from typing import Any

import msgspec
from litestar import Response, get
from litestar.openapi.datastructures import ResponseSpec
from litestar.openapi.spec import Example

from footfall.http.app import answers, problems

_TAGS = ["running it"]
_METRICS = Example(value="# TYPE footfall_something_total counter\nfootfall_something_total 5.0\n")


class Alive(msgspec.Struct):
    """The process answers."""

    status: str = "alive"


class Ready(msgspec.Struct):
    """The service does its work."""

    status: str = "ready"


@get(
    "/healthz",
    operation_id="getHealth",
    summary="Whether the process lives",
    responses=answers(Alive()),
    sync_to_thread=False,
    tags=_TAGS,
)
def healthz() -> Alive:
    """Answers as long as the process can answer anything."""
    return Alive()


def readiness(summary: str, example: msgspec.Struct) -> Callable[..., Any]:
    """Makes the route `/readyz` of a handler that answers like this, or raises what is answered with 503."""
    return get(
        "/readyz",
        operation_id="getReadiness",
        summary=summary,
        responses=answers(example) | problems(503),
        tags=_TAGS,
    )


def metrics() -> Callable[..., Any]:
    """Makes the route `/metrics` of an asynchronous handler that answers with `metrics_response`."""
    text = ResponseSpec(
        str, generate_examples=False, media_type="text/plain", description="Text format", examples=[_METRICS]
    )
    return get(
        "/metrics",
        operation_id="getMetrics",
        summary="What was counted, for Prometheus",
        responses={200: text},
        tags=_TAGS,
    )


def metrics_response(text: bytes) -> Response[bytes]:
    """Metrics in Prometheus' text format; the framework adds the charset."""
    return Response(text, media_type="text/plain; version=1.0.0")
