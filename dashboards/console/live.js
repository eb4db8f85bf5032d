// The one stream: a message a second from /live, given to whoever follows. Only the latest is kept, so that a page that
// is opened draws at once, and a tab that is open for days holds no more than one that is open for a minute.

const followers = new Set();
const watchers = new Set();
let last = null;
let state = "connecting";

/** The latest message; null before the first. */
export const latest = () => last;

/** Call `draw` with the latest message, and with each that comes; the returned function ends that. */
export function follow(draw) {
  followers.add(draw);
  if (last) draw(last);
  return () => followers.delete(draw);
}

/** Call `tell` with `connecting`, `live` or `lost`, now and at each change. */
export function onLink(tell) {
  watchers.add(tell);
  tell(state);
}

function link(now) {
  if (now === state) return;
  state = now;
  for (const tell of watchers) tell(state);
}

function listen() {
  const events = new EventSource("/live");
  events.onmessage = (event) => {
    last = JSON.parse(event.data);
    link("live");
    for (const draw of followers) draw(last);
  };
  events.onerror = () => {
    link("lost");
    if (events.readyState === EventSource.CLOSED) setTimeout(listen, 2000);
  };
}

listen();
