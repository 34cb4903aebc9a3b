"""The documentation says what the code does: names, defaults, links, and the examples, which are run."""

import gzip
import inspect
import json
import re
import shlex
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any, NamedTuple

import msgspec
import pytest
import redis
import typer

from footfall import config, sample
from footfall.api import app as api
from footfall.api.metrics import Metrics as ApiMetrics
from footfall.auth import app as auth
from footfall.auth.metrics import Metrics as AuthMetrics
from footfall.cli import app as cli
from footfall.config import REMOVED, SETTINGS, env_name
from footfall.domain.entries import Reason
from footfall.errors import (
    BadCursorError,
    ConflictError,
    DurabilityError,
    ExitCode,
    FootfallError,
    NotFoundError,
    TemporaryReplyError,
    TornError,
)
from footfall.identity import tokens
from footfall.keys import Keys
from footfall.processor import health as processor_health
from footfall.processor.metrics import Metrics as ProcessorMetrics
from footfall.receiver import app as receiver
from footfall.receiver.metrics import Metrics as ReceiverMetrics
from pages import ROOT, tables
from processes import Api, Auth, Footfall, Receiver
from servers import Server, wait_until

PAGES = [ROOT / "README.md", ROOT / "CHANGELOG.md", *sorted((ROOT / "docs").glob("*.md"))]
#: what the examples show for a time of today, in ms; the sample ends long before
NOW, _SAMPLE_ENDS = 1767225600000, 1612507754858
#: what they show for the id of a request that came without one
REQUEST_ID = "7d1c5e0b9a3f4c21"

_commands: dict[str, Any] = typer.main.get_command(cli).commands  # type: ignore[attr-defined]


class Block(NamedTuple):
    """A fenced block: its language, the name behind that, the text, and whether it directly follows another one."""

    language: str
    name: str
    text: str
    follows: bool


def blocks(page: Path) -> list[Block]:
    found, end = [], None
    for match in re.finditer(r"^```(\w*) ?(.*)\n((?:.*\n)*?)```\n", page.read_text(), re.MULTILINE):
        found.append(Block(match[1], match[2], match[3], match.start() == end))
        end = match.end()
    return found


def docs(name: str) -> str:
    return (ROOT / "docs" / name).read_text()


# ---------------------------------------------------------------- names


@pytest.mark.parametrize(
    ("create", "page"),
    [
        (receiver.create, "receiver.md"),
        (api.create, "api.md"),
        (auth.create, "auth.md"),
        (processor_health.create, "processor.md"),
    ],
)
def test_every_route_has_a_section_or_is_named_as_another_name_of_one(create: Any, page: str) -> None:
    headings = set(re.findall(r"^## (\w+ /\S+)$", docs(page), re.MULTILINE))
    paths = create(config.load({"redis_url": "redis://127.0.0.1:1"})).openapi_schema.to_schema()["paths"]
    routes = {f"{method.upper()} {path}" for path, methods in paths.items() for method in methods}
    assert headings <= routes
    for route in routes - headings:
        assert f"also at `{route.partition(' ')[2]}`" in docs(page), route


def test_every_key_is_in_the_table_of_keys() -> None:
    keys = Keys("ncc")
    names = [value.decode() for value in vars(keys).values() if isinstance(value, bytes) and value[-1:] != b":"]
    names += [key.decode() for key in keys.trending_orders]
    for name, family in inspect.getmembers(keys, inspect.ismethod):
        if not name.startswith("_") and name not in ("type_of", "users_of", "locations_of"):
            names += _family(family)
    rows = [(row["key"], row["type"]) for row in tables(ROOT / "docs" / "architecture.md") if "key" in row]
    types = {key.strip("`"): kind for row, kind in rows for key in row.split(", ")}
    assert types.keys() == set(names)
    for key, kind in keys.types.items():
        assert kind == {"geo": "zset"}.get(types[key.decode()].partition(",")[0], types[key.decode()].partition(",")[0])


def _family(family: Any) -> Iterator[str]:
    """The names of a family of keys: without the parameters that it can do without, and with each of them."""
    parameters = inspect.signature(family).parameters.values()
    needed = [parameter for parameter in parameters if parameter.default is parameter.empty]
    for optional in (None, *(parameter for parameter in parameters if parameter not in needed)):
        taken = [*needed, *([optional] if optional else [])]
        places = {p.name: f"<{p.name}>" if p.annotation is str else 1000 + i for i, p in enumerate(taken)}
        key = family(**places).decode()
        for name, place in places.items():
            shown = "id" if len(needed) == 1 and optional is None else name.removesuffix("_id")
            key = key.replace(str(place), f"<{shown}>") if isinstance(place, int) else key
        yield key


