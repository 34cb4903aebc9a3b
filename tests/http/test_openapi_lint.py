"""The linters that people use find nothing in the OpenAPI documents, and the Compose schema nothing in compose.yaml."""

import json
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import npm_tools
from openapi_documents import DOCUMENTS

ROOT = Path(__file__).parents[2]


def redocly(folder: Path) -> subprocess.CompletedProcess[str]:
    return npm_tools.run("redocly", "lint", "--config", npm_tools.FOLDER / "redocly.yaml", *folder.glob("*.json"))


def spectral(folder: Path) -> subprocess.CompletedProcess[str]:
    rules = npm_tools.FOLDER / "spectral.yaml"
    return npm_tools.run("spectral", "lint", "--ruleset", rules, "--fail-severity", "hint", *folder.glob("*.json"))


LINTERS = pytest.mark.parametrize("lint", [redocly, spectral])


def write(folder: Path, **documents: Any) -> None:
    for name, document in documents.items():
        (folder / f"{name}.json").write_text(json.dumps(document))


@LINTERS
def test_a_linter_finds_nothing_in_any_document(
    lint: Callable[[Path], subprocess.CompletedProcess[str]], tmp_path: Path
) -> None:
    write(tmp_path, **DOCUMENTS)
    done = lint(tmp_path)
    assert done.returncode == 0, done.stdout


@LINTERS
def test_a_linter_would_find_it(lint: Callable[[Path], subprocess.CompletedProcess[str]], tmp_path: Path) -> None:
    document = json.loads(json.dumps(DOCUMENTS["auth"]))
    del document["paths"]["/login"]["post"]["operationId"]
    write(tmp_path, auth=document)
    done = lint(tmp_path)
    assert done.returncode == 1
    assert "operation-operationId" in done.stdout
