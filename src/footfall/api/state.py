"""What the API server's hottest reads need of its app."""

from dataclasses import dataclass

from footfall.api.reading import Reader
from footfall.http.state import ServiceState


@dataclass(kw_only=True)
class ApiState(ServiceState):
    """Of an API server's process."""

    reader: Reader
