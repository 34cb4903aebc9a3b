"""What the API server counts, for Prometheus: requests by route and status, their time, and who listens live."""

import asyncio
import re
from bisect import bisect_left

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from footfall.http.exposition import text_of

SECONDS = (0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2)
#: seconds after which the counts of a worker are there for the others
_FLUSH_S = 0.25
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
            buckets=SECONDS,
            registry=registry,
        )
        self._streams = Gauge(
            "footfall_api_live_streams", "Live feeds that are open", multiprocess_mode="livesum", registry=registry
        )
        #: Since the last flush: requests by method, route and status, and by how long they took. In plain numbers: the
        #: library's own, which other processes see, take as long as finding the record that an answer shows.
        self._counts: dict[tuple[str, str | None, int], int] = {}
        self._slots = [0] * (len(SECONDS) + 1)
        self._sum = 0.0
        self._flushing: asyncio.TimerHandle | None = None

    def answered(self, method: str, route: str | None, status: int, seconds: float) -> None:
        """A request was answered."""
        key = method, route, status
        self._counts[key] = self._counts.get(key, 0) + 1
        if route != _LIVE:
            self._slots[bisect_left(SECONDS, seconds)] += 1
            self._sum += seconds
        if self._flushing is None:
            self._flushing = asyncio.get_running_loop().call_later(_FLUSH_S, self._flush)

    def streams(self, open_now: int) -> None:
        """How many live feeds are open."""
        self._streams.set(open_now)

    def text(self) -> bytes:
        """Everything, of all workers, in the text format."""
        self._flush()
        return text_of(self._registry)

    def _flush(self) -> None:
        if self._flushing is not None:
            self._flushing.cancel()
            self._flushing = None
        for (method, route, status), count in self._counts.items():
            named = NO_ROUTE if route is None else _type_of_parameter("}", route)
            self._requests.labels(method, named, str(status)).inc(count)
        self._counts.clear()
        # as Histogram.observe does, for many at once; a test holds this to what it does for each
        for bucket, count in zip(self._seconds._buckets, self._slots, strict=True):
            if count:
                bucket.inc(count)
        self._seconds._sum.inc(self._sum)
        self._slots = [0] * len(self._slots)
        self._sum = 0.0
