/** The live page: what is on it, and what leads where. */

import { ApiError, askMaybe } from "./api.js";
import { busiestView } from "./busiest.js";
import { checkInView } from "./check_in.js";
import { closing, element, lineTo, nothing, part, renew } from "./dom.js";
import { Feed } from "./feed.js";
import { grouped } from "./format.js";
import { LiveMap } from "./map.js";
import { Newest } from "./newest.js";
import { placeView } from "./place.js";
import { Places } from "./places.js";
import { Samples } from "./samples.js";
import { problemsOf, statusView } from "./status.js";
import { userView } from "./user.js";

/** ms between two looks at what is rising, two of the numbers, two tries to begin; until a hidden page listens no more; after
 * which a check-in is counted, most likely */
const TRENDING_MS = 30_000;
const TICK_MS = 1000;
const RETRY_MS = 2000;
const PAUSE_MS = 20_000;
const COUNTED_MS = 1000;
/** places that a search lists */
const FOUND = 8;

const places = new Places();
const map = new LiveMap(part("map"), places, (id) => (location.hash = `#/location/${id}`));
const newest = new Newest(places);
const samples = new Samples(showHealth);
/** counts the views, so that an answer that comes late is not shown in another */
let view = 0;
/** what is viewed, and whether it will be renewed soon @type {{ kind: string, id: number }} */
let shown = { kind: "", id: 0 };
let isRenewing = false;

/** @param {import("./feed.js").CheckIn} checkIn */
function arrived(checkIn) {
  const row = places.rows.get(checkIn.locationId);
  if (row !== undefined) map.light(row);
  newest.add(checkIn);
  if ((shown.kind === "location" && shown.id === checkIn.locationId) || (shown.kind === "user" && shown.id === checkIn.userId)) renewSoon();
}

/** Show again what is viewed, when the check-in that has come there is counted. */
function renewSoon() {
  if (isRenewing || document.hidden) return;
  isRenewing = true;
  setTimeout(async () => {
    isRenewing = false;
    const mine = view;
    const { parts } = await viewed().catch(() => ({ parts: [] })); // what stands there stays
    if (mine === view && parts.length) renew(part("view"), parts);
  }, COUNTED_MS);
}

async function showTrending() {
  if (document.hidden) return;
  const found = await askMaybe("api/locations/trending?limit=5").catch(() => undefined);
  if (found === undefined) return;
  const rising = (found?.locations ?? []).filter((/** @type {any} */ place) => place.trend > 0);
  const lines = rising.map((/** @type {any} */ { id, trend }) => lineTo(`#/location/${id}`, [element("strong", places.name(id))], `+${grouped(trend)}`));
  part("trending").replaceChildren(...(lines.length ? lines : [nothing("Nothing is rising at the moment.")]));
}

/** Show whether all is well, and the numbers when they are looked at. */
function showHealth() {
  const count = problemsOf(samples).length;
  const link = part("health");
  link.textContent = samples.isLocked ? "How it does" : count ? `${count} to look at` : "All well";
  link.className = count ? "bad" : "";
  // while somebody types a token, nothing is put in its place
  if (samples.isLookedAt && !(samples.isLocked && document.activeElement?.id === "token")) renew(part("view"), statusView(samples));
}

/**
 * What the address names.
 * @returns {Promise<{ parts: HTMLElement[], row?: number, path?: number[] }>}
 */
async function viewed() {
  const [, kind = "", id = ""] = /^#\/(\w+)(?:\/(\d+))?$/.exec(location.hash) ?? [];
  const number = Number(id);
  shown = { kind, id: number };
  if (kind === "location" && id) return { parts: await placeView(number), row: places.rows.get(number) };
  if (kind === "checkin" && id) return { parts: await checkInView(number, places, () => route()), row: places.rows.get(number) };
  if (kind === "user" && id) return userView(number, places);
  if (kind === "busiest") return { parts: await busiestView(places) };
  if (kind === "status") return { parts: statusView(samples) };
  if (kind) throw new ApiError(404, "");
  return { parts: [] };
}

