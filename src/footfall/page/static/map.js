/** The map: land, a dot for every place, and a glow where somebody has just checked in. */

import * as leaflet from "./leaflet-src.esm.js";
import { Land } from "./land.js";
import { eastOf, southOf } from "./mercator.js";

/** @typedef {import("./places.js").Places} Places */

/** ms that a check-in glows */
const GLOW_MS = 2500;
/** glows at once, at most: the newest */
const MAX_GLOWS = 400;
/** pixels: of two dots that lie closer the busier one is drawn */
const CELL = 5;
/** pixels within which a click is meant for a dot */
const REACH = 14;
/** ms between two drawings of the dots whose counts have changed */
const RECOUNT_MS = 1000;

export class LiveMap {
  /**
   * @param {HTMLElement} element
   * @param {Places} places
   * @param {(id: number) => void} onChoose
   */
  constructor(element, places, onChoose) {
    this.places = places;
    this.land = new Land();
    this.map = leaflet.map(element, { zoomAnimation: false, fadeAnimation: false, zoomSnap: 0.5, minZoom: 1, maxZoom: 18, worldCopyJump: false });
    this.map.attributionControl.setPrefix("Land: Natural Earth");
    this.map.setView([20, 0], 2);
    const layers = ["land", "dots", "glow"].map((name) => this.canvas(element, name));
    [this.landContext, this.dotContext, this.glowContext] = layers;
    /** @type {Float64Array} east and south of each row */
    this.points = new Float64Array(0);
    /** @type {Map<number, { row: number, until: number }>} */
    this.glows = new Map();
    /** @type {Map<string, HTMLCanvasElement>} */
    this.sprites = new Map();
    this.chosen = -1;
    this.isDrawing = false;
    this.isStale = false;
    this.map.on("move zoom resize", () => this.redraw());
    this.map.on("click", (event) => {
      const row = this.rowAt(event.containerPoint.x, event.containerPoint.y);
      if (row >= 0) onChoose(this.places.ids[row]);
    });
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => this.recolour());
    this.isStill = matchMedia("(prefers-reduced-motion: reduce)").matches;
    this.recolour();
    setInterval(() => this.isStale && !document.hidden && this.drawDots(), RECOUNT_MS);
  }

  /** Draw the land, as soon as it is here. */
  async loadLand() {
    await this.land.load();
    this.redraw();
  }

  /** Show these places, and go where they are the first time. @param {boolean} go */
  show(go) {
    const { longitudes, latitudes } = this.places;
    this.points = new Float64Array(2 * longitudes.length);
    for (let row = 0; row < longitudes.length; row++) {
      this.points[2 * row] = eastOf(longitudes[row]);
      this.points[2 * row + 1] = southOf(latitudes[row]);
    }
    if (go && longitudes.length) {
      const bounds = leaflet.latLngBounds(latitudes.map((latitude, row) => [latitude, longitudes[row]]));
      this.map.fitBounds(bounds.pad(0.05), { animate: false });
    }
    this.redraw();
  }

  /** Somebody has checked in at the place of this row. @param {number} row */
  light(row) {
    this.isStale = true;
    if (document.hidden) return;
    this.glows.delete(row);
    if (this.glows.size >= MAX_GLOWS) this.glows.delete(/** @type {number} */ (this.glows.keys().next().value));
    this.glows.set(row, { row, until: performance.now() + GLOW_MS });
    this.animate();
  }

  /** Mark the place of this row, and go there. @param {number} row */
  choose(row) {
    this.chosen = row;
    if (row >= 0) {
      const { latitudes, longitudes } = this.places;
      this.map.setView([latitudes[row], longitudes[row]], Math.max(this.map.getZoom(), 12), { animate: false });
    }
    this.redraw();
  }

  // --- private

  /** @param {HTMLElement} element @param {string} name @returns {CanvasRenderingContext2D} */
  canvas(element, name) {
    const canvas = document.createElement("canvas");
    canvas.dataset.layer = name;
    canvas.style.cssText = "position:absolute;inset:0;pointer-events:none;z-index:300";
    element.append(canvas);
    return /** @type {CanvasRenderingContext2D} */ (canvas.getContext("2d"));
  }

  recolour() {
    const style = getComputedStyle(document.documentElement);
    const colour = (/** @type {string} */ name) => style.getPropertyValue(name).trim();
    this.colours = { land: colour("--land"), shore: colour("--shore"), accent: colour("--accent"), ground: colour("--panel") };
    this.sprites.clear();
    this.redraw();
  }

  /** What part of the world is seen, in its pixels at this zoom. */
  view() {
    const size = this.map.getSize();
    const scale = 256 * 2 ** this.map.getZoom();
    const center = this.map.getCenter();
    return { scale, left: eastOf(center.lng) * scale - size.x / 2, top: southOf(center.lat) * scale - size.y / 2, width: size.x, height: size.y };
  }

  redraw() {
    if (this.isDrawing) return;
    this.isDrawing = true;
    requestAnimationFrame(() => {
      this.isDrawing = false;
      const { width, height } = this.view();
      const ratio = Math.min(devicePixelRatio, 2);
      for (const { canvas } of [this.landContext, this.dotContext, this.glowContext]) {
        if (canvas.width !== Math.round(width * ratio) || canvas.height !== Math.round(height * ratio)) {
          canvas.width = Math.round(width * ratio);
          canvas.height = Math.round(height * ratio);
          canvas.style.width = `${width}px`;
          canvas.style.height = `${height}px`;
          /** @type {CanvasRenderingContext2D} */ (canvas.getContext("2d")).setTransform(ratio, 0, 0, ratio, 0, 0);
        }
      }
      this.land.draw(this.landContext, this.view(), this.colours ?? { land: "", shore: "" });
      this.drawDots();
      this.animate();
    });
  }

  drawDots() {
    this.isStale = false;
    const { scale, left, top, width, height } = this.view();
    const context = this.dotContext;
    context.clearRect(0, 0, width, height);
    const columns = Math.ceil(width / CELL) + 1;
    const taken = new Uint8Array(columns * (Math.ceil(height / CELL) + 1));
    for (let row = 0; row < this.points.length / 2; row++) {
      const x = this.points[2 * row] * scale - left;
      const y = this.points[2 * row + 1] * scale - top;
      if (x < 0 || y < 0 || x >= width || y >= height) continue;
      const cell = Math.floor(y / CELL) * columns + Math.floor(x / CELL);
      if (taken[cell] && row !== this.chosen) continue;
      taken[cell] = 1;
      const sprite = this.sprite(this.places.category[row], this.radius(row));
      context.drawImage(sprite, x - sprite.width / 4, y - sprite.height / 4, sprite.width / 2, sprite.height / 2);
    }
    if (this.chosen >= 0) this.ring(context, this.chosen, this.radius(this.chosen) + 5, 1);
  }

  /** Pixels: four to ten, by the order of magnitude of the count. @param {number} row */
  radius(row) {
    return 3 + Math.min(6, Math.round(Math.log10(1 + this.places.checkins[row]) * 1.5));
  }

  /** A dot that was drawn before, at twice its size. @param {number} category @param {number} radius */
  sprite(category, radius) {
    const key = `${category} ${radius}`;
    let sprite = this.sprites.get(key);
    if (!sprite) {
      sprite = document.createElement("canvas");
      sprite.width = sprite.height = 4 * (radius + 1);
      const context = /** @type {CanvasRenderingContext2D} */ (sprite.getContext("2d"));
      context.scale(2, 2);
      context.arc(radius + 1, radius + 1, radius, 0, 2 * Math.PI);
      context.fillStyle = colourOf(category);
      context.fill();
      context.lineWidth = 1;
      context.strokeStyle = this.colours?.ground ?? "white";
      context.stroke();
      this.sprites.set(key, sprite);
    }
    return sprite;
  }

  animate() {
    if (this.isAnimating) return;
    this.isAnimating = true;
    const step = () => {
      const now = performance.now();
      const { width, height } = this.view();
      this.glowContext.clearRect(0, 0, width, height);
      for (const [row, { until }] of this.glows) {
        const left = (until - now) / GLOW_MS;
        if (left <= 0) this.glows.delete(row);
        else this.ring(this.glowContext, row, this.radius(row) + (this.isStill ? 6 : 4 + 18 * (1 - left)), left);
      }
      this.isAnimating = this.glows.size > 0 && !document.hidden;
      if (this.isAnimating) requestAnimationFrame(step);
    };
    requestAnimationFrame(step);
  }

  /** @param {CanvasRenderingContext2D} context @param {number} row @param {number} radius @param {number} strength */
  ring(context, row, radius, strength) {
    const { scale, left, top } = this.view();
    context.globalAlpha = strength;
    context.beginPath();
    context.arc(this.points[2 * row] * scale - left, this.points[2 * row + 1] * scale - top, radius, 0, 2 * Math.PI);
    context.lineWidth = 3;
    context.strokeStyle = this.colours?.accent ?? "red";
    context.stroke();
    context.globalAlpha = 1;
  }

  /** The row of the dot there; -1 for none. @param {number} x @param {number} y */
  rowAt(x, y) {
    const { scale, left, top } = this.view();
    let found = -1;
    let nearest = REACH * REACH;
    for (let row = 0; row < this.points.length / 2; row++) {
      const dx = this.points[2 * row] * scale - left - x;
      const dy = this.points[2 * row + 1] * scale - top - y;
      if (dx * dx + dy * dy < nearest) {
        nearest = dx * dx + dy * dy;
        found = row;
      }
    }
    return found;
  }
}

/** Hues that are far from each other, one after the other. @param {number} category */
function colourOf(category) {
  return `hsl(${Math.round((category * 137.5 + 200) % 360)} 55% 48%)`;
}
