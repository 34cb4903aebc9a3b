"""Reading files to load: formats, and bad rows, of which nothing is written."""

import threading
from collections.abc import Iterator
from os import mkfifo
from pathlib import Path
from typing import Any

import bcrypt
import msgspec
import pytest

from footfall.domain.model import MAX_ID
from footfall.errors import UsageError
from footfall.operations.loader import BadRowsError, Loaded, What
from loader_scene import (
    CHECK_INS,
    DETAILS,
    KEYS,
    LOCATIONS,
    USERS,
    Bench,
    as_array,
    as_csv,
    as_ndjson,
    bad_lines,
    check_in,
    content,
    load_bytes,
    location,
    unchanged,
    user,
)
from servers import Server


@pytest.fixture
def bench(server: Server, tmp_path: Path) -> Iterator[Bench]:
    with Bench(server, tmp_path) as bench:
        yield bench


# --- formats


@pytest.mark.parametrize(("what", "rows"), [("users", USERS), ("locations", LOCATIONS), ("checkins", CHECK_INS)])
def test_all_formats_load_the_same(bench: Bench, what: What, rows: list[Any]) -> None:
    results = []
    for name, data in (
        ("rows.json", as_array(rows)),
        ("rows.JSON", msgspec.json.format(as_array(rows), indent=2)),
        ("rows.ndjson", as_ndjson(rows)),
        ("rows.jsonl", as_ndjson(rows) + b"\n\n"),
        ("rows.csv", as_csv(rows)),
        ("rows.csv", as_csv(rows) + b"\r\n\r\n"),
        ("array", b" \n" + as_array(rows)),
        ("ndjson", b"\xef\xbb\xbf" + as_ndjson(rows)),
        ("csv.txt", b"\xef\xbb\xbf" + as_csv(rows)),
        ("bom.json", b"\xef\xbb\xbf" + as_array(rows)),
        ("really-ndjson.json", as_ndjson(rows)),
    ):
        bench.client.flushall()
        load_bytes(bench, what, name, data)
        results.append(content(bench.client))
    assert all(result == results[0] for result in results)
    assert results[0].keys() >= {f"ncc:{what}".encode()} or what != "checkins"


def test_a_location_in_json_may_have_details(bench: Bench) -> None:
    load_bytes(bench, "locations", "rows.ndjson", as_ndjson([location(details=DETAILS), location(2)]))
    assert msgspec.json.decode(bench.client.get(KEYS.location_details(1))) == DETAILS
    assert not bench.client.exists(KEYS.location_details(2))


def test_a_pipe_can_be_read(bench: Bench) -> None:
    path = bench.directory / "pipe"
    mkfifo(path)
    writer = threading.Thread(target=path.write_bytes, args=(as_ndjson(CHECK_INS),))
    writer.start()
    assert bench.load("checkins", source=path) == Loaded(0, 0, 3)
    writer.join()


def test_cells_may_have_line_breaks_and_errors_name_the_line_where_the_row_begins(bench: Bench) -> None:
    rows = [user(1, password='"cor\nrect"'), user(2, id="x"), user(3, email="x")]
    assert [line.partition(": ")[0] for line in bad_lines(bench, "users", "rows.csv", as_csv(rows))] == [
        "line 4",
        "line 5",
    ]


def test_no_rows_are_an_error(bench: Bench) -> None:
    for name, data in (("rows.json", b"[]"), ("rows.ndjson", b""), ("rows.csv", as_csv(USERS).splitlines()[0])):
        with pytest.raises(BadRowsError, match="there is no row in it"):
            load_bytes(bench, "users", name, data)


@pytest.mark.parametrize("name", ["missing.csv", "."])
def test_a_file_that_cannot_be_opened_is_a_usage_error(bench: Bench, name: str) -> None:
    with unchanged(bench), pytest.raises(UsageError, match="cannot read"):
        bench.load("users", source=bench.directory / name)


# --- files that cannot be read to their end

OTHERWISE = " (if it is Windows-1252 or Latin-1, `iconv -f WINDOWS-1252 -t UTF-8` makes UTF-8 of it)"
COLUMNS = "id, firstName, lastName, email, password, numCheckins, lastCheckin, lastSeenAt"


