"""Our modules of the page as one script: a browser asks once, not once for each.

Each module becomes a function that is called once and gives what the module exports. Known is what these modules use:
named imports of one another and whole ones of others, each on a line of its own; named exports of what is declared.
"""

import re
from pathlib import Path

_own = re.compile(r'^import \{ ([^}]*) \} from "\./(\w+)\.js";$', re.MULTILINE)
_other = re.compile(r"^import \* as .*;\n", re.MULTILINE)
_export = re.compile(r"^export ((?:async )?(?:class|function|const) (\w+))", re.MULTILINE)


def bundle(folder: Path, first: str) -> str:
    """The module `first` after all that it needs. Raises ValueError when two need each other."""
    others: dict[str, None] = {}
    modules: dict[str, str] = {}

    def add(name: str, needed_by: tuple[str, ...]) -> None:
        if name in needed_by:
            raise ValueError(f"{name}.js needs itself, by way of {' and '.join(needed_by)}")
        if name in modules:
            return
        text = (folder / f"{name}.js").read_text()
        for _, needed in _own.findall(text):
            add(needed, (*needed_by, name))
        others.update(dict.fromkeys(_other.findall(text)))
        exported = ", ".join(found[1] for found in _export.findall(text))
        body = _export.sub(r"\1", _own.sub(r"const { \1 } = module_\2;", _other.sub("", text)))
        modules[name] = f"const module_{name} = (() => {{\n{body}return {{ {exported} }};\n}})();\n"

    add(first, ())
    return "".join([*others, *modules.values()])
