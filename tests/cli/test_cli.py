"""The command line: its help, what it refuses, and the exit codes that scripts rely on."""

import contextlib
import json
import os
import pty
import re
import shutil
import signal
import socket
import subprocess
import sys
from pathlib import Path

import httpx
import msgspec
import pytest
import redis
import typer

from commands import IN_TERMINAL, Ended, Run, read_until
from commands import run as run  # noqa: PLC0414 - a fixture
from footfall import __version__, cli
from footfall.config import REMOVED, SETTINGS, env_name
from footfall.errors import ExitCode
from footfall.keys import Keys
from footfall.operations.status.document import Status
from footfall.process import launch
from metadata_scene import make_metadata
from processes import Footfall, environment
from servers import Server, free_port, wait_until

KEYS = Keys("ncc")
COMMANDS = [
    "up",
    "receiver",
    "processor",
    "api",
    "auth",
    "load",
    "generate",
    "status",
    "dead-letters",
    "verify",
    "rebuild",
    "redis",
    "tokens",
    "users",
    "locations",
]
CHECK_INS = "id,userId,locationId,starRating\n1609602085397-0,1,2,5\n1609602085398-0,1,2,4\n"


@pytest.fixture
def received(server: Server, tmp_path: Path) -> redis.Redis:
    """A server whose stream holds a check-in from a receiver; `check-ins.csv` holds two others."""
    client = server.client()
    with redis.Redis.from_url(server.url) as raw:
        make_metadata(raw, KEYS)
    client.xadd(KEYS.stream, {"locationId": "1", "userId": "2", "starRating": "5"})
    (tmp_path / "check-ins.csv").write_text(CHECK_INS)
    return client


def load_check_ins(server: Server, *options: str) -> list[str]:
    return [
        "load",
        "checkins",
        "--from",
        "check-ins.csv",
        "--unknown-becomes-dead-letters",
        "--redis-url",
        server.url,
        *options,
    ]


def commands() -> dict[str, typer.core.TyperCommand]:
    group = typer.main.get_command(cli.app)
    assert isinstance(group, typer.core.TyperGroup)
    return {name: command for name, command in group.commands.items() if isinstance(command, typer.core.TyperCommand)}


def test_the_help_lists_every_command_and_every_exit_code(run: Run) -> None:
    ended = run("--help")
    assert ended.code == ExitCode.OK
    assert list(commands()) == COMMANDS
    for name in COMMANDS:
        assert re.search(rf"^│ {name} +[A-Z]", ended.out, re.MULTILINE), name
    for code in ExitCode:
        assert f"{code.value} {code.name.lower().replace('_', ' ')}" in ended.out
    assert run("-h").out == ended.out


@pytest.mark.parametrize("name", COMMANDS)
def test_the_help_of_a_command_names_the_variable_and_the_default_of_each_option(run: Run, name: str) -> None:
    ended = run(name, "--help")
    assert ended.code == ExitCode.OK
    for parameter in commands()[name].params:
        if (setting := str(parameter.name)) in SETTINGS:
            default = SETTINGS[setting].info.default
            shown = env_name(setting) if default in (None, False) else f"{env_name(setting)}, default {default}"
            assert parameter.opts[0].startswith("--")
            assert re.search(rf"{parameter.opts[0]} .*\[{re.escape(shown)}\]", ended.out), setting


def test_every_setting_is_an_option_of_some_command() -> None:
    options = {parameter.name for command in commands().values() for parameter in command.params}
    assert set(SETTINGS) <= options


def test_what_is_no_setting_has_no_variable() -> None:
    for command in commands().values():
        for parameter in command.params:
            if parameter.name not in SETTINGS:
                assert not parameter.envvar, parameter.name


@pytest.mark.parametrize("instead", REMOVED.values())
def test_an_option_that_a_removed_variable_names_is_one(instead: str) -> None:
    _, name, *_, flag = instead.split()
    assert flag in {option for parameter in commands()[name].params for option in parameter.opts}


