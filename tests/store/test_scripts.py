"""The scripts: put together from their parts, and taken by the server."""

import re
from itertools import takewhile
from pathlib import Path
from typing import Any

import pytest

import footfall.store.scripts as scripts_module
from footfall.store.scripts import put_together, with_spans
from servers import Server

FOLDER = Path(scripts_module.__file__).parent
SOURCES = {path.stem: path.read_text() for path in FOLDER.glob("*.lua")}
PARTS = {path.stem: path.read_text() for path in (FOLDER / "parts").glob("*.lua")}
SCRIPTS = scripts_module._scripts
#: short names of what Lua and the server have
LIBRARY = {"call", "pcall", "find", "match", "fmt"}


def _included(source: str) -> list[str]:
    return re.findall(r"^--@include (.*)$", source, re.MULTILINE)


def _code(source: str) -> str:
    return re.sub(r"--.*|'[^']*'", "", source)


def _names(lists: list[str]) -> set[str]:
    return {name for names in lists for name in re.findall(r"\w+", names)}


def _defined(source: str) -> set[str]:
    """The locals of a script as a whole: what is indented is in a block."""
    return _names(re.findall(r"^local (?:function )?([\w, ]+)", source, re.MULTILINE))


def _read(part: str) -> set[str]:
    """The names that a part has from elsewhere: its script's locals, and Lua's own."""
    code = re.sub(r"\.\w+", "", _code(part))
    own = re.findall(r"\b(?:local function|local|for) ([\w, ]+?)(?= =| in |\(|$)", code, re.MULTILINE)
    parameters = re.findall(r"\bfunction \w+\(([\w, ]+)", code)
    return set(re.findall(r"[a-zA-Z_]\w*", code)) - _names(own + parameters)


def _header(part: str) -> dict[str, set[str]]:
    """What the header of a part says: `-- Reads    one, another  what they are`, `-- Defines  a_function(of, this)`."""
    header: dict[str, set[str]] = {"Reads": set(), "Defines": set()}
    heading = ""
    for line in takewhile(lambda line: line.startswith("--"), part.splitlines()):
        found = re.match(r"-- (?:(Reads|Defines)  +| {9})([a-zA-Z_].*)", line)
        if found:
            heading = found[1] or heading
            header[heading] |= _names([re.sub(r"\([^)]*\)", "", found[2]).split("  ")[0]])
    return header


@pytest.fixture
def client(server: Server) -> Any:
    return server.client()


def test_a_server_takes_every_script_under_the_sha_of_what_was_put_together(client: Any) -> None:
    for script in SCRIPTS.values():
        assert client.script_load(script.source).encode() == script.sha, script.name


def test_the_shebang_is_the_first_line_and_nothing_is_left_to_include() -> None:
    for script in SCRIPTS.values():
        first, *others = script.source.decode().splitlines()
        assert first == "#!lua" or first.startswith("#!lua flags="), script.name
        assert not [line for line in others if line.startswith("#!") or "--@" in line], script.name


def test_an_include_is_replaced_by_the_text_of_the_part_where_it_stands() -> None:
    source = b"#!lua\n-- what it does\nlocal a = 1\n--@include one\n--@include other\nreturn b\n"
    parts = {"one": b"-- Defines  b\nlocal b = a\n", "other": b"b = b + 1\n", "third": b""}
    assert put_together(source, parts) == (
        b"#!lua\n-- what it does\nlocal a = 1\n-- Defines  b\nlocal b = a\nb = b + 1\nreturn b\n"
    )


def test_a_part_that_there_is_none_of_is_named_at_load(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "parts").mkdir()
    (tmp_path / "parts" / "number_of.lua").write_text(PARTS["number_of"])
    (tmp_path / "count.lua").write_text("#!lua\n--@include number_of\nreturn number_of(ARGV[1])\n")
    monkeypatch.setattr(scripts_module, "files", lambda _: tmp_path)
    assert PARTS["number_of"].encode() in scripts_module._load()["count"].source
    (tmp_path / "count.lua").write_text("#!lua\n--@include numbers_of\nreturn 1\n")
    with pytest.raises(KeyError, match="numbers_of"):
        scripts_module._load()


def test_a_part_is_included_by_a_script_and_includes_none_itself() -> None:
    assert {part for source in SOURCES.values() for part in _included(source)} == set(PARTS)
    assert not [part for part, text in PARTS.items() if "--@" in text or "#!" in text]


def test_the_header_of_a_part_names_what_it_defines() -> None:
    for part, text in PARTS.items():
        assert _header(text)["Defines"] == _defined(text), part


def test_what_a_part_shares_are_functions_and_constants_alone() -> None:
    """A variable that several parts read and set can be understood in none of them."""
    functions = {
        name for text in [*SOURCES.values(), *PARTS.values()] for name in re.findall(r"function (\w+)\(", text)
    }
    for part, text in PARTS.items():
        shared = _header(text)["Reads"] | _header(text)["Defines"]
        assert {name for name in shared - functions if not name.isupper()} <= LIBRARY, part
        outside = [line for line in text.splitlines() if line and not re.match(r" |--|end$|\}$", line)]
        assert not [line for line in outside if not re.match(r"local (function |[A-Z_, ]+ = )", line)], part


def test_a_script_includes_only_what_it_uses_and_parts_say_what_they_read_of_it() -> None:
    for name, source in SOURCES.items():
        lines = re.split(r"^(--@include .*\n)", source, flags=re.MULTILINE)
        texts = [PARTS[line.split()[1]] if line.startswith("--@include ") else line for line in lines]
        for i, (line, text) in enumerate(zip(lines, texts, strict=True)):
            if text is line:
                continue
            header, before, others = _header(text), _defined("".join(texts[:i])), "".join(texts[:i] + texts[i + 1 :])
            assert header["Reads"] == _read(text) & before - {"KEYS", "ARGV"}, f"{line} in {name}"
            assert not header["Defines"] or header["Defines"] & _names([_code(others)]), f"{line} in {name}"


def test_no_script_has_its_own_version_of_a_part_but_where_speed_counts() -> None:
    own = {
        (name, function)
        for name, source in SOURCES.items()
        for function in re.findall(r"local function (\w+)", source)
        if function in PARTS
    }
    assert own <= {("trim", "digits")}


def test_spans_of_activity_are_those_of_the_domain() -> None:
    assert with_spans(b"local HOUR_MS = {{HOUR_MS}}\n") == b"local HOUR_MS = 3600000\n"
    with pytest.raises(KeyError, match="DAY_MS"):
        with_spans(b"{{DAY_MS}}")
    assert b"local WINDOW_BUCKETS, WEEK_HOURS = 24, 168\n" in SCRIPTS["process"].source
    assert not [script.name for script in SCRIPTS.values() if re.search(rb"\{\{[A-Z_]+\}\}", script.source)]
