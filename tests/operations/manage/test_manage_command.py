"""`footfall users` and `footfall locations`: what they take, say, and end with."""

import json
import os
import pty
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import bcrypt
import msgspec
import pytest

from audit_scene import assert_sound, prepare
from chaos.replay import raw_client
from footfall.errors import ExitCode
from manage_scene import KEYS, details
from processes import environment
from servers import Server, free_port

MIRA = ["--first-name", "Mira", "--last-name", "Okafor", "--email", "mira@example.com"]


@pytest.fixture
def client(server: Server) -> Iterator[Any]:
    client = raw_client(server.port)
    prepare(server, client)
    yield client
    client.close()


class Ended:
    """How a command has ended, and what it has written."""

    def __init__(self, server: Server | str, *words: str, typed: str = "", cwd: Path | None = None) -> None:
        url = server if isinstance(server, str) else server.url
        done = subprocess.run(
            [sys.executable, "-m", "footfall", *words],
            env=environment({"redis_url": url, "bcrypt_cost": 4}),
            input=typed,
            capture_output=True,
            text=True,
            cwd=cwd,
            check=False,
        )
        self.code, self.out, self.err = done.returncode, done.stdout, done.stderr


def test_a_user_is_added_changed_and_removed(server: Server, client: Any) -> None:
    added = Ended(server, "users", "add", "500", *MIRA, "--password-stdin", typed="correct horse\nsecond line\n")
    assert (added.code, added.out, added.err) == (ExitCode.OK, "Added user 500.\n", "")
    assert bcrypt.checkpw(b"correct horse", client.hget(KEYS.user(500), "password"))
    changed = Ended(server, "users", "set", "500", "--email", "Nova@example.com", "--password-stdin", typed="new one")
    assert (changed.code, changed.out) == (ExitCode.OK, "Changed user 500.\n")
    assert bcrypt.checkpw(b"new one", client.hget(KEYS.user(500), "password"))
    assert client.hget(KEYS.users_email, "nova@example.com") == b"500"
    assert_sound(client)
    removed = Ended(server, "users", "remove", "1", "--yes")
    assert removed.out == "Removed user 1; what its check-ins counted at locations stays (2).\n"
    assert_sound(client)


def test_a_location_is_added_changed_and_removed(server: Server, client: Any, tmp_path: Path) -> None:
    document = tmp_path / "pier.json"
    document.write_bytes(msgspec.json.encode({"id": 500, "name": "Pier", "details": details(500)}))
    words = ["--json", str(document), "--category", "bar", "--location", "-1.5,2"]
    assert Ended(server, "locations", "add", *words).out == "Added location 500.\n"
    assert client.hget(KEYS.location(500), "location") == b"-1.5,2"
    assert client.exists(KEYS.location_details(500))
    changed = Ended(server, "locations", "set", "500", "--name", "Quay", "--json", "-", typed='{"details":null}')
    assert (changed.code, changed.out) == (ExitCode.OK, "Changed location 500.\n")
    assert (client.hget(KEYS.location(500), "name"), client.exists(KEYS.location_details(500))) == (b"Quay", 0)
    assert Ended(server, "locations", "remove", "500", "--yes").code == ExitCode.OK
    assert_sound(client)


def test_a_document_has_the_password_too(server: Server, client: Any) -> None:
    document = {"id": 500, "firstName": "Mira", "lastName": "Okafor", "email": "m@example.com", "password": "from it"}
    assert Ended(server, "users", "add", "--json", "-", typed=json.dumps(document)).code == ExitCode.OK
    assert bcrypt.checkpw(b"from it", client.hget(KEYS.user(500), "password"))


@pytest.mark.parametrize(
    ("words", "typed", "code", "message"),
    [
        (["users", "add"], "", 2, "an id is needed: a whole number from 1 to"),
        (["users", "add", "0", *MIRA], "", 2, "an id is needed"),
        (["users", "add", "500", *MIRA], "", 2, "give it with --password-stdin"),
        (["users", "add", "500", *MIRA, "--password-stdin"], "", 2, "password"),
        (["users", "add", "500", "--password-stdin"], "a", 2, "firstName: is missing; lastName: is missing"),
        (["users", "add", "500", "--json", "-"], '{"id":501}', 2, "the document is about 501, not 500"),
        (["users", "add", "--json", "-"], '{"id":"x"}', 2, "an id is needed"),
        (["users", "add", "500", "--json", "-"], "{", 2, "- is not a JSON object"),
        (["users", "add", "500", "--json", "-"], '{"a":1,"a":2}', 2, "-: a is there more than once"),
        (["users", "set", "1", "--json", "-"], '\ufeff{"x":1}', 2, "x: is not a field that can be set"),
        (["users", "add", "500", "--json", "-"], "[]", 2, "- is not a JSON object"),
        (["users", "add", "500", "--json", "nowhere.json"], "", 2, "cannot read nowhere.json: No such file"),
        (["users", "add", "500", "--json", "-", "--password-stdin"], "{}", 2, "cannot be both"),
        (["users", "add", "1", *MIRA, "--password-stdin"], "a", 1, "there is a user with this id already"),
        (["users", "set", "1", "--email", "USER2@example.com"], "", 1, "another user has this e-mail"),
        (["users", "set", "500", "--email", "a@b"], "", 1, "there is no such user"),
        (["users", "set", "1"], "", 2, "nothing is given that would change"),
        (["users", "set", "1", "--json", "-"], '{"numCheckins":5}', 2, "numCheckins: is not a field that can be set"),
        (["users", "set", "1", "--password-stdin"], "ä" * 37, 2, "password: is longer than the 72 bytes"),
        (["users", "set", "1", "--first-name", "A", "--yes"], "", 2, "--yes is for remove"),
        (["users", "remove", "1", "--email", "a@b"], "", 2, "remove takes an id, and no fields"),
        (["users", "remove", "1", "--password-stdin"], "", 2, "remove takes no password"),
        (["users", "remove", "1"], "remove\n", 6, "not confirmed; nothing was removed"),
        (["users", "remove", "500", "--yes"], "", 1, "there is no such user"),
        (["users", "rename", "1"], "", 2, "footfall users [OPTIONS]"),
        (["locations", "add", "500", "--name", "A"], "", 2, "category: is missing; location: is missing"),
        (["locations", "set", "1", "--location", "181,0"], "", 2, "location: the longitude must be between"),
        (["locations", "set", "1"], "", 2, "nothing is given that would change"),
        (["locations", "remove", "1"], "", 6, "not confirmed"),
        (["locations", "remove", "500", "--yes"], "", 1, "there is no such location"),
    ],
)
def test_what_cannot_be_done_is_said_and_nothing_is_changed(
    server: Server, client: Any, words: list[str], typed: str, code: int, message: str, tmp_path: Path
) -> None:
    before = client.execute_command("DEBUG", "DIGEST")
    ended = Ended(server, *words, typed=typed, cwd=tmp_path)
    assert (ended.code, ended.out) == (code, "")
    assert message in " ".join(ended.err.split())
    assert "Traceback" not in ended.err
    assert "ä" not in ended.err
    assert client.execute_command("DEBUG", "DIGEST") == before