@pytest.mark.parametrize(
    ("text", "page"),
    [
        (ReceiverMetrics().text(), "receiver.md"),
        (AuthMetrics().text(), "auth.md"),
        (ApiMetrics().text(), "api.md"),
        (ProcessorMetrics().text(works=True), "processor.md"),
    ],
)
def test_every_metric_is_in_its_table(text: bytes, page: str) -> None:
    rows = {row["metric"].strip("`"): row["type"] for row in tables(ROOT / "docs" / page) if "metric" in row}
    assert rows == dict(re.findall(r"^# TYPE (\w+) (\w+)$", text.decode(), re.MULTILINE))


def test_every_reason_of_a_refusal_is_in_its_table_with_its_status() -> None:
    def descend(error: type[FootfallError]) -> Iterator[type[FootfallError]]:
        yield error
        for kind in error.__subclasses__():
            if kind.__module__ == FootfallError.__module__:
                yield from descend(kind)

    # those with a status of their own are answers. These are not a receiver's: it tells them as others
    others = {BadCursorError, ConflictError, NotFoundError, DurabilityError, TemporaryReplyError, TornError}
    answers = {kind for kind in descend(FootfallError) if kind.status != FootfallError.status} - others
    rows = {row["reason"].strip("`"): row["status"] for row in tables(ROOT / "docs" / "receiver.md") if "reason" in row}
    assert rows == {kind.reason: str(kind.status) for kind in answers | {FootfallError}}


def test_every_status_of_a_route_is_in_the_table_of_statuses() -> None:
    rows = [row for row in tables(ROOT / "docs" / "receiver.md") if "`/api/checkin`" in row]
    paths = receiver.create(config.load({"redis_url": "redis://127.0.0.1:1"})).openapi_schema.to_schema()["paths"]
    for path in ("/api/checkin", "/api/checkins"):
        documented = {row["status"] for row in rows if not row[f"`{path}`"].startswith("only in")}
        assert paths[path]["post"]["responses"].keys() <= documented


def test_every_reason_of_a_dead_letter_is_in_its_table() -> None:
    rows = [row["reason"].strip("`") for row in tables(ROOT / "docs" / "processor.md") if "reason" in row]
    assert rows == list(Reason)


def test_every_exit_code_is_in_its_table() -> None:
    rows = {row["name"]: int(row["code"]) for row in tables(ROOT / "docs" / "configuration.md") if "code" in row}
    assert rows == {code.name.lower().replace("_", " "): code for code in ExitCode}


def test_every_command_is_in_its_table() -> None:
    rows = [row["command"] for row in tables(ROOT / "docs" / "configuration.md") if row.keys() == {"command", "does"}]
    assert rows == [f"`footfall {name}`" for name in _commands]


# ---------------------------------------------------------------- settings


def default_of(setting: str) -> str:
    value = SETTINGS[setting].info.default
    if value is None or isinstance(value, bool):
        return "none" if value is None else "on" if value else "off"
    return f"`{value:g}`" if isinstance(value, float) else f"`{value}`"


def options_of(setting: str) -> str:
    """Each option that sets it, and of which commands."""
    flags: dict[str, list[str]] = {}
    for name, command in _commands.items():
        for parameter in command.params:
            if parameter.name == setting:
                flags.setdefault(parameter.opts[0], []).append(name)
    most = [name for name in _commands if name != "redis"]
    words = {tuple(_commands): "all", tuple(most): "all but redis"}
    return ", ".join(f"`{flag}` ({words.get(tuple(of), ', '.join(of))})" for flag, of in flags.items())


def test_every_setting_is_in_the_tables_as_it_is_in_the_code() -> None:
    rows = {row["setting"].strip("`"): row for row in tables(ROOT / "docs" / "configuration.md") if "setting" in row}
    assert rows.keys() == SETTINGS.keys()
    for setting, row in rows.items():
        assert row["variable"] == f"`{env_name(setting)}`"
        assert (setting, row["default"]) == (setting, default_of(setting))
        assert (setting, row["option (commands)"]) == (setting, options_of(setting))
        for limit in SETTINGS[setting].info.metadata:
            number = next(
                (value for name in ("ge", "gt", "le") if (value := getattr(limit, name, None)) is not None), ""
            )
            assert str(number) in row["unit, values"], setting


def test_every_option_of_one_command_is_in_its_table_with_its_default() -> None:
    documented: dict[tuple[str, str], str] = {}
    for row in tables(ROOT / "docs" / "configuration.md"):
        if row.keys() >= {"command", "option"}:
            for name in row["command"].split(", "):
                documented |= {(name, flag): row["default"] for flag in row["option"].replace("`", "").split(", ")}
    own = {
        (name, parameter.opts[0]): parameter.default
        for name, command in _commands.items()
        for parameter in command.params
        if parameter.param_type_name == "option" and parameter.name not in SETTINGS
    }
    words = {None: ("none",), False: ("off", "none")}
    assert documented.keys() == own.keys()
    for option, default in own.items():
        shown: tuple[str, ...] = (f"`{default:g}`",) if isinstance(default, float) else (f"`{default}`",)
        shown = words[default] if default is None or default is False else shown
        assert documented[option] in shown, option


