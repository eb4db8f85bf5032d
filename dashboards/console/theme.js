// Light, dark, or as the system has it; the choice is kept on this machine.

import { byId, setText } from "./dom.js";

const KEY = "gatehouse-theme";
const ORDER = ["auto", "light", "dark"];

export function setUpTheme() {
  const button = byId("theme");
  let theme = ORDER.includes(localStorage.getItem(KEY)) ? localStorage.getItem(KEY) : "auto";
  const apply = () => {
    if (theme === "auto") delete document.documentElement.dataset.theme;
    else document.documentElement.dataset.theme = theme;
    setText(button, `Theme: ${theme}`);
  };
  button.addEventListener("click", () => {
    theme = ORDER[(ORDER.indexOf(theme) + 1) % ORDER.length];
    localStorage.setItem(KEY, theme);
    apply();
  });
  apply();
}
