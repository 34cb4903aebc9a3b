/** All places, by column, as `GET /api/locations/map` has them; and finding one by its name. */

import { ask } from "./api.js";

export class Places {
  constructor() {
    /** @type {number[]} */ this.ids = [];
    /** @type {(string | null)[]} */ this.names = [];
    /** @type {(string | null)[]} */ this.categories = [];
    /** @type {number[]} */ this.category = [];
    /** @type {number[]} */ this.longitudes = [];
    /** @type {number[]} */ this.latitudes = [];
    /** @type {number[]} */ this.checkins = [];
    /** @type {Map<number, number>} id to row */
    this.rows = new Map();
    this.complete = true;
  }

  /** Read all of them; what was counted meanwhile is in the answer. */
  async load() {
    const found = await ask("api/locations/map");
    this.ids = found.ids;
    this.names = found.names;
    this.categories = found.categories;
    this.category = found.category;
    this.longitudes = found.longitudes;
    this.latitudes = found.latitudes;
    this.checkins = found.numCheckins;
    this.complete = found.complete;
    this.rows = new Map(this.ids.map((id, row) => [id, row]));
  }

  /** @param {number} id @returns {string} */
  name(id) {
    const row = this.rows.get(id);
    return (row === undefined ? null : this.names[row]) ?? `Place ${id}`;
  }

  /** Rows of the places with the most check-ins. @param {number} most @returns {number[]} */
  busiest(most) {
    return this.checkins
      .map((_, row) => row)
      .sort((one, other) => this.checkins[other] - this.checkins[one])
      .slice(0, most);
  }

  /**
   * Rows whose name or category has the text, the busiest first.
   * @param {string} text @param {number} most @returns {number[]}
   */
  find(text, most) {
    const wanted = text.trim().toLocaleLowerCase();
    if (!wanted) return [];
    const found = [];
    for (let row = 0; row < this.ids.length && found.length < most; row++) {
      const category = this.categories[this.category[row]] ?? "";
      if (`${this.names[row] ?? ""} ${category}`.toLocaleLowerCase().includes(wanted)) found.push(row);
    }
    return found;
  }
}