def test_the_short_table_of_settings_agrees() -> None:
    settings = {env_name(name): name for name in SETTINGS}
    rows = [row for row in tables(ROOT / "README.md") if "variable" in row]
    assert rows
    for row in rows:
        assert row["default"] == default_of(settings[row["variable"].strip("`")])


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_variable_that_a_page_names_exists(page: Path) -> None:
    named = set(re.findall(r"FOOTFALL_[A-Z_]*[A-Z]", page.read_text()))
    known = {env_name(name) for name in SETTINGS} | ({*REMOVED} if page.name == "CHANGELOG.md" else set())
    assert named - known <= {"FOOTFALL_RETIAN"}  # the example of an error


# ---------------------------------------------------------------- commands, targets, links


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_command_that_a_page_names_is_taken(page: Path) -> None:
    text = page.read_text()
    lines = re.findall(r"`(?:\.venv/bin/)?footfall ([a-z][^`]*)`", text)
    for block in blocks(page):
        if block.language == "sh":
            lines += re.findall(r"\.venv/bin/footfall (.+)", block.text)
    for line in lines:
        name, *arguments = shlex.split(line.replace("...", ""))
        assert name in _commands, line
        if arguments:
            _commands[name].make_context(name, arguments)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_make_target_that_a_page_names_exists(page: Path) -> None:
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    assert set(re.findall(r"(?:`|^)make ([a-z-]+)", page.read_text(), re.MULTILINE)) <= targets


def test_every_make_target_is_described() -> None:
    described = {row["target"] for row in tables(ROOT / "docs" / "development.md") if "target" in row}
    targets = set(re.findall(r"^([a-z-]+):.*##", (ROOT / "Makefile").read_text(), re.MULTILINE))
    assert described == {f"`make {target}`" for target in targets - {"help"}}