@pytest.mark.parametrize(
    ("name", "data", "expected"),
    [
        ("rows.ndjson", as_ndjson(USERS) + b'\n{"id": \xff}', "line 3: not UTF-8, from byte 8 on" + OTHERWISE),
        ("rows.json", b"[\n\n" + b"\xff]", "line 3: not UTF-8, from byte 1 on" + OTHERWISE),
        ("rows.csv", as_csv(USERS) + b"\r\n\xff", "line 4: not UTF-8, from byte 1 on" + OTHERWISE),
        ("rows.json", b'[{"id": 1},\n {"id" 2}]', "line 2: not JSON: Expecting ':' delimiter"),
        ("rows.json", b"[1, 2", "line 1: not JSON: Expecting ',' delimiter"),
        ("rows.json", b'"text"', "line 1: must be a JSON array"),
        ("rows.json", b"", "line 1: not JSON: Expecting value"),
        ("rows.json", b"[" * 100_000, "line 1: nested too deeply"),
        ("rows", b"", "line 1: the header has no email, firstName, id, lastName, password"),
        ("rows.csv", b"id,firstName,lastName\n", "line 1: the header has no email, password"),
        ("rows.csv", b"id,ID\n", f"line 1: 'ID' is not a column of such rows in CSV; these are: {COLUMNS}"),
        ("rows.csv", b"id,id\n", "line 1: there is more than one column id"),
        ("rows.csv", as_csv(USERS) + b'\r\n5,"a"b', "line 4: not CSV: ',' expected after '\"'"),
    ],
)
def test_a_file_that_cannot_be_read_further_is_refused(bench: Bench, name: str, data: bytes, expected: str) -> None:
    assert bad_lines(bench, "users", name, data)[-1] == expected


def test_csv_has_no_details(bench: Bench) -> None:
    data = as_csv([location(details="x")])
    (line,) = bad_lines(bench, "locations", "rows.csv", data)
    columns = "id, name, category, location, numCheckins, numStars"
    assert line == f"line 1: 'details' is not a column of such rows in CSV; these are: {columns}"


# --- bad rows


TOMORROW = 86_400_000
BAD_USERS: list[tuple[Any, str]] = [
    (5, "must be an object"),
    ({"id": 5}, "firstName: is missing"),
    (user(0), "id: Expected `int` >= 1"),
    (user(id=MAX_ID + 1), "id: Expected `int` <= 9007199254740991"),
    (user(id="1"), "id: Expected `int`, got `str`"),
    (user(id=None), "id: Expected `int`, got `null`"),
    (user(nickname="x"), "nickname: is not a field of such a row"),
    (user(firstName=""), "firstName: must be: 1 to 200 characters in one line"),
    (user(lastName="a\nb"), "lastName: must be: 1 to 200 characters in one line, without control characters"),
    (user(email="nobody"), "email: must be: an address with one @, up to 64 characters before it and up to 190 after"),
    (user(email="a@b\n"), "email: must be: an address with one @"),
    (user(email=5), "email: Expected `str`, got `int`"),
    (user(password="é" * 37), "password: is longer than the 72 bytes that bcrypt takes"),
    (user(password=""), "password: Expected `str` of length >= 1"),
    (user(numCheckins=-1), "numCheckins: Expected `int` >= 0"),
    (user(lastCheckin=5), "lastSeenAt: is missing: lastCheckin and lastSeenAt come together or not at all"),
    (user(lastSeenAt=5), "lastCheckin: is missing: lastCheckin and lastSeenAt come together or not at all"),
    (user(lastCheckin=0, lastSeenAt=5), "lastCheckin: must be later than 0 ms"),
    (user(lastCheckin=9_999_999_999_999, lastSeenAt=5), "lastCheckin: lies in the future"),
    (user(lastCheckin=1_609_602_085, lastSeenAt=5), "lastCheckin: looks like seconds; milliseconds are wanted"),
    (user(lastCheckin=1_609_602_085_397_000, lastSeenAt=5), "lastCheckin: looks like microseconds; milliseconds are"),
    (
        user(lastCheckin=1_609_602_085_397_000_000, lastSeenAt=5),
        "lastCheckin: looks like nanoseconds; milliseconds",
    ),
    (user(lastCheckin=2**70, lastSeenAt=5), "lastCheckin: lies in the future"),
    (user(10), "id: is the same as in line 1 (row 1)"),
    (user(12, email="USER10@Example.com"), "email: is the same as in line 1 (row 1)"),
    (user(13, email="Stored@example.com"), "email: user 99 on the server has it"),
]


def test_every_bad_user_is_listed_with_its_line_and_reason(bench: Bench) -> None:
    bench.load("users", [user(99, email="stored@example.com")])
    rows = [user(10), *(row for row, _ in BAD_USERS), user(11, email="other@example.com")]
    data = b"[" + b",\n".join(map(msgspec.json.encode, rows)) + b"]"
    lines = bad_lines(bench, "users", "rows.json", data)
    places = [f"line {number} (row {number}): " for number in range(2, len(BAD_USERS) + 2)]
    expected = [place + reason for place, (_, reason) in zip(places, BAD_USERS, strict=True)]
    assert len(lines) == len(expected)
    assert all(line.startswith(wanted) for line, wanted in zip(lines, expected, strict=True)), lines
    assert not any("é" in line for line in lines), "a password is not shown"


