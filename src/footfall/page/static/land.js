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
    const { scale, left, width, height } = view;
    context.clearRect(0, 0, width, height);
    context.beginPath();
    for (const ring of this.rings) {
      for (const world of [-1, 0, 1]) {
        const seen = { ...view, left: left - world * scale };
        if (ring.east + world > 0 && ring.west + world < 1) trace(context, ring, seen);
      }
    }
    context.fillStyle = colours.land;
    context.fill("evenodd");
    context.strokeStyle = colours.shore;
    context.stroke();
  }
}

/** Add a ring to the path, as far as it is seen. @param {CanvasRenderingContext2D} context @param {Ring} ring @param {View} view */
function trace(context, { points, west, north, east, south }, { scale, left, top, width, height }) {
  if (east * scale < left || west * scale > left + width || south * scale < top || north * scale > top + height) return;
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

/**
 * A ring that crosses the 180th meridian goes on beyond it; one around a pole is closed along that.
 * @param {number[]} values each the difference to the one before @param {number} perDegree @returns {Ring}
 */
function ringOf(values, perDegree) {
  /** @type {number[]} */
  const points = [];
  let [longitude, latitude, turns] = [0, 0, 0];
  for (let i = 0; i < values.length; i += 2) {
    const step = values[i] / perDegree;
    if (i && Math.abs(step) > 180) turns -= Math.sign(step);
    longitude += step;
    latitude += values[i + 1] / perDegree;
    points.push(eastOf(longitude + 360 * turns), southOf(latitude));
  }
  if (turns) {
    const pole = southOf(90 * Math.sign(latitude));
    points.push(points[points.length - 2], pole, points[0], pole);
  }
  const easts = points.filter((_, place) => place % 2 === 0);
  const souths = points.filter((_, place) => place % 2 === 1);
  const bounds = { west: least(easts), north: least(souths), east: -least(easts.map((x) => -x)), south: -least(souths.map((y) => -y)) };
  return { points: Float64Array.from(points), ...bounds };
}

/** @param {number[]} values */
function least(values) {
  return values.reduce((one, other) => Math.min(one, other));
}
