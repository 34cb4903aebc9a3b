"""Makes the outline of land that the live page draws: src/footfall/page/static/land.json.

It is cut from Natural Earth's land at 1:10 million (public domain, naturalearthdata.com), as the npm package
`world-atlas` 2.0.2 has it: `npm pack world-atlas@2.0.2`, unpack, and give the path of its `land-10m.json`.

The page's file has rings of points in hundredths of a degree, each as its difference to the one before: east, north.
"""

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

#: degrees: points that lie closer than this to the line between their neighbours are left out
_TOLERANCE = 0.02
#: of a ring: smaller islands are left out
_LEAST_POINTS = 5
_PER_DEGREE = 100
_TARGET = Path(__file__).parents[1] / "src" / "footfall" / "page" / "static" / "land.json"

Point = tuple[float, float]


def main(source: Path) -> None:
    """Read the source, write the page's file, and say how large it is."""
    topology = json.loads(source.read_text())
    rings = [encoded for ring in _rings(topology) if len(encoded := _encoded(_simplified(ring))) >= 2 * _LEAST_POINTS]
    _TARGET.write_text(json.dumps({"perDegree": _PER_DEGREE, "rings": rings}, separators=(",", ":")) + "\n")
    print(f"{len(rings)} rings, {sum(map(len, rings)) // 2} points, {_TARGET.stat().st_size} bytes")


def _rings(topology: Any) -> Iterator[list[Point]]:
    """The rings of all polygons: arcs are shared and quantized (TopoJSON)."""
    scale, translate = topology["transform"]["scale"], topology["transform"]["translate"]
    arcs = []
    for arc in topology["arcs"]:
        x = y = 0
        points = []
        for dx, dy in arc:
            x, y = x + dx, y + dy
            points.append((x * scale[0] + translate[0], y * scale[1] + translate[1]))
        arcs.append(points)
    for geometry in topology["objects"]["land"]["geometries"]:
        for polygon in geometry["arcs"] if geometry["type"] == "MultiPolygon" else [geometry["arcs"]]:
            for indexes in polygon:
                ring: list[Point] = []
                for index in indexes:
                    arc = arcs[index] if index >= 0 else arcs[~index][::-1]
                    ring += arc[1:] if ring else arc
                yield ring


def _simplified(points: list[Point]) -> list[Point]:
    """The points that matter (Douglas and Peucker, 1973)."""
    kept = {0, len(points) - 1}
    spans = [(0, len(points) - 1)]
    while spans:
        first, last = spans.pop()
        furthest, distance = 0, 0.0
        for place in range(first + 1, last):
            away = _away(points[place], points[first], points[last])
            if away > distance:
                furthest, distance = place, away
        if distance > _TOLERANCE:
            kept.add(furthest)
            spans += [(first, furthest), (furthest, last)]
    return [points[place] for place in sorted(kept)]


def _away(point: Point, start: Point, end: Point) -> float:
    """Distance of a point from a line, in degrees."""
    (x, y), (x1, y1), (x2, y2) = point, start, end
    dx, dy = x2 - x1, y2 - y1
    length = dx * dx + dy * dy
    along = 0.0 if length == 0 else max(0.0, min(1.0, ((x - x1) * dx + (y - y1) * dy) / length))
    return float(((x - x1 - along * dx) ** 2 + (y - y1 - along * dy) ** 2) ** 0.5)


def _encoded(points: list[Point]) -> list[int]:
    values: list[int] = []
    before = (0, 0)
    for longitude, latitude in points:
        point = round(longitude * _PER_DEGREE), round(latitude * _PER_DEGREE)
        if not values or point != before:
            values += [point[0] - before[0], point[1] - before[1]]
            before = point
    return values


if __name__ == "__main__":
    main(Path(sys.argv[1]))
