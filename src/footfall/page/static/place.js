/** A place: what is known of it, and what has happened there. */

import { ask, askMaybe } from "./api.js";
import { bars } from "./chart.js";
import { config } from "./config.js";
import { closing, element, lineTo, nothing } from "./dom.js";
import { counted, grouped, stars, when } from "./format.js";
import { learnNames, userName } from "./names.js";

/** check-ins that are listed, and who is there; how many of these are counted */
const LISTED = 5;
const COUNTED = 1000;
const DAYS = ["Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"];

/**
 * What the view of a place holds. Throws ApiError.
 * @param {number} id
 * @returns {Promise<HTMLElement[]>}
 */
export async function placeView(id) {
  const [place, present, hourly, newest] = await Promise.all([
    ask(`api/location/${id}?withDetails=true`),
    askMaybe(`api/location/${id}/now?limit=${COUNTED}`),
    askMaybe(`api/location/${id}/hourly`),
    askMaybe(`api/location/${id}/checkins?limit=${LISTED}`),
  ]);
  await learnNames([...(newest ?? []), ...(present ?? []).slice(0, LISTED)].map((/** @type {any} */ { userId }) => userId));
  const parts = [
    closing(),
    element("h2", place.name ?? `Place ${id}`),
    element("p", place.category ?? "no category", { class: "quiet" }),
    element("p", stars(place.averageStars), { class: "stars", role: "img", "aria-label": `${place.averageStars} of 5 stars` }),
    element("p", counted(place.numCheckins, "check-in"), { class: "count" }),
  ];
  if (config.receiver) parts.push(element("a", "Check in here", { href: `#/checkin/${id}`, class: "action" }));
  if (present) parts.push(element("h3", "Here in the last three hours"), element("p", whoIsHere(present)));
  if (hourly) {
    const counts = hourly.map((/** @type {any} */ { numCheckins }) => numCheckins);
    const most = counts.length ? Math.max(...counts) : 0;
    parts.push(element("h3", "Last week by hour"), /** @type {any} */ (bars(counts, `Check-ins per hour of the last week; ${grouped(most)} in the busiest`)));
  }
  if (newest) parts.push(element("h3", "Newest check-ins"), element("ol", newest.length ? newest.map(line) : [nothing("None yet.")]));
  return place.details ? [...parts, ...details(place.details)] : parts;
}

/** The first by name, and how many more. @param {{ userId: number }[]} present @returns {(Node | string)[]} */
function whoIsHere(present) {
  if (!present.length) return ["Nobody."];
  const links = present.slice(0, LISTED).map(({ userId }) => element("a", userName(userId), { href: `#/user/${userId}` }));
  const more = present.length - links.length;
  const orMore = present.length === COUNTED ? " or more" : "";
  return [...links.flatMap((link, place) => (place ? [", ", link] : [link])), more ? ` and ${grouped(more)}${orMore} more.` : "."];
}

/** @param {any} checkIn */
function line({ userId, starRating, timestamp }) {
  return lineTo(`#/user/${userId}`, [userName(userId)], stars(starRating), when(timestamp));
}

/** @param {any} details @returns {HTMLElement[]} */
function details({ description, hours, website, phone, socials }) {
  const today = (new Date().getDay() + 6) % 7; // 0 is Monday
  const rows = hours.map((/** @type {any} */ { day, hours: open }) =>
    element("tr", [element("th", DAYS[day], { scope: "row" }), element("td", open)], day === today ? { class: "today" } : {}),
  );
  const parts = [element("h3", "About"), element("p", description ?? "")];
  for (const { name, handle } of socials ?? []) parts.push(element("p", `${name}: ${handle}`));
  if (phone) parts.push(element("p", phone));
  // only what a browser would open as a page: the text comes from whoever has loaded the place
  if (/^https?:\/\//.test(website ?? "")) parts.push(element("p", [element("a", website.replace(/^https?:\/\//, ""), { href: website, rel: "noopener noreferrer", target: "_blank" })]));
  if (rows.length) parts.push(element("h3", "Opening hours"), element("table", [element("tbody", rows)]));
  return parts;
}
