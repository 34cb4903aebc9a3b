"""What a service's processes have counted, for Prometheus, in its text format."""

import os
from pathlib import Path

from prometheus_client import CollectorRegistry, disable_created_metrics, generate_latest
from prometheus_client.multiprocess import MultiProcessCollector

from footfall.http.server import METRICS_DIRECTORY

disable_created_metrics()  # type: ignore[no-untyped-call]


def text_of(registry: CollectorRegistry) -> bytes:
    """Everything in it; with several workers, of all of them."""
    directory = os.environ.get(METRICS_DIRECTORY)
    if directory is None:
        return generate_latest(registry)
    _forget_dead(Path(directory))
    together = CollectorRegistry()
    MultiProcessCollector(together, directory)  # type: ignore[no-untyped-call]
    return generate_latest(together)


def _forget_dead(directory: Path) -> None:
    """Workers that have died have nothing in flight any more; what they counted stays."""
    for file in directory.glob("gauge_live*_*.db"):
        pid = int(file.stem.rpartition("_")[2])
        try:
            os.kill(pid, 0)
        except OSError:  # it is gone, or somebody else's by now
            file.unlink(missing_ok=True)  # another worker may be doing the same
