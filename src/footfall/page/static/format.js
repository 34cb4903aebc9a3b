/** Numbers and times as people read them, in the viewer's own zone. */

const numbers = new Intl.NumberFormat();
const times = new Intl.DateTimeFormat(undefined, { timeStyle: "medium" });

/** @param {number} value @returns {string} */
export function grouped(value) {
  return numbers.format(value);
}

/** @param {number} ms since 1970 @returns {string} */
export function clock(ms) {
  return times.format(ms);
}

/** Three of five as filled and empty stars. @param {number} count @returns {string} */
export function stars(count) {
  return "★".repeat(count) + "☆".repeat(5 - count);
}
