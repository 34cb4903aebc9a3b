/** What the service has told the page: in the head of the document, so that nothing needs to be asked for. */

/** @param {string} name @returns {string} */
function told(name) {
  return /** @type {HTMLMetaElement | null} */ (document.querySelector(`meta[name="footfall-${name}"]`))?.content ?? "";
}

/**
 * A service on this machine by the name that the viewer's address has, as cookies belong to a name.
 * @param {string} url
 * @returns {string}
 */
function asViewed(url) {
  const names = ["127.0.0.1", "localhost"];
  if (!url) return "";
  const found = new URL(url);
  if (names.includes(found.hostname) && names.includes(location.hostname)) found.hostname = location.hostname;
  return found.href.replace(/\/$/, "");
}

export const config = {
  /** where check-ins are posted, and where one signs in; empty: not known */
  receiver: asViewed(told("receiver")),
  auth: asViewed(told("auth")),
  /** whether a check-in needs somebody who has signed in */
  signIn: told("signin") === "on",
  tiles: told("tiles"),
  attribution: told("attribution"),
};