@pytest.mark.parametrize("name", ["rows.ndjson", "rows.json"])
def test_a_row_that_has_a_field_twice_is_bad_whatever_its_values(bench: Bench, name: str) -> None:
    good = [msgspec.json.encode(location(place, details=DETAILS | {"id": place})) for place in (1, 2)]
    twice = msgspec.json.encode(location(3)).replace(b"{", b'{"id":3,', 1)
    within = msgspec.json.encode(location(4, details=DETAILS | {"id": 4})).replace(b'"phone"', b'"website":"","phone"')
    rows = [good[0], twice, good[1], within]
    data = b"\n".join(rows) if name == "rows.ndjson" else b"[" + b",\n".join(rows) + b"]"
    lines = bad_lines(bench, "locations", name, data)
    assert [line.partition(": ")[2] for line in lines] == [
        "id: is there more than once",
        "website: is there more than once",
    ]


MD5 = "5ebe2294ecd0e0f08eab7690d2a6ee69"
#: the same in every process that collects tests
A_HASH = "$2b$04$NFfLk/9a/dTNmGLZCgbyzuEH/5m8K52mvNWKfXy3Y3z6F6hhVS2Km"
OTHER_HASHES = [
    (MD5, "an MD5 digest (32 hexadecimal digits)"),
    (MD5.upper(), "an MD5 digest (32 hexadecimal digits)"),
    ("0123456789" * 4, "a SHA-1 digest (40 hexadecimal digits)"),
    ("0123abcd" * 8, "a SHA-256 digest (64 hexadecimal digits)"),
    ("0123abcd" * 16, "a SHA-512 digest (128 hexadecimal digits)"),
    (A_HASH[:-1], "a bcrypt hash that was cut off or changed"),
    (A_HASH + " ", "a bcrypt hash that was cut off or changed"),
    ("$2y$10$short", "a bcrypt hash that was cut off or changed"),
    ("$argon2id$v=19$m=65536,t=3,p=4$c29tZXNhbHQ$RdescudvJCsgt3ub", "a password hash of another kind"),
    ("$1$saltsalt$qjXMvbEw8oaL.CzflDtaK/", "a password hash of another kind"),
    ("pbkdf2_sha256$600000$salt$ZGlnZXN0", "a password hash of another kind"),
    ("{SSHA}gVK8WC9YyFT1gMsQHTGCgT3sSv5zYWx0", "a password hash of another kind"),
]


@pytest.mark.parametrize(("password", "what"), OTHER_HASHES)
def test_a_digest_is_no_password_whoever_has_it_could_sign_in(bench: Bench, password: str, what: str) -> None:
    (line,) = bad_lines(bench, "users", "rows.ndjson", as_ndjson([user(password=password)]))
    taken = "taken are only clear text, which the load hashes, and bcrypt hashes"
    assert line == f"line 1: password: looks like {what}; {taken}"


BAD_LOCATIONS: list[tuple[Any, str]] = [
    (location(name=""), "name: must be: 1 to 200 characters in one line"),
    (location(name="a\0"), "name: must be: 1 to 200 characters in one line, without control characters"),
    (
        location(category="Café"),
        "category: must be: up to 64 lower case letters (a to z), digits, - and _, with a letter",
    ),
    (location(category="cafe\n"), "category: must be: up to 64 lower case letters"),
    (
        location(location="1;2"),
        "location: must be: longitude, a comma and latitude, in degrees, without spaces, such as",
    ),
    (location(location="\u0661,\u0662"), "location: must be: longitude, a comma"),
    (location(location="1,2\n"), "location: must be: longitude, a comma"),
    (location(location="180.01,2"), "location: the longitude must be between -180 and 180"),
    (location(location="37.77,-122.41"), "location: latitude and longitude look swapped: the longitude comes first"),
    (location(location="-90,90.1"), "location: latitude and longitude look swapped"),
    (location(location="90.1,91"), "location: the latitude must be between"),
    (location(location="1,181"), "location: the latitude must be between"),
    (location(location="1,90"), "location: the latitude must be between"),
    (location(location="1,-85.0512"), "location: the latitude must be between -85.05112878 and 85.05112878"),
    (location(numCheckins=2, numStars=11), "numStars: is more than 5 per check-in"),
    (location(details=DETAILS | {"id": 2}), "details: id must be the location's, 1"),
    (location(details=DETAILS | {"hours": []}), "details: Expected `array` of length >= 7 - at `$.hours`"),
    (
        location(details=DETAILS | {"hours": [{"day": 1, "hours": "7-19"}] * 7}),
        "details: hours must have each day from 0 to 6 once",
    ),
    (location(10), "id: is the same as in line 1"),
]


