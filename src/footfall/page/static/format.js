/** Numbers and times as people read them, in the viewer's own zone. */

const numbers = new Intl.NumberFormat();
const rough = new Intl.NumberFormat(undefined, { maximumSignificantDigits: 3 });
const times = new Intl.DateTimeFormat(undefined, { timeStyle: "medium" });
const days = new Intl.DateTimeFormat(undefined, { dateStyle: "medium", timeStyle: "short" });
const DAY_MS = 86_400_000;

/** @param {number} value @returns {string} */
export function grouped(value) {
  return numbers.format(value);
}

/** Three digits are enough of a rate. @param {number} value @returns {string} */
export function roughly(value) {
  return value >= 1000 ? numbers.format(Math.round(value)) : rough.format(value);
}

/** The time of day. @param {number} ms since 1970 @returns {string} */
export function clock(ms) {
  return times.format(ms);
}

/** The same, with the date when it is not of the last day. @param {number} ms since 1970 @returns {string} */
export function when(ms) {
  return Date.now() - ms < DAY_MS ? times.format(ms) : days.format(ms);
}

/** @param {number} ms @returns {string} */
export function duration(ms) {
  if (ms < 1000) return `${roughly(ms)} ms`;
  if (ms < 60_000) return `${roughly(ms / 1000)} s`;
  if (ms < 3_600_000) return `${roughly(ms / 60_000)} min`;
  return `${roughly(ms / 3_600_000)} h`;
}

/** `one check-in`, `2 check-ins`. @param {number} count @param {string} word */
export function counted(count, word) {
  return count === 1 ? `one ${word}` : `${grouped(count)} ${word}s`;
}

/** Three of five as filled and empty stars. @param {number} count @returns {string} */
export function stars(count) {
  return "★".repeat(count) + "☆".repeat(5 - count);
}
