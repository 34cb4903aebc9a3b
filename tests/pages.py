"""The pages of the documentation, as tests read them."""

from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[1]


def tables(page: Path) -> Iterator[dict[str, str]]:
    """Each row of each table, by the names in the table's header."""
    header: list[str] = []
    for line in page.read_text().splitlines():
        cells = [cell.strip() for cell in line.strip("|").split("|")]
        if not line.startswith("|"):
            header = []
        elif not header:
            header = cells
        elif set(line) - set("|- "):
            yield dict(zip(header, cells, strict=True))
