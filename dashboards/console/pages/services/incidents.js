import { empty, panel } from "../../components/panel.js";

export function incidents() {
  const card = panel("Incidents");
  card.body.append(empty("None yet", ""));
  return { node: card.node, close() {} };
}
