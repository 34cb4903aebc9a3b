"""Whether the API server can answer, and what it has counted."""

from litestar import Response
from litestar.di import NamedDependency

from footfall.api.metrics import Metrics
from footfall.api.reading import Reader
from footfall.http import health
from footfall.http.health import Ready, healthz


@health.readiness("Whether reads are answered", Ready())
async def readyz(reader: NamedDependency[Reader]) -> Ready:
    """503 when the server does not answer, or holds what cannot be trusted."""
    await reader.call("EXISTS", reader.keys.meta)
    return Ready()


@health.metrics()
async def metrics_text(metrics: NamedDependency[Metrics]) -> Response[bytes]:
    """Requests by route and status, their time, and open live feeds; of all workers."""
    return health.metrics_response(metrics.text())


routes = [healthz, readyz, metrics_text]
