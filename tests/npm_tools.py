"""Programs from npm, which `make test` installs into tests/npm/node_modules."""

import os
import subprocess
from collections.abc import Sequence
from pathlib import Path

import pytest

FOLDER = Path(__file__).parent / "npm"
MODULES = FOLDER / "node_modules"
#: They ask nobody for anything: no newer version, no telemetry.
_QUIET = {"REDOCLY_TELEMETRY": "off", "REDOCLY_SUPPRESS_UPDATE_NOTICE": "true", "NO_UPDATE_NOTIFIER": "1"}


def run(program: str, *arguments: str | Path, cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
    """Run a program of one of the packages to its end, or `node` itself; what it printed is `stdout`, errors too.

    Where the packages are not installed, the test is left out; continuous integration has them.
    """
    return _run([program if program == "node" else MODULES / ".bin" / program, *arguments], cwd, {})


def run_script(script: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    """The same with a shell script up to its first error, in which `npx` finds the programs."""
    path = f"{MODULES / '.bin'}:{os.environ['PATH']}"
    return _run(["sh", "-ec", f'npx() {{ "$@"; }}\n{script}'], cwd, {"PATH": path})


def _run(
    command: Sequence[str | Path], cwd: Path | None, environment: dict[str, str]
) -> subprocess.CompletedProcess[str]:
    if not (MODULES / ".installed").exists():
        assert "CI" not in os.environ, "tests/npm/node_modules is not complete"
        pytest.skip("the packages of tests/npm are not installed")
    return subprocess.run(
        command,
        cwd=cwd,
        env=os.environ | _QUIET | environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=120,
        check=False,
    )
