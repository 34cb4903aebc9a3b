"""Writes docs/files.md: every file of the package with the first sentence that it says of itself.

Run it when a file comes, goes or says something else; a test compares.
"""

import ast
from collections.abc import Iterator
from pathlib import Path

_ROOT = Path(__file__).parents[1]
_PACKAGE = _ROOT / "src" / "footfall"
_PAGE = _ROOT / "docs" / "files.md"
_HEAD = """# Files

Every file of the package with what it says of itself, made by `make files`. Which of them decides what:
[architecture](architecture.md#where-each-behaviour-lives). In which order they act: [internals](internals.md).
"""


def page() -> str:
    """The page, as it should be."""
    return _HEAD + "".join(_section(folder) for folder in sorted(_folders()))


def _folders() -> set[Path]:
    return {path.parent for kind in ("*.py", "*.lua") for path in _PACKAGE.rglob(kind)}


def _section(folder: Path) -> str:
    name = folder.relative_to(_PACKAGE).as_posix()
    lines = [f"\n## {'footfall' if name == '.' else name}\n"]
    if (folder / "__init__.py").exists() and (about := _of_python(folder / "__init__.py")):
        lines.append(f"\n{about}\n")
    files = [path for path in sorted(folder.iterdir()) if path.suffix in (".py", ".lua") and path.name[:2] != "__"]
    if files:
        lines.append("\n| file | is |\n| --- | --- |\n")
    return "".join([*lines, *_rows(files)])


def _rows(files: list[Path]) -> Iterator[str]:
    for path in files:
        about = _of_python(path) if path.suffix == ".py" else _of_lua(path)
        yield f"| [`{path.name}`](../{path.relative_to(_ROOT).as_posix()}) | {about.replace('|', chr(92) + '|')} |\n"


def _of_python(path: Path) -> str:
    """The first paragraph of the docstring."""
    docstring = ast.get_docstring(ast.parse(path.read_text())) or ""
    return docstring.partition("\n\n")[0].replace("\n", " ")


def _of_lua(path: Path) -> str:
    """The first paragraph of the comment at its beginning, behind the line that names the engine."""
    said = []
    for line in path.read_text().splitlines():
        if line.startswith("#!"):
            continue
        text = line.removeprefix("--").strip()
        if not line.startswith("--") or not text:
            break
        said.append(text)
    return " ".join(said)


if __name__ == "__main__":
    _PAGE.write_text(page())
