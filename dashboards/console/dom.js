// Making elements. The rule that keeps this page safe: whatever comes from a request, a service or a file becomes
// a text node, never markup. (The page's Content-Security-Policy also switches innerHTML off: Trusted Types.)

/** An element with properties and children; strings become text. `null` children are left out. */
export function el(tag, properties = {}, ...children) {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(properties)) {
    if (value === null || value === undefined || value === false) continue;
    if (name === "class") node.className = value;
    else if (name === "on") Object.entries(value).forEach(([type, call]) => node.addEventListener(type, call));
    else node.setAttribute(name, value === true ? "" : String(value));
  }
  node.append(...children.filter((child) => child !== null && child !== undefined));
  return node;
}

export const byId = (id) => document.getElementById(id);

/** Set text only when it differs, so that a selection in it survives. */
export function setText(node, text) {
  if (node.textContent !== text) node.textContent = text;
}

// Control characters, and those that reverse or hide text (Unicode TR 36), as visible escapes.
const UNSEEN = /[\u0000-\u001f\u007f-\u009f\u061c\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff]/g;

const escaped = (sign) => `\\u${sign.charCodeAt(0).toString(16).padStart(4, "0")}`;

/** A stranger's text, fit to be looked at in one line. */
export function shown(value) {
  return String(value ?? "").replace(UNSEEN, escaped);
}

/** The same where line breaks are wanted: SQL, error messages. */
export function shownLines(value) {
  return String(value ?? "").split("\n").map(shown).join("\n");
}

/** Keep one row per key in `parent`, in this order; `make` builds a row, `update` fills it. */
export function keyed(parent, items, keyOf, make, update) {
  const rows = new Map([...parent.children].map((row) => [row.dataset.key, row]));
  let place = parent.firstElementChild;
  for (const item of items) {
    const key = String(keyOf(item));
    let row = rows.get(key);
    rows.delete(key);
    if (!row) {
      row = make(item);
      row.dataset.key = key;
    }
    if (row === place) place = place.nextElementSibling;
    else parent.insertBefore(row, place);
    update?.(row, item);
  }
  for (const row of rows.values()) row.remove();
}
