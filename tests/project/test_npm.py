"""What tests need from npm: pinned, from whatever registry npm is set to, and not needed to run the other tests."""

import json
import shutil
import subprocess
from pathlib import Path

import pytest

from npm_tools import FOLDER

ROOT = Path(__file__).parents[2]


def test_each_package_is_pinned_and_none_by_the_address_of_a_registry() -> None:
    lock = json.loads((FOLDER / "package-lock.json").read_text())
    packages = {name: package for name, package in lock["packages"].items() if name}
    assert all(package["integrity"].startswith("sha512-") for package in packages.values())
    assert not any("resolved" in package for package in packages.values())
    wanted = json.loads((FOLDER / "package.json").read_text())["dependencies"]
    assert {name: packages[f"node_modules/{name}"]["version"] for name in wanted} == wanted


@pytest.mark.parametrize(("environment", "code"), [({}, 0), ({"CI": "true"}, 2)])
def test_without_npm_one_line_says_so_and_only_ci_fails(environment: dict[str, str], code: int, tmp_path: Path) -> None:
    make = shutil.which("make")
    assert make
    shutil.copy(ROOT / "Makefile", tmp_path)
    (tmp_path / "tests" / "npm").mkdir(parents=True)
    for name in ("package.json", "package-lock.json", ".npmrc"):
        shutil.copy(FOLDER / name, tmp_path / "tests" / "npm")
    command = [make, "tests/npm/node_modules/.installed"]
    env = {"PATH": str(tmp_path), **environment}
    done = subprocess.run(command, cwd=tmp_path, env=env, capture_output=True, text=True, timeout=60, check=False)
    assert done.stdout == "There is no npm here: the tests that need its packages are left out.\n"
    assert done.returncode == code, done.stderr
