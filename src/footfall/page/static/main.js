/** The live page: what is on it, and what leads where. */

import { ApiError, ask, askMaybe } from "./api.js";
import { element, showPlace } from "./card.js";
import { Feed } from "./feed.js";
import { clock, grouped, stars } from "./format.js";
import { LiveMap } from "./map.js";
import { Places } from "./places.js";

/** lines of the feed */
const LINES = 30;
/** ms between two looks at what is rising, and two of the numbers */
const TRENDING_MS = 30000;
const TICK_MS = 1000;

/** @param {string} id @returns {HTMLElement} */
const part = (id) => /** @type {HTMLElement} */ (document.getElementById(id));

const places = new Places();
const map = new LiveMap(part("map"), places, (id) => (location.hash = `#/location/${id}`));
/** @type {import("./feed.js").CheckIn[]} the newest first, not yet shown */
let waiting = [];
let seen = 0;
let lately = 0;
/** @type {Map<number, string>} names of users, the newest last */
const names = new Map();

/** @param {import("./feed.js").CheckIn} checkIn */
function arrived(checkIn) {
  seen++;
  lately++;
  const row = places.rows.get(checkIn.locationId);
  if (row !== undefined) {
    places.checkins[row]++;
    map.light(row);
  }
  waiting.unshift(checkIn);
  if (waiting.length > LINES) waiting.length = LINES;
}

/** Show what has come since the last time; more than fits is counted. */
async function showFeed() {
  part("rate").textContent = grouped(lately);
  part("seen").textContent = grouped(seen);
  const skipped = lately - waiting.length;
  lately = 0;
  if (!waiting.length || document.hidden) return;
  const shown = waiting;
  waiting = [];
  await learnNames(shown.map(({ userId }) => userId));
  part("skipped").hidden = skipped <= 0;
  part("skipped").textContent = `${grouped(skipped)} more in this second: only the newest are listed.`;
  const feed = part("feed");
  feed.querySelector(".empty")?.remove();
  feed.prepend(...shown.map(line));
  while (feed.children.length > LINES) feed.lastElementChild?.remove();
}

/** @param {import("./feed.js").CheckIn} checkIn @returns {HTMLElement} */
function line({ id, timestamp, userId, locationId, starRating }) {
  const item = element("li");
  item.dataset.entry = id;
  const link = /** @type {HTMLAnchorElement} */ (element("a"));
  link.href = `#/location/${locationId}`;
  const what = element("span");
  what.append(element("strong", places.name(locationId)), ` ${names.get(userId) ?? `User ${userId}`}`);
  link.append(what, element("small", `${stars(starRating)} ${clock(timestamp)}`));
  item.append(link);
  return item;
}

/** One request for all names that are not known yet. @param {number[]} ids */
async function learnNames(ids) {
  const wanted = [...new Set(ids)].filter((id) => !names.has(id));
  if (!wanted.length) return;
  try {
    for (const { id, fullName } of await ask(`api/users/names?ids=${wanted.join(",")}`)) if (fullName) names.set(id, fullName);
  } catch (error) {
    if (!(error instanceof ApiError)) throw error; // their ids do, too
  }
  while (names.size > 5000) names.delete(/** @type {number} */ (names.keys().next().value));
}

async function showTrending() {
  if (document.hidden) return;
  const found = await askMaybe("api/locations/trending?limit=5").catch(() => undefined);
  if (found === undefined) return;
  const lines = (found?.locations ?? []).filter((/** @type {any} */ place) => place.trend > 0).map((/** @type {any} */ place) => {
    const item = element("li");
    const link = /** @type {HTMLAnchorElement} */ (element("a"));
    link.href = `#/location/${place.id}`;
    link.append(element("strong", places.name(place.id)), element("small", `+${grouped(place.trend)}`));
    item.append(link);
    return item;
  });
  part("trending").replaceChildren(...(lines.length ? lines : [element("li", "Nothing is rising at the moment.", "empty")]));
}

/** Show what the address names. */
async function route() {
  const id = Number(/^#\/location\/(\d+)$/.exec(location.hash)?.[1]);
  const card = part("card");
  if (!id) {
    card.hidden = true;
    map.choose(-1);
    return;
  }
  try {
    await showPlace(card, id, () => (location.hash = "#/"));
    map.choose(places.rows.get(id) ?? -1);
  } catch (error) {
    if (!(error instanceof ApiError)) throw error;
    card.replaceChildren(element("p", error.status === 404 ? `There is no place ${id}.` : `Not shown: ${error.message}.`));
    card.hidden = false;
  }
}

function search() {
  const found = part("found");
  const rows = places.find(/** @type {HTMLInputElement} */ (part("query")).value, 8);
  found.hidden = !rows.length;
  found.replaceChildren(
    ...rows.map((row) => {
      const item = element("li");
      const link = /** @type {HTMLAnchorElement} */ (element("a"));
      link.href = `#/location/${places.ids[row]}`;
      link.append(element("strong", places.name(places.ids[row])), element("small", places.categories[places.category[row]] ?? ""));
      item.append(link);
      return item;
    }),
  );
}

/** @param {import("./feed.js").State} state */
function say(state) {
  const text = { connecting: "Connecting …", live: "Live", away: "The service is away; connecting again …" };
  part("state").textContent = text[state];
  part("state").className = state;
}

async function start() {
  map.loadLand().catch(() => undefined); // it does without
  for (;;) {
    try {
      await places.load();
      break;
    } catch {
      say("away");
      await new Promise((resolve) => setTimeout(resolve, 2000));
    }
  }
  part("places").textContent = grouped(places.ids.length);
  map.show(true);
  new Feed(arrived, say);
  setInterval(showFeed, TICK_MS);
  setInterval(showTrending, TRENDING_MS);
  addEventListener("hashchange", route);
  part("query").addEventListener("input", search);
  part("search").addEventListener("submit", (event) => {
    event.preventDefault();
    /** @type {HTMLAnchorElement | null} */ (part("found").querySelector("a"))?.click();
  });
  await Promise.all([route(), showTrending()]);
}

start();
