"""CORS: which pages may read answers, and what the receiver's fast path has to do with it."""

from collections.abc import Iterator

import httpx
import pytest

from footfall import config
from footfall.errors import UsageError
from processes import Api, AsgiReceiver, Receiver
from raw_http import RawConnection, request
from receiver_scene import GOOD, open_metadata
from servers import Server

_PAGE, _OTHER = "https://app.example.com", "https://evil.example.com"
_ORIGINS = f"http://localhost:3000,{_PAGE}"


@pytest.fixture(scope="module")
def api(shared_server: Server) -> Iterator[httpx.Client]:
    shared_server.reset()
    with Api(shared_server.url, cors_origins=_ORIGINS) as process:
        yield process.client


@pytest.fixture(scope="module")
def receiver() -> Iterator[Receiver]:
    with Server() as server:
        open_metadata(server)
        with Receiver(server.url, unknown_ids="create", cors_origins=_ORIGINS) as receiver:
            yield receiver


def _cors(answer: httpx.Response) -> dict[str, str]:
    return {
        name.removeprefix("access-control-"): value
        for name, value in answer.headers.items()
        if name.startswith("access-control-")
    }


def _vary(answer: httpx.Response) -> set[str]:
    return {name.strip() for name in answer.headers.get("vary", "").split(",")} - {""}


@pytest.mark.parametrize("path", ["/api/checkins/0/9", "/api/user/5", "/api/user/x", "/nothing", "/docs"])
def test_a_page_that_is_allowed_may_read_every_answer(path: str, api: httpx.Client) -> None:
    answer = api.get(path, headers={"Origin": _PAGE})
    cors = _cors(answer)
    assert cors["allow-origin"] == _PAGE
    assert cors["allow-credentials"] == "true"
    assert {"Link", "ETag", "Retry-After", "RateLimit", "Idempotent-Replayed"} <= set(
        cors["expose-headers"].split(", ")
    )
    assert "Origin" in _vary(answer)


@pytest.mark.parametrize(
    "origin", [_OTHER, "null", "", _PAGE + ".evil.com", _PAGE.replace("https", "http"), f"{_PAGE}:1"]
)
def test_another_page_may_not(origin: str, api: httpx.Client) -> None:
    answer = api.get("/api/checkins/0/9", headers={"Origin": origin})
    assert answer.status_code == 200
    assert _cors(answer) == {}
    assert "Origin" in _vary(answer)


def test_what_a_cache_keeps_says_that_it_depends_on_the_page(api: httpx.Client) -> None:
    first = api.get("/docs")
    assert _vary(first) == {"Origin", "Accept-Encoding"}
    again = api.get("/docs", headers={"If-None-Match": first.headers["etag"], "Origin": _PAGE})
    assert again.status_code == 304
    assert _cors(again)["allow-origin"] == _PAGE
    assert _vary(again) == {"Origin", "Accept-Encoding"}


@pytest.mark.parametrize("path", ["/api/checkin", "/api/checkins", "/nothing"])
def test_a_preflight_says_what_may_be_sent(path: str, receiver: Receiver) -> None:
    asked = {"Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": "idempotency-key"}
    answer = receiver.client.options(path, headers={"Origin": _PAGE, **asked})
    assert (answer.status_code, answer.content) == (204, b"")
    cors = _cors(answer)
    assert cors["allow-origin"] == _PAGE
    assert "POST" in cors["allow-methods"].split(", ")
    assert {"Authorization", "Content-Type", "Idempotency-Key"} <= set(cors["allow-headers"].split(", "))
    assert int(cors["max-age"]) > 0
    refused = receiver.client.options(path, headers={"Origin": _OTHER, **asked})
    assert (refused.status_code, _cors(refused)) == (204, {})


def test_other_requests_for_options_are_none_of_its_business(receiver: Receiver) -> None:
    answer = receiver.client.options("/api/checkin", headers={"Origin": _PAGE})
    assert "POST" in answer.headers["allow"]


def test_a_page_may_read_the_answer_to_its_check_in_and_why_one_was_refused(receiver: Receiver) -> None:
    good = {"userId": 1, "locationId": 2, "starRating": 3}
    for body, status in ((good, 202), ({}, 422)):
        answer = receiver.client.post("/api/checkin", json=body, headers={"Origin": _PAGE})
        assert (answer.status_code, _cors(answer)["allow-origin"]) == (status, _PAGE)
        other = receiver.client.post("/api/checkin", json=body, headers={"Origin": _OTHER})
        assert (other.status_code, _cors(other)) == (status, {})


def test_a_head_that_a_connection_remembers_never_hides_an_origin(receiver: Receiver) -> None:
    """The fast path remembers what it has seen: bodies and headers of the same sizes must not be taken for it."""
    with RawConnection(receiver.port) as connection:
        for _ in range(3):
            for name, value, allowed in (
                ("X-Page", _PAGE, None),
                ("Origin", _PAGE, _PAGE),
                ("origin", _PAGE, _PAGE),
                ("Origin", _OTHER, None),
            ):
                connection.send(request(GOOD, headers={name: value}))
                answer = connection.read()
                assert answer.status == 202
                assert answer.headers.get("access-control-allow-origin") == allowed, (name, value)


def test_a_check_in_without_an_origin_is_answered_alike_on_both_paths() -> None:
    with Server() as server:
        open_metadata(server)
        found = []
        for kind in (Receiver, AsgiReceiver):
            with (
                kind(server.url, unknown_ids="create", cors_origins=_ORIGINS) as receiver,
                RawConnection(receiver.port) as raw,
            ):
                raw.send(request(GOOD))
                found.append({**raw.read().headers, "date": "", "x-request-id": ""})
        assert found[0] == found[1]


def test_all_pages_may_be_allowed_but_then_without_cookies(server: Server) -> None:
    with Api(server.url, cors_origins="*") as process:
        for headers in ({"Origin": _PAGE}, {"Origin": "null"}, {}):
            answer = process.client.get("/api/checkins/0/9", headers=headers)
            assert _cors(answer).keys() == {"allow-origin", "expose-headers"}
            assert answer.headers["access-control-allow-origin"] == "*"
            assert "Origin" not in _vary(answer)
        asked = {"Access-Control-Request-Method": "GET"}
        preflight = process.client.options("/api/user/5", headers={"Origin": _PAGE, **asked})
        assert _cors(preflight)["allow-origin"] == "*"
        assert "allow-credentials" not in _cors(preflight)


def test_no_page_is_allowed_unless_it_is_named(server: Server) -> None:
    open_metadata(server)
    with Api(server.url) as api, Receiver(server.url, unknown_ids="create") as receiver:
        for answer in (
            api.client.get("/api/checkins/0/9", headers={"Origin": _PAGE}),
            api.client.options("/api/user/5", headers={"Origin": _PAGE, "Access-Control-Request-Method": "GET"}),
            receiver.client.post("/api/checkin", content=GOOD, headers={"Origin": _PAGE}),
        ):
            assert _cors(answer) == {}
            assert "Origin" not in _vary(answer)


@pytest.mark.parametrize(
    "origins", ["", "null", "app.example.com", f"{_PAGE}/", f"{_PAGE}, {_PAGE}", "*,*", "https://*"]
)
def test_a_setting_that_names_no_origins_is_refused(origins: str) -> None:
    with pytest.raises(UsageError, match="FOOTFALL_CORS_ORIGINS"):
        config.load({"cors_origins": origins})
