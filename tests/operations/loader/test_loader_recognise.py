"""Files that are not what is loaded, but often given: recognised, with what to do, or simply read."""

import gzip
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path
from typing import Any

import msgspec
import pytest

from footfall.errors import ExitCode
from footfall.operations.loader import Loaded, What
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
    user,
)
from processes import environment
from servers import Server


@pytest.fixture
def bench(server: Server, tmp_path: Path) -> Iterator[Bench]:
    with Bench(server, tmp_path) as bench:
        yield bench


def zipped(data: bytes) -> bytes:
    """A zip archive of one file."""
    packed = BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        archive.writestr("users.csv", data)
    return packed.getvalue()


def over_lines(row: Any) -> bytes:
    """JSON with line breaks."""
    return msgspec.json.format(msgspec.json.encode(row))


CSV = as_csv(USERS)
BOM = b"\xef\xbb\xbf"
NOT_COMMAS = "and commas are expected: save it so, with double quotes around cells that hold a comma"
#: name, content, what is said of it
STRANGE = [
    ("u.zst", b"\x28\xb5\x2f\xfd\x24", "it is compressed with zstd: `zstd -dc FILE | LOAD` loads it"),
    ("u.csv", b"\xfd7zXZ\x00\x00\x04", "it is compressed with xz: `xz -dc FILE | LOAD` loads it"),
    ("u.json", b"BZh91AY&SY", "it is compressed with bzip2: `bzip2 -dc FILE | LOAD` loads it"),
    (
        "u.xlsx",
        zipped(CSV),
        "it is a zip archive, or a spreadsheet (then save it as CSV, in UTF-8): `unzip -p FILE | LOAD` loads it",
    ),
    ("u.xls", b"\xd0\xcf\x11\xe0\xa1\xb1", "it is a spreadsheet: save it as CSV, in UTF-8"),
    ("u", b"PAR1\x15\x04", "it is a Parquet file: write it as NDJSON, or as CSV with a header"),
    *(
        (
            "u.csv",
            CSV.decode().encode(codec),
            f"it is {name}, not UTF-8: `iconv -f {name} -t UTF-8 FILE | LOAD` loads it",
        )
        for codec, name in (("utf-16", "UTF-16"), ("utf-16-le", "UTF-16LE"), ("utf-16-be", "UTF-16BE"))
    ),
    (
        "u.json",
        b'{"users":' + as_array(USERS) + b"}",
        "it is one JSON object with the rows in users: `jq -c '.users[]' FILE | LOAD` loads it",
    ),
    (
        "u.ndjson",
        BOM + over_lines({"users": USERS}),
        "it is one JSON object with the rows in users: `jq -c '.users[]' FILE | LOAD` loads it",
    ),
    (
        "u.json",
        over_lines({"total": 2, "tags": ["a", ["{"]], "page": {"next": "}"}, "data": {"all users": USERS}}),
        "it is one JSON object with the rows in data.all users: `jq -c '.data[\"all users\"][]' FILE | LOAD` loads it",
    ),
    (
        "u.json",
        over_lines(user(1)) + b"\n" + over_lines(user(2)),
        "it has JSON objects over several lines, one per line is expected: `jq -c . FILE | LOAD` loads it",
    ),
    *(
        ("u.csv", CSV.replace(b",", separator), f"its columns are separated by {name}, {NOT_COMMAS}")
        for separator, name in ((b"\t", "tabs"), (b";", "semicolons"), (b"|", "vertical bars"))
    ),
    ("u.tsv", BOM + b'"id"\t"firstName"\t"x"\r\n', f"its columns are separated by tabs, {NOT_COMMAS}"),
]


@pytest.mark.parametrize(("name", "data", "expected"), STRANGE, ids=range(len(STRANGE)))
def test_a_file_of_another_kind_is_recognised_with_what_to_do(
    bench: Bench, name: str, data: bytes, expected: str
) -> None:
    (said,) = bad_lines(bench, "users", name, data)
    path = str(bench.directory / name)
    assert said == expected.replace("LOAD", "footfall load users --from -").replace("FILE", path)


@pytest.mark.parametrize(
    ("what", "data", "said"),
    [
        ("users", b'{"total": 1, "id": 5, "firstName": [{}]}', "line 1: firstName: Expected `str`, got `array`"),
        ("users", b'{"id": 5, "rows": [{}]}', "line 1: firstName: is missing"),
        ("users", b'{"total": 1}', "line 1: id: is missing"),
        ("users", b'{"users": []}', "line 1: id: is missing"),
        ("users", b'{"a": "', "line 1: not JSON"),
        ("users", b"{]", "line 1: not JSON"),
        ("users", b"BZ", "line 1: 'BZ' is not a column"),
        ("users", b"a\0b,c", "line 1: 'a\\x00b' is not a column"),
        ("users", b"id\tx,firstName", "line 1: 'id\\tx' is not a column"),
        ("locations", as_ndjson([{"x": 1, "details": DETAILS}]), "line 1: id: is missing"),
    ],
)
def test_a_bad_row_is_not_taken_for_a_file_of_another_kind(bench: Bench, what: What, data: bytes, said: str) -> None:
    (line,) = bad_lines(bench, what, "rows", data)
    assert line.startswith(said)


