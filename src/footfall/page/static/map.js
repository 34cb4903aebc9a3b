/** The map: land, a dot for every place, and a glow where somebody has just checked in. */

import * as leaflet from "./leaflet-src.esm.js";
import { config } from "./config.js";
import { Land } from "./land.js";
import { eastOf, southOf } from "./mercator.js";

/** @typedef {import("./places.js").Places} Places */

/** ms that a check-in glows */
const GLOW_MS = 2500;
/** glows at once, at most: the newest */
const MAX_GLOWS = 400;
/** pixels: of two dots that lie closer the busier one is drawn */
const CELL = 5;
/** pixels: how far a glow reaches */
const HALO = 26;
/** pixels within which a click is meant for a dot */
const REACH = 14;
/** ms between two drawings of the dots whose counts have changed, and of what happens now */
const RECOUNT_MS = 1000;
/** what is left of a place's heat after each of these; below the least there is none */
const COOLING = 0.93;
const LEAST_HEAT = 0.2;
/** heat at which a place glows as much as any */
const HOTTEST = 30;

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
    this.map.attributionControl.setPrefix(config.tiles ? false : "Land: Natural Earth");
    if (config.tiles) {
      const made = document.createElement("span");
      made.textContent = config.attribution; // the library takes HTML
      leaflet.tileLayer(config.tiles, { attribution: made.innerHTML }).addTo(this.map);
    }
    this.map.setView([20, 0], 2);
    this.landContext = this.canvas(element, "land");
    this.dotContext = this.canvas(element, "dots");
    this.glowContext = this.canvas(element, "glow");
    /** @type {Float64Array} east and south of each row */
    this.points = new Float64Array(0);
    /** @type {Map<number, { row: number, until: number }>} */
    this.glows = new Map();
    /** @type {Map<string, HTMLCanvasElement>} */
    this.sprites = new Map();
    this.chosen = -1;
    /** rows of the places of a user, the newest first @type {number[]} */
    this.path = [];
    /** how much has happened lately, by row @type {Map<number, number>} */
    this.heat = new Map();
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
    setInterval(() => this.coolDown(), RECOUNT_MS);
  }

  /** Draw the land, as soon as it is here. */
  async loadLand() {
    if (config.tiles) return;
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
    this.heat.set(row, Math.min(HOTTEST, (this.heat.get(row) ?? 0) + 1));
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

  /** Join these places by a line, the newest first, and show all of them. @param {number[]} rows */
  join(rows) {
    this.path = rows;
    if (rows.length) {
      const { latitudes, longitudes } = this.places;
      const bounds = leaflet.latLngBounds(rows.map((row) => [latitudes[row], longitudes[row]]));
      this.map.fitBounds(bounds.pad(0.2), { animate: false, maxZoom: 14 });
    }
    this.redraw();
  }

  // --- private

  coolDown() {
    if (document.hidden || (!this.isStale && !this.heat.size)) return;
    for (const [row, heat] of this.heat) {
      if (heat * COOLING < LEAST_HEAT) this.heat.delete(row);
      else this.heat.set(row, heat * COOLING);
    }
    this.drawDots();
  }

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
    for (const [row, heat] of this.heat) {
      const x = this.points[2 * row] * scale - left;
      const y = this.points[2 * row + 1] * scale - top;
      if (x < -HALO || y < -HALO || x > width + HALO || y > height + HALO) continue;
      context.globalAlpha = Math.min(1, 0.15 + heat / HOTTEST);
      context.drawImage(this.halo(), x - HALO, y - HALO, 2 * HALO, 2 * HALO);
    }
    context.globalAlpha = 1;
    this.drawPath(context);
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

  /** @param {CanvasRenderingContext2D} context */
  drawPath(context) {
    if (this.path.length < 2) return;
    const { scale, left, top } = this.view();
    context.beginPath();
    for (const row of this.path) context.lineTo(this.points[2 * row] * scale - left, this.points[2 * row + 1] * scale - top);
    context.lineWidth = 2;
    context.lineJoin = "round";
    context.strokeStyle = this.colours?.accent ?? "red";
    context.stroke();
    this.ring(context, this.path[0], this.radius(this.path[0]) + 5, 1);
  }

  /** What lies under a place where much happens, drawn once. */
  halo() {
    let sprite = this.sprites.get("halo");
    if (!sprite) {
      sprite = document.createElement("canvas");
      sprite.width = sprite.height = 4 * HALO;
      const context = /** @type {CanvasRenderingContext2D} */ (sprite.getContext("2d"));
      const gradient = context.createRadialGradient(2 * HALO, 2 * HALO, 0, 2 * HALO, 2 * HALO, 2 * HALO);
      const accent = this.colours?.accent ?? "#f00";
      gradient.addColorStop(0, `${accent}99`);
      gradient.addColorStop(1, `${accent}00`);
      context.fillStyle = gradient;
      context.fillRect(0, 0, 4 * HALO, 4 * HALO);
      this.sprites.set("halo", sprite);
    }
    return sprite;
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

/** The colour of a category: hues that are far from each other, one after the other. @param {number} category */
export function colourOf(category) {
  return `hsl(${Math.round((category * 137.5 + 200) % 360)} 45% 48%)`;
}