def test_every_bad_location_is_listed_with_its_line_and_reason(bench: Bench) -> None:
    rows = [location(10), *(row for row, _ in BAD_LOCATIONS)]
    lines = bad_lines(bench, "locations", "rows.ndjson", as_ndjson(rows))
    for number, (line, (_, reason)) in enumerate(zip(lines, BAD_LOCATIONS, strict=True), 2):
        assert line.startswith(f"line {number}: {reason}")


def test_bad_check_ins_are_listed_with_their_line_and_reason(bench: Bench) -> None:
    seconds, _ = bench.client.time()
    cases = [
        ("999-0", "id: must be greater than the one before, 1000-5"),
        ("1000-5", "id: must be greater than the one before, 1000-5"),
        ("1000-4", "id: must be greater than the one before, 1000-5"),
        ("0-0", "id: must be later than 0 ms"),
        ("0-1", "id: must be later than 0 ms"),
        (f"{seconds * 1000 + TOMORROW}-0", "id: lies in the future"),
        ("18446744073709551615-18446744073709551615", "id: lies in the future"),
        ("1609602085-0", "id: looks like seconds; milliseconds are wanted"),
        ("1000000000", "id: looks like seconds; milliseconds are wanted"),
        ("99999999999", "id: looks like seconds; milliseconds are wanted"),
        ("1609602085397000", "id: looks like microseconds; milliseconds are wanted"),
        ("1609602085397000000-0", "id: looks like nanoseconds; milliseconds are wanted"),
        ("18446744073709551616-0", "id: must be <ms>-<sequence number> or <ms>"),
        ("1001-", "id: must be <ms>-<sequence number> or <ms>"),
        ("1e3", "id: must be <ms>-<sequence number> or <ms>"),
        ("", "id: must be <ms>-<sequence number> or <ms>"),
    ]
    rows = [check_in("1000-5"), *(check_in(entry_id) for entry_id, _ in cases), check_in("1001-0", stars=6)]
    lines = bad_lines(bench, "checkins", "rows.ndjson", as_ndjson(rows))
    assert lines[:-1] == [f"line {number}: {reason}" for number, (_, reason) in enumerate(cases, 2)]
    assert lines[-1] == f"line {len(rows)}: starRating: Expected `int` <= 5"


@pytest.mark.parametrize("cell", ["1.0", "+1", "-1", " 1", "01", "1_0", "\u0661", "1e3", "true", "9" * 20])
def test_numbers_in_csv_are_plain_digits(bench: Bench, cell: str) -> None:
    data = as_csv([check_in("1000-0", location_id=cell)])  # type: ignore[arg-type]
    assert bad_lines(bench, "checkins", "rows.csv", data) == ["line 2: locationId: must be a whole number"]


def test_rows_in_csv_have_as_many_cells_as_the_header_and_none_empty_that_is_needed(bench: Bench) -> None:
    data = b"id,locationId,userId,starRating\n1000,1,1\n1001,1,,5\n1002,1,1,6\n"
    assert bad_lines(bench, "checkins", "rows.csv", data) == [
        "line 2: has 3 cells, the header has 4",
        "line 3: userId: is missing",
        "line 4: starRating: Expected `int` <= 5",
    ]


def test_of_very_many_bad_rows_the_first_hundred_are_shown(bench: Bench) -> None:
    lines = bad_lines(bench, "checkins", "rows.ndjson", b"{}\n" * 2500)
    assert len(lines) == 101
    assert lines[-2:] == ["line 100: id: is missing", "... and 2400 more"]


def test_rows_that_are_not_json_do_not_hide_the_others(bench: Bench) -> None:
    data = b'{"id"\n[]\n' + b"[" * 100_000 + b'\n{"id": "\\ud800"}\n' + as_ndjson([user(1)])
    lines = bad_lines(bench, "users", "rows.ndjson", data)
    assert [line[:16] for line in lines] == [
        "line 1: not JSON",
        "line 2: must be ",
        "line 3: nested t",
        "line 4: not JSON",
    ]


def test_a_password_is_hashed_as_it_stands(bench: Bench) -> None:
    passwords = ["null", "x" * 72, "c0ffee" * 6, "0" * 31, "a" * 16 + "F" * 16, "$1", "{curly} $2b$", "a\0b"]
    load_bytes(bench, "users", "rows.json", as_array([user(n, password=p) for n, p in enumerate(passwords, 1)]))
    for number, password in enumerate(passwords, 1):
        assert bcrypt.checkpw(password.encode(), bench.user(number)["password"].encode())
