"""Reading one's own data: a JSON array, NDJSON, or CSV with a header; UTF-8, with or without a BOM, also gzipped.

NDJSON and CSV are read line by line. A JSON array is held as a whole while it is read: its size, and about 100
bytes per row.
"""

import codecs
import csv
import gzip
import io
import json
import re
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO, Literal, TypeVar, cast, get_type_hints

import msgspec
from msgspec import Struct, inspect

from footfall.domain.json_text import MORE_THAN_ONCE, repeated
from footfall.domain.model import why_not
from footfall.errors import UsageError
from footfall.operations.loader.bad_rows import BadRows, BadRowsError
from footfall.operations.loader.recognise import (
    GZIP,
    HEAD,
    STDIN,
    Source,
    name_of,
    strange_bytes,
    strange_csv,
    strange_json,
)

Format = Literal["array", "ndjson", "csv"]
RowT = TypeVar("RowT", bound=Struct)

#: where the first character does not tell
_BY_EXTENSION: dict[str, Format] = {".json": "array", ".ndjson": "ndjson", ".jsonl": "ndjson"}
#: lines between two moves of the progress bar
_LINES_PER_STEP = 1000
#: what most text is that is not UTF-8
_OTHERWISE = " (if it is Windows-1252 or Latin-1, `iconv -f WINDOWS-1252 -t UTF-8` makes UTF-8 of it)"
#: up to 64 bits, and a little more: which are too large is for the field to say
_whole_number = re.compile(r"0|[1-9][0-9]{0,18}").fullmatch


class _UnreadableError(Exception):
    """From here on the file cannot be read: (place, reason)."""


def read(
    path: Path, what: str, kind: type[RowT], bad: BadRows, advance: Callable[[int], None]
) -> Iterator[tuple[str, RowT]]:
    """Each good row with its place, such as `line 3`; the others go to `bad`. `advance` gets numbers of bytes.

    `what` is what the rows are called on the command line. Raises UsageError when the file cannot be opened, and
    BadRowsError when it is another kind of file.
    """
    row_type = _RowType(kind)
    try:
        with _opened(path) as file:
            read_rows = _READERS[_format(file, Source(path, what, isinstance(file, gzip.GzipFile)), row_type)]
            try:
                yield from read_rows(file, row_type, bad, advance)
            except _UnreadableError as error:
                bad.add(error.args[0], "", error.args[1])
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise BadRowsError(
            f"{name_of(path)}: nothing was loaded\nits gzip data is damaged or cut off: {error}"
        ) from None
    except OSError as error:
        raise UsageError(f"cannot read {name_of(path)}: {error.strerror}") from None


def size(path: Path) -> int | None:
    """How many bytes `read` will read; None when that is not known (a pipe, or what is unpacked meanwhile)."""
    if not path.is_file() or path == STDIN:
        return None
    try:
        with path.open("rb") as file:
            return None if file.read(len(GZIP)) == GZIP else path.stat().st_size
    except OSError:
        return None  # `read` says so


@contextmanager
def _opened(path: Path) -> Iterator[BinaryIO]:
    """The file, unpacked when it is gzipped."""
    with open(0, "rb", closefd=False) if path == STDIN else path.open("rb") as file:
        if not file.peek(HEAD).startswith(GZIP):
            yield file
            return
        with gzip.GzipFile(fileobj=file) as unpacked:
            yield cast("BinaryIO", unpacked)


def _format(file: BinaryIO, source: Source, row_type: "_RowType") -> Format:
    """Raises BadRowsError, with what to do, when it is in another one."""
    head: bytes = file.peek(HEAD)  # type: ignore[attr-defined]
    first = head.removeprefix(codecs.BOM_UTF8).lstrip()[:1]
    suffixes = [suffix.lower() for suffix in source.path.suffixes if suffix.lower() != ".gz"]
    found: Format
    strange = strange_bytes(head, source)
    if first == b"{":
        found = "ndjson"
        strange = strange or strange_json(head, row_type.types, source)
    elif first == b"[":
        found = "array"
    else:
        found = _BY_EXTENSION.get(suffixes[-1] if suffixes else "", "csv")
        strange = strange or (strange_csv(head, row_type.types) if found == "csv" else None)
    if strange:
        raise BadRowsError(f"{name_of(source.path)}: nothing was loaded\n{strange}")
    return found


class _RowType:
    """What a row must look like, and what to say of one that does not."""

    def __init__(self, kind: type[Struct]) -> None:
        info = inspect.type_info(kind)
        assert isinstance(info, inspect.StructType)
        hints = get_type_hints(kind, include_extras=True)
        self.kind = kind
        self.decoder = msgspec.json.Decoder(kind)
        self.types = {field.encode_name: hints[field.name] for field in info.fields}
        self.required = {field.encode_name for field in info.fields if field.required}
        self.numbers = {field.encode_name for field in info.fields if _is_number(field.type)}
        self.records = {field.encode_name for field in info.fields if _has(field.type, inspect.StructType)}

    def repeated(self, text: str | msgspec.Raw) -> list[str]:
        """The names that a row has twice. Each takes a colon: most rows have no more of them than they must."""
        row = text.encode() if isinstance(text, str) else bytes(text)
        return repeated(row) if row.count(b":") > len(self.required) else []

    def problem(self, value: Any) -> tuple[str, str]:
        """(field, reason): the first thing that is wrong with a row that could not be converted."""
        if not isinstance(value, dict):
            return "", "must be an object"
        for name, kind in self.types.items():
            if name not in value:
                if name in self.required:
                    return name, "is missing"
                continue
            try:
                msgspec.convert(value[name], kind)
            except msgspec.ValidationError as error:
                return name, why_not(kind, error, is_text=isinstance(value[name], str))
        unknown = next((str(name) for name in value if name not in self.types), "")
        return unknown[:100], "is not a field of such a row"


