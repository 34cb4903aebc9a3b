"""The linting of Lua in `make lint`: it finds what only a run would, and says so where it cannot look."""

import subprocess
import sys
from pathlib import Path

import pytest

LINT = Path(__file__).parents[2] / "tools" / "lint_lua.py"


@pytest.mark.parametrize(("environment", "code"), [({}, 0), ({"CI": "true"}, 1)])
def test_without_luacheck_one_line_says_so_and_only_ci_fails(environment: dict[str, str], code: int) -> None:
    without = {"PATH": "/nowhere", **environment}
    done = subprocess.run([sys.executable, LINT], env=without, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (code, "")
    assert done.stdout == "The Lua scripts are not linted: there is no luacheck here (Debian's package lua-check).\n"
