/** The card of a place: what is known of it, and what has happened there. */

import { ask, askMaybe } from "./api.js";
import { clock, grouped, stars } from "./format.js";

/** @param {string} name @param {string} [text] @param {string} [kind] @returns {HTMLElement} */
export function element(name, text = "", kind = "") {
  const made = document.createElement(name);
  made.textContent = text;
  if (kind) made.className = kind;
  return made;
}

/**
 * Fill the card with a place. Throws ApiError.
 * @param {HTMLElement} card
 * @param {number} id
 * @param {() => void} onClose
 */
export async function showPlace(card, id, onClose) {
  const [place, present, hourly, newest] = await Promise.all([
    ask(`api/location/${id}?withDetails=true`),
    askMaybe(`api/location/${id}/now`),
    askMaybe(`api/location/${id}/hourly`),
    askMaybe(`api/location/${id}/checkins?limit=5`),
  ]);
  const close = element("button", "Close");
  close.addEventListener("click", onClose);
  const parts = [
    close,
    element("h3", place.name ?? `Place ${id}`),
    element("p", place.category ?? "no category"),
    element("p", stars(place.averageStars), "stars"),
    element("p", `${grouped(place.numCheckins)} check-ins`, "count"),
  ];
  parts[3].setAttribute("aria-label", `${place.averageStars} of 5 stars`);
  parts[3].setAttribute("role", "img");
  if (present) parts.push(element("p", `${grouped(present.length)} here in the last three hours`));
  if (hourly) parts.push(chart(hourly));
  if (place.details) parts.push(element("p", place.details.description), element("p", today(place.details.hours)));
  if (newest && newest.length) {
    parts.push(element("p", `Last: ${clock(newest[0].timestamp)}`));
  }
  card.replaceChildren(...parts);
  card.hidden = false;
}

/** @param {{ day: number, hours: string }[]} hours 0 is Monday @returns {string} */
function today(hours) {
  const found = hours.find(({ day }) => day === (new Date().getDay() + 6) % 7);
  return found ? `Today: ${found.hours}` : "";
}

/** Bars of check-ins per hour. @param {{ timestamp: number, numCheckins: number }[]} hours @returns {Element} */
function chart(hours) {
  const namespace = "http://www.w3.org/2000/svg";
  const svg = document.createElementNS(namespace, "svg");
  const most = Math.max(1, ...hours.map(({ numCheckins }) => numCheckins));
  svg.setAttribute("viewBox", `0 0 ${hours.length} 40`);
  svg.setAttribute("preserveAspectRatio", "none");
  svg.setAttribute("role", "img");
  svg.setAttribute("aria-label", `Check-ins per hour of the last week; ${grouped(most)} in the busiest`);
  hours.forEach(({ numCheckins }, place) => {
    const bar = document.createElementNS(namespace, "rect");
    const height = (40 * numCheckins) / most;
    for (const [name, value] of Object.entries({ x: place, y: 40 - height, width: 0.85, height })) bar.setAttribute(name, String(value));
    svg.append(bar);
  });
  return svg;
}
