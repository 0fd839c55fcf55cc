/* A step in words. */

import { byId, el } from "../../../../layers/tryon/tryon/web/elements.mjs";
import { duration, plural } from "../../../../layers/tryon/tryon/web/formats.mjs";
import { choose } from "./choice.mjs";
import { eventList, logList, shown, variablesAt, visitsOf } from "./events.mjs";
import { chosen, detail, machine, nodes, OVER, run, setStepTab, stepTab, wanted } from "./state.mjs";
import { tabs } from "./tabs.mjs";
import { clear, clock } from "./words.mjs";

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

/* The step as the workflow has it: where it leads, when it tries again. */
function definitionOf(node) {
  const definition = machine.definitions[node.name];
  const rows = machine.layout.edges
    .filter((edge) => edge.source === node.name)
    .flatMap((edge) =>
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
  return el(
    "div",
    {},
    node.comment && el("p", { text: node.comment }),
    definition.TimeoutSeconds &&
      el("p", { class: "eyebrow", text: `Each try may take ${definition.TimeoutSeconds} s.` }),
    el("ul", {}, ...rows, ...retries(definition)),
    el(
      "details",
      {},
      el("summary", { text: "As it stands in the state machine" }),
      el("pre", { tabindex: 0, text: JSON.stringify(definition, null, 2) }),
    ),
  );
}

/* The visits of the chosen execution, and which of them are of this step; null where none is known. */
function visitsHere(node) {
  const n = wanted();
  if (n === null || !detail || detail.n !== n || detail.execution !== chosen.execution) return null;
  const all = visitsOf(detail);
  const mine = all.flatMap((visit, i) => (visit.state === node.name ? [i] : []));
  return mine.length ? { all, mine, at: mine.includes(chosen.visit) ? chosen.visit : mine[mine.length - 1] } : null;
}

const named = (events, name) =>
  events.filter((event) => event.details[name] !== undefined).map((event) => event.details[name]);
const titledOnes = (title, values) =>
  values.flatMap((value, i) => [
    el("h3", { text: values.length > 1 ? `${title}, ${i + 1} of ${values.length}` : title }),
    shown(value),
  ]);

function inputOf({ events }) {
  const entered = named(events.slice(0, 1), "input");
  return el("div", {}, ...titledOnes("Input", entered), ...titledOnes("What is sent", named(events, "parameters")));
}

function outputOf({ events }) {
  const answers = events.filter((event) => /^Task(Succeeded|Submitted)$/.test(event.type));
  const failures = events.filter((event) => event.error);
  const left = events.filter((event) => event.type.endsWith("StateExited"));
  return el(
    "div",
    {},
    ...failures.map((event) => el("p", { class: "why", text: [event.error, event.cause].filter(Boolean).join(": ") })),
    ...titledOnes("Answer", named(answers, "output")),
    ...titledOnes("Output", named(left, "output")),
    !left.length && !failures.length && el("p", { class: "none", text: "It has not ended yet." }),
  );
}

function variablesOf(visits, at) {
  const found = variablesAt(visits, at);
  if (!found.length) return el("p", { class: "none", text: "No variable is set here." });
  return el(
    "div",
    {},
    ...found.flatMap((one) => [
      el("h3", { text: one.name }, one.here && el("small", { text: " set here" })),
      shown(one.value),
    ]),
  );
}

/* What one visit had: tabs as in AWS's console, and the handlers' lines. */
function visitTabs(node, { all, at }, open) {
  const visit = all[at];
  const content = {
    input: () => inputOf(visit),
    output: () => outputOf(visit),
    variables: () => variablesOf(all, at),
    events: () => eventList(visit.events, open),
    log: () => logList(visit.log),
    definition: () => definitionOf(node),
  };
  const names = [
    ["input", "Input"],
    ["output", "Output"],
    ["variables", "Variables"],
    ["events", `Events ${visit.events.length}`],
    ["log", `Log ${visit.log.length}`],
    ["definition", "Definition"],
  ];
  const choose = (name) => {
    setStepTab(name);
    showStep();
  };
  return tabs("step-tab", `One visit of ${node.name}`, names, stepTab, choose, content[stepTab]());
}

function visitHead(node, { all, mine, at }) {
  const nth = mine.indexOf(at);
  const { events } = all[at];
  const over = detail.n ? OVER.has(detail.status) : run.ended !== null;
  const until = all[at + 1]?.events[0].at ?? (over ? detail.events[detail.events.length - 1].at : null);
  const go = (symbol, name, visit) =>
    el("button", {
      class: "round",
      id: `step-${name.split(" ")[0]}`,
      "aria-label": name,
      disabled: visit === undefined,
      text: symbol,
      click: () => choose({ step: node.name, visit }),
    });
  return el(
    "p",
    { class: "eyebrow visits" },
    mine.length > 1 && go("‹", "earlier visit", mine[nth - 1]),
    el("b", { text: mine.length > 1 ? `Visit ${nth + 1} of ${mine.length}` : "One visit" }),
    mine.length > 1 && go("›", "later visit", mine[nth + 1]),
    el("span", { text: `at ${clock(events[0].at - run.started)}` }),
    el("span", { text: until === null ? "goes on" : duration(until - events[0].at) }),
  );
}

/* How many are in the step and have been, and why no visit is shown. */
function presence(node) {
  const [present, passed, visits] = run?.states[node.name] || [0, 0, 0];
  const again = visits > passed ? `, ${visits} times in all` : "";
  const counts = `${plural(present, "combination")} here now, ${passed} been through${again}.`;
  if (node.inside === null) return chosen.n ? "A step of the run itself, not of this combination." : "";
  return chosen.n && detail?.n === chosen.n ? `This combination was not here. ${counts}` : counts;
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
  const here = run && visitsHere(node);
  const told = here ? "" : presence(node);
  const place = JSON.stringify([chosen.execution, wanted(), node.name, here?.at]);
  const seen = here && [stepTab, here.mine.length, here.all.length, here.all[here.at].events.length, detail.log.length];
  const key = JSON.stringify([place, told, seen]);
  if (stepShown === key) return;
  const same = stepShown && JSON.parse(stepShown)[0] === place;
  stepShown = key;
  const scrolled = same ? card.scrollTop : 0;
  const focused = card.contains(document.activeElement) ? document.activeElement.id : "";
  const open = new Set([...card.querySelectorAll("details[open]")].map((one) => one.dataset.id));
  clear(
    card,
    el(
      "header",
      {},
      el("h2", { text: node.name }, el("small", { text: kindOf(node) })),
      el("button", { class: "round", "aria-label": "Close", text: "✕", click: () => choose({ step: "" }) }),
    ),
    here ? visitHead(node, here) : el("p", { class: "eyebrow", text: told }),
    ...(here ? visitTabs(node, here, open) : [definitionOf(node)]),
  );
  card.scrollTop = scrolled;
  if (focused) byId(focused)?.focus();
}
