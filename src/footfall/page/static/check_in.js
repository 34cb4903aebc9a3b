/** Checking in from the page: as the user who is signed in or, without sign-in, as any. */

import { ApiError, ask, send } from "./api.js";
import { config } from "./config.js";
import { closing, element } from "./dom.js";
import { counted, duration } from "./format.js";
import { learnNames, userName } from "./names.js";

/** how long, and how often, it is looked for what has become of a check-in */
const WAIT_MS = 10_000;
const LOOK_MS = 250;

/** who checked in last, when nobody signs in @type {number | null} */
let lastUser = null;

/** @returns {Promise<{ id: number, firstName: string, lastName: string } | null>} */
async function whoIsSignedIn() {
  try {
    return await ask("api/me");
  } catch (error) {
    if (error instanceof ApiError && error.status === 401) return null;
    throw error;
  }
}

/**
 * What the view of checking in at a place holds. Throws ApiError.
 * @param {number} id
 * @param {import("./places.js").Places} places
 * @param {() => void} again shows this view again
 * @returns {Promise<HTMLElement[]>}
 */
export async function checkInView(id, places, again) {
  const head = [closing(), element("h2", "Check in"), element("p", places.name(id), { class: "count" })];
  if (!config.receiver) return [...head, element("p", "This page does not know where the receiver is: the setting receiver_url says so.")];
  if (!config.signIn) return [...head, form(id, await anyUser())];
  const me = await whoIsSignedIn();
  if (!me) return [...head, element("p", "Check-ins are taken from users who have signed in."), signInForm(again)];
  const leave = element("button", "Sign out", { type: "button", class: "quiet" });
  leave.addEventListener("click", async () => {
    await send(`${config.auth}/logout`).catch(() => undefined); // shown again, it says who is signed in
    again();
  });
  const who = element("p", [`Signed in as ${me.firstName ?? ""} ${me.lastName ?? ""}`.trim(), " ", leave]);
  return [...head, who, form(id, null, me.id)];
}

/** Somebody who is there. @returns {Promise<number>} */
async function anyUser() {
  lastUser ??= (await ask("api/users/bycheckins?limit=1"))[0]?.id ?? 1;
  return /** @type {number} */ (lastUser);
}

/** @param {() => void} done */
function signInForm(done) {
  const email = /** @type {HTMLInputElement} */ (element("input", "", { id: "email", type: "email", autocomplete: "username", required: "" }));
  const password = /** @type {HTMLInputElement} */ (element("input", "", { id: "password", type: "password", autocomplete: "current-password", required: "" }));
  const said = element("p", "", { role: "status", class: "said" });
  const fields = [element("label", "E-mail", { for: "email" }), email, element("label", "Password", { for: "password" }), password];
  const made = element("form", [...fields, element("button", "Sign in", { class: "action" }), said]);
  made.addEventListener("submit", async (event) => {
    event.preventDefault();
    say(said, "Signing in …");
    try {
      await send(`${config.auth}/login`, { email: email.value, password: password.value });
      done();
    } catch (error) {
      if (!(error instanceof ApiError)) throw error;
      say(said, error.status === 401 ? "E-mail or password is wrong." : refusal(error), true);
    }
  });
  return made;
}

/**
 * @param {number} locationId @param {number | null} anybody who is proposed, when anybody may be chosen
 * @param {number} [signedIn]
 */
function form(locationId, anybody, signedIn = 0) {
  const user = /** @type {HTMLInputElement} */ (element("input", "", { id: "as-user", inputmode: "numeric", pattern: "[0-9]+", required: "", value: String(anybody) }));
  const said = element("p", "", { role: "status", class: "said" });
  const choices = [1, 2, 3, 4, 5].map((count) => {
    const input = element("input", "", { type: "radio", name: "stars", value: String(count), id: `stars-${count}`, ...(count === 4 ? { checked: "" } : {}) });
    return element("label", [input, element("span", "★", { "aria-hidden": "true" }), element("span", count === 1 ? "1 star" : `${count} stars`, { class: "unseen" })]);
  });
  const made = element("form", [
    ...(anybody === null ? [] : [element("label", "As user", { for: "as-user" }), user]),
    element("fieldset", [element("legend", "Stars"), element("div", choices, { class: "choose-stars" })]),
    element("button", "Check in", { class: "action" }),
    said,
  ]);
  let key = newKey();
  made.addEventListener("submit", async (event) => {
    event.preventDefault();
    const userId = signedIn || Number(user.value);
    if (!signedIn) lastUser = userId;
    const starRating = Number(new FormData(/** @type {HTMLFormElement} */ (made)).get("stars"));
    say(said, "Sending …");
    try {
      const before = (await ask(`api/location/${locationId}`)).numCheckins;
      await send(`${config.receiver}/api/checkin`, { userId, locationId, starRating }, { "Idempotency-Key": key });
      key = newKey();
      await learnNames([userId]);
      say(said, `Taken: ${userName(userId)} was here. Counting …`);
      await seeCounted(said, locationId, before);
    } catch (error) {
      if (!(error instanceof ApiError)) throw error;
      // without an answer nobody knows whether it was taken: with the same key it counts once
      if (error.status) key = newKey();
      say(said, error.status ? refusal(error) : "No answer came: it may have been taken. Check in again: it counts only once.", true);
    }
  });
  for (const name of ["input", "change"]) made.addEventListener(name, () => (key = newKey()));
  return made;
}

/** @param {HTMLElement} said @param {number} locationId @param {number} before */
async function seeCounted(said, locationId, before) {
  for (const end = Date.now() + WAIT_MS; Date.now() < end; ) {
    const { numCheckins } = await ask(`api/location/${locationId}`);
    if (numCheckins > before) {
      say(said, `Taken and counted: ${counted(numCheckins, "check-in")} here now.`);
      return;
    }
    await new Promise((resolve) => setTimeout(resolve, LOOK_MS));
  }
  say(said, `Taken; it was not counted within ${duration(WAIT_MS)}. It is kept, and will be.`, true);
}

/** @param {HTMLElement} said @param {string} text @param {boolean} [isBad] */
function say(said, text, isBad = false) {
  said.textContent = text;
  said.classList.toggle("bad", isBad);
}

/** Why not, in plain words. @param {ApiError} error */
function refusal({ status, message, retryAfter }) {
  const soon = retryAfter ? ` Try again in ${duration(1000 * retryAfter)}.` : "";
  if (status === 401) return "Not taken: sign in first.";
  if (status === 409) return `Not taken: ${message}.`;
  if (status === 429) return `Not taken: that was too often.${soon}`;
  if (status === 503) return `Not taken at the moment: ${message}.${soon}`;
  return `Not taken: ${message}.`;
}

/** An Idempotency-Key. */
function newKey() {
  return Array.from(crypto.getRandomValues(new Uint8Array(16)), (byte) => byte.toString(16).padStart(2, "0")).join("");
}
