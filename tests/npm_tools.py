"""Programs from npm, which `make test` installs into tests/npm/node_modules."""

import os
import subprocess
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
    if not (MODULES / ".installed").exists():
        assert "CI" not in os.environ, "tests/npm/node_modules is not complete"
        pytest.skip("the packages of tests/npm are not installed")
    return subprocess.run(
        [program if program == "node" else MODULES / ".bin" / program, *arguments],
        cwd=cwd,
        env=os.environ | _QUIET,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=120,
        check=False,
    )
