/** A dot for every place, the line of a user's path, and a ring around what was chosen. */

import { ring, sprite } from "./layers.js";

/** pixels: of dots whose middles lie in one such square the busiest is drawn */
const CELL = 8;
/** pixels between a dot and the ring around it */
const AROUND = 5;

/** @typedef {import("./layers.js").View} View */
/** @typedef {import("./points.js").Points} Points */

export class Dots {
  /** @param {CanvasRenderingContext2D} context @param {Points} points */
  constructor(context, points) {
    this.context = context;
    this.points = points;
    /** the row that was chosen; -1 for none */
    this.chosen = -1;
    /** rows of the places of a user, the newest first @type {number[]} */
    this.path = [];
    /** @type {Map<number, HTMLCanvasElement>} */
    this.sprites = new Map();
    this.colours = { accent: "", ground: "" };
  }

  /** @param {{ accent: string, ground: string }} colours */
  recolour(colours) {
    this.colours = colours;
    this.sprites.clear();
  }

  /** @param {View} view */
  draw(view) {
    const { context, points } = this;
    const { width, height } = view;
    context.clearRect(0, 0, width, height);
    this.drawPath(view);
    const columns = Math.ceil(width / CELL) + 1;
    const taken = new Uint8Array(columns * (Math.ceil(height / CELL) + 1));
    for (let row = 0; row < points.count; row++) {
      const x = points.x(row, view);
      const y = points.y(row, view);
      if (x < 0 || y < 0 || x >= width || y >= height) continue;
      const cell = Math.floor(y / CELL) * columns + Math.floor(x / CELL);
      if (taken[cell] && row !== this.chosen) continue;
      taken[cell] = 1;
      const dot = this.dot(points.places.category[row], points.radius(row));
      context.drawImage(dot, x - dot.width / 4, y - dot.height / 4, dot.width / 2, dot.height / 2);
    }
    if (this.chosen >= 0) this.drawRing(this.chosen, view);
  }

  /** @private @param {View} view */
  drawPath(view) {
    if (this.path.length < 2) return;
    const { context, points } = this;
    context.beginPath();
    for (const row of this.path) context.lineTo(points.x(row, view), points.y(row, view));
    context.lineWidth = 2;
    context.lineJoin = "round";
    context.strokeStyle = this.colours.accent;
    context.stroke();
    this.drawRing(this.path[0], view);
  }

  /** @private @param {number} row @param {View} view */
  drawRing(row, view) {
    const { points } = this;
    ring(this.context, points.x(row, view), points.y(row, view), points.radius(row) + AROUND, this.colours.accent);
  }

  /** @private @param {number} category @param {number} radius */
  dot(category, radius) {
    const key = 16 * category + radius;
    let dot = this.sprites.get(key);
    if (!dot) {
      const middle = radius + 1;
      dot = sprite(2 * middle, (context) => {
        context.arc(middle, middle, radius, 0, 2 * Math.PI);
        context.fillStyle = colourOf(category);
        context.fill();
        context.strokeStyle = this.colours.ground;
        context.stroke();
      });
      this.sprites.set(key, dot);
    }
    return dot;
  }
}

/** The colour of a category: hues that are far from each other, one after the other. @param {number} category */
function colourOf(category) {
  return `hsl(${Math.round((category * 137.5 + 200) % 360)} 45% 48%)`;
}
