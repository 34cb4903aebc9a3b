/** Where places are on the map, and how large their dots are. */

import { eastOf, southOf } from "./mercator.js";

/** @typedef {import("./layers.js").View} View */

export class Points {
  /** @param {import("./places.js").Places} places */
  constructor(places) {
    this.places = places;
    /** east and south of each row, in parts of the world */
    this.all = new Float64Array(0);
  }

  /** Look at the places anew. */
  place() {
    const { longitudes, latitudes } = this.places;
    this.all = new Float64Array(2 * longitudes.length);
    for (let row = 0; row < longitudes.length; row++) {
      this.all[2 * row] = eastOf(longitudes[row]);
      this.all[2 * row + 1] = southOf(latitudes[row]);
    }
  }

  get count() {
    return this.all.length / 2;
  }

  /** @param {number} row @param {View} view */
  x(row, { scale, left }) {
    return this.all[2 * row] * scale - left;
  }

  /** @param {number} row @param {View} view */
  y(row, { scale, top }) {
    return this.all[2 * row + 1] * scale - top;
  }

  /** Pixels: three to nine, by the order of magnitude of the count. @param {number} row */
  radius(row) {
    return 3 + Math.min(6, Math.round(Math.log10(1 + this.places.checkins[row]) * 1.5));
  }

  /** The row that is nearest, within so many pixels; -1 for none. @param {number} x @param {number} y @param {number} reach @param {View} view */
  nearest(x, y, reach, view) {
    let found = -1;
    let least = reach * reach;
    for (let row = 0; row < this.count; row++) {
      const distance = (this.x(row, view) - x) ** 2 + (this.y(row, view) - y) ** 2;
      if (distance < least) [least, found] = [distance, row];
    }
    return found;
  }
}
