/** The map: land, the ground that glows, a dot for every place, and rings where somebody has just checked in. */

import * as leaflet from "./leaflet-src.esm.js";
import { config } from "./config.js";
import { Dots } from "./dots.js";
import { Heat } from "./heat.js";
import { Land } from "./land.js";
import { fit, layer, move } from "./layers.js";
import { eastOf, southOf } from "./mercator.js";
import { Points } from "./points.js";
import { Rings } from "./rings.js";

/** pixels within which a click is meant for a dot */
const REACH = 14;
/** ms between two steps of what cools down, after which dots that have grown are drawn, too */
const STEP_MS = 1000;
/** pixels that are drawn beyond what is seen, so that a map that is moved need not be drawn for each frame */
const MARGIN = 120;
/** how much larger what was drawn may be shown, until it is drawn again */
const MAX_GROWTH = 2;
/** zoom at which a place is shown */
const CLOSE = 12;

export class LiveMap {
  /**
   * @param {HTMLElement} element
   * @param {import("./places.js").Places} places
   * @param {(id: number) => void} onChoose
   */
  constructor(element, places, onChoose) {
    this.places = places;
    this.map = leaflet.map(element, { zoomAnimation: false, fadeAnimation: false, zoomSnap: 0.5, minZoom: 1, maxZoom: 18 });
    this.map.setView([20, 0], 2);
    this.map.attributionControl.setPrefix(config.tiles ? false : "Land: Natural Earth");
    if (config.tiles) {
      const made = document.createElement("span");
      made.textContent = config.attribution; // the library takes HTML
      leaflet.tileLayer(config.tiles, { attribution: made.innerHTML }).addTo(this.map);
    }
    this.points = new Points(places);
    this.land = new Land(layer(element, "land"));
    this.heat = new Heat(layer(element, "heat"), this.points);
    this.dots = new Dots(layer(element, "dots"), this.points);
    this.rings = new Rings(layer(element, "glow"), this.points, () => this.view());
    this.isDrawing = false;
    /** what was drawn last, with its margin */
    this.drawn = this.view(MARGIN);
    /** whether a dot has grown since it was drawn */
    this.hasGrown = false;
    this.map.on("move zoom", () => this.follow());
    this.map.on("moveend zoomend resize", () => this.redraw());
    this.map.on("click", ({ containerPoint: { x, y } }) => {
      const row = this.points.nearest(x, y, REACH, this.view());
      if (row >= 0) onChoose(places.ids[row]);
    });
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => this.recolour());
    this.recolour();
    setInterval(() => this.step(), STEP_MS);
  }

  /** Draw the land, as soon as it is here. */
  async loadLand() {
    if (config.tiles) return;
    await this.land.load();
    this.redraw();
  }

  /** Show the places as they are now, and go where they are the first time. @param {boolean} go */
  show(go) {
    this.points.place();
    if (go && this.points.count) this.goTo(this.places.ids.map((_, row) => row), { padding: 0.05 });
    this.redraw();
  }

  /** Somebody has checked in at the place of this row: count and show it. @param {number} row */
  light(row) {
    const now = this.points.radius(row);
    this.places.checkins[row]++;
    this.hasGrown ||= this.points.radius(row) !== now;
    if (document.hidden) return;
    this.heat.add(row);
    this.rings.add(row);
  }

  /** Mark the place of this row, and go there; -1: none. @param {number} row */
  choose(row) {
    this.dots.chosen = row;
    if (row >= 0) {
      const { latitudes, longitudes } = this.places;
      this.map.setView([latitudes[row], longitudes[row]], Math.max(this.map.getZoom(), CLOSE), { animate: false });
    }
    this.redraw();
  }

  /** Join these places by a line, the newest first, and show all of them. @param {number[]} rows */
  join(rows) {
    this.dots.path = rows;
    if (rows.length) this.goTo(rows, { padding: 0.2, maxZoom: 14 });
    this.redraw();
  }

  // --- private

  /** @param {number[]} rows @param {{ padding: number, maxZoom?: number }} how */
  goTo(rows, { padding, maxZoom }) {
    const { latitudes, longitudes } = this.places;
    const bounds = leaflet.latLngBounds(rows.map((row) => [latitudes[row], longitudes[row]]));
    this.map.fitBounds(bounds.pad(padding), { animate: false, maxZoom });
  }

  /** A second later. */
  step() {
    if (document.hidden) return;
    if (this.heat.hot.size) {
      this.heat.coolDown();
      this.heat.draw(this.drawn);
    }
    if (this.hasGrown) {
      this.hasGrown = false;
      this.dots.draw(this.drawn);
    }
  }

  recolour() {
    const style = getComputedStyle(document.documentElement);
    const [land, shore, accent, ground] = ["land", "shore", "accent", "panel"].map((name) => style.getPropertyValue(`--${name}`).trim());
    this.land.recolour({ land, shore });
    this.heat.recolour({ accent });
    this.dots.recolour({ accent, ground });
    this.rings.recolour({ accent });
    this.redraw();
  }

  /** What part of the world is seen, in its pixels at this zoom. @param {number} [margin] @returns {import("./layers.js").View} */
  view(margin = 0) {
    const { x, y } = this.map.getSize();
    const scale = 256 * 2 ** this.map.getZoom();
    const { lng, lat } = this.map.getCenter();
    const [width, height] = [x + 2 * margin, y + 2 * margin];
    return { scale, left: eastOf(lng) * scale - width / 2, top: southOf(lat) * scale - height / 2, width, height };
  }

  /** While the map moves, what was drawn moves with it, as long as it reaches. */
  follow() {
    const { drawn } = this;
    const now = this.view();
    const growth = now.scale / drawn.scale;
    const [left, top] = [drawn.left * growth - now.left, drawn.top * growth - now.top];
    const reaches = left <= 0 && top <= 0 && left + drawn.width * growth >= now.width && top + drawn.height * growth >= now.height;
    if (!reaches || growth > MAX_GROWTH) this.redraw();
    else for (const { context } of [this.land, this.heat, this.dots]) move(context, drawn, now);
    this.rings.animate();
  }

  /** Draw all of it in the next frame. */
  redraw() {
    if (this.isDrawing) return;
    this.isDrawing = true;
    requestAnimationFrame(() => {
      this.isDrawing = false;
      const now = this.view();
      this.drawn = this.view(MARGIN);
      this.map.getContainer().dataset.zoom = String(this.map.getZoom());
      for (const drawing of [this.land, this.heat, this.dots]) {
        fit(drawing.context, this.drawn);
        drawing.draw(this.drawn);
        move(drawing.context, this.drawn, now);
      }
      fit(this.rings.context, now);
      this.rings.animate();
    });
  }
}
