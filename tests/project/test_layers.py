"""Who imports whom: as the table in docs/architecture.md allows, no more and no less."""

import ast
import re
import subprocess
import sys
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

import pytest

import footfall

_ROOT = Path(footfall.__file__).parent
_PAGE = Path(__file__).parents[2] / "docs" / "architecture.md"
#: what all may import, and which folders each of them imports
_COMMON: dict[str, set[str]] = {"errors": set(), "keys": set(), "logs": set(), "config": set()}


def rules() -> dict[str, set[str]]:
    """The table: folder -> folders that it may import."""
    rows = re.findall(r"^\| \[`(\w+)/`\]\S+ \| .* \| ([^|]*) \|$", _PAGE.read_text(), re.MULTILINE)
    table = {folder: set(re.findall(r"`(\w+)`", names)) if names != "all" else {"all"} for folder, names in rows}
    table["cli"] = set(table) - {"cli"}
    return table


def folder_of(module: str) -> str:
    """The folder of a module, or the module at the root."""
    return module.split(".")[1] if "." in module else ""


def imports(file: Path) -> Iterator[str]:
    """The modules of ours that a file imports, wherever it does."""
    for node in ast.walk(ast.parse(file.read_text())):
        if isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{file}: a relative import"
            module = node.module or ""
            yield from (f"{module}.{name.name}" for name in node.names) if module == "footfall" else [module]
        elif isinstance(node, ast.Import):
            yield from (name.name for name in node.names)


def imported() -> dict[str, dict[str, list[str]]]:
    """Folder -> folder that it imports -> by which files."""
    found: dict[str, dict[str, list[str]]] = defaultdict(lambda: defaultdict(list))
    for file in _ROOT.rglob("*.py"):
        path = file.relative_to(_ROOT)
        folder = path.parts[0] if len(path.parts) > 1 else path.stem
        for module in imports(file):
            if module.startswith("footfall.") and (other := folder_of(module)) not in (folder, "__version__"):
                found[folder][other].append(str(path))
    return found


FOUND = imported()


def test_each_folder_has_a_row() -> None:
    folders = {path.name for path in _ROOT.iterdir() if (path / "__init__.py").exists()}
    assert set(rules()) == folders - set(_COMMON)
    assert {path.stem for path in _ROOT.glob("*.py")} - {"__init__", "__main__"} == set(_COMMON) - folders


@pytest.mark.parametrize("folder", rules())
def test_a_folder_imports_what_it_may(folder: str) -> None:
    used = {other: files for other, files in FOUND[folder].items() if other not in _COMMON}
    allowed = rules()[folder] - set(_COMMON)
    assert {other: files for other, files in used.items() if other not in allowed} == {}
    if folder != "cli":
        assert allowed <= set(used), "the table allows what nobody needs"


def test_the_domain_knows_of_errors_alone() -> None:
    assert set(FOUND["domain"]) <= {"errors"}


@pytest.mark.parametrize("module", _COMMON)
def test_what_all_may_import_imports_nothing_above_it(module: str) -> None:
    assert set(FOUND[module]) - set(_COMMON) == _COMMON[module]


@pytest.mark.parametrize("folder", sorted(rules()))
def test_a_folder_says_what_lives_there(folder: str) -> None:
    docstring = ast.get_docstring(ast.parse((_ROOT / folder / "__init__.py").read_text()))
    assert docstring is not None
    assert len(docstring.splitlines()) >= 3, "what lives there, and what may be touched"


def test_the_folders_of_the_tests_are_those_of_the_source() -> None:
    tests = _PAGE.parents[1] / "tests"
    others = {"chaos", "npm", "project"}
    files = list(tests.rglob("test_*.py"))
    folders = {str(path.parent.relative_to(tests)) for path in files if path.relative_to(tests).parts[0] not in others}
    assert {folder for folder in folders if not (_ROOT / folder / "__init__.py").exists()} == set()
    assert set(rules()) <= {folder.partition("/")[0] for folder in folders}
    for file in files:
        assert not [module for module in imports(file) if module.partition(".")[0].startswith("test_")], file


def test_the_page_of_files_has_what_they_say_of_themselves() -> None:
    page = (_PAGE.parent / "files.md").read_text()
    listed = subprocess.run(
        [sys.executable, "-c", "import list_files; print(list_files.page(), end='')"],
        cwd=_PAGE.parents[1] / "tools",
        capture_output=True,
        text=True,
        check=True,
    )
    assert page == listed.stdout, "`make files` writes it"
    assert "| |" not in page, "a file says nothing of itself"
