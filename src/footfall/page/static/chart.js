/** Small charts: bars, and a line over time. */

const NAMESPACE = "http://www.w3.org/2000/svg";
const HEIGHT = 40;

/** @param {number} width @param {string} label @returns {SVGSVGElement} */
function drawing(width, label) {
  const svg = document.createElementNS(NAMESPACE, "svg");
  svg.setAttribute("viewBox", `0 0 ${width} ${HEIGHT}`);
  svg.setAttribute("preserveAspectRatio", "none");
  svg.setAttribute("role", "img");
  svg.setAttribute("aria-label", label);
  return svg;
}

/** @param {number[]} values @param {string} label */
export function bars(values, label) {
  const svg = drawing(values.length, label);
  const most = Math.max(1, ...values);
  values.forEach((value, place) => {
    const bar = document.createElementNS(NAMESPACE, "rect");
    const height = (HEIGHT * value) / most;
    for (const [name, at] of Object.entries({ x: place, y: HEIGHT - height, width: 0.85, height })) bar.setAttribute(name, String(at));
    svg.append(bar);
  });
  return svg;
}

/**
 * Values at moments, the last one at the right edge; where one is null the line has a gap.
 * @param {{ at: number, value: number | null }[]} points `at` in ms
 * @param {number} spanMs what the whole width stands for
 * @param {string} label
 */
export function line(points, spanMs, label) {
  const svg = drawing(300, label);
  const known = points.flatMap(({ value }) => (value === null ? [] : [value]));
  const most = Math.max(1e-9, ...known);
  const end = points.at(-1)?.at ?? 0;
  let path = "";
  let pen = "M";
  for (const { at, value } of points) {
    if (value === null) pen = "M";
    else {
      path += `${pen}${(300 - (300 * (end - at)) / spanMs).toFixed(1)} ${(HEIGHT - 2 - ((HEIGHT - 4) * value) / most).toFixed(1)}`;
      pen = "L";
    }
  }
  const drawn = document.createElementNS(NAMESPACE, "path");
  drawn.setAttribute("d", path || "M0 0");
  svg.append(drawn);
  return svg;
}
