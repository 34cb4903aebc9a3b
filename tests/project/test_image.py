"""The image without a container engine: its steps are done in a clean directory, and what comes of them runs as in one.

As another user where that one can run this Python, from an installation that nobody may write, with the environment,
the commands and the health checks of Dockerfile and compose.yaml.
"""

import contextlib
import os
import re
import shlex
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml  # type: ignore[import-untyped]

from footfall import config
from footfall.config import SETTINGS
from footfall.process import launch
from servers import Server, free_port, wait_until

ROOT = Path(__file__).parents[2]
COMPOSE: dict[str, Any] = yaml.safe_load((ROOT / "compose.yaml").read_text())
PARTS = ("receiver", "processor", "api", "auth")
USER = 10_001


def steps() -> list[tuple[str, str]]:
    """The instructions of the Dockerfile and what they are given."""
    text = re.sub(r"^#.*\n", "", (ROOT / "Dockerfile").read_text(), flags=re.MULTILINE)
    return [tuple(line.split(" ", 1)) for line in text.splitlines() if line]  # type: ignore[misc]


@pytest.fixture(scope="module")
def image() -> Iterator[Path]:
    """A directory in which the steps were done: `app` is what the image has as `/app`, and cannot be written."""
    with tempfile.TemporaryDirectory(prefix="footfall-image-") as name:
        place = Path(name)
        place.chmod(0o755)
        source = place / "source"
        source.mkdir()
        for instruction, what in steps():
            if instruction == "COPY" and not what.startswith("--from"):
                *names, target = what.split()
                for one in names:
                    ignored = shutil.ignore_patterns("__pycache__")
                    into = source / target / (one if (ROOT / one).is_dir() and target != "./" else Path(one).name)
                    if (ROOT / one).is_dir():
                        shutil.copytree(ROOT / one, source / target, ignore=ignored)
                    else:
                        shutil.copy(ROOT / one, into)
            elif instruction == "RUN":
                command = what.replace("/app", str(place / "app"))
                command = re.sub("^python ", f"{shlex.quote(sys.executable)} ", command)
                done = subprocess.run(
                    ["sh", "-ec", command], cwd=source, capture_output=True, text=True, timeout=300, check=False
                )
                assert done.returncode == 0, done.stderr
        shutil.rmtree(source)
        for path in (place / "app").rglob("*"):
            if not path.is_symlink():
                path.chmod(path.stat().st_mode & ~0o222)
        yield place


def as_user() -> dict[str, Any]:
    """How to start a process as the image's user; as this one when that user could not run this Python."""
    python = Path(sys.executable).resolve()
    if os.geteuid() != 0 or any(not folder.stat().st_mode & 0o001 for folder in python.parents):
        return {}
    return {"user": USER, "group": USER, "extra_groups": []}


def environment(part: str, **caller: str) -> dict[str, str]:
    """What Compose gives a part when it is called with these variables."""

    def expand(text: str) -> str:
        return re.sub(r"\$\{(\w+):-(\w*)\}", lambda found: caller.get(found[1]) or found[2], text)

    return {name: expand(value) for name, value in COMPOSE["services"][part]["environment"].items()}


class Container:
    """A part of compose.yaml, running from the image."""

    def __init__(self, image: Path, part: str, server: Server, **settings: object) -> None:
        env = dict(pair.split("=", 1) for i, what in steps() if i == "ENV" for pair in what.split())
        env |= environment(part) | {"FOOTFALL_REDIS_URL": server.url, "PATH": "/usr/bin:/bin"}
        env |= {"FOOTFALL_HOST": "127.0.0.1"} | {
            f"FOOTFALL_{name.upper()}": str(value) for name, value in settings.items()
        }
        self.app, self._env = image / "app", env
        self._as_user = as_user()
        self._directory = tempfile.TemporaryDirectory(prefix="footfall-container-")
        Path(self._directory.name).chmod(0o777)
        self._output = Path(self._directory.name, "output").open("wb")  # noqa: SIM115 - it is closed with the part
        self._process = subprocess.Popen(
            launch.command([str(self.app / "bin" / "footfall"), *COMPOSE["services"][part]["command"]]),
            cwd=self._directory.name,
            env=env,
            stdin=subprocess.DEVNULL,
            stdout=self._output,
            stderr=self._output,
            **self._as_user,
        )

    def __enter__(self) -> "Container":
        return self

    def __exit__(self, *_: object) -> None:
        self._process.terminate()
        self.code = self._process.wait(20)
        self._output.close()
        self._directory.cleanup()

    def wait(self) -> int:
        """Wait for its end; its exit code."""
        return self._process.wait(60)

    def is_healthy(self, check: list[str], ports: dict[str, int]) -> bool:
        """What the health check says, at this part's port."""
        assert check[0] == "CMD"
        command = [word.replace("/app", str(self.app)) for word in check[1:]]
        for declared, port in ports.items():
            command = [word.replace(f":{declared}/", f":{port}/") for word in command]
        done = subprocess.run(command, capture_output=True, timeout=20, check=False, env=self._env, **self._as_user)
        return done.returncode == 0


