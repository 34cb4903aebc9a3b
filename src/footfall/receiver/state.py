"""What the receiver's fast path needs of its app."""

from dataclasses import dataclass

from footfall.http.state import ServiceState
from footfall.identity.identities import Identities
from footfall.receiver.intake import Intake
from footfall.receiver.metrics import Metrics


@dataclass(kw_only=True)
class ReceiverState(ServiceState):
    """Of a receiver's process."""

    intake: Intake
    metrics: Metrics
    #: who clients are; None while sign-in is off
    identities: Identities | None
