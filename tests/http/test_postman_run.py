"""The Postman collections, run as a whole by newman as the page says: green again and again, and red when they must."""

import json
import re
from collections.abc import Iterator
from itertools import count
from pathlib import Path
from typing import Any, NamedTuple

import pytest

import npm_tools
from openapi_documents import operations
from processes import Footfall
from up_process import Up, load_sample

PAGE = Path(__file__).parents[2] / "docs" / "clients.md"
SERVICES = {"8081": "api", "8082": "receiver", "8083": "auth", "8084": "processor"}
_numbers = count()


class Answered(NamedTuple):
    """What a request of a run was answered with, and whether all its tests went well."""

    status: int
    is_good: bool


@pytest.fixture(scope="module")
def directory(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """With the sample in `.footfall`."""
    folder = tmp_path_factory.mktemp("run")
    load_sample(folder)
    return folder


@pytest.fixture
def guarded(directory: Path) -> Iterator[Up]:
    with Up(directory, "--auth") as up:
        yield up


def blocks() -> list[str]:
    """The commands of the page that run collections: without sign-in, and with it."""
    shown = re.findall("^```sh\n(.*?)^```$", PAGE.read_text(), re.MULTILINE | re.DOTALL)
    return [block for block in shown if "newman" in block]


def run(script: str, up: Up) -> tuple[int, dict[str, Answered]]:
    """Run commands as they are on the page; their exit code, and the answers, by `<service> <name of the request>`.

    Each command's report goes into a file of its own.
    """
    ports = {shown: str(up.settings[f"{service}_port"]) for shown, service in SERVICES.items()}
    services = {port: SERVICES[shown] for shown, port in ports.items()}
    script = re.sub(r"(?<=127\.0\.0\.1:)\d+", lambda shown: ports[shown[0]], script)
    reports = []

    def reported(line: re.Match[str]) -> str:
        reports.append(up.directory / f"report-{next(_numbers)}.json")
        return f"{line[0]} --reporters json --reporter-json-export {reports[-1].name}"

    done = npm_tools.run_script(re.sub("^npx newman run .*$", reported, script, flags=re.MULTILINE), up.directory)
    answers: dict[str, Answered] = {}
    for report in reports:
        if report.exists():
            found = json.loads(report.read_text())
            [base] = [one["value"] for one in found["collection"]["variable"] if one["key"] == "baseUrl"]
            service = services[base.rpartition(":")[2]]
            answers |= {f"{service} {name}": answered for name, answered in answered_in(found["run"]["executions"])}
    return done.returncode, answers


def answered_in(executions: list[dict[str, Any]]) -> Iterator[tuple[str, Answered]]:
    for execution in executions:
        tests = execution["assertions"]
        assert len(tests) >= 2, "whatever it is answered with"
        is_good = not any("error" in test for test in tests)
        yield execution["item"]["name"], Answered(execution["response"]["code"], is_good)


def requests(*services: str) -> dict[str, str]:
    """All requests of these services, by name, and with what they are answered when it goes well."""
    return {
        f"{one.service} {one.description['summary']}": next(s for s in one.description["responses"] if s < "3")
        for one in operations()
        if one.service in services
    }


def due(*services: str, refused: frozenset[str] = frozenset()) -> dict[str, Answered]:
    """What all requests of these services are due: success, but 401 of those that are to be refused."""
    return {name: Answered(401 if name in refused else int(s), True) for name, s in requests(*services).items()}


#: what needs a token, or a session, with whatever settings
MANAGING = frozenset(f"api {verb} a {what}" for verb in ("Add", "Change", "Remove") for what in ("user", "location"))
SIGNED_IN = frozenset({"api The user who is signed in"})
#: and with sign-in
SENDING = frozenset(
    {
        "receiver Store one check-in",
        "receiver Store many check-ins",
        "api The user with an e-mail address",
        "api How all of it does",
    }
)


def test_without_sign_in_runs_are_green_again_and_again(directory: Path) -> None:
    script, _ = blocks()
    with Up(directory) as up:
        expected = due("api", "receiver", "processor", refused=MANAGING | SIGNED_IN)
        for _ in range(2):
            assert run(script, up) == (0, expected)
        tokens = Footfall("tokens", "create", "runner", "--role", "admin", cwd=directory)
        with tokens, Footfall("auth", settings={"auth_port": up.settings["auth_port"]}, cwd=directory) as auth:
            assert tokens.wait() == 0
            [token] = re.findall(r"ff_\S+", tokens.log)
            auth.wait_for("The auth service listens")
            with_token = script.replace("postman.json", f"postman.json --env-var token={token}")
            with_token += "npx newman run http://127.0.0.1:8083/schema/postman.json\n"
            assert run(with_token, up) == (0, due(*SERVICES.values(), refused=SIGNED_IN))


def test_with_sign_in_runs_are_green_again_and_again(guarded: Up) -> None:
    without_token, script = blocks()
    for _ in range(2):
        assert run(script, guarded) == (0, due("receiver", "api", "auth"))
    expected = due("receiver", "api", "processor", refused=MANAGING | SIGNED_IN | SENDING)
    assert run(without_token, guarded) == (0, expected)


def test_a_run_is_red_where_something_is_wrong(guarded: Up) -> None:
    wrong = {"token": "wrong", "userId": "999999", "locationId": "999999", "password": "wrong"}
    options = "".join(f" --env-var {name}={value}" for name, value in wrong.items())
    _, script = blocks()
    script = re.sub(" --env-var token=.*", "", script)
    red = set()
    for line in script.splitlines()[1:]:
        code, answers = run(line + options, guarded)
        assert code == 1
        red |= {name for name, answered in answers.items() if not answered.is_good}
    of_one = {
        name for name in requests("api") if re.search("(A|a) (user|location)(?!s)|last seen|per hour|is open", name)
    }
    assert red == of_one | SENDING | MANAGING | {"auth Sign in"}
