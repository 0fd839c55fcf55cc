/* A step in words. */

import { byId, el } from "../../../../layers/tryon/tryon/web/elements.mjs";
import { plural } from "../../../../layers/tryon/tryon/web/formats.mjs";
import { choose } from "./choice.mjs";
import { chosen, machine, nodes, run } from "./state.mjs";
import { clear } from "./words.mjs";

const KINDS = {
  Pass: "sets variables",
  Wait: "waits",
  Choice: "decides",
  Succeed: "ends well",
  Fail: "ends with an error",
  Map: "starts an execution for every combination",
};

function kindOf(node) {
  if (!node.resource) return KINDS[node.type] || node.type;
  const [service, action] = node.resource.split(":");
  if (service === "lambda")
    return action.endsWith("waitForTaskToken")
      ? "asks a Lambda function and waits to be woken"
      : "calls a Lambda function";
  return `${service === "dynamodb" ? "DynamoDB" : service.toUpperCase()}, ${action}, without a Lambda function`;
}

function retries(definition) {
  return (definition.Retry || [])
    .filter((rule) => rule.MaxAttempts !== 0)
    .map((rule) => {
      const errors = rule.ErrorEquals.map((name) => (name === "States.ALL" ? "any error" : name));
      const shown =
        errors.length > 2 ? `${errors.slice(0, 2).join(", ")} and ${errors.length - 2} more` : errors.join(", ");
      return el(
        "li",
        {},
        el("b", { text: "tries again" }),
        el("span", { text: `up to ${plural(rule.MaxAttempts ?? 3, "time")} after ${shown}` }),
      );
    });
}

let stepShown = "";

export function showStep() {
  const card = byId("step");
  card.hidden = !chosen.step;
  if (!chosen.step) {
    stepShown = "";
    return;
  }
  const node = nodes.get(chosen.step);
  const [present, passed, visits] = run?.states[node.name] || [0, 0, 0];
  const again = visits > passed ? `, ${visits} times in all` : "";
  const told =
    node.inside === null ? "" : `${plural(present, "combination")} here now, ${passed} been through${again}.`;
  if (stepShown === node.name) {
    byId("step-told").textContent = told;
    return;
  }
  stepShown = node.name;
  const definition = machine.definitions[node.name];
  const out = machine.layout.edges.filter((edge) => edge.source === node.name);
  const rows = out.flatMap((edge) =>
    edge.transitions.map((one) =>
      el(
        "li",
        { class: edge.caught ? "caught" : "" },
        el("b", { text: `→ ${edge.target}` }),
        el("span", {
          text: { next: "", choice: `if ${one.label}`, default: "otherwise", catch: `on ${one.label}` }[one.kind],
        }),
      ),
    ),
  );
  const limit = definition.TimeoutSeconds ? `Each try may take ${definition.TimeoutSeconds} s.` : "";
  clear(
    card,
    el(
      "header",
      {},
      el("h2", { text: node.name }, el("small", { text: kindOf(node) })),
      el("button", { class: "round", "aria-label": "Close", text: "✕", click: () => choose({ step: "" }) }),
    ),
    node.comment && el("p", { text: node.comment }),
    el("p", { class: "eyebrow" }, el("span", { id: "step-told", text: told }), el("span", { text: limit })),
    el("ul", {}, ...rows, ...retries(definition)),
    el(
      "details",
      {},
      el("summary", { text: "As it stands in the state machine" }),
      el("pre", { text: JSON.stringify(definition, null, 2) }),
    ),
  );
  card.scrollTop = 0;
}
