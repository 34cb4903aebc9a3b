"""/healthz, /readyz and /metrics of the API server."""

from collections.abc import Iterator
from typing import Any

import pytest
from prometheus_client import CollectorRegistry, Histogram, generate_latest
from prometheus_client.parser import text_string_to_metric_families

from footfall.api.metrics import SECONDS, Metrics
from processes import Api
from raw_http import RawConnection, request
from receiver_scene import open_metadata
from servers import Server, wait_until

REQUESTS = "footfall_api_requests_total"


@pytest.fixture
def api(server: Server) -> Iterator[Api]:
    open_metadata(server)
    with Api(server.url) as api:
        yield api


def measured(api: Api) -> dict[Any, float]:
    """What /metrics says: requests by method, route and status, all else by its name."""
    answer = api.client.get("/metrics")
    assert answer.status_code == 200
    assert answer.headers["content-type"].startswith("text/plain; version=")
    values: dict[Any, float] = {}
    for family in text_string_to_metric_families(answer.text):
        assert family.documentation
        for name, labels, value, *_ in family.samples:
            if name == REQUESTS:
                values[labels["method"], labels["route"], labels["status"]] = value
            elif "le" not in labels:
                values[name] = value
    return values


def test_it_lives_and_is_ready_while_the_server_answers(server: Server) -> None:
    open_metadata(server)
    with Api(server.url, server_timeout=0.3) as api:
        assert api.client.get("/healthz").json() == {"status": "alive"}
        assert api.client.get("/readyz").json() == {"status": "ready"}
        server.kill()
        wait_until(lambda: api.client.get("/readyz").status_code == 503, "it is not ready")
        answer = api.client.get("/readyz")
        assert int(answer.headers["retry-after"]) >= 1
        assert api.client.get("/healthz").status_code == 200
        server.start()
        wait_until(lambda: api.client.get("/readyz").status_code == 200, "it is ready again")


def test_it_is_not_ready_on_metadata_that_cannot_be_trusted(server: Server) -> None:
    client = open_metadata(server)
    with Api(server.url, server_check_s=0.2) as api:
        client.delete("ncc:meta")
        wait_until(lambda: api.client.get("/readyz").status_code == 503, "it is not ready")


def test_requests_are_counted_by_method_route_and_status(server: Server, api: Api) -> None:
    server.client().hset("ncc:users:5", mapping={"id": 5, "firstName": "Ada", "lastName": "Lovelace", "numCheckins": 0})
    before = measured(api)
    assert before["footfall_api_live_streams"] == 0
    for _ in range(3):
        assert api.client.get("/api/user/5").status_code == 200
    assert api.client.get("/api/user/6").status_code == 404
    assert api.client.get("/api/user/x").status_code == 422
    assert api.client.get("/api/user/5/fullname").status_code == 200
    assert api.client.head("/api/user/5").status_code == 200
    tag = api.client.get("/api/user/5").headers["etag"]
    assert api.client.get("/api/user/5", headers={"If-None-Match": tag}).status_code == 304
    assert api.client.get("/anybody's/choice").status_code == 404
    assert api.client.put("/api/user/5").status_code == 405
    after = measured(api)
    changes = {key: value - before.get(key, 0) for key, value in after.items() if isinstance(key, tuple)}
    assert changes.pop(("GET", "/metrics", "200")) == 1
    assert {key: value for key, value in changes.items() if value} == {
        ("GET", "/api/user/{id}", "200"): 4,
        ("GET", "/api/user/{id}", "304"): 1,
        ("GET", "/api/user/{id}", "404"): 1,
        ("GET", "/api/user/{id}", "422"): 1,
        ("GET", "/api/user/{id}/fullname", "200"): 1,
        ("HEAD", "/api/user/{id}", "200"): 1,
        ("GET", "none", "404"): 1,
        ("PUT", "none", "405"): 1,
    }
    assert after["footfall_api_request_seconds_count"] - before["footfall_api_request_seconds_count"] == 12
    assert 0 < after["footfall_api_request_seconds_sum"] < 20


def test_live_feeds_are_counted_while_they_are_open_and_not_timed(api: Api) -> None:
    timed = measured(api)["footfall_api_request_seconds_count"]
    with RawConnection(api.port) as connection:
        connection.send(request(method="GET", path="/api/checkins/live"))
        wait_until(lambda: measured(api)["footfall_api_live_streams"] == 1, "it is open")
    wait_until(lambda: measured(api)["footfall_api_live_streams"] == 0, "it has ended")
    after = measured(api)
    assert after["GET", "/api/checkins/live", "200"] == 1
    assert after["footfall_api_request_seconds_count"] - timed == after["GET", "/metrics", "200"]


def test_the_numbers_are_of_all_workers(server: Server) -> None:
    open_metadata(server)
    with Api(server.url, api_workers=2) as api:
        for _ in range(20):
            with RawConnection(api.port) as connection:
                connection.send(request(method="GET", path="/api/user/6"))
                assert connection.read().status == 404
        wait_until(lambda: measured(api).get(("GET", "/api/user/{id}", "404")) == 20, "both have told what they count")


async def test_many_answers_are_counted_at_once_as_the_library_counts_each() -> None:
    metrics, seconds = Metrics(), Histogram("each", "", buckets=SECONDS, registry=(each := CollectorRegistry()))
    for lasted in (0.0, 0.0005, 0.00051, 0.4, 2.0, 2.1, 100.0, *SECONDS):
        for _ in range(3):
            metrics.answered("GET", "/api/user/{id}", 200, lasted)
            seconds.observe(lasted)
        counted = metrics.text().decode()
    lines = generate_latest(each).decode().replace("each", "footfall_api_request_seconds").splitlines()
    values = [line for line in lines if line.startswith("footfall_api_request_seconds_")]
    assert len(values) == len(SECONDS) + 3
    for line in values:
        if "_sum " in line or "_created " in line:
            continue
        assert line in counted
    total = sum(float(line.split()[1]) for line in values if "_sum " in line)
    [found] = [float(line.split()[1]) for line in counted.splitlines() if "request_seconds_sum" in line]
    assert found == pytest.approx(total)
