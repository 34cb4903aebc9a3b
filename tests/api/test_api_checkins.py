"""What the API answers about check-ins."""

import random
from collections.abc import Iterator
from typing import Any
from urllib.parse import quote

import httpx
import pytest

from footfall.domain.model import MAX_TIME_MS
from processes import Api
from servers import Server

_STREAM = "ncc:checkins"
_LATEST = "/api/checkins/latest"
#: what entries that are not check-ins hold
_BAD_FIELDS: list[dict[Any, Any]] = [
    {"locationId": 1, "userId": 2},
    {"locationId": 1, "userId": 2, "starRating": 6},
    {"locationId": 1, "userId": 2, "starRating": "5.0"},
    {"locationId": 0, "userId": 2, "starRating": 5},
    {"locationId": 1, "userId": "x", "starRating": 5},
    {"locationId": 1, "userId": 2**53, "starRating": 5},
    {"anything": "else"},
]

Answer = dict[str, Any]


@pytest.fixture(scope="module")
def api(shared_server: Server) -> Iterator[httpx.Client]:
    shared_server.reset()
    with Api(shared_server.url) as process:
        yield process.client


def _add(server: Server, *entry_ids: str) -> list[Answer]:
    """Add check-ins with these ids; what the API is to answer for them."""
    answers = []
    with server.client().pipeline(transaction=False) as pipeline:
        for n, entry_id in enumerate(entry_ids):
            location, user, stars = n % 7 + 1, n % 11 + 1, n % 6
            pipeline.xadd(_STREAM, {"locationId": location, "userId": user, "starRating": stars}, id=entry_id)
            answers.append(
                {
                    "id": entry_id,
                    "timestamp": int(entry_id.split("-")[0]),
                    "userId": user,
                    "locationId": location,
                    "starRating": stars,
                }
            )
        pipeline.execute()
    return answers


def _pages(api: httpx.Client, url: str) -> list[list[Answer]]:
    """All pages from `url` on, as a client gets them that follows the links."""
    pages = []
    while url:
        response = api.get(url)
        assert response.status_code == 200, response.text
        pages.append(response.json())
        links = response.links
        assert set(links) <= {"next"}
        url = links["next"]["url"] if links else ""
    return pages


# --- between two times


def test_an_entry_has_its_id_its_time_and_numbers(server: Server, api: httpx.Client) -> None:
    server.client().xadd(
        _STREAM, {"locationId": 171, "userId": 789, "starRating": 5, "more": "x"}, id="1609602085397-0"
    )
    response = api.get("/api/checkins/1609602085397/1609602085397")
    assert response.headers["content-type"] == "application/json"
    assert response.text == (
        '[{"id":"1609602085397-0","timestamp":1609602085397,"userId":789,"locationId":171,"starRating":5}]'
    )


def test_both_ends_are_included_with_every_entry_of_their_millisecond(server: Server, api: httpx.Client) -> None:
    answers = _add(server, "9-5", "10-0", "10-7", "11-0", "12-0", "12-18446744073709551615", "13-0")
    assert api.get("/api/checkins/10/12").json() == answers[1:6]
    assert api.get("/api/checkins/12/12").json() == answers[4:6]
    assert api.get(f"/api/checkins/0/{MAX_TIME_MS}").json() == answers


def test_nothing_between_the_times_is_an_empty_list(server: Server, api: httpx.Client) -> None:
    assert api.get("/api/checkins/0/5").json() == []
    _add(server, "10-0")
    for times in ("0/9", "11/12"):
        response = api.get(f"/api/checkins/{times}")
        assert response.status_code == 200
        assert response.json() == []
        assert "link" not in response.headers


def test_a_page_has_at_most_1000_check_ins_and_links_to_the_next(server: Server, api: httpx.Client) -> None:
    answers = _add(server, *(f"{ms}-{n}" for ms in range(1, 26) for n in range(100)))
    first = api.get("/api/checkins/0/100")
    assert first.json() == answers[:1000]
    assert first.headers["link"] == '</api/checkins/0/100?limit=1000&after=10-99>; rel="next"'
    assert [len(page) for page in _pages(api, "/api/checkins/0/100")] == [1000, 1000, 500]


def test_a_full_last_page_has_no_link(server: Server, api: httpx.Client) -> None:
    answers = _add(server, "1-0", "1-1", "2-0", "2-1")
    assert _pages(api, "/api/checkins/0/9?limit=2") == [answers[:2], answers[2:]]
    assert _pages(api, "/api/checkins/1/1?limit=2") == [answers[:2]]