@pytest.mark.parametrize(
    ("name", "data"),
    [
        ("rows.ndjson", as_array(USERS)),
        ("rows.jsonl", BOM + b" \n" + as_array(USERS)),
        ("rows.csv", as_array(USERS)),
        ("rows.csv", as_ndjson(USERS)),
    ],
    ids=range(4),
)
def test_json_is_read_whatever_the_name_of_the_file_says(bench: Bench, name: str, data: bytes) -> None:
    assert load_bytes(bench, "users", name, data) == Loaded(2, 0, 0)


@pytest.mark.parametrize(("what", "rows"), [("users", USERS), ("locations", LOCATIONS), ("checkins", CHECK_INS)])
def test_gzipped_files_load_as_what_is_in_them(bench: Bench, what: What, rows: list[Any]) -> None:
    results = []
    for name, data in (
        ("rows.json", as_array(rows)),
        ("rows.json.gz", gzip.compress(as_array(rows))),
        ("rows.csv.gz", gzip.compress(as_csv(rows))),
        ("rows.NDJSON.GZ", gzip.compress(as_ndjson(rows[:1]) + b"\n") + gzip.compress(as_ndjson(rows[1:]))),
        ("rows.csv", gzip.compress(BOM + as_csv(rows))),
        ("rows", gzip.compress(as_ndjson(rows)) + b"\0" * 512),
    ):
        bench.client.flushall()
        load_bytes(bench, what, name, data)
        results.append(content(bench.client))
    assert all(result == results[0] for result in results)


@pytest.mark.parametrize("name", ["rows.csv.gz", "rows.json.gz"])
def test_gzip_data_that_is_damaged_or_cut_off_is_refused(bench: Bench, name: str) -> None:
    rows = [check_in(f"{1000 + number}-0") for number in range(2000)]
    packed = gzip.compress(as_csv(rows) if "csv" in name else as_array(rows))
    middle = len(packed) // 2
    damaged = packed[:middle] + bytes(byte ^ 0xFF for byte in packed[middle : middle + 9]) + packed[middle + 9 :]
    for data in (packed[:-1], packed[:-8], packed[:middle], packed[:3], damaged):
        (said,) = bad_lines(bench, "checkins", name, data)
        assert said.startswith("its gzip data is damaged or cut off: ")


def test_what_is_wrong_in_a_gzipped_file_is_said_as_of_another(bench: Bench) -> None:
    packed = gzip.compress(as_csv([user(1), user(0)]))
    assert bad_lines(bench, "users", "rows.csv.gz", packed) == ["line 3: id: Expected `int` >= 1"]
    (said,) = bad_lines(bench, "users", "rows.gz", gzip.compress(b'{"users":' + as_array(USERS) + b"}"))
    assert said.startswith("it is one JSON object with the rows in users: `gzip -dc ")


def piped(server: Server, data: bytes, what: What) -> subprocess.CompletedProcess[bytes]:
    """What becomes of `footfall load ... --from -` with this on its standard input."""
    command = [sys.executable, "-m", "footfall", "load", what, "--from", "-"]
    settings = environment({"redis_url": server.url})
    return subprocess.run(command, input=data, env=settings, capture_output=True, check=False, timeout=60)


@pytest.mark.parametrize(
    "data",
    [as_ndjson(USERS), as_csv(USERS), as_array(USERS), gzip.compress(as_csv(USERS))],
    ids=["ndjson", "csv", "array", "gzip"],
)
def test_standard_input_can_be_loaded(server: Server, data: bytes) -> None:
    ended = piped(server, data, "users")
    assert (ended.returncode, ended.stdout) == (ExitCode.OK, b"Loaded 2 users, 0 locations and 0 check-ins.\n")
    assert server.client().zcard(KEYS.users_by_checkins) == 2


def test_what_is_wrong_on_standard_input_is_said_of_it(server: Server) -> None:
    ended = piped(server, b"\x28\xb5\x2f\xfd\x24", "users")
    assert ended.returncode == ExitCode.BAD_ROWS
    assert ended.stderr.decode().splitlines() == [
        "error: standard input: nothing was loaded",
        "it is compressed with zstd: put `zstd -dc` before it",
    ]
    ended = piped(server, as_ndjson([location(0)]), "locations")
    assert ended.stderr.decode().splitlines() == [
        "error: standard input: 1 bad row, nothing was loaded",
        "line 1: id: Expected `int` >= 1",
    ]
