/** The busiest places and users. */

import { ask } from "./api.js";
import { closing, element, lineTo, nothing } from "./dom.js";
import { grouped } from "./format.js";

/** of each */
const LISTED = 10;

/** Throws ApiError. @param {import("./places.js").Places} places @returns {Promise<HTMLElement[]>} */
export async function busiestView(places) {
  const users = await ask(`api/users/bycheckins?limit=${LISTED}`);
  const rows = places.busiest(LISTED);
  const placeLines = rows.map((row) => lineTo(`#/location/${places.ids[row]}`, [places.name(places.ids[row])], grouped(places.checkins[row])));
  const userLines = users.map((/** @type {any} */ user) =>
    lineTo(`#/user/${user.id}`, [[user.firstName, user.lastName].filter(Boolean).join(" ") || `User ${user.id}`], grouped(user.numCheckins)),
  );
  return [
    closing(),
    element("h2", "Busiest"),
    element("h3", "Places, by check-ins"),
    element("ol", placeLines.length ? placeLines : [nothing("There are no places yet.")]),
    element("h3", "Users, by check-ins"),
    element("ol", userLines.length ? userLines : [nothing("There are no users yet.")]),
    findUser(),
  ];
}

/** A user by id. */
function findUser() {
  const input = /** @type {HTMLInputElement} */ (element("input", "", { id: "user-id", inputmode: "numeric", pattern: "[0-9]+", required: "" }));
  const form = element("form", [element("label", "Find a user by id", { for: "user-id" }), input, element("button", "Show")], { class: "row" });
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    location.hash = `#/user/${input.value}`;
  });
  return form;
}
