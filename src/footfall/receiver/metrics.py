"""What the receiver counts, for Prometheus. Calls and the check-ins in them are counted together, once per call."""

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from footfall.errors import (
    BacklogFullError,
    BrokenKeyError,
    ConnectionLostError,
    DuplicateError,
    FootfallError,
    ForbiddenError,
    InvalidError,
    KeyReusedError,
    LoadingError,
    MalformedError,
    OverloadedError,
    RateLimitedError,
    TooLargeError,
    UnauthorizedError,
    UnavailableError,
    UnconfirmedError,
    UnknownLocationError,
    UnknownUserError,
    UnsupportedTypeError,
)
from footfall.http.exposition import text_of

#: what a refusal may be counted as: the closed list
REFUSALS: tuple[type[FootfallError], ...] = (
    *(MalformedError, UnauthorizedError, ForbiddenError, UnknownUserError, UnknownLocationError, DuplicateError),
    *(TooLargeError, UnsupportedTypeError, InvalidError, KeyReusedError, RateLimitedError, FootfallError),
    *(UnavailableError, ConnectionLostError, UnconfirmedError, LoadingError, BacklogFullError, OverloadedError),
    BrokenKeyError,
)

_CALL_SIZES = (1, 2, 5, 10, 20, 50, 100, 200, 500)
_SECONDS = (0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2)


class Metrics:
    """The numbers of one receiver process."""

    def __init__(self) -> None:
        self._registry = CollectorRegistry()
        registry = self._registry
        self._accepted = Counter("footfall_checkins_accepted", "Check-ins stored", registry=registry)
        self._refused = Counter(
            "footfall_checkins_refused",
            "Check-ins refused; a request that is refused whole counts once",
            ["reason"],
            registry=registry,
        )
        for kind in REFUSALS:  # each is there from the beginning, at 0: else its first time would be no increase
            self._refused.labels(kind.reason)
        self._sizes = Histogram(
            "footfall_receive_call_checkins",
            "Check-ins per call of receive.lua",
            buckets=_CALL_SIZES,
            registry=registry,
        )
        self._seconds = Histogram(
            "footfall_receive_call_seconds",
            "Time from a call of receive.lua to its confirmation",
            buckets=_SECONDS,
            registry=registry,
        )
        self._in_flight = Gauge(
            "footfall_checkins_in_flight",
            "Check-ins without an outcome yet",
            multiprocess_mode="livesum",
            registry=registry,
        )

    def called(self, check_ins: int, accepted: int, seconds: float) -> None:
        """One call was confirmed."""
        self._accepted.inc(accepted)
        self._sizes.observe(check_ins)
        self._seconds.observe(seconds)

    def in_flight(self, check_ins: int) -> None:
        """How many check-ins are without an outcome now."""
        self._in_flight.set(check_ins)

    def refused(self, error: FootfallError) -> None:
        """A check-in was refused, or a whole request."""
        self.refused_for(error.reason)

    def refused_for(self, reason: str, count: int = 1) -> None:
        """So many were."""
        self._refused.labels(reason).inc(count)

    def text(self) -> bytes:
        """Everything, of all workers, in the text format."""
        return text_of(self._registry)
