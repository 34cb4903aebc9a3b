"""Files that are not what is loaded, but often given: what they are, and how to make of them what is."""

import codecs
import re
import shlex
from collections.abc import Collection
from dataclasses import dataclass
from itertools import takewhile
from pathlib import Path

#: bytes of a file that are looked at
HEAD = 4096
#: standard input, as a file to load
STDIN = Path("-")

GZIP = b"\x1f\x8b"
#: what compressed files begin with: how they are called, and what unpacks one
_COMPRESSED = {
    b"\x28\xb5\x2f\xfd": ("compressed with zstd", "zstd -dc"),
    b"\xfd7zXZ\x00": ("compressed with xz", "xz -dc"),
    b"BZh": ("compressed with bzip2", "bzip2 -dc"),
    b"PK\x03\x04": ("a zip archive, or a spreadsheet (then save it as CSV, in UTF-8)", "unzip -p"),
}
_NEITHER = {
    b"PAR1": "it is a Parquet file: write it as NDJSON, or as CSV with a header",
    b"\xd0\xcf\x11\xe0": "it is a spreadsheet: save it as CSV, in UTF-8",
}
_UTF_16 = ((codecs.BOM_UTF16_LE, "UTF-16"), (codecs.BOM_UTF16_BE, "UTF-16"))
#: characters of a text without a byte order mark that tell whether every second byte of it is 0
_SOME = 20
_SEPARATORS = {"\t": "tabs", ";": "semicolons", "|": "vertical bars"}
_token = re.compile(r'"(?:[^"\\]|\\.)*"|[{}\[\]:]')
_plain_key = re.compile(r"[A-Za-z_][A-Za-z0-9_]*").fullmatch


def name_of(path: Path) -> str:
    """A file to load, for a person."""
    return "standard input" if path == STDIN else str(path)


@dataclass(frozen=True)
class Source:
    """Where the rows come from, and what a command line calls them."""

    path: Path
    what: str
    gzipped: bool = False

    def piped(self, command: str) -> str:
        """What to do: load what this command makes of it."""
        if self.path == STDIN:
            return f"put `{command}` before it"
        file = shlex.quote(str(self.path))
        unpacked = f"gzip -dc {file} | {command}" if self.gzipped else f"{command} {file}"
        return f"`{unpacked} | footfall load {self.what} --from -` loads it"


def strange_bytes(head: bytes, source: Source) -> str | None:
    """What a file is that is no text in UTF-8, and what to do; None when it may be one."""
    for magic, (name, unpack) in _COMPRESSED.items():
        if head.startswith(magic):
            return f"it is {name}: {source.piped(unpack)}"
    for magic, sentence in _NEITHER.items():
        if head.startswith(magic):
            return sentence
    if encoding := _utf_16(head):
        return f"it is {encoding}, not UTF-8: {source.piped(f'iconv -f {encoding} -t UTF-8')}"
    return None


def strange_json(head: bytes, fields: Collection[str], source: Source) -> str | None:
    """The same of JSON that begins with an object, where one row per line is expected. `fields` are those of a row."""
    text = _text(head)
    if keys := _keys_to_rows(text, fields):
        return f"it is one JSON object with the rows in {'.'.join(keys)}: {source.piped(_jq(keys))}"
    first_line, line_break, _ = text.partition("\n")
    if line_break and first_line.rstrip()[-1:] in ("{", "[", ","):
        return f"it has JSON objects over several lines, one per line is expected: {source.piped('jq -c .')}"
    return None


def strange_csv(head: bytes, columns: Collection[str]) -> str | None:
    """The same of CSV with another separator."""
    line = _text(head).partition("\n")[0]
    for separator, name in _SEPARATORS.items():
        if len({cell.strip('" \r') for cell in line.split(separator)} & set(columns)) > 1:
            return (
                f"its columns are separated by {name}, and commas are expected: save it so, with double quotes around "
                "cells that hold a comma"
            )
    return None


# --- private


def _text(head: bytes) -> str:
    return head.decode(errors="replace").removeprefix("\ufeff").lstrip()


def _utf_16(head: bytes) -> str | None:
    """The encoding of text in UTF-16; without a byte order mark as far as its first characters are ASCII."""
    for mark, encoding in _UTF_16:
        if head.startswith(mark):
            return encoding
    some = head[: 2 * _SOME]
    if len(some) == 2 * _SOME:
        for encoding, zeros, others in (("UTF-16LE", some[1::2], some[::2]), ("UTF-16BE", some[::2], some[1::2])):
            if not any(zeros) and all(others):
                return encoding
    return None


def _keys_to_rows(text: str, fields: Collection[str]) -> list[str]:
    """The keys that lead to the first array of objects in a JSON object; none when the object is itself a row."""
    keys: list[str] = []
    arrays, last = 0, ""
    for token in _token.finditer(text):
        word = token[0]
        if word == ":" and not arrays and keys:
            keys[-1] = last
            if keys[0] in fields:
                return []
        elif word == "{" and not arrays:
            keys.append("")
        elif word == "}" and not arrays:
            keys.pop()
            if not keys:
                return []
        elif word == "[":
            if not arrays and keys and text[token.end() :].lstrip()[:1] == "{":
                return keys
            arrays += 1
        elif word == "]":
            arrays -= 1
        elif word.startswith('"'):
            last = word[1:-1]
    return []


def _jq(keys: list[str]) -> str:
    plain = list(takewhile(_plain_key, keys))
    others = "".join(f'["{key}"]' for key in keys[len(plain) :])
    path = "".join(f".{key}" for key in plain) or "."
    return f"jq -c {shlex.quote(f'{path}{others}[]')}"
