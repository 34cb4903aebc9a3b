/** What happens now: the ground glows where much has happened lately, and cools down again. */

import { sprite } from "./layers.js";

/** what is left of a place's heat at each step; below the least there is none */
const COOLING = 0.93;
const LEAST = 0.2;
/** heat at which a place glows as much as any, and how many places do at once, at most */
const HOTTEST = 30;
const MAX_HOT = 2000;
/** pixels: how far a glow reaches */
const REACH = 26;

/** @typedef {import("./layers.js").View} View */
/** @typedef {import("./points.js").Points} Points */

export class Heat {
  /** @param {CanvasRenderingContext2D} context @param {Points} points */
  constructor(context, points) {
    this.context = context;
    this.points = points;
    /** by row, the one that was cold the longest first @type {Map<number, number>} */
    this.hot = new Map();
    /** @type {HTMLCanvasElement | null} */
    this.halo = null;
    this.accent = "";
  }

  /** @param {{ accent: string }} colours */
  recolour({ accent }) {
    this.accent = accent;
    this.halo = null;
  }

  /** @param {number} row */
  add(row) {
    const heat = this.hot.get(row);
    if (heat === undefined && this.hot.size >= MAX_HOT) return;
    this.hot.set(row, Math.min(HOTTEST, (heat ?? 0) + 1));
  }

  /** A step later. */
  coolDown() {
    for (const [row, heat] of this.hot) {
      if (heat * COOLING < LEAST) this.hot.delete(row);
      else this.hot.set(row, heat * COOLING);
    }
  }

  /** @param {View} view */
  draw(view) {
    const { context, points } = this;
    const { width, height } = view;
    context.clearRect(0, 0, width, height);
    this.halo ??= sprite(2 * REACH, (drawn) => {
      const gradient = drawn.createRadialGradient(REACH, REACH, 0, REACH, REACH, REACH);
      gradient.addColorStop(0, `${this.accent}99`);
      gradient.addColorStop(1, `${this.accent}00`);
      drawn.fillStyle = gradient;
      drawn.fillRect(0, 0, 2 * REACH, 2 * REACH);
    });
    for (const [row, heat] of this.hot) {
      const x = points.x(row, view);
      const y = points.y(row, view);
      if (x < -REACH || y < -REACH || x > width + REACH || y > height + REACH) continue;
      context.globalAlpha = Math.min(1, 0.1 + heat / HOTTEST);
      context.drawImage(this.halo, x - REACH, y - REACH, 2 * REACH, 2 * REACH);
    }
    context.globalAlpha = 1;
  }
}