def _has(kind: inspect.Type, wanted: type[inspect.Type]) -> bool:
    kinds = kind.types if isinstance(kind, inspect.UnionType) else (kind,)
    return any(isinstance(one, wanted) for one in kinds)


def _is_number(kind: inspect.Type) -> bool:
    return _has(kind, inspect.IntType)


def _lines(file: BinaryIO, advance: Callable[[int], None]) -> Iterator[str]:
    """The lines, without a BOM."""
    step = 0
    for number, line in enumerate(file, 1):
        step += len(line)
        if number % _LINES_PER_STEP == 0:
            advance(step)
            step = 0
        try:
            text = line.decode()
        except UnicodeDecodeError as error:
            raise _UnreadableError(f"line {number}", f"not UTF-8, from byte {error.start + 1} on{_OTHERWISE}") from None
        yield text.removeprefix("\ufeff") if number == 1 else text
    advance(step)


def _json_row(text: str | msgspec.Raw, place: str, row_type: _RowType, bad: BadRows) -> Iterator[tuple[str, Any]]:
    try:
        try:
            row = row_type.decoder.decode(text)
            if twice := row_type.repeated(text):
                bad.add(place, twice[0][:100], MORE_THAN_ONCE)
            else:
                yield place, row
        except msgspec.ValidationError:
            bad.add(place, *row_type.problem(msgspec.json.decode(text)))
    except msgspec.DecodeError as error:
        bad.add(place, "", f"not JSON: {error}")
    except RecursionError:
        bad.add(place, "", "nested too deeply")


def _read_ndjson(
    file: BinaryIO, row_type: _RowType, bad: BadRows, advance: Callable[[int], None]
) -> Iterator[tuple[str, Any]]:
    for number, line in enumerate(_lines(file, advance), 1):
        if not line.isspace():
            yield from _json_row(line, f"line {number}", row_type, bad)


def _read_array(
    file: BinaryIO, row_type: _RowType, bad: BadRows, advance: Callable[[int], None]
) -> Iterator[tuple[str, Any]]:
    data = file.read()
    for _ in _lines(io.BytesIO(data), advance):
        pass  # only to find bytes that are not UTF-8
    data = data.removeprefix(codecs.BOM_UTF8)
    try:
        rows = msgspec.json.decode(data, type=list[msgspec.Raw])
    except msgspec.ValidationError:
        raise _UnreadableError("line 1", "must be a JSON array") from None
    except (msgspec.DecodeError, RecursionError) as error:
        raise _why_not_json(data, error) from None
    line, end = 1, 0
    for number, row in enumerate(rows, 1):
        # between two rows there is nothing but white space and a comma, so this finds the row itself
        start = data.index(row, end)
        line += data.count(b"\n", end, start)
        yield from _json_row(row, f"line {line} (row {number})", row_type, bad)
        end = start + len(memoryview(row))
        line += data.count(b"\n", start, end)


def _why_not_json(data: bytes, error: Exception) -> _UnreadableError:
    """msgspec does not tell the line; the standard library does."""
    try:
        json.loads(data)
    except json.JSONDecodeError as better:
        return _UnreadableError(f"line {better.lineno}", f"not JSON: {better.msg}")
    except RecursionError:
        return _UnreadableError("line 1", "nested too deeply")
    return _UnreadableError("line 1", f"not JSON: {error}")


def _read_csv(
    file: BinaryIO, row_type: _RowType, bad: BadRows, advance: Callable[[int], None]
) -> Iterator[tuple[str, Any]]:
    reader = csv.reader(_lines(file, advance), strict=True)
    place = "line 1"
    try:
        header = next(reader, [])
        _check_header(header, row_type)
        place = f"line {reader.line_num + 1}"
        for cells in reader:
            if cells:  # not an empty line
                try:
                    yield place, _csv_row(header, cells, row_type)
                except ValueError as error:
                    bad.add(place, *error.args)
            place = f"line {reader.line_num + 1}"
    except csv.Error as error:
        raise _UnreadableError(place, f"not CSV: {error}") from None


def _check_header(header: list[str], row_type: _RowType) -> None:
    allowed = [name for name in row_type.types if name not in row_type.records]
    for name in header:
        if name not in allowed:
            raise _UnreadableError(
                "line 1", f"{name[:100]!r} is not a column of such rows in CSV; these are: {', '.join(allowed)}"
            )
        if header.count(name) > 1:
            raise _UnreadableError("line 1", f"there is more than one column {name}")
    if missing := sorted(row_type.required - set(header)):
        raise _UnreadableError("line 1", f"the header has no {', '.join(missing)}")


def _csv_row(header: list[str], cells: list[str], row_type: _RowType) -> Any:
    """The row in the cells of a line. Raises ValueError(field, reason)."""
    if len(cells) != len(header):
        raise ValueError("", f"has {len(cells)} cells, the header has {len(header)}")
    row: dict[str, str | int] = {name: cell for name, cell in zip(header, cells, strict=True) if cell}
    for name in row_type.numbers & row.keys():
        if not _whole_number(str(row[name])):
            raise ValueError(name, "must be a whole number")
        row[name] = int(row[name])
    try:
        return msgspec.convert(row, row_type.kind)
    except msgspec.ValidationError:
        raise ValueError(*row_type.problem(row)) from None


_READERS: dict[Format, Callable[[BinaryIO, _RowType, BadRows, Callable[[int], None]], Iterator[tuple[str, Any]]]] = {
    "array": _read_array,
    "ndjson": _read_ndjson,
    "csv": _read_csv,
}
