"""The embedded server's password: while people sign in, nobody else on the machine reads their sessions."""

import stat
from pathlib import Path

import pytest
import redis

from footfall.embedded import server as embedded
from footfall.errors import ExitCode
from footfall.store.address import parse
from processes import Footfall
from servers import free_port
from up_process import Up, load_sample


def command_lines() -> str:
    """What every user of the machine can see of all processes."""
    return "\n".join(path.read_bytes().decode(errors="replace") for path in Path("/proc").glob("[0-9]*/cmdline"))


def say(port: int, **credentials: str) -> object:
    with redis.Redis(port=port, **credentials) as client:  # type: ignore[arg-type]
        return client.ping()


def test_with_sign_in_the_server_has_a_password_that_every_command_finds(tmp_path: Path) -> None:
    load_sample(tmp_path)
    file = tmp_path / ".footfall" / "server-password"
    assert not file.exists(), "without sign-in there is none"
    with Up(tmp_path, "--auth", log_level="debug") as up:
        password = file.read_text().strip()
        assert len(password) >= 40
        assert stat.S_IMODE(file.stat().st_mode) == 0o600
        port = parse(embedded.find(tmp_path / ".footfall") or "").port
        with pytest.raises(redis.AuthenticationError):
            say(port)
        with pytest.raises(redis.AuthenticationError):
            say(port, password="x")
        assert say(port, password=password)
        for command in (["status"], ["verify"], ["redis", "PING"], ["tokens", "list"], ["load", "users", "--sample"]):
            with Footfall(*command, cwd=tmp_path) as process:
                assert process.wait() == ExitCode.OK, process.log
                assert password not in process.log
        assert password not in command_lines()
        assert up.terminate() == ExitCode.OK
        assert password not in up.log
    with Up(tmp_path, "--auth") as up:
        assert file.read_text().strip() == password, "it stays the same"
        assert up.terminate() == ExitCode.OK
    with Footfall("status", cwd=tmp_path) as process:
        assert process.wait() == ExitCode.OK, "a command alone finds it, too"
    with Up(tmp_path) as up:
        port = parse(embedded.find(tmp_path / ".footfall") or "").port
        assert say(port), "without sign-in anybody on the machine can look at it, with any tool"
        with Footfall("redis", "PING", cwd=tmp_path) as process:
            assert process.wait() == ExitCode.OK, process.log


def test_what_runs_without_one_is_told_of(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    server = embedded.start(tmp_path, first_port=free_port())
    try:
        found = embedded.start(tmp_path, with_password=True)
        assert (found.pid, found.url) == (server.pid, server.url)
        assert "has no password" in caplog.text
        assert say(server.port)
    finally:
        server.stop()


def test_what_is_started_for_a_while_has_the_password_of_the_directory(tmp_path: Path) -> None:
    first = embedded.start(tmp_path, first_port=free_port(), with_password=True)
    first.stop()
    again = embedded.start(tmp_path, first_port=free_port())
    try:
        password = (tmp_path / "server-password").read_text().strip()
        assert again.url == f"redis://default:{password}@127.0.0.1:{again.port}"
        assert again.address == f"redis://127.0.0.1:{again.port}"
        assert password not in repr(again)
        with pytest.raises(redis.AuthenticationError):
            say(again.port)
        other = embedded.start(tmp_path)
        assert (other.pid, other.url, other.owned) == (again.pid, again.url, False)
    finally:
        again.stop()
