// What is too much for the stream is asked for while somebody looks at it: at most every two seconds, one at a time.

import { get } from "../session.js";
import { failed } from "./panel.js";

const PAUSE_MS = 2000;

/** Returns a function that asks for `path` if it is time, and draws; call it at each message. Errors stand in `place`. */
export function polled(path, draw, place) {
  let asked = -Infinity;
  let asking = false;
  return async () => {
    if (asking || performance.now() - asked < PAUSE_MS - 100) return;
    asking = true;
    asked = performance.now();
    const old = place.querySelector(":scope > .trouble");
    try {
      draw(await get(path));
      old?.remove();
    } catch (error) {
      if (!old) place.prepend(failed("This cannot be shown just now", error.message));
    } finally {
      asking = false;
    }
  };
}
