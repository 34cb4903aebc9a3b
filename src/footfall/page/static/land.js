/** The outline of land, drawn when the view changes. */

import { ask } from "./api.js";
import { eastOf, southOf } from "./mercator.js";

/** @typedef {import("./layers.js").View} View */
/** @typedef {{ points: Float64Array, west: number, north: number, east: number, south: number }} Ring */

export class Land {
  /** @param {CanvasRenderingContext2D} context */
  constructor(context) {
    this.context = context;
    this.colours = { land: "", shore: "" };
    /** @type {Ring[]} */
    this.rings = [];
  }

  async load() {
    const found = await ask("page/land.json");
    this.rings = found.rings.map((/** @type {number[]} */ values) => ringOf(values, found.perDegree));
  }

  /** @param {{ land: string, shore: string }} colours */
  recolour(colours) {
    this.colours = colours;
  }

  /** @param {View} view */
  draw(view) {
    const { context, colours } = this;
    const { scale, left, top, width, height } = view;
    context.clearRect(0, 0, width, height);
    context.beginPath();
    for (const { points, west, north, east, south } of this.rings) {
      if (east * scale < left || west * scale > left + width || south * scale < top || north * scale > top + height) continue;
      let x = points[0] * scale - left;
      let y = points[1] * scale - top;
      context.moveTo(x, y);
      for (let i = 2; i < points.length; i += 2) {
        const nextX = points[i] * scale - left;
        const nextY = points[i + 1] * scale - top;
        // points closer than a pixel make no difference
        if (Math.abs(nextX - x) + Math.abs(nextY - y) < 1) continue;
        x = nextX;
        y = nextY;
        context.lineTo(x, y);
      }
      // back to the beginning: closePath would look at all of the path again, each time
      context.lineTo(points[0] * scale - left, points[1] * scale - top);
    }
    context.fillStyle = colours.land;
    context.fill("evenodd");
    context.strokeStyle = colours.shore;
    context.stroke();
  }
}

/** @param {number[]} values each the difference to the one before @param {number} perDegree @returns {Ring} */
function ringOf(values, perDegree) {
  const points = new Float64Array(values.length);
  let longitude = 0;
  let latitude = 0;
  let [west, north, east, south] = [1, 1, 0, 0];
  for (let i = 0; i < values.length; i += 2) {
    longitude += values[i] / perDegree;
    latitude += values[i + 1] / perDegree;
    const x = (points[i] = eastOf(longitude));
    const y = (points[i + 1] = southOf(latitude));
    west = Math.min(west, x);
    east = Math.max(east, x);
    north = Math.min(north, y);
    south = Math.max(south, y);
  }
  return { points, west, north, east, south };
}
