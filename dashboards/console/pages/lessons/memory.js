// Which lessons were answered rightly, kept on this machine.

const KEY = "gatehouse-lessons";

export function answeredRightly() {
  try {
    return new Set(JSON.parse(localStorage.getItem(KEY) ?? "[]"));
  } catch {
    return new Set();
  }
}

export function remember(id) {
  localStorage.setItem(KEY, JSON.stringify([...answeredRightly().add(id)]));
}
