/** Names of users: asked for together, and remembered. */

import { ApiError, ask } from "./api.js";

/** names that are kept, at most, and asked for in one request */
const KEPT = 5000;
const AT_ONCE = 100;

/** @type {Map<number, string>} the one learnt last is the last */
const known = new Map();

/** @param {number} id @returns {string} */
export function userName(id) {
  return known.get(id) ?? `User ${id}`;
}

/** One request for all names that are not known yet; without an answer their ids do. @param {number[]} ids */
export async function learnNames(ids) {
  const wanted = [...new Set(ids)].filter((id) => !known.has(id)).slice(0, AT_ONCE);
  if (!wanted.length) return;
  try {
    for (const { id, fullName } of await ask(`api/users/names?ids=${wanted.join(",")}`)) if (fullName) known.set(id, fullName);
  } catch (error) {
    if (!(error instanceof ApiError)) throw error;
  }
  for (const id of known.keys()) {
    if (known.size <= KEPT) break;
    known.delete(id);
  }
}
