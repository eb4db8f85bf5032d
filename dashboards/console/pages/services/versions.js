// Copies and versions of one service: scale, deploy, try on a share of the requests, promote, roll back.

import { actionButton, option, perform } from "../../components/action.js";
import { failed } from "../../components/panel.js";
import { toast } from "../../components/toast.js";
import { el, shown } from "../../dom.js";
import { act, get } from "../../session.js";

export function versions(name) {
  const node = el("div", { class: "versions", hidden: true });
  let drawn = "";

  // What can be chosen changes only when the service did: ask then, and not each second.
  function live(service) {
    const key = service ? JSON.stringify([service.name, service.copies?.map((one) => [one.name, one.version, one.canary]), service.canary]) : "";
    if (key === drawn) return;
    drawn = key;
    if (service) void refresh(service.name);
    else node.hidden = true;
  }

  async function refresh(service) {
    try {
      const { services, most } = await get("/services/versions");
      const known = services[service];
      node.hidden = !known;
      if (known) node.replaceChildren(...forms(known, most));
    } catch (error) {
      node.hidden = false;
      node.replaceChildren(failed("Its versions are not known just now", shown(error.message)));
    }
  }

  function forms(known, most) {
    return known.canary ? [canary(known)] : [scale(known, most), deploy(known), ...(known.former ? [back(known)] : [])];
  }
  return { node, live };
}

const change = (service, action, body) => act(`/services/${encodeURIComponent(service)}/${action}`, body);

function scale({ service, copies }, most) {
  const number = el("input", { type: "number", min: 1, max: most, step: 1, value: copies.length, required: true, id: "copies" });
  return form("Copies", [number], "Scale", {
    run: () => change(service, "scale", { copies: number.valueAsNumber }),
    command: () => `gatehouse scale ${service} ${number.value}${option()}`,
    done: (told) => `${service} runs in ${told.copies.length} ${told.copies.length === 1 ? "copy" : "copies"}.`,
  });
}

function deploy({ service, version, known }) {
  const others = known.filter((one) => one !== version);
  if (others.length === 0) return el("p", { class: "soft" }, `There is only ${shown(version)}. Your own code is deployed by the command line: gatehouse deploy ${service} --version mine --path folder`);
  const chosen = el("select", { id: "version" }, ...others.map((one) => el("option", { value: one }, shown(one))));
  const share = el("select", { id: "share", "aria-label": "For how many of its requests" },
    el("option", { value: "" }, "for all requests"), ...[10, 25, 50].map((one) => el("option", { value: one }, `for ${one} %, judged`)));
  const canary = () => (share.value ? { canary: { weight: Number(share.value) } } : {});
  return form(`Version: ${shown(version)} now`, [chosen, share], "Deploy", {
    run: () => change(service, "deploy", { version: chosen.value, ...canary() }),
    command: () => `gatehouse deploy ${service} --version ${chosen.value}${share.value ? ` --canary ${share.value}%` : ""}${option()}`,
    done: (told) => (told.canary ? `${told.canary.version} gets ${told.canary.weight} % of the requests. It is taken back when it does worse.` : `${service} is at ${told.version}.`),
  });
}

function back({ service, former }) {
  return actionButton(`Roll back to ${shown(former)}`, {
    run: () => change(service, "rollback"),
    command: `gatehouse rollback ${service}${option()}`,
    done: (told) => `${service} is at ${told.version} again.`,
  });
}

function canary({ service, version, canary: trial }) {
  const promote = actionButton(`Promote ${shown(trial.version)}`, {
    className: "main", run: () => change(service, "promote"), command: `gatehouse promote ${service}${option()}`,
    done: (told) => `${service} is at ${told.version}.`,
  });
  const roll = actionButton("Roll back", {
    run: () => change(service, "rollback"), command: `gatehouse rollback ${service}${option()}`, done: () => `The canary is gone; ${version} serves alone.`,
  });
  return el("div", { class: "canary" }, el("p", {}, el("strong", {}, `Canary: ${shown(trial.version)}`), ` gets ${trial.weight} % of the requests, ${shown(version)} the others.`), el("div", { class: "tools" }, promote, roll));
}

function form(label, fields, verb, { run, command, done }) {
  const button = el("button", { type: "submit" }, verb);
  const node = el("form", { class: "fields" }, el("label", {}, label, fields[0]), ...fields.slice(1), button);
  node.addEventListener("submit", (event) => {
    event.preventDefault();
    toast(`${verb}: this takes a few seconds …`);
    void perform(button, { run, command: command(), done });
  });
  return node;
}