def anchors(page: Path) -> set[str]:
    """The anchors of a page's headings, as GitHub makes them."""
    headings = re.findall(r"^#+ (.+)$", page.read_text(), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_link_leads_somewhere(page: Path) -> None:
    for text, link in re.findall(r"\[([^]]+)\]\(([^)\s]+)\)", page.read_text()):
        if link.startswith("http"):
            continue
        path, _, anchor = link.partition("#")
        target = page.parent / path if path else page
        assert target.exists(), link
        assert not anchor or anchor in anchors(target), link
        if text.startswith("`test_"):
            assert re.search(rf"def {text.strip('`')}\(", target.read_text()), text


# ---------------------------------------------------------------- examples


@dataclass
class Scene:
    """The processed sample in database 0, with services; its first five check-ins, unprocessed, in database 1."""

    server: Server
    receiver: Receiver
    #: the same with `--auth`
    guarded: Receiver
    api: Api
    auth: Auth
    #: a processor with `--delay` on database 1, which ends when that is drained
    watched: Footfall
    directory: Path
    #: of role admin
    admin_token: str
    #: whether the examples are of signing in
    is_guarded: bool = False
    #: what is in the file of curl's cookies
    cookies: str = ""

    def run(self, command: str) -> str:
        """What a line of an example prints."""
        words = shlex.split(command)
        if words[:2] == ["gzip", "-c"]:  # a file | curl
            return self._curl(words[5:], gzip.compress((self.directory / words[2]).read_bytes()))
        if words[0] == "curl":
            return self._curl(words[1:])
        settings: dict[str, object] = {"redis_url": self.server.url, "bcrypt_cost": 4}
        while "=" in words[0]:
            name, _, value = words.pop(0).partition("=")
            settings[name.removeprefix("FOOTFALL_").lower()] = value
        assert words.pop(0) == ".venv/bin/footfall", command
        if words == ["processor", "--delay"]:
            assert self.watched.wait() == ExitCode.OK
            return self.watched.log
        if words[0] == "redis":  # to look at what that processor has done
            settings["redis_url"] = f"{self.server.url}/1"
        with Footfall(*words, settings=settings, cwd=self.directory) as process:
            process.wait()
            return process.log

    def _curl(self, words: list[str], piped: bytes = b"") -> str:
        body: str | bytes | None = None
        url, headers, heads, method, shows_status = "", {}, False, None, False
        arguments = iter(words)
        for word in arguments:
            if word == "-i":
                heads = True
            elif word == "-d":
                body = next(arguments)
            elif word == "-w":
                shows_status = next(arguments) == r"%{http_code}\n"
            elif word == "-b":
                assert next(arguments) == "cookies"
                headers["Cookie"] = self.cookies
            elif word == "-c":
                assert next(arguments) == "cookies"
            elif word == "-X":
                method = next(arguments)
            elif word == "--data-binary":
                assert next(arguments) == "@-"
                body = piped
            elif word == "-H":
                name, _, value = next(arguments).partition(": ")
                headers[name] = value.replace("$TOKEN", self.admin_token)
            else:
                url = word
        place, _, path = url.removeprefix("http://").partition("/")
        receiver = self.guarded if self.is_guarded else self.receiver
        services = {"127.0.0.1:8082": receiver, "127.0.0.1:8081": self.api, "127.0.0.1:8083": self.auth}
        client = services[place].client
        method = method or ("GET" if body is None else "POST")
        answer = client.request(method, f"/{path}", content=body, headers=headers)
        client.cookies.clear()
        if "-c" in words:
            self.cookies = answer.headers["set-cookie"].partition(";")[0]
        wait_until_drained(self.server)
        head = "".join(f"{name}: {value}\n" for name, value in answer.headers.items()) if heads else ""
        status = f"{answer.status_code}\n" if shows_status else ""
        text = re.sub(
            r'(?<="requestId":")[0-9a-f]{16}(?=")|(?<=x-request-id: )[0-9a-f]{16}',
            REQUEST_ID,
            head + answer.text + status,
        )
        return re.sub(r"\b\d{13}\b", lambda ms: str(NOW) if int(ms[0]) > _SAMPLE_ENDS else ms[0], text)


@pytest.fixture
def scene() -> Iterator[Scene]:
    with ExitStack() as stack:
        directory = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        server = stack.enter_context(Server(appendonly=True, appendfsync="no"))
        first_five = directory / "first.json"
        first_five.write_bytes(msgspec.json.encode(sample.check_ins()[:5]))
        load(server, 1, "all", "--sample")
        load(server, 1, "checkins", "--from", str(first_five), "--replace", "--yes")
        watched = Footfall("processor", "--delay", "--once", settings={"redis_url": f"{server.url}/1"})
        stack.enter_context(watched)
        load(server, 0, "all", "--sample")
        stack.enter_context(Footfall("processor", settings={"redis_url": server.url}))
        services = Receiver(server.url), Receiver(server.url, auth="true"), Api(server.url), Auth(server.url)
        for service in services:
            stack.enter_context(service)
        wait_until_drained(server)
        with redis.Redis.from_url(server.url) as client:
            admin_token = tokens.create(client, Keys("ncc"), "docs", "admin")
        yield Scene(server, *services, watched, directory, admin_token)


def wait_until_drained(server: Server) -> None:
    client: Any = server.client()

    def drained() -> bool:
        return bool(client.get("ncc:checkinprocessor:lastid") == client.xrevrange("ncc:checkins", count=1)[0][0])

    wait_until(drained, "everything is processed", 30)


def load(server: Server, database: int, *arguments: str) -> None:
    with Footfall("load", *arguments, settings={"redis_url": f"{server.url}/{database}"}) as loader:
        assert loader.wait() == ExitCode.OK, loader.log


def examples(page: Path, directory: Path) -> Iterator[tuple[str, Block]]:
    """Each command that is followed by what it prints. Writes the page's files as it comes by them."""
    shown = blocks(page)
    for block, following in pairwise(shown):
        if block.name:
            (directory / block.name).write_text(block.text)
        if block.language == "sh" and following.language in ("json", "http", "text") and following.follows:
            for command in block.text.splitlines():
                if "load checkins --sample --replace" not in command:  # the scene's second database is as after this
                    yield command, following


#: pages, how many examples each has at least; those that only look come first
EXAMPLES = {
    "docs/api.md": 7,
    "docs/receiver.md": 11,
    "docs/configuration.md": 1,
    "docs/loader.md": 2,
    "docs/records.md": 3,
    "README.md": 5,
    "docs/auth.md": 6,
}


def test_every_example_prints_what_the_page_says(scene: Scene) -> None:
    assert {page for page in PAGES if any(examples(page, scene.directory))} == {ROOT / name for name in EXAMPLES}
    for name, least in EXAMPLES.items():
        run, scene.is_guarded = 0, name == "docs/auth.md"
        # other pages have added records; on this one, users of the sample sign in
        scene.server.client().hset("ncc:meta", "sample", "1")
        for command, expected in examples(ROOT / name, scene.directory):
            printed, run = scene.run(command), run + 1
            if expected.language == "json":
                assert json.loads(printed) == json.loads(expected.text), f"{name}: {command}"
            elif expected.language == "http":
                assert expected.text in printed, f"{name}: {command}"
            else:
                assert printed.startswith(expected.text), f"{name}: {command}\n{printed}"
        assert run >= least, f"{name} has lost examples"
