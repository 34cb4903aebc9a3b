"""Whether the API server can answer, and what it has counted."""

import msgspec
from litestar import Response, get
from litestar.di import NamedDependency

from footfall.api.metrics import Metrics
from footfall.api.reading import Reader
from footfall.http.app import answers, healthz, metrics_answer, metrics_response, problems


class Ready(msgspec.Struct):
    """Reads are answered."""

    status: str = "ready"


@get(
    "/readyz",
    operation_id="getReadiness",
    summary="Whether reads are answered",
    responses=answers(Ready()) | problems(503),
    tags=["running it"],
)
async def readyz(reader: NamedDependency[Reader]) -> Ready:
    """503 when the server does not answer, or holds what cannot be trusted."""
    await reader.call("EXISTS", reader.keys.meta)
    return Ready()


@get(
    "/metrics",
    operation_id="getMetrics",
    summary="What was counted, for Prometheus",
    sync_to_thread=False,
    tags=["running it"],
    responses=metrics_answer(),
)
def metrics_text(metrics: NamedDependency[Metrics]) -> Response[bytes]:
    """Requests by route and status, their time, and open live feeds; of all workers."""
    return metrics_response(metrics.text())


routes = [healthz, readyz, metrics_text]
