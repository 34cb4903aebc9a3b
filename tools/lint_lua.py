"""Lints the Lua scripts, each put together from its parts, with luacheck.

Usage   python tools/lint_lua.py        (a part of `make lint`)

Without luacheck (Debian and Ubuntu: the package lua-check) one line says so, and that is all; with CI set it is an
error. What luacheck reports is named by the script, and by the line of what was put together, which is kept for it.
"""

import os
import shutil
import subprocess
import sys
from pathlib import Path
from tempfile import mkdtemp

from footfall.store.scripts import all_scripts

ROOT = Path(__file__).parent.parent


def main() -> int:
    """The exit code: 0 when nothing is wrong, or nothing can be told."""
    luacheck = shutil.which("luacheck")
    if luacheck is None:
        print("The Lua scripts are not linted: there is no luacheck here (Debian's package lua-check).")
        return 1 if os.environ.get("CI") else 0
    folder = Path(mkdtemp(prefix="lua-"))
    for script in all_scripts():
        (folder / f"{script.name}.lua").write_text(script.text)
    command = [luacheck, "--quiet", "--no-color", "--no-cache", "--config", str(ROOT / ".luacheckrc"), "."]
    done = subprocess.run(command, cwd=folder, check=False)
    if done.returncode:
        print(f"What was linted is in {folder}.")
    else:
        shutil.rmtree(folder)
    return done.returncode


if __name__ == "__main__":
    sys.exit(main())
