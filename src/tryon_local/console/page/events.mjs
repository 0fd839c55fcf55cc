/* An execution's events, what each visit of a step had of them, and what handlers wrote. */

import { el } from "../../../../layers/tryon/tryon/web/elements.mjs";
import { run } from "./state.mjs";
import { clock } from "./words.mjs";

/* A detail as it stands in the history: JSON or words. */
export const shown = (value) => el("pre", { tabindex: 0, text: value });

export function eventList(events, open) {
  return el(
    "ol",
    { class: "events" },
    ...events.map((event) => {
      const failed = /Failed$|TimedOut$|Aborted$/.test(event.type);
      const details = Object.entries(event.details);
      const assigned = Object.entries(event.assigned);
      if (assigned.length) details.push(["variables", assigned.map((one) => one.join(" = ")).join("\n")]);
      return el(
        "li",
        { class: failed ? "bad-event" : "" },
        el(
          "div",
          { class: "head" },
          el("span", { class: "at", text: clock(event.at - run.started) }),
          el("span", { class: "type", text: event.type }),
          el("span", { class: "of", text: event.state }),
        ),
        (event.error || event.cause) &&
          el("p", { class: "why", text: [event.error, event.cause].filter(Boolean).join(": ") }),
        details.length > 0 &&
          el(
            "details",
            { "data-id": event.id, open: open.has(String(event.id)) },
            el("summary", { text: details.map(([name]) => name).join(", ") }),
            ...details.flatMap(([name, value]) => [el("h3", { text: name }), shown(value)]),
          ),
      );
    }),
  );
}

/* What handlers wrote: a heading for each call, its lines below it. */
export function logList(lines) {
  if (!lines.length) return el("p", { class: "none", text: "No handler wrote anything here." });
  const calls = new Map();
  for (const line of lines) calls.set(line.request_id, [...(calls.get(line.request_id) || []), line]);
  const call = ([request, written]) =>
    el(
      "li",
      {},
      el("p", { class: "call" }, el("b", { text: written[0].function }), el("small", { text: `request ${request}` })),
      ...written.map((line) =>
        el(
          "p",
          { class: `said ${line.level}` },
          el("span", { class: "at", text: clock(line.at - run.started) }),
          el("span", { class: "level", text: line.level }),
          el(
            "span",
            { class: "what" },
            el("b", { text: line.message }),
            ...Object.entries(line.fields).map(([name, value]) =>
              el("span", {}, ` ${name}=`, el("i", { text: typeof value === "string" ? value : JSON.stringify(value) })),
            ),
          ),
        ),
      ),
    );
  return el("ol", { class: "log" }, ...[...calls].map(call));
}

/* An execution's visits in order: the events of each, and what handlers wrote during it. */
export function visitsOf(detail) {
  const visits = [];
  for (const event of detail.events) {
    if (event.type.endsWith("StateEntered")) visits.push({ state: event.state, events: [], log: [] });
    if (visits.length && event.state) visits[visits.length - 1].events.push(event);
  }
  for (const line of detail.log) visits.findLast((one) => one.events[0].id <= line.event)?.log.push(line);
  return visits;
}

/* The variables as they were when a visit began, and those that it set: name, value, whether it is the visit's. */
export function variablesAt(visits, at) {
  const found = new Map();
  visits.slice(0, at + 1).forEach((visit, i) => {
    for (const event of visit.events)
      for (const [name, value] of Object.entries(event.assigned)) found.set(name, { name, value, here: i === at });
  });
  return [...found.values()].sort((a, b) => Number(b.here) - Number(a.here) || a.name.localeCompare(b.name));
}
