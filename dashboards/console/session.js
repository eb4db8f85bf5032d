// The right to change something. A session is a cookie that this script cannot read, and a token that it keeps:
// browsers send cookies to every port of a host, but keep storage separate by port, so both are needed.

const KEY = "gatehouse-token";

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

/** Whether this page may change things. */
export async function mayChange() {
  const response = await fetch("/session", { headers: headers() });
  return response.ok && (await response.json()).may_change;
}

/** POST an action; throws an Error with the server's own words. */
export async function act(path, body) {
  const response = await fetch(path, {
    method: "POST",
    headers: { "Content-Type": "application/json", ...headers() },
    body: JSON.stringify(body ?? {}),
  });
  const document = await response.json();
  if (!response.ok) throw new Error(document.detail || document.reason || `status ${response.status}`);
  return document;
}
