"""What the auth service counts, for Prometheus."""

from typing import Literal, get_args

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from footfall.http.exposition import text_of

_SECONDS = (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2)
#: what became of an attempt to sign in
LoginOutcome = Literal["signed-in", "refused", "limited", "failed"]


class Metrics:
    """The numbers of one process of the auth service."""

    def __init__(self) -> None:
        self._registry = CollectorRegistry()
        registry = self._registry
        self._logins = Counter("footfall_logins", "Attempts to sign in", ["outcome"], registry=registry)
        for outcome in get_args(LoginOutcome):  # each is there from the beginning, at 0
            self._logins.labels(outcome)
        self._logouts = Counter("footfall_logouts", "Requests to sign out", registry=registry)
        self._checks = Histogram(
            "footfall_password_check_seconds",
            "Time that bcrypt took for one password",
            buckets=_SECONDS,
            registry=registry,
        )
        self._waiting = Gauge(
            "footfall_password_checks_waiting",
            "Passwords that are being checked, or wait for it",
            multiprocess_mode="livesum",
            registry=registry,
        )

    def login(self, outcome: LoginOutcome) -> None:
        """An attempt to sign in has ended like this."""
        self._logins.labels(outcome).inc()

    def logout(self) -> None:
        """Somebody has signed out."""
        self._logouts.inc()

    def checked(self, seconds: float) -> None:
        """A password was checked."""
        self._checks.observe(seconds)

    def waiting(self, checks: int) -> None:
        """How many passwords are not checked yet."""
        self._waiting.set(checks)

    def text(self) -> bytes:
        """Everything, of all workers, in the text format."""
        return text_of(self._registry)
