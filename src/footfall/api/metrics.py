"""What the API server counts, for Prometheus: requests by route and status, their time, and who listens live."""

import re

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from footfall.http.exposition import text_of

_SECONDS = (0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2)
#: what requests are counted under that no route takes: their paths are anybody's to choose
NO_ROUTE = "none"
#: the route of which answers have no end
_LIVE = "/api/checkins/live"
_type_of_parameter = re.compile(r":\w+}").sub


class Metrics:
    """The numbers of one process of the API server."""

    def __init__(self) -> None:
        self._registry = registry = CollectorRegistry()
        self._requests = Counter(
            "footfall_api_requests", "Requests answered", ["method", "route", "status"], registry=registry
        )
        self._seconds = Histogram(
            "footfall_api_request_seconds",
            "Time from a request to the end of its answer, but for live feeds",
            buckets=_SECONDS,
            registry=registry,
        )
        self._streams = Gauge(
            "footfall_api_live_streams", "Live feeds that are open", multiprocess_mode="livesum", registry=registry
        )
        #: how a request is counted, by its method, route and status: finding it by its labels takes longer
        self._counts: dict[tuple[str, str | None, int], Counter] = {}

    def answered(self, method: str, route: str | None, status: int, seconds: float) -> None:
        """A request was answered."""
        key = method, route, status
        count = self._counts.get(key)
        if count is None:
            named = NO_ROUTE if route is None else _type_of_parameter("}", route)
            count = self._counts[key] = self._requests.labels(method, named, str(status))
        count.inc()
        if route != _LIVE:
            self._seconds.observe(seconds)

    def streams(self, open_now: int) -> None:
        """How many live feeds are open."""
        self._streams.set(open_now)

    def text(self) -> bytes:
        """Everything, of all workers, in the text format."""
        return text_of(self._registry)
