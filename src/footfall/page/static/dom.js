/** Making elements. */

/** The element with this id, which index.html has. @param {string} id @returns {HTMLElement} */
export const part = (id) => /** @type {HTMLElement} */ (document.getElementById(id));

/**
 * @param {string} name
 * @param {string | (Node | string)[]} [content] text, or what is in it
 * @param {Record<string, string>} [attributes]
 * @returns {HTMLElement}
 */
export function element(name, content = "", attributes = {}) {
  const made = document.createElement(name);
  if (typeof content === "string") made.textContent = content;
  else made.append(...content);
  for (const [attribute, value] of Object.entries(attributes)) made.setAttribute(attribute, value);
  return made;
}

/**
 * A line of a list that leads somewhere: what it is about, and small notes, one below the other.
 * @param {string} href @param {(Node | string)[]} content @param {string[]} notes
 */
export function lineTo(href, content, ...notes) {
  const small = element("small", notes.map((note) => element("span", note)));
  return element("li", [element("a", [element("span", content), small], { href })]);
}

/** What stands in a list that is empty. @param {string} text */
export function nothing(text) {
  return element("li", text, { class: "empty" });
}

/** What closes the view. */
export function closing() {
  return element("a", "Close", { href: "#/", class: "close" });
}

/** Put these into an element that is shown already; who is at a link or a field of it stays there. @param {HTMLElement} shown @param {Node[]} parts */
export function renew(shown, parts) {
  const at = shown.contains(document.activeElement) ? document.activeElement : null;
  const top = shown.parentElement?.scrollTop ?? 0;
  shown.replaceChildren(...parts);
  if (at) {
    const same = at.localName === "h2" ? "h2" : at.id ? `#${at.id}` : `a[href="${at.getAttribute("href")}"]`;
    const now = /** @type {HTMLElement | null} */ (shown.querySelector(same));
    if (now && at.localName === "h2") now.tabIndex = -1;
    now?.focus({ preventScroll: true });
  }
  if (shown.parentElement) shown.parentElement.scrollTop = top;
}