/** Show what the address names. @param {Event} [event] of somebody who goes there: a screen reader goes along */
async function route(event) {
  const mine = ++view;
  const kind = location.hash.split("/")[1] ?? "";
  const card = part("view");
  for (const link of document.querySelectorAll("nav a")) {
    if (link.getAttribute("href") === `#/${kind}`) link.setAttribute("aria-current", "page");
    else link.removeAttribute("aria-current");
  }
  samples.isLookedAt = kind === "status";
  let parts, row, path;
  try {
    ({ parts, row = -1, path = [] } = await viewed());
  } catch (error) {
    if (!(error instanceof ApiError)) throw error;
    const what = { location: "place", user: "user" }[kind];
    const missing = what ? `There is no ${what} ${location.hash.split("/")[2]}.` : "There is nothing at this address.";
    [parts, row, path] = [[closing(), element("p", error.status === 404 ? missing : `Not shown: ${error.message}.`)], -1, []];
  }
  if (mine !== view) return;
  card.replaceChildren(...parts);
  card.hidden = !parts.length;
  card.scrollIntoView({ block: "nearest" });
  const title = card.querySelector("h2");
  document.title = title ? `${title.textContent} - Footfall live` : "Footfall live";
  if (event && title) {
    title.tabIndex = -1;
    title.focus({ preventScroll: true });
  }
  map.join(path.flatMap((id) => places.rows.get(id) ?? []));
  map.choose(row);
  if (samples.isLookedAt) samples.look();
}

function search() {
  const found = part("found");
  const rows = places.find(/** @type {HTMLInputElement} */ (part("query")).value, FOUND);
  found.hidden = !rows.length;
  found.replaceChildren(
    ...rows.map((row) => lineTo(`#/location/${places.ids[row]}`, [element("strong", places.name(places.ids[row]))], places.categories[places.category[row]] ?? "")),
  );
}

/** @param {import("./feed.js").State} state */
function say(state) {
  const text = { connecting: "Connecting …", live: "Live", away: "The service is away; connecting again …", paused: "Paused" };
  part("state").textContent = text[state];
  part("state").className = state;
}

/** Read the places, as soon as they can be read. */
async function loadPlaces() {
  for (;;) {
    try {
      await places.load();
      break;
    } catch (error) {
      if (!(error instanceof ApiError)) throw error;
      say("away");
      await new Promise((resolve) => setTimeout(resolve, RETRY_MS));
    }
  }
  part("places").textContent = grouped(places.ids.length);
  part("hint").hidden = places.ids.length > 0;
}

/** A page that nobody sees listens to nothing; seen again, it has the counts of then. @param {Feed} feed */
function restWhileHidden(feed) {
  let timer = 0;
  document.addEventListener("visibilitychange", async () => {
    clearTimeout(timer);
    if (document.hidden) timer = setTimeout(() => feed.pause(), PAUSE_MS);
    else if (!feed.source) {
      await loadPlaces();
      map.show(false);
      feed.resume();
      await Promise.all([showTrending(), samples.look()]);
    }
  });
}

async function start() {
  map.loadLand().catch(() => undefined); // it does without
  await loadPlaces();
  map.show(true);
  const feed = new Feed(arrived, say, async () => {
    await loadPlaces();
    map.show(false);
  });
  restWhileHidden(feed);
  setInterval(() => !document.hidden && newest.show(), TICK_MS);
  setInterval(showTrending, TRENDING_MS);
  addEventListener("hashchange", route);
  part("query").addEventListener("input", search);
  part("search").addEventListener("submit", (event) => {
    event.preventDefault();
    /** @type {HTMLAnchorElement | null} */ (part("found").querySelector("a"))?.click();
  });
  await Promise.all([route(), showTrending(), samples.look()]);
}

start();
