// The right to change something. A session is a cookie that this script cannot read, and a token that it keeps:
// browsers send cookies to every port of a host, but keep storage separate by port, so both are needed.

const KEY = "gatehouse-token";
let allowed = false;

/** Take the token out of the address (`#token=…`), where only this page sees it. */
export function takeToken() {
  const match = /^#token=([\w-]+)$/.exec(location.hash);
  if (!match) return;
  localStorage.setItem(KEY, match[1]);
  history.replaceState(null, "", "/");
}

function headers() {
  const token = localStorage.getItem(KEY);
  return token ? { "X-Gatehouse-Console": token } : {};
}

/** Learn whether this page may change things. */
export async function askWhatIsAllowed() {
  const response = await fetch("/session", { headers: headers() });
  allowed = response.ok && (await response.json()).may_change;
}

/** Whether this page may change things; if not, it may still look. */
export const mayChange = () => allowed;

/** What the server refused: its own words, and the whole problem document (RFC 9457). */
export class Refused extends Error {
  constructor(status, problem) {
    super(problem.detail || problem.reason || `status ${status}`);
    this.status = status;
    this.problem = problem;
  }
}

/** GET a document. Throws Refused. */
export const get = (path) => ask("GET", path);

/** POST an action (or PUT, DELETE); the answer's document. Throws Refused. */
export const act = (path, body, method = "POST") => ask(method, path, body ?? {});

async function ask(method, path, body) {
  const sent = body === undefined ? {} : { "Content-Type": "application/json" };
  const response = await fetch(path, { method, headers: { ...sent, ...headers() }, body: body && JSON.stringify(body) });
  const text = await response.text();
  const document = text ? parsed(text) : {};
  if (!response.ok) throw new Refused(response.status, document);
  return document;
}

function parsed(text) {
  try {
    return JSON.parse(text);
  } catch {
    return { detail: text.slice(0, 500) };
  }
}