def test_a_confirmation_is_not_given_by_the_environment(
    run: Run, received: redis.Redis, server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FOOTFALL_REBUILD_YES", "1")
    ended = run("rebuild", "--redis-url", server.url)
    assert (ended.code, ended.out) == (ExitCode.USAGE, "")
    assert ended.err == (
        "error: options of one command are not set in the environment: "
        "give `footfall rebuild --yes` instead of FOOTFALL_REBUILD_YES\n"
    )
    monkeypatch.delenv("FOOTFALL_REBUILD_YES")
    assert run("rebuild", "--redis-url", server.url).code == ExitCode.REFUSED
    assert run("rebuild", "--redis-url", server.url, "--yes").code == ExitCode.OK


def test_version(run: Run) -> None:
    assert run("--version") == Ended(ExitCode.OK, f"{__version__}\n", "")


def test_python_m_footfall_is_the_same_command(tmp_path: Path) -> None:
    with Footfall("--version", cwd=tmp_path) as process:
        assert process.wait() == ExitCode.OK
        assert process.log == f"{__version__}\n"


@pytest.mark.parametrize(
    "words",
    [
        ["nonsense"],
        ["status", "--nonsense"],
        ["status", "nonsense"],
        ["load"],
        ["load", "nonsense"],
        ["receiver", "--port", "http"],
        ["redis"],
        ["generate", "--rate", "0"],
        ["generate", "--rate", "nan"],
        ["generate", "--rate", "inf"],
        ["generate", "--rate", "1000001"],
        ["generate", "--count", "0"],
        ["tokens", "create", "a", "--role", "root"],
        ["tokens", "create", "a", "--rate", "-1"],
        ["tokens", "create", "a", "--rate", "1000001"],
        ["dead-letters", "list", "--reason", "boredom"],
        [],
    ],
)
def test_what_is_no_command_is_a_usage_error(run: Run, words: list[str]) -> None:
    ended = run(*words)
    assert ended.code == ExitCode.USAGE
    assert "Usage: footfall" in ended.out + ended.err
    assert "Traceback" not in ended.err


@pytest.mark.parametrize(
    ("words", "setting"),
    [
        (["receiver", "--port", "0"], "receiver_port"),
        (["api", "--workers", "0"], "api_workers"),
        (["processor", "--batch", "10001"], "processor_batch"),
        (["up", "--unknown-ids", "maybe"], "unknown_ids"),
        (["status", "--log-level", "loud"], "log_level"),
        (["status", "--prefix", "a b"], "prefix"),
        (["status", "--redis-url", "http://u:s3cret@localhost"], "redis_url"),
    ],
)
def test_a_value_that_a_setting_does_not_take_is_an_error_that_names_it(
    run: Run, words: list[str], setting: str
) -> None:
    ended = run(*words)
    assert (ended.code, ended.out) == (ExitCode.USAGE, "")
    assert re.fullmatch(rf"error: {env_name(setting)}: .+\n", ended.err)
    assert "s3cret" not in ended.err


@pytest.mark.parametrize(("name", "value"), [("FOOTFALL_RECIEVER_PORT", "8082"), ("FOOTFALL_API_PORT", "http")])
def test_a_variable_that_is_unknown_or_wrong_is_an_error_that_names_it(
    run: Run, monkeypatch: pytest.MonkeyPatch, name: str, value: str
) -> None:
    monkeypatch.setenv(name, value)
    for command in ("up", "status"):
        ended = run(command)
        assert (ended.code, ended.out) == (ExitCode.USAGE, "")
        assert re.fullmatch(rf"error: .*{name}.*\n", ended.err)


def test_an_option_wins_over_the_variable(run: Run, server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FOOTFALL_REDIS_URL", f"redis://127.0.0.1:{free_port()}")
    assert run("redis", "PING").code == ExitCode.UNAVAILABLE
    assert run("redis", "--redis-url", server.url, "PING").code == ExitCode.OK
    monkeypatch.setenv("FOOTFALL_REDIS_URL", server.url)
    assert run("redis", "PING").code == ExitCode.OK


@pytest.mark.parametrize(
    "words", [["status"], ["status", "--json"], ["load", "all", "--sample"], ["generate"], ["redis", "PING"]]
)
def test_a_server_that_is_away_is_said_in_one_line_with_its_address_and_without_its_password(
    run: Run, words: list[str]
) -> None:
    port = free_port()
    command, *rest = words
    ended = run(command, "--redis-url", f"redis://somebody:s3cret@127.0.0.1:{port}/3", *rest)
    assert (ended.code, ended.out) == (ExitCode.UNAVAILABLE, "")
    assert re.fullmatch(rf"error: .*127\.0\.0\.1:{port}.*\n", ended.err)
    assert "s3cret" not in ended.err


def test_metadata_that_cannot_be_trusted_are_refused_with_the_repair(
    run: Run, received: redis.Redis, server: Server
) -> None:
    received.delete(KEYS.checkpoint)
    for command in ("receiver", "processor", "api"):
        ended = run(command, "--redis-url", server.url)
        assert (ended.code, ended.err) == (ExitCode.BROKEN, "")  # a service's log is its standard output
        assert re.fullmatch(r"error: ncc:checkinprocessor:lastid: .* SET ncc:checkinprocessor:lastid .*\n", ended.out)
    ended = run(*load_check_ins(server))
    assert (ended.code, ended.out) == (ExitCode.BROKEN, "")


def test_a_port_that_is_taken_is_said_with_the_setting_that_changes_it(server: Server) -> None:
    with socket.create_server(("127.0.0.1", 0)) as occupant:
        port = occupant.getsockname()[1]
        for command in ("receiver", "api"):
            with Footfall(command, "--port", str(port), settings={"redis_url": server.url}) as process:
                assert process.wait() == ExitCode.PORT_TAKEN
                assert process.log.removeprefix("info: The server held no metadata: it was created.\n") == (
                    f"error: cannot listen on 127.0.0.1:{port}: Address already in use; "
                    f"FOOTFALL_{command.upper()}_PORT sets another port\n"
                )


def test_bad_rows_are_listed(run: Run, server: Server, tmp_path: Path) -> None:
    (tmp_path / "check-ins.csv").write_text(CHECK_INS + "soon,1,2,5\n1609602085399-0,1,2,6\n")
    ended = run(*load_check_ins(server))
    assert (ended.code, ended.out) == (ExitCode.BAD_ROWS, "")
    head, *rows = ended.err.splitlines()
    assert head == "error: check-ins.csv: 2 bad rows, nothing was loaded"
    assert [row.partition(":")[0] for row in rows] == ["line 4", "line 5"]
    assert not server.client().xlen(KEYS.stream)


def test_check_ins_from_a_receiver_are_not_replaced_without_a_confirmation(
    run: Run, received: redis.Redis, server: Server
) -> None:
    for options in ([], ["--yes"], ["--reset"]):
        ended = run(*load_check_ins(server, *options))
        assert (ended.code, ended.out) == (ExitCode.REFUSED, "")
        assert re.fullmatch(r"warning: .*; they become dead letters.\nerror: .*\n", ended.err)
        assert received.xlen(KEYS.stream) == 1
    ended = run(*load_check_ins(server, "--reset", "--yes"))
    assert (ended.code, ended.out) == (ExitCode.OK, "Loaded 0 users, 0 locations and 2 check-ins.\n")
    assert "2 of 2 check-ins are of users or at locations that are not loaded" in ended.err
    assert received.xlen(KEYS.stream) == 2


@pytest.mark.parametrize(
    ("typed", "code", "entries"),
    [
        (b"reset\n", ExitCode.OK, 2),
        (b"yes\n", ExitCode.REFUSED, 1),
        (b"RESET\n", ExitCode.REFUSED, 1),
        (b"\n", ExitCode.REFUSED, 1),
        (b"\x04", ExitCode.REFUSED, 1),  # Ctrl-D
        (b"\x03", 130, 1),  # Ctrl-C
    ],
)
def test_in_a_terminal_the_word_is_asked_for(
    received: redis.Redis, server: Server, tmp_path: Path, typed: bytes, code: int, entries: int
) -> None:
    terminal, its_end = pty.openpty()
    command = [sys.executable, "-c", IN_TERMINAL, *load_check_ins(server, "--reset")]
    with subprocess.Popen(
        launch.command(command, signal.SIGKILL),
        stdin=its_end,
        stdout=its_end,
        stderr=its_end,
        env=environment({}) | {"TERM": "xterm"},
        cwd=tmp_path,
        start_new_session=True,
    ) as process:
        os.close(its_end)
        screen = read_until(terminal, b"Type `reset` to go on: ")
        wait_until(lambda: answered(process, terminal, typed), "it ends")
        screen += read_until(terminal, None)
        os.close(terminal)
        assert process.returncode == code, screen
    assert b"1 check-in on the server (0 loaded, 1 received since)" in screen
    assert b"Traceback" not in screen
    assert received.xlen(KEYS.stream) == entries
    assert received.hget(KEYS.meta.decode(), "state") == "ready"


def answered(process: subprocess.Popen[bytes], terminal: int, typed: bytes) -> bool:
    """Type it, and wait. A Ctrl-C that comes just before Python begins to read is seen with the next one only."""
    os.write(terminal, typed)
    with contextlib.suppress(subprocess.TimeoutExpired):
        process.wait(2 if typed == b"\x03" else 20)
    return process.returncode is not None


def test_status_for_a_machine_and_for_a_person(run: Run, received: redis.Redis, server: Server) -> None:
    ended = run("status", "--json", "--redis-url", server.url)
    assert (ended.code, ended.err) == (ExitCode.OK, "")
    assert msgspec.json.decode(ended.out, type=Status).backlog == 1
    assert json.loads(ended.out)["streamLength"] == 1
    ended = run("status", "--redis-url", server.url)
    assert (ended.code, ended.err) == (ExitCode.OK, "")
    assert "stream length       1\n" in ended.out


def test_redis_sends_the_words_as_they_are_and_prints_the_reply_as_redis_cli_does(run: Run, server: Server) -> None:
    def reply(*words: str) -> str:
        ended = run("redis", "--redis-url", server.url, *words)
        assert (ended.code, ended.err) == (ExitCode.OK, "")
        return ended.out

    assert reply("HSET", "ncc:users:180", "firstName", "Zoë", "--option", "-1") == "(integer) 2\n"
    assert reply("hgetall", "ncc:users:180") == '1) "firstName"\n2) "Zoë"\n3) "--option"\n4) "-1"\n'
    assert reply("GET", "nothing") == "(nil)\n"
    assert reply("HGETALL", "nothing") == "(empty array)\n"
    assert reply("ZADD", "z", "2349", "180") == "(integer) 1\n"
    assert reply("ZRANGE", "z", "0", "-1", "WITHSCORES") == '1) "180"\n2) "2349"\n'
    assert reply("XADD", "s", "1-0", "a", "b") == '"1-0"\n'
    assert reply("XRANGE", "s", "-", "+") == '1) 1) "1-0"\n   2) 1) "a"\n      2) "b"\n'


def test_a_command_that_the_server_refuses_is_no_outage(run: Run, server: Server) -> None:
    server.client().set("text", "x")
    for words, message in (
        (["NONSENSE"], "ERR unknown command 'NONSENSE'"),
        (["LPUSH", "text", "1"], "WRONGTYPE Operation against a key"),
    ):
        ended = run("redis", "--redis-url", server.url, *words)
        assert (ended.code, ended.out) == (ExitCode.FAILURE, "")
        assert ended.err.startswith(f"error: {message}")
        assert ended.err.count("\n") == 1


def test_a_command_without_a_server_starts_the_embedded_one_for_the_while(run: Run, tmp_path: Path) -> None:
    assert run("redis", "SET", "a", "1").out == '"OK"\n'
    assert run("redis", "GET", "a").out == '"1"\n'
    assert run("status", "--data-dir", "elsewhere", "--json").code == ExitCode.OK
    assert sorted(path.name for path in tmp_path.iterdir()) == [".footfall", "elsewhere"]


def test_with_reload_the_api_server_restarts_when_its_code_changes(server: Server, tmp_path: Path) -> None:
    copy = shutil.copytree(Path(cli.__file__).parent.parent, tmp_path / "footfall")
    settings = {"redis_url": server.url, "api_port": free_port()}
    url = f"http://127.0.0.1:{settings['api_port']}/schema/openapi.json"

    def title() -> str | None:
        with contextlib.suppress(httpx.TransportError):
            return str(httpx.get(url).json()["info"]["title"])
        return None

    with Footfall("api", "--reload", settings=settings, cwd=tmp_path) as api:
        api.wait_until(lambda: title() == "Footfall API", "it serves")
        code = copy / "api" / "app.py"
        code.write_text(code.read_text().replace("Footfall API", "Changed API"))
        api.wait_until(lambda: title() == "Changed API", "it serves what has changed")
        assert api.terminate() == ExitCode.OK
        assert title() is None
