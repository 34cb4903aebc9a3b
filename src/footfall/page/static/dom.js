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
