/** A ring that spreads where somebody has just checked in. */

import { ring } from "./layers.js";

/** ms that a ring is seen */
const SEEN_MS = 2500;
/** rings at once, at most: the newest */
const MAX_RINGS = 400;
/** pixels that a ring is from its dot at first, and when it is seen last; where motion is to be reduced, all the time */
const NEAR = 4;
const FAR = 22;
const STILL = 6;

/** @typedef {import("./layers.js").View} View */
/** @typedef {import("./points.js").Points} Points */

export class Rings {
  /** @param {CanvasRenderingContext2D} context @param {Points} points @param {() => View} view */
  constructor(context, points, view) {
    this.context = context;
    this.points = points;
    this.view = view;
    /** row to the time until which its ring is seen, the newest last @type {Map<number, number>} */
    this.until = new Map();
    this.isAnimating = false;
    this.isStill = matchMedia("(prefers-reduced-motion: reduce)").matches;
    this.accent = "";
  }

  /** @param {{ accent: string }} colours */
  recolour({ accent }) {
    this.accent = accent;
  }

  /** @param {number} row */
  add(row) {
    this.until.delete(row);
    for (const oldest of this.until.keys()) {
      if (this.until.size < MAX_RINGS) break;
      this.until.delete(oldest);
    }
    this.until.set(row, performance.now() + SEEN_MS);
    this.animate();
  }

  /** Draw, again and again as long as there are any. */
  animate() {
    if (this.isAnimating) return;
    this.isAnimating = true;
    requestAnimationFrame(() => this.step());
  }

  /** @private */
  step() {
    const { context, points } = this;
    const now = performance.now();
    const view = this.view();
    context.clearRect(0, 0, view.width, view.height);
    for (const [row, until] of this.until) {
      const left = (until - now) / SEEN_MS;
      if (left <= 0) this.until.delete(row);
      else {
        const distance = this.isStill ? STILL : FAR - (FAR - NEAR) * left;
        context.globalAlpha = left;
        ring(context, points.x(row, view), points.y(row, view), points.radius(row) + distance, this.accent);
      }
    }
    context.globalAlpha = 1;
    this.isAnimating = this.until.size > 0 && !document.hidden;
    if (this.isAnimating) requestAnimationFrame(() => this.step());
  }
}
