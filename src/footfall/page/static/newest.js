/** The list of check-ins as they come. */

import { element, lineTo, part } from "./dom.js";
import { clock, grouped, stars } from "./format.js";
import { learnNames, userName } from "./names.js";

/** lines, at most */
const LINES = 30;

/** @typedef {import("./feed.js").CheckIn} CheckIn */

export class Newest {
  /** @param {import("./places.js").Places} places */
  constructor(places) {
    this.places = places;
    /** @type {CheckIn[]} the newest last, not yet shown */
    this.waiting = [];
    this.lately = 0;
    this.seen = 0;
  }

  /** @param {CheckIn} checkIn */
  add(checkIn) {
    this.seen++;
    this.lately++;
    this.waiting.push(checkIn);
    if (this.waiting.length > LINES) this.waiting.shift();
  }

  /** Show what has come since the last time; more than fits is counted. */
  async show() {
    part("rate").textContent = grouped(this.lately);
    part("seen").textContent = grouped(this.seen);
    const skipped = this.lately - this.waiting.length;
    const shown = this.waiting.reverse();
    this.lately = 0;
    this.waiting = [];
    if (!shown.length) return;
    await learnNames(shown.map(({ userId }) => userId));
    part("skipped").hidden = skipped <= 0;
    part("skipped").textContent = `${grouped(skipped)} more in this second: only the newest are listed.`;
    const list = part("feed");
    list.querySelector(".empty")?.remove();
    list.prepend(...shown.map((checkIn) => this.line(checkIn)));
    while (list.children.length > LINES) list.lastElementChild?.remove();
  }

  /** @private @param {CheckIn} checkIn */
  line({ id, timestamp, userId, locationId, starRating }) {
    const what = [element("strong", this.places.name(locationId)), element("span", userName(userId), { class: "who" })];
    const line = lineTo(`#/location/${locationId}`, what, stars(starRating), clock(timestamp));
    line.dataset.entry = id;
    return line;
  }
}
