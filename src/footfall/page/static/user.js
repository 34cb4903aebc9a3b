/** A user: counters, and where the newest check-ins were. */

import { ask, askMaybe } from "./api.js";
import { closing, element, lineTo, nothing } from "./dom.js";
import { counted, grouped, stars, when } from "./format.js";

/** check-ins of the path, and of the list */
const ON_PATH = 100;
const LISTED = 20;

/**
 * What the view of a user holds, and the ids of the places of the newest check-ins, the newest first. Throws ApiError.
 * @param {number} id
 * @param {import("./places.js").Places} places
 * @returns {Promise<{ parts: HTMLElement[], path: number[] }>}
 */
export async function userView(id, places) {
  const [user, newest] = await Promise.all([ask(`api/user/${id}`), askMaybe(`api/user/${id}/checkins?limit=${ON_PATH}`)]);
  const name = [user.firstName, user.lastName].filter(Boolean).join(" ") || `User ${id}`;
  const parts = [closing(), element("h2", name), element("p", `User ${id}`, { class: "quiet" })];
  parts.push(element("p", counted(user.numCheckins, "check-in"), { class: "count" }));
  if (user.lastCheckin) parts.push(element("p", `Last seen ${when(user.lastCheckin)} at ${places.name(user.lastSeenAt)}`));
  if (newest) {
    const lines = newest.slice(0, LISTED).map((/** @type {any} */ one) => lineTo(`#/location/${one.locationId}`, [places.name(one.locationId)], stars(one.starRating), when(one.timestamp)));
    parts.push(element("h3", "Newest check-ins"));
    if (newest.length > 1) parts.push(element("p", `The line on the map joins the newest ${grouped(newest.length)}.`, { class: "quiet" }));
    parts.push(element("ol", lines.length ? lines : [nothing("None yet.")]));
  }
  return { parts, path: (newest ?? []).map((/** @type {any} */ one) => one.locationId) };
}