@pytest.mark.parametrize("seed", range(8))
def test_all_pages_together_are_all_entries_once(seed: int, server: Server, api: httpx.Client) -> None:
    chance = random.Random(seed)
    writer = server.client().pipeline(transaction=False)
    entries: list[tuple[str, bool]] = []
    ms, sequence = 1000, 0
    for _ in range(chance.randint(1, 300)):
        if chance.random() < 0.2:
            ms, sequence = ms + chance.choice((1, 1, 5)), 0
        else:
            sequence += chance.choice((1, 1, 1, 10**15))
        good = chance.random() < 0.8
        fields: dict[Any, Any] = {"locationId": 1, "userId": 2, "starRating": 3} if good else chance.choice(_BAD_FIELDS)
        writer.xadd(_STREAM, fields, id=f"{ms}-{sequence}")
        entries.append((f"{ms}-{sequence}", good))
    writer.execute()

    for limit in (1, chance.randint(2, 10), chance.randint(11, 60), len(entries), 1000):
        start, end = sorted(chance.randint(995, ms + 5) for _ in range(2))
        pages = _pages(api, f"/api/checkins/{start}/{end}?limit={limit}")
        inside = [(entry_id, good) for entry_id, good in entries if start <= int(entry_id.split("-")[0]) <= end]
        assert [entry["id"] for page in pages for entry in page] == [entry_id for entry_id, good in inside if good], (
            seed,
            start,
            end,
            limit,
        )
        assert len(pages) == max(1, -(-len(inside) // limit))
        assert all(len(page) <= limit for page in pages)


def test_entries_that_are_not_check_ins_are_left_out_and_passed(server: Server, api: httpx.Client) -> None:
    client = server.client()
    for n, fields in enumerate(_BAD_FIELDS):
        client.xadd(_STREAM, fields, id=f"5-{n}")
    good = _add(server, "6-0")
    assert api.get("/api/checkins/0/9").json() == good
    assert _pages(api, "/api/checkins/0/9?limit=2") == [[], [], [], good]


def test_a_new_entry_does_not_disturb_a_reader_between_pages(server: Server, api: httpx.Client) -> None:
    answers = _add(server, "1-0", "1-1", "1-2")
    first = api.get("/api/checkins/0/9?limit=2")
    more = _add(server, "1-3")
    rest = _pages(api, first.links["next"]["url"])
    assert first.json() + [entry for page in rest for entry in page] == answers + more


@pytest.mark.parametrize(
    ("after", "expected"),
    [
        ("0-0", [0, 1, 2, 3]),
        ("0-18446744073709551615", [0, 1, 2, 3]),
        ("4-18446744073709551615", [0, 1, 2, 3]),
        ("5-0", [0, 1, 2, 3]),
        ("5-1", [1, 2, 3]),
        ("5-2", [2, 3]),
        ("5-18446744073709551615", [2, 3]),
        ("6-0", [3]),
        ("7-18446744073709551615", []),
        ("8-0", []),
        ("18446744073709551615-18446744073709551615", []),
    ],
)
def test_after_continues_behind_any_id(after: str, expected: list[int], server: Server, api: httpx.Client) -> None:
    answers = _add(server, "4-0", "5-1", "5-2", "6-0", "7-0", "8-0")[1:5]
    assert api.get(f"/api/checkins/5/7?after={after}").json() == [answers[n] for n in expected]


# --- parameters

#: not whole numbers in their canonical form, or not in 64 bits
_NOT_NUMBERS = [
    "-1",
    "+1",
    "01",
    "00",
    "1_0",
    "5.0",
    "1e3",
    "0x10",
    "1,000",
    " 1",
    "1 ",
    "1\n",
    "\r\n",
    "\x00",
    "1\x00",
    "\u0661\u0662",
    "\u096b",
    "\u00b2",
    "five",
    "null",
    "NaN",
    "Infinity",
    "true",
    "-",
    "+",
    str(2**63),
    str(2**64),
    "9" * 5000,
    "\U0001f600" * 500,
]
_NOT_TIMES = [*_NOT_NUMBERS, str(MAX_TIME_MS + 1)]
_NOT_LIMITS = [*_NOT_NUMBERS, "", "0", "1001"]
_NOT_ENTRY_IDS = [
    "",
    "5",
    "5-",
    "-5",
    "-",
    "+",
    "$",
    "(5-0",
    "5-0-0",
    "05-0",
    "5-00",
    "5-*",
    "5 - 0",
    "5-0\n",
    "\u0665-\u0660",
    "18446744073709551616-0",
    "0-18446744073709551616",
    "9" * 5000,
]


@pytest.mark.parametrize(
    ("url", "parameter"),
    [(f"/api/checkins/{quote(value)}/9", "start") for value in _NOT_TIMES]
    + [(f"/api/checkins/0/{quote(value)}", "end") for value in _NOT_TIMES]
    + [(f"/api/checkins/0/9?limit={quote(value)}", "limit") for value in _NOT_LIMITS]
    + [(f"/api/checkins/0/9?after={quote(value)}", "after") for value in _NOT_ENTRY_IDS]
    + [("/api/checkins/10/9", "start")],
    ids=lambda value: repr(value[:40]),
)
def test_a_bad_parameter_is_named(url: str, parameter: str, api: httpx.Client) -> None:
    response = api.get(url)
    assert response.status_code == (400 if parameter == "after" else 422)
    assert response.headers["content-type"] == "application/problem+json"
    problem = response.json()
    assert problem["status"] == response.status_code
    assert [error["field"] for error in problem["errors"]] == [parameter]


def test_all_bad_parameters_are_named_at_once(api: httpx.Client) -> None:
    errors = api.get("/api/checkins/x/y?limit=0&after=z").json()["errors"]
    assert [error["field"] for error in errors] == ["start", "end", "limit", "after"]
    assert {"field": "limit", "message": "must be a whole number from 1 to 1000"} in errors


def test_the_limits_of_the_parameters_are_inside(server: Server, api: httpx.Client) -> None:
    for rest in ("0/0", f"{MAX_TIME_MS}/{MAX_TIME_MS}?limit=1", "0/1?limit=1000"):
        assert api.get(f"/api/checkins/{rest}").json() == []


# --- the newest


@pytest.mark.parametrize("url", [_LATEST, "/checkins/latest"])
def test_the_latest_is_the_newest_entry(url: str, server: Server, api: httpx.Client) -> None:
    answers = _add(server, "5-0", "9-0", "9-1")
    assert api.get(url).json() == answers[-1]


@pytest.mark.parametrize("url", [_LATEST, "/checkins/latest"])
def test_no_latest_is_not_found(url: str, server: Server, api: httpx.Client) -> None:
    for entries in range(2):
        assert server.client().xlen(_STREAM) == entries
        response = api.get(url)
        assert response.status_code == 404
        assert response.headers["content-type"] == "application/problem+json"
        assert response.json()["detail"] == "there are no check-ins"
        server.client().xadd(_STREAM, {"not": "a check-in"})


@pytest.mark.parametrize("bad", [1, 99, 100, 101, 199, 200, 999])
def test_the_latest_is_found_behind_bad_entries(bad: int, server: Server, api: httpx.Client) -> None:
    answers = _add(server, "5-0", "6-0")
    with server.client().pipeline(transaction=False) as pipeline:
        for n in range(bad):
            pipeline.xadd(_STREAM, {"not": "a check-in"}, id=f"6-{n + 1}")
        pipeline.execute()
    assert api.get(_LATEST).json() == answers[-1]


def test_the_look_back_for_the_latest_ends_after_1000_entries(server: Server, api: httpx.Client) -> None:
    _add(server, "5-0")
    with server.client().pipeline(transaction=False) as pipeline:
        for n in range(1000):
            pipeline.xadd(_STREAM, {"not": "a check-in"}, id=f"6-{n}")
        pipeline.execute()
    response = api.get(_LATEST)
    assert response.status_code == 404
    assert response.json()["detail"] == "none of the newest 1000 entries is a check-in"


@pytest.mark.parametrize("entry_id", [f"{MAX_TIME_MS + 1}-0", "18446744073709551615-18446744073709551615"])
def test_an_entry_with_an_id_beyond_all_times_is_not_a_check_in(
    entry_id: str, server: Server, api: httpx.Client
) -> None:
    answers = _add(server, "5-0", entry_id)
    assert api.get(_LATEST).json() == answers[0]
    assert api.get(f"/api/checkins/0/{MAX_TIME_MS}").json() == answers[:1]


# --- a broken stream


@pytest.mark.parametrize("url", ["/api/checkins/0/9", _LATEST])
def test_a_stream_key_of_another_type_is_named(url: str, server: Server, api: httpx.Client) -> None:
    server.client().set(_STREAM, "x")
    response = api.get(url)
    assert response.status_code == 503
    assert response.headers["content-type"] == "application/problem+json"
    assert response.headers["retry-after"] == "10"
    assert response.json()["detail"] == "ncc:checkins holds another type than it must"


# --- by id


def test_a_check_in_is_found_by_its_id(server: Server, api: httpx.Client) -> None:
    answers = _add(server, "5-0", "5-1", "6-0")
    for answer in answers:
        assert api.get(f"/api/checkin/{answer['id']}").json() == answer


def test_what_the_stream_does_not_hold_is_a_404(server: Server, api: httpx.Client) -> None:
    _add(server, "5-0", "5-1")
    server.client().xdel(_STREAM, "5-0")
    server.client().xadd(_STREAM, _BAD_FIELDS[0], id="7-0")
    for entry_id in ("5-0", "6-0", "7-0", f"{2**64 - 1}-{2**64 - 1}"):
        response = api.get(f"/api/checkin/{entry_id}")
        assert response.status_code == 404, entry_id
        assert response.headers["content-type"] == "application/problem+json"


@pytest.mark.parametrize("entry_id", ["5", "x", "-", "5-", "5-0-0", "05-0", "$", "+", "%2B5-0", f"5-{2**64}", "(5-0"])
def test_what_is_no_id_of_an_entry_is_a_422(entry_id: str, api: httpx.Client) -> None:
    response = api.get(f"/api/checkin/{entry_id}")
    assert response.status_code == 422
    assert response.json()["errors"][0]["field"] == "id"