def test_there_is_no_option_that_takes_a_password(server: Server, client: Any) -> None:
    for option in ("--password", "--password-stdin=secret"):
        assert Ended(server, "users", "add", "500", *MIRA, option, "secret").code == ExitCode.USAGE
    assert not client.exists(KEYS.user(500))


def test_a_server_that_is_away_loading_or_broken_has_its_exit_code(server: Server, client: Any) -> None:
    words = ["users", "remove", "1", "--yes"]
    assert Ended(f"redis://127.0.0.1:{free_port()}", *words).code == ExitCode.UNAVAILABLE
    client.hset(KEYS.meta, "state", "loading")
    ended = Ended(server, *words)
    assert (ended.code, ended.err) == (ExitCode.UNAVAILABLE, "error: data is being loaded\n")
    client.hset(KEYS.meta, "state", "ready")
    client.delete(KEYS.users_recent)
    client.set(KEYS.users_recent, "x")
    ended = Ended(server, *words)
    assert ended.code == ExitCode.BROKEN
    assert "ncc:users:recent" in ended.err
    client.delete(KEYS.checkpoint)
    ended = Ended(server, *words)
    assert ended.code == ExitCode.BROKEN
    assert "ncc:checkinprocessor:lastid: it is missing" in ended.err


class Terminal:
    """A command with a terminal, typed into when it asks."""

    def __init__(self, server: Server, *words: str) -> None:
        self._master, slave = pty.openpty()
        # a session of its own, so that its terminal is this one also for /dev/tty
        program = "import fcntl, termios; fcntl.ioctl(0, termios.TIOCSCTTY, 0); from footfall.cli import main; main()"
        self._process = subprocess.Popen(
            [sys.executable, "-c", program, *words],
            env=environment({"redis_url": server.url, "bcrypt_cost": 4}),
            stdin=slave,
            stdout=slave,
            stderr=slave,
            start_new_session=True,
        )
        os.close(slave)
        self.shown = ""

    def type_after(self, prompt: str, text: str) -> None:
        self._read_until(prompt)
        os.write(self._master, f"{text}\n".encode())

    def end(self) -> int:
        """Its exit code."""
        self._read_until(None)
        os.close(self._master)
        return self._process.wait(30)

    def _read_until(self, prompt: str | None) -> None:
        seen = ""
        while prompt is None or prompt not in seen:
            try:
                data = os.read(self._master, 1024)
            except OSError:  # Linux says so when the other end is closed
                data = b""
            if not data:
                assert prompt is None, f"it ended without asking {prompt!r}: {self.shown}"
                return
            seen += data.decode(errors="replace")
            self.shown += data.decode(errors="replace")


def test_a_password_is_asked_for_twice_and_not_shown(server: Server, client: Any) -> None:
    terminal = Terminal(server, "users", "add", "500", *MIRA)
    terminal.type_after("Password: ", "correct horse")
    terminal.type_after("Again: ", "correct horse")
    assert terminal.end() == ExitCode.OK
    assert "horse" not in terminal.shown
    assert bcrypt.checkpw(b"correct horse", client.hget(KEYS.user(500), "password"))
    terminal = Terminal(server, "users", "set", "500", "--ask-password")
    terminal.type_after("Password: ", "one")
    terminal.type_after("Again: ", "two")
    assert terminal.end() == ExitCode.USAGE
    assert "these are two different passwords; nothing was changed" in terminal.shown
    assert bcrypt.checkpw(b"correct horse", client.hget(KEYS.user(500), "password"))


def test_remove_wants_the_word_typed(server: Server, client: Any) -> None:
    terminal = Terminal(server, "users", "remove", "1")
    terminal.type_after("Type `remove` to go on: ", "yes")
    assert terminal.end() == ExitCode.REFUSED
    assert client.exists(KEYS.user(1))
    terminal = Terminal(server, "users", "remove", "1")
    terminal.type_after("Type `remove` to go on: ", "remove")
    assert terminal.end() == ExitCode.OK
    assert not client.exists(KEYS.user(1))
