/** Asking the API server, whose addresses are relative: behind a proxy it may have a prefix. */

/** An answer that is not what was asked for; `status` 0: there was none. */
export class ApiError extends Error {
  /** @param {number} status @param {string} detail */
  constructor(status, detail) {
    super(detail);
    this.status = status;
  }
}

/**
 * The JSON at this path. Throws ApiError.
 * @param {string} path
 * @returns {Promise<any>}
 */
export async function ask(path) {
  let answer;
  try {
    answer = await fetch(path, { headers: { Accept: "application/json" } });
  } catch {
    throw new ApiError(0, "the service cannot be reached");
  }
  const body = await answer.json().catch(() => ({}));
  if (!answer.ok) throw new ApiError(answer.status, body.detail ?? "the service has failed");
  return body;
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