def test_all_parts_run_from_the_image_as_compose_says(image: Path, server: Server) -> None:
    with Container(image, "load", server) as load:
        assert load.wait() == 0
    ports = {"8081": free_port(), "8082": free_port(), "8083": free_port(), "8084": free_port()}
    settings = {
        "receiver": {"receiver_port": ports["8082"]},
        "processor": {},
        "api": {"api_port": ports["8081"]},
        "auth": {"auth_port": ports["8083"]},
    }
    command = COMPOSE["services"]["processor"]["command"]
    assert command[-1] == "8084"
    command[-1] = str(ports["8084"])
    with contextlib.ExitStack() as stack:
        for part in PARTS:
            container = stack.enter_context(Container(image, part, server, **settings[part]))
            check = COMPOSE["services"][part]["healthcheck"]["test"]
            wait_until(lambda c=container, k=check: c.is_healthy(k, ports), f"{part} is healthy", 30)  # type: ignore[misc]
        before = httpx.get(f"http://127.0.0.1:{ports['8081']}/api/user/180").json()["numCheckins"]
        check_in = {"userId": 180, "locationId": 13, "starRating": 4}
        assert httpx.post(f"http://127.0.0.1:{ports['8082']}/api/checkin", json=check_in).status_code == 202
        user = f"http://127.0.0.1:{ports['8081']}/api/user/180"
        client = server.client()
        wait_until(lambda: client.get("ncc:checkinprocessor:processed") == "5001", "all is processed", 30)
        assert httpx.get(user).json()["numCheckins"] > before


def test_the_image_has_what_it_needs_and_no_more(image: Path) -> None:
    installed = {path.name.partition("-")[0] for path in (image / "app").rglob("*.dist-info")}
    assert "footfall" in installed
    assert not installed & {"hatchling", "editables", "pip", "pytest", "mypy"}
    [package] = (image / "app").rglob("footfall/__init__.py")
    assert (package.parent / "py.typed").exists()
    assert (package.parent / "store" / "scripts" / "process.lua").exists()
    assert (package.parent / "http" / "docs_page.html").exists()


@pytest.mark.parametrize("part", PARTS)
def test_sign_in_is_on_in_each_part_when_whoever_calls_compose_says_so(
    part: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for said, is_on in (("true", True), ("", False)):
        for name, value in environment(part, FOOTFALL_AUTH=said).items():
            monkeypatch.setenv(name, value)
        assert config.load().auth.enabled is is_on


def test_what_compose_says_is_known() -> None:
    assert [what for instruction, what in steps() if instruction == "USER"] == [f"{USER}:{USER}"]
    known = {f"FOOTFALL_{name.upper()}" for name in SETTINGS}
    for name, service in COMPOSE["services"].items():
        assert set(service.get("environment", {})) <= known
        for port in service.get("ports", []):
            assert port.startswith("127.0.0.1:"), "nobody else's, unless somebody says so"
        if name != "valkey":
            assert service["read_only"]
            assert service["cap_drop"] == ["ALL"]
    env = {pair.partition("=")[0] for i, what in steps() if i == "ENV" for pair in what.split()}
    assert env <= known | {"PYTHONUNBUFFERED"}


@pytest.mark.parametrize(("written", "instead"), [("", ""), ("read_only: true", "read_only: 3"), ("tmpfs:", "tmpsf:")])
def test_compose_yaml_is_as_the_compose_schema_has_it(written: str, instead: str, tmp_path: Path) -> None:
    file = tmp_path / "compose.yaml"
    file.write_text((ROOT / "compose.yaml").read_text().replace(written, instead))
    check = [sys.executable, "-m", "check_jsonschema", "--builtin-schema", "vendor.compose-spec", str(file)]
    done = subprocess.run(check, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == bool(written), done.stdout + done.stderr
    assert ("was unexpected" in done.stdout or "is not of type" in done.stdout) == bool(written)
