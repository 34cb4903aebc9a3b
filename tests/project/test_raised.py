"""No error is raised twice: each time adds the frames that it passes to its trace, with all that they hold."""

import ast
from pathlib import Path

import pytest

import footfall

_ROOT = Path(footfall.__file__).parent
_FILES = sorted(_ROOT.rglob("*.py"))


def shared(tree: ast.Module) -> set[str]:
    """The names that a module gives to what is made once, and those that look as if another module did."""
    here = set()
    for node in tree.body:
        if isinstance(node, ast.Assign | ast.AnnAssign):
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            here |= {target.id for target in targets if isinstance(target, ast.Name)}
        elif isinstance(node, ast.ImportFrom):
            here |= {name.asname or name.name for name in node.names if name.name.isupper()}
    return here


def raised_twice(source: str) -> list[int]:
    """The lines that raise what may have been raised before: a constant, or what an attribute or a table holds."""
    tree = ast.parse(source)
    constants = shared(tree)
    return [
        node.lineno
        for node in ast.walk(tree)
        if isinstance(node, ast.Raise)
        and (
            isinstance(node.exc, ast.Attribute | ast.Subscript)
            or (isinstance(node.exc, ast.Name) and node.exc.id in constants)
        )
        and ast.unparse(node.exc) != "typer.Exit"  # a class
    ]


@pytest.mark.parametrize("file", _FILES, ids=lambda file: str(file.relative_to(_ROOT)))
def test_no_module_raises_an_error_twice(file: Path) -> None:
    assert raised_twice(file.read_text()) == []


@pytest.mark.parametrize(
    "source", ["E = ValueError()\nraise E", "from a import E\nraise E", "raise self.error", "raise found[0] from None"]
)
def test_what_would_be_raised_twice_is_found(source: str) -> None:
    assert raised_twice(source)


@pytest.mark.parametrize("source", ["raise ValueError", "raise copy(E)", "raise made()", "raise"])
def test_what_is_made_for_it_may_be_raised(source: str) -> None:
    assert raised_twice(source) == []
