"""What scripts answer has one grammar, and one place each that makes their calls and reads their replies."""

import ast
import re
from pathlib import Path
from typing import Any

import pytest

from chaos.replay import raw_client
from footfall.errors import BrokenKeyError, LoadingError, TornError
from footfall.store import calls, scripts
from footfall.store.calls.reply import Errors, after_ok, broken, loading, nothing, one_of, torn
from footfall.store.scripts import Script, all_scripts
from script_calls import RecordedCall, put_back, record
from servers import Server

SOURCES = Path(scripts.__file__).parents[2]
CALLS = Path(calls.__file__).parent
#: who may name a script: `permissions` asks which commands it uses
MAY_NAME_SCRIPTS = {*CALLS.glob("*.py"), SOURCES / "store" / "permissions.py"}
_is_word = re.compile(rb"[A-Z_]+").fullmatch


def _named(path: Path) -> set[str]:
    """The scripts that a module imports."""
    return {
        name.name
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.ImportFrom) and node.module == "footfall.store.scripts"
        for name in node.names
        if isinstance(getattr(scripts, name.name, None), Script)
    }


@pytest.fixture(scope="module")
def recorded() -> list[tuple[RecordedCall, Any]]:
    """Real calls of every script, with what the server answers to them."""
    with Server() as server:
        client = raw_client(server.port)
        answered = []
        for call in record(server, client):
            put_back(client, call.before)
            answered.append((call, call.script.run_sync(client, call.keys, call.arguments)))
        client.close()
    return answered


def test_every_script_answers_a_list_that_begins_with_a_word(recorded: list[tuple[RecordedCall, Any]]) -> None:
    assert {call.script.name for call, _ in recorded} == {script.name for script in all_scripts()} - {"check_commands"}
    for call, reply in recorded:
        assert isinstance(reply, list), call.script.name
        assert isinstance(reply[0], bytes), call.script.name
        assert _is_word(reply[0]), (call.script.name, reply)


def test_no_script_puts_a_word_and_what_follows_it_into_one_text() -> None:
    for script in all_scripts():
        code = re.sub(r"--.*", "", script.text)
        assert not re.findall(r"return '[A-Z_]+", code), script.name
        assert not re.findall(r"return .*'(?:BROKEN|DUPLICATE|REMOVED) '", code), script.name


def test_scripts_are_called_through_their_typed_functions_alone() -> None:
    for path in SOURCES.rglob("*.py"):
        if path not in MAY_NAME_SCRIPTS:
            assert not _named(path), path
    assert set().union(*map(_named, CALLS.glob("*.py"))) == {script.name.upper() for script in all_scripts()}


def test_a_reply_is_read_by_its_word() -> None:
    errors: Errors = {b"LOADING": loading, b"TORN": torn, b"BROKEN": broken("is wrong")}
    assert after_ok([b"OK"], errors) == []
    assert after_ok([b"OK", 1, b"two"]) == [1, b"two"]
    assert one_of((b"HERE", b"THERE"), [b"THERE", 3]) == (b"THERE", [3])
    nothing(errors)([b"OK"])
    for reply, error in (([b"LOADING"], LoadingError), ([b"TORN"], TornError), ([b"BROKEN", b"a key"], BrokenKeyError)):
        with pytest.raises(error):
            nothing(errors)(reply)
        with pytest.raises(error):
            one_of((b"OK",), reply, errors)
    with pytest.raises(BrokenKeyError, match="a key is wrong"):
        after_ok([b"BROKEN", b"a key"], errors)


@pytest.mark.parametrize("reply", [[b"ELSE"], [b"OK"]])
def test_a_word_that_no_script_has_is_a_defect(reply: list[bytes]) -> None:
    with pytest.raises(AssertionError, match="no script answers"):
        one_of((b"HERE",), reply)


def test_no_error_that_a_reply_stands_for_is_raised_twice() -> None:
    """A shared one would keep the traces of all who have raised it."""
    caught = []
    for _ in range(2):
        with pytest.raises(LoadingError) as error:
            after_ok([b"LOADING"], {b"LOADING": loading})
        caught.append(error.value)
    assert caught[0] is not caught[1]
