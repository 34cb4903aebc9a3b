"""What a receiver has counted, as its metrics have it."""

import urllib.request
from collections.abc import Iterable
from http.client import HTTPException
from typing import Annotated

import msgspec
from msgspec import Meta
from prometheus_client.parser import text_string_to_metric_families
from prometheus_client.samples import Sample

#: bytes of metrics that are read, at most
_MAX_METRICS = 1 << 20


class CallBucket(msgspec.Struct, rename="camel", frozen=True):
    """How many calls took so long, at most."""

    at_most_ms: float
    calls: int


class ReceiverStatus(msgspec.Struct, rename="camel", kw_only=True, frozen=True):
    """Totals since the receiver's start, of all its processes."""

    accepted: Annotated[int, Meta(description="Check-ins that were stored")]
    refused: Annotated[dict[str, int], Meta(description="Reason to number; each that there is")]
    in_flight: Annotated[int, Meta(description="Check-ins without an outcome yet")]
    calls: Annotated[int, Meta(description="Calls of the server, of many check-ins each")]
    calls_ms: Annotated[float, Meta(description="What these took together")]
    call_buckets: Annotated[list[CallBucket], Meta(description="Of the calls, each with those of the shorter ones")]


def ask_receiver(url: str, timeout_s: float) -> ReceiverStatus:
    """The numbers of the receiver at this URL. Raises ValueError when it gives none."""
    try:
        with urllib.request.urlopen(f"{url.rstrip('/')}/metrics", timeout=timeout_s) as answer:
            text = answer.read(_MAX_METRICS).decode()
        return _status_of([sample for family in text_string_to_metric_families(text) for sample in family.samples])
    except (OSError, HTTPException, KeyError) as error:  # OSError is every error of urllib's own, too
        raise ValueError(f"the receiver at {url} does not tell what it counts ({error})") from None


# --- private


def _status_of(samples: Iterable[Sample]) -> ReceiverStatus:
    plain = {sample.name: sample.value for sample in samples if not sample.labels}
    buckets = [
        CallBucket(1000 * float(sample.labels["le"]), int(sample.value))
        for sample in samples
        if sample.name == "footfall_receive_call_seconds_bucket" and sample.labels["le"] != "+Inf"
    ]
    return ReceiverStatus(
        accepted=int(plain["footfall_checkins_accepted_total"]),
        refused={
            sample.labels["reason"]: int(sample.value)
            for sample in samples
            if sample.name == "footfall_checkins_refused_total"
        },
        in_flight=int(plain["footfall_checkins_in_flight"]),
        calls=int(plain["footfall_receive_call_seconds_count"]),
        calls_ms=1000 * plain["footfall_receive_call_seconds_sum"],
        call_buckets=sorted(buckets, key=lambda bucket: bucket.at_most_ms),
    )
