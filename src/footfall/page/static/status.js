/** How all of it does: numbers, lines, and what to do when something is wrong. */

import { line } from "./chart.js";
import { closing, element } from "./dom.js";
import { counted, duration, grouped, roughly } from "./format.js";
import { SPAN_MS, sum } from "./samples.js";

/** ms that a line is of, at least */
const LEAST_MS = 60_000;
/** ms for which an entry may wait, and calls may take, without anything being wrong */
const LATE_MS = 10_000;
const SLOW_MS = 500;

/** @typedef {import("./samples.js").Samples} Samples */
/** @typedef {import("./samples.js").Sample} Sample */

/** What is wrong, each with what to do about it. @param {Samples} samples @returns {string[]} */
export function problemsOf({ status, why, isLocked }) {
  if (isLocked) return [];
  if (!status) return why ? [`There is no status: ${why}.`] : [];
  const found = [...status.problems];
  if (status.state === "loading") found.push("A load is under way, and nothing is taken or processed meanwhile.");
  if (!status.lease.held && status.backlog) found.push(`${counted(status.backlog, "check-in")} to be counted, and no processor works: start one (footfall processor).`);
  else if (status.oldestUnprocessedMs > LATE_MS) found.push(`The oldest check-in has waited ${duration(status.oldestUnprocessedMs)} to be counted: the processor does not keep up, or cannot write; its log says why.`);
  const dead = sum(status.deadLetters);
  if (dead) found.push(`${counted(dead, "check-in")} could not be counted: footfall dead-letters list shows them, and retry counts those that can be by now.`);
  if (status.lostEntries) found.push(`${counted(status.lostEntries, "check-in")} removed from the stream by others, uncounted: footfall verify says more.`);
  return found;
}

/**
 * What the view holds.
 * @param {Samples} samples
 * @returns {HTMLElement[]}
 */
export function statusView(samples) {
  const head = [closing(), element("h2", "How it does")];
  if (samples.isLocked) return [...head, tokenForm(samples)];
  const problems = problemsOf(samples);
  const { status } = samples;
  const said = problems.length
    ? element("ul", problems.map((text) => element("li", text)), { class: "problems" })
    : element("p", status ? "All is well." : "Asking …", { class: "well" });
  if (!status) return [...head, said];
  const warnings = element("ul", status.warnings.map((/** @type {string} */ text) => element("li", text)), { class: "warnings" });
  const parts = [...head, said, ...(status.warnings.length ? [warnings] : []), element("div", charts(samples.all), { class: "charts" })];
  parts.push(element("p", "The lines are of the last ten minutes, or since this page was opened.", { class: "quiet" }));
  if (status.receiver) parts.push(table("Refusals, since the receiver began", status.receiver.refused, "None."));
  parts.push(table("Dead letters", status.deadLetters, "None."));
  const { kind, version, usedMemoryHuman } = status.server;
  parts.push(element("p", `${kind} ${version}${usedMemoryHuman ? `, ${usedMemoryHuman}B in memory` : ""}; ${grouped(status.streamLength)} check-ins in the stream.`, { class: "quiet" }));
  return parts;
}

/** @param {Sample[]} all */
function charts(all) {
  /** @type {[string, keyof Sample, (value: number) => string, (value: number) => boolean][]} */
  const lines = [
    ["Taken a second", "added", roughly, () => false],
    ["Counted a second", "counted", roughly, () => false],
    ["Backlog", "backlog", grouped, () => false],
    ["Oldest unprocessed", "oldest", duration, (value) => value > LATE_MS],
    ["Dead letters", "dead", grouped, (value) => value > 0],
    ["Refused a second", "refused", roughly, () => false],
    ["99 % of writes within", "latency", (value) => (value === Infinity ? "over 2 s" : duration(value)), (value) => value > SLOW_MS],
  ];
  const span = Math.min(SPAN_MS, Math.max(LEAST_MS, (all.at(-1)?.at ?? 0) - (all[0]?.at ?? 0)));
  return lines.map(([name, key, format, isBad]) => {
    const newest = all.at(-1)?.[key] ?? null;
    const text = newest === null ? "–" : format(newest);
    const points = all.map((sample) => ({ at: sample.at, value: sample[key] === Infinity ? null : sample[key] }));
    const tile = element("figure", [element("figcaption", [element("span", name), element("strong", text)])]);
    tile.append(line(points, span, `${name}: ${text}; the last ${duration(span)} as a line`));
    if (newest !== null && isBad(newest)) tile.classList.add("bad");
    return tile;
  });
}

/** Those that there are. @param {string} title @param {Record<string, number>} numbers @param {string} none */
function table(title, numbers, none) {
  const rows = Object.entries(numbers).filter(([, number]) => number);
  const cells = rows.map(([name, number]) => element("tr", [element("th", name, { scope: "row" }), element("td", grouped(number))]));
  return element("section", [element("h3", title), rows.length ? element("table", [element("tbody", cells)]) : element("p", none, { class: "quiet" })]);
}

/** @param {Samples} samples */
function tokenForm(samples) {
  const input = /** @type {HTMLInputElement} */ (element("input", "", { id: "token", type: "password", autocomplete: "off", required: "" }));
  const parts = [element("p", "While sign-in is on, these numbers need a token of role admin (footfall tokens create). It is kept until the page is closed.")];
  if (samples.token) parts.push(element("p", `Not taken: ${samples.why}.`, { class: "said bad", role: "status" }));
  const made = element("form", [...parts, element("label", "Token", { for: "token" }), input, element("button", "Show", { class: "action" })]);
  made.addEventListener("submit", (event) => {
    event.preventDefault();
    samples.token = input.value.trim();
    samples.look();
  });
  return made;
}
