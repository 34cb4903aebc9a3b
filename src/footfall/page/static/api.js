/** Asking the API server, whose addresses are relative: behind a proxy it may have a prefix; and the other services. */

/** An answer that is not what was asked for; `status` 0: there was none. */
export class ApiError extends Error {
  /** @param {number} status @param {string} detail @param {number} [retryAfter] seconds */
  constructor(status, detail, retryAfter = 0) {
    super(detail);
    this.status = status;
    this.retryAfter = retryAfter;
  }
}

/**
 * The JSON at this path. Throws ApiError.
 * @param {string} path
 * @param {RequestInit} [options]
 * @returns {Promise<any>}
 */
export async function ask(path, options = {}) {
  let answer;
  try {
    answer = await fetch(path, { ...options, headers: { Accept: "application/json", ...options.headers } });
  } catch {
    throw new ApiError(0, "the service cannot be reached");
  }
  const body = await answer.json().catch(() => ({}));
  if (answer.ok) return body;
  const errors = (body.errors ?? []).map((/** @type {any} */ one) => `${one.field} ${one.message}`.trim());
  const detail = errors.length ? errors.join("; ") : (body.detail ?? "the service has failed");
  throw new ApiError(answer.status, detail, Number(answer.headers.get("Retry-After") ?? 0));
}

/** The same, but null when it is not there (404): no such record, or the setting is off. @param {string} path */
export async function askMaybe(path) {
  try {
    return await ask(path);
  } catch (error) {
    if (error instanceof ApiError && error.status === 404) return null;
    throw error;
  }
}

/**
 * Send a document to another service, as the one who is signed in. Throws ApiError.
 * @param {string} url
 * @param {object} [document]
 * @param {Record<string, string>} [headers]
 * @returns {Promise<any>}
 */
export function send(url, document, headers = {}) {
  const body = document && JSON.stringify(document);
  return ask(url, { method: "POST", credentials: "include", body, headers: { ...(body ? { "Content-Type": "application/json" } : {}), ...headers } });
}
