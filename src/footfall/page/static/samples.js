/** How all of it does, over the last ten minutes: what `GET /api/status` says, from one answer to the next. */

import { ApiError, ask } from "./api.js";
import { config } from "./config.js";

/** what is remembered, and the time from one answer to the next while somebody looks, and else */
export const SPAN_MS = 600_000;
const LOOKED_AT_MS = 2000;
const ELSE_MS = 5000;

/**
 * @typedef {object} Sample what was so at a moment; null: not known
 * @property {number} at
 * @property {number | null} added check-ins a second
 * @property {number | null} counted check-ins a second
 * @property {number | null} backlog
 * @property {number | null} oldest ms
 * @property {number | null} dead
 * @property {number | null} refused refusals a second
 * @property {number | null} latency ms that 99 of 100 calls took at most
 */

export class Samples {
  /** @param {() => void} onChange */
  constructor(onChange) {
    this.onChange = onChange;
    /** the newest last @type {Sample[]} */
    this.all = [];
    /** the newest answer @type {any} */
    this.status = null;
    /** why there is none */
    this.why = "";
    /** whether it needs a token */
    this.isLocked = config.signIn;
    this.isLookedAt = false;
    /** of role admin; kept until the page is closed */
    this.token = "";
    this.timer = 0;
  }

  /** Begin, or look at once. */
  async look() {
    clearTimeout(this.timer);
    if (!document.hidden && (this.token || !this.isLocked)) await this.take();
    clearTimeout(this.timer);
    if (!this.isLocked) this.timer = setTimeout(() => this.look(), this.isLookedAt ? LOOKED_AT_MS : ELSE_MS);
  }

  /** @private */
  async take() {
    const at = Date.now();
    try {
      /** @type {Record<string, string>} */
      const headers = this.token ? { Authorization: `Bearer ${this.token}` } : {};
      const status = await ask("api/status", { headers });
      this.isLocked = false;
      this.why = "";
      if (status.timestamp !== this.status?.timestamp) this.all.push(sampleOf(at, this.status, status));
      this.status = status;
    } catch (error) {
      if (!(error instanceof ApiError)) throw error;
      this.isLocked = error.status === 401 || error.status === 403;
      this.why = error.message;
      this.status = null;
      this.all.push({ at, added: null, counted: null, backlog: null, oldest: null, dead: null, refused: null, latency: null });
    }
    while (this.all.length && this.all[0].at < at - SPAN_MS) this.all.shift();
    this.onChange();
  }
}

/** @param {Record<string, number>} numbers */
export function sum(numbers) {
  return Object.values(numbers).reduce((total, number) => total + number, 0);
}

/** @param {number} at @param {any} before @param {any} now @returns {Sample} */
function sampleOf(at, before, now) {
  const seconds = before ? (now.timestamp - before.timestamp) / 1000 : 0;
  const isSame = before && before.generation === now.generation && seconds > 0;
  /** @param {number | null} one @param {number | null} other */
  const rate = (one, other) => (isSame && one !== null && other !== null && other >= one ? (other - one) / seconds : null);
  const hasBoth = before?.receiver && now.receiver && now.receiver.calls >= before.receiver.calls;
  return {
    at,
    added: rate(before && added(before), added(now)),
    counted: rate(before && before.processed, now.processed),
    backlog: now.backlog,
    oldest: now.backlog === null ? null : (now.oldestUnprocessedMs ?? 0),
    dead: sum(now.deadLetters),
    refused: hasBoth ? rate(sum(before.receiver.refused), sum(now.receiver.refused)) : null,
    latency: hasBoth ? latency(before.receiver, now.receiver) : null,
  };
}

/** @param {any} status */
function added({ processed, backlog }) {
  return processed === null || backlog === null ? null : processed + backlog;
}

/** The least time that 99 of 100 calls since then took at most; null without any. @param {any} before @param {any} now */
function latency(before, now) {
  const calls = now.calls - before.calls;
  if (!calls) return null;
  for (let place = 0; place < now.callBuckets.length; place++) {
    if (now.callBuckets[place].calls - before.callBuckets[place].calls >= 0.99 * calls) return now.callBuckets[place].atMostMs;
  }
  return Infinity;
}
