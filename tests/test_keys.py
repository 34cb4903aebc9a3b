"""The names of keys, which other programs rely on: each is as the documentation has it, and made in one place."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

import footfall
from footfall.keys import Keys

SOURCES = Path(footfall.__file__).parent

#: attribute -> key, with the default prefix
KEYS = {
    "stream": b"ncc:checkins",
    "dead_letters": b"ncc:checkins:dead",
    "discarded": b"ncc:checkins:discarded",
    "staging": b"ncc:checkins:staging",
    "meta": b"ncc:meta",
    "checkpoint": b"ncc:checkinprocessor:lastid",
    "processed": b"ncc:checkinprocessor:processed",
    "processor_lease": b"ncc:checkinprocessor:lease",
    "loader_lease": b"ncc:loader:lease",
    "users_baseline": b"ncc:users:baseline",
    "users_removed": b"ncc:users:removed",
    "users_by_checkins": b"ncc:users:bycheckins",
    "users_recent": b"ncc:users:recent",
    "users_last_seen": b"ncc:users:lastseen",
    "users_email": b"ncc:users:email",
    "locations_baseline": b"ncc:locations:baseline",
    "locations_removed": b"ncc:locations:removed",
    "locations_by_checkins": b"ncc:locations:bycheckins",
    "users_gone": b"ncc:users:gone",
    "locations_gone": b"ncc:locations:gone",
    "locations_geo": b"ncc:locations:geo",
    "tokens": b"ncc:tokens",
    "trending_state": b"ncc:trending:state",
}

#: what a part of a key looks like
_KEY_PART = re.compile(
    r"\bncc\b|(^|:)(checkins|users|locations|locationdetails|checkinprocessor|meta|loader|idempotency|idempotency-of|duplicate|session|usersessions|loginattempts|tokenquota)(:|$)"
    r"|:(dead|discarded|staging|lastid|processed|lease|baseline|bycheckins|recent|lastseen|email|geo|category)\b"
)
#: command names, settings and the like that are no keys: they hold no colon
_WORD = re.compile(r"[a-z_]+")


def test_every_key_has_its_documented_name() -> None:
    keys = Keys("ncc")
    assert {name: value for name, value in vars(keys).items() if isinstance(value, bytes) and name[0] != "_"} == KEYS
    assert keys.user(180) == keys.user(b"180") == b"ncc:users:180"
    assert keys.location(13) == keys.location(b"13") == b"ncc:locations:13"
    assert keys.location_details(13) == b"ncc:locationdetails:13"
    assert keys.category("cafe") == b"ncc:locations:category:cafe"
    assert (keys.user_text, keys.location_text) == ("ncc:users:", "ncc:locations:")
    assert keys.idempotency("a:1") == b"ncc:idempotency:a:1"
    assert keys.idempotency("a", 1) == b"ncc:idempotency:a 1"
    assert keys.idempotency("a:1", 2, "user-180") == b"ncc:idempotency-of:user-180:a:1 2"
    assert keys.duplicate(180, 13) == b"ncc:duplicate:180:13"
    assert keys.session("5f") == b"ncc:session:5f"
    assert keys.user_sessions(180) == b"ncc:usersessions:180"
    assert keys.login_attempts("5f") == b"ncc:loginattempts:5f"
    assert keys.token_quota("5f") == b"ncc:tokenquota:5f"
    assert keys.user_history(180) == keys.user_history(b"180") == b"ncc:history:user:180"
    assert keys.location_history(13) == keys.location_history(b"13") == b"ncc:history:location:13"
    assert keys.location_presence(13) == keys.location_presence(b"13") == b"ncc:now:13"
    assert keys.hour(500_000) == b"ncc:hourly:500000"
    assert keys.trending_bucket(5890874) == b"ncc:trending:bucket:5890874"
    assert keys.trending_orders == (b"ncc:trending:0", b"ncc:trending:1")
    assert keys.user(2**53 - 1) == b"ncc:users:9007199254740991"


def test_no_two_keys_are_the_same() -> None:
    keys = Keys("ncc")
    families = [keys.user(1), keys.location(1), keys.location_details(1), keys.category("geo"), keys.category("x")]
    families += [keys.idempotency("1"), keys.idempotency("1", 1), keys.idempotency("1:1"), keys.duplicate(1, 1)]
    families += [keys.user_history(1), keys.location_history(1), keys.location_presence(1), keys.hour(1)]
    families += [keys.trending_bucket(1), *keys.trending_orders]
    everything = [*KEYS.values(), *families]
    assert len(set(everything)) == len(everything)


@pytest.mark.parametrize("prefix", ["a", "team-1", "a.b:c", "NCC"])
def test_every_key_begins_with_the_prefix(prefix: str) -> None:
    ours, default = Keys(prefix), Keys("ncc")
    for name, key in KEYS.items():
        assert getattr(ours, name) == prefix.encode() + key.removeprefix(b"ncc")
    for method, argument in (("user", 1), ("location", 1), ("location_details", 1), ("category", "cafe")):
        key = getattr(default, method)(argument)
        assert getattr(ours, method)(argument) == prefix.encode() + key.removeprefix(b"ncc")


def _texts(source: str) -> Iterator[str]:
    """Every string and bytes literal of a module, f-strings' parts too; without docstrings."""
    tree = ast.parse(source)
    documentation = {
        id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
    }
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and id(node) not in documentation:
            if isinstance(node.value, bytes):
                yield node.value.decode(errors="replace")
            elif isinstance(node.value, str):
                yield node.value


def test_no_other_module_builds_a_key() -> None:
    found = {
        (str(path.relative_to(SOURCES)), text)
        for path in SOURCES.rglob("*.py")
        if path.name != "keys.py"
        for text in _texts(path.read_text())
        if _KEY_PART.search(text) and (text == "ncc" or not _WORD.fullmatch(text))
    }
    assert found == {("config/parts.py", "ncc")}, "the default of the setting"


def test_no_script_builds_a_key() -> None:
    for path in SOURCES.rglob("*.lua"):
        code = re.sub(r"--.*", "", path.read_text())
        for text in re.findall(r"'([^']*)'|\"([^\"]*)\"", code):
            assert not _KEY_PART.search("".join(text)) or _WORD.fullmatch("".join(text)), f"{path.name}: {text}"


def test_the_search_for_keys_finds_some() -> None:
    source = 'a = b"ncc:" + x; b = f"{p}:users:{n}"; c = prefix + ":checkins"; d = "locations:" + n; e = "users"'
    assert {text for text in _texts(source) if _KEY_PART.search(text)} == {
        *("ncc:", ":users:", ":checkins", "locations:", "users")
    }
