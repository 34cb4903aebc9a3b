"""What is known of a service and of a request by all who take part in it: protocol, fast path, app, handlers.

An ASGI server hands both around as dictionaries (`scope["state"]`). In these, ours are one typed object each.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar

from footfall.config import HttpSettings

_SERVICE, _REQUEST = "footfall.service", "footfall.request"


@dataclass(kw_only=True)
class ServiceState:
    """Of a service's process. A service whose own protocol or reads need more of it has a subclass."""

    #: the settings of these names
    request_timeout: float
    keepalive_timeout_s: float
    max_connections: int
    #: whether pages of other origins may use the service
    cors: bool
    #: no new work is taken: the service stops
    is_draining: bool = False
    #: ends the answers that would never end
    stop_streams: Callable[[], None] | None = None


StateT = TypeVar("StateT", bound=ServiceState)


def share(lifespan_state: dict[str, Any], kind: type[StateT], settings: HttpSettings, **own: Any) -> StateT:
    """Make the state of a service, as its settings say, and give it to all of the server's connections.

    `lifespan_state` is ASGI's, which connections are given; `own` are the fields that `kind` has besides.
    """
    state = kind(
        request_timeout=settings.request_timeout,
        keepalive_timeout_s=settings.keepalive_timeout_s,
        max_connections=settings.max_connections,
        cors=settings.cors_origins is not None,
        **own,
    )
    lifespan_state[_SERVICE] = state
    return state


def service_state(lifespan_state: dict[str, Any], kind: type[StateT]) -> StateT:
    """The state of the service, which has shared one of this kind."""
    state = lifespan_state[_SERVICE]
    assert isinstance(state, kind)
    return state


@dataclass(slots=True)
class RequestState:
    """Of one request."""

    #: ends its connection at once
    abort: Callable[[], None]
    #: its X-Request-Id, or one made for it
    request_id: str = ""
    #: it asks for the head of an answer alone
    is_head: bool = False
    #: its answer has no end of its own
    is_endless: bool = False


def begin_request(scope: Any, abort: Callable[[], None]) -> RequestState:
    """Give a request its state."""
    state = scope["state"][_REQUEST] = RequestState(abort)
    return state


def request_state(scope: Any) -> RequestState:
    """The state of a request."""
    state: RequestState = scope["state"][_REQUEST]
    return state
