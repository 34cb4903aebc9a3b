"""Our modules as one script."""

from pathlib import Path

import pytest

import npm_tools
from footfall.page.bundle import bundle

MODULES = {
    "main": 'import { one } from "./one.js";\nimport { two, Two } from "./two.js";\n\n'
    "console.log(one, two(), new Two().name);\n",
    "one": 'import { two } from "./two.js";\n\nconst hidden = 1;\nexport const one = hidden + two();\n',
    "two": "const hidden = 2;\nexport function two() {\n  return hidden;\n}\nexport class Two {\n  name = `two`;\n}\n",
}


def written(folder: Path, modules: dict[str, str]) -> Path:
    for name, text in modules.items():
        (folder / f"{name}.js").write_text(text)
    return folder


def test_it_does_what_the_modules_do(tmp_path: Path) -> None:
    script = tmp_path / "all.mjs"
    script.write_text(bundle(written(tmp_path, MODULES), "main"))
    ended = npm_tools.run("node", script)
    assert (ended.returncode, ended.stdout) == (0, "3 2 two\n")


def test_whole_modules_of_others_are_asked_for_once(tmp_path: Path) -> None:
    other = 'import * as path from "node:path";\n'
    modules = {
        "main": other + 'import { base } from "./one.js";\nconsole.log(path.basename("a/b") + base);\n',
        "one": other + 'export const base = path.basename("c/d");\n',
    }
    script = tmp_path / "all.mjs"
    script.write_text(bundle(written(tmp_path, modules), "main"))
    assert script.read_text().count(other) == 1
    assert npm_tools.run("node", script).stdout == "bd\n"


def test_modules_that_need_each_other_are_refused(tmp_path: Path) -> None:
    modules = {
        "main": 'import { one } from "./one.js";\nexport const main = one;\n',
        "one": 'import { main } from "./main.js";\nexport const one = main;\n',
    }
    with pytest.raises(ValueError, match=r"main\.js needs itself, by way of main and one"):
        bundle(written(tmp_path, modules), "main")
