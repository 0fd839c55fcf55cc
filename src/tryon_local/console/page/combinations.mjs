/* The list of combinations. */

import { byId, el, svg } from "../../../../layers/tryon/tryon/web/elements.mjs";
import { duration } from "../../../../layers/tryon/tryon/web/formats.mjs";
import { now } from "./asking.mjs";
import { showChoices, wayBelow } from "./beside.mjs";
import { choose } from "./choice.mjs";
import { count } from "./runs.mjs";
import { aligned, beside, chosen, combinations, filters, machine, nodes, ROW, run } from "./state.mjs";
import { clear, clock, STATUS, titled } from "./words.mjs";

export const startOf = (path) => (path.length ? path[0][1] : 0);
export const endOf = (path) => (path.length ? path[path.length - 1][2] : 0) ?? now() - run.started;

export function listed() {
  const words = filters.text.toLowerCase().split(/\s+/).filter(Boolean);
  const step = nodes.get(chosen.step);
  const number = step && step.inside !== null ? machine.states.indexOf(chosen.step) : -1;
  const found = [];
  for (const combination of combinations.values()) {
    const status =
      combination.status === "ABORTED" || combination.status === "TIMED_OUT" ? "FAILED" : combination.status;
    if (filters.status && status !== filters.status) continue;
    if (number >= 0 && !combination.path.some((visit) => visit[0] === number)) continue;
    if (words.length) {
      const text = `${combination.n} ${combination.id} ${combination.error || ""}`.toLowerCase();
      if (!words.every((word) => text.includes(word))) continue;
    }
    found.push(combination);
  }
  return found.sort((a, b) => a.n - b.n);
}

export function kind(number) {
  const node = nodes.get(machine.states[number]);
  if (node.failing) return "bad";
  if (node.type === "Wait" || node.type === "Map") return "wait";
  return node.resource.endsWith("waitForTaskToken") ? "queue" : "work";
}

function bar(path, from, to, below) {
  const width = 1000 / Math.max(1, to - from);
  const rects = path
    .map(([number, entered, left]) => ({
      at: entered,
      until: left === null ? now() - run.started : left,
      kind: kind(number),
    }))
    .filter((part) => part.until > part.at || part.kind === "work" || part.kind === "bad")
    .sort((a, b) => Number(a.kind === "work") - Number(b.kind === "work"))
    .map((part) => {
      const work = part.kind === "work" || part.kind === "bad";
      const wide = Math.max((part.until - part.at) * width, work ? 5 : 2);
      // Heights differ, not only hues: in line is thinnest, a failure tallest.
      const height = { queue: 3, wait: 7, work: 12, bad: 16 }[part.kind];
      return svg("rect", {
        class: part.kind,
        x: Math.min((part.at - from) * width, 1000 - wide),
        y: (16 - height) / 2,
        width: wide,
        height,
      });
    });
  return svg(
    "svg",
    { class: below ? "bar beside" : "bar", viewBox: "0 0 1000 16", preserveAspectRatio: "none", "aria-hidden": "true" },
    ...rects,
  );
}

function words(combination) {
  const { path, status } = combination;
  if (status === "WAITING") return "not started";
  const took = duration(Math.max(0, endOf(path) - startOf(path)));
  if (status === "RUNNING") return `${path.length ? machine.states[path[path.length - 1][0]] : "starting"} · ${took}`;
  if (status === "SUCCEEDED") return `Done · ${took}`;
  return `${combination.error ? titled(combination.error) : STATUS[status]} · ${took}`;
}

export function title(id) {
  const [model, worn, variant] = id.split("__");
  if (worn === undefined) return el("strong", { text: id });
  return el(
    "strong",
    { title: id },
    model,
    el("i", { text: " wears " }),
    worn.replace(/^\d+-/, ""),
    variant && variant !== "default" && el("i", { text: ` ${variant}` }),
  );
}

const drawn = new Map(); // the rows that can be seen, by the combination's number; 0 is the run itself

export function showList() {
  const showing = Boolean(run) && chosen.n === null;
  byId("list").hidden = !showing;
  if (!showing) return;
  for (const button of byId("statuses").children) {
    const status = button.dataset.status;
    button.setAttribute("aria-pressed", String(filters.status === status));
    const many = !status
      ? combinations.size
      : status === "FAILED"
        ? count("FAILED", "ABORTED", "TIMED_OUT")
        : count(status);
    button.lastChild.textContent = many.toLocaleString("en");
  }
  const found = listed();
  const byItself = aligned === null ? combinations.size > 120 : aligned;
  byId("aligned").setAttribute("aria-pressed", String(byItself));
  const below = found.map(wayBelow).filter(Boolean);
  const longest = byItself
    ? Math.max(1, ...[...found.map((one) => one.path), ...below].map((path) => endOf(path) - startOf(path)))
    : Math.max(1, (run.ended === null ? now() : run.ended) - run.started, beside ? beside.seconds : 0);
  showChoices();
  clear(byId("axis"), ...[0, 0.5, 1].map((part) => el("span", { text: clock(part * longest) })));
  const whole = !filters.text && !filters.status && !chosen.step;
  const all = whole ? [{ n: 0, id: "", status: run.status, path: run.path, whole: true }, ...found] : found;
  const nothing = byId("nothing");
  nothing.hidden = all.length > (whole ? 1 : 0);
  nothing.textContent = combinations.size
    ? "No combination fits these filters."
    : run.ended === null
      ? "The plan is being made: every picture is checked before anything is paid for."
      : "This run came to no combinations.";
  byId("tall").style.setProperty("height", `${all.length * ROW}px`);
  const pane = byId("rows");
  // A list that a filter just made shorter is still scrolled to where it was until the browser lays it out.
  const scrolled = Math.min(pane.scrollTop, Math.max(0, all.length * ROW - pane.clientHeight));
  const first = Math.max(0, Math.floor(scrolled / ROW) - 4);
  const last = Math.min(all.length, first + Math.ceil((pane.clientHeight || 600) / ROW) + 9);
  const seen = new Set();
  for (let i = first; i < last; i++) {
    const one = all[i];
    seen.add(one.n);
    let row = drawn.get(one.n);
    if (!row) {
      row = el("button", { class: "row", "data-n": one.n, click: () => choose({ n: one.n }) });
      drawn.set(one.n, row);
      byId("tall").append(row);
    }
    row.className = `row ${one.status}${one.whole ? " whole" : ""}`;
    row.style.setProperty("top", `${i * ROW}px`);
    const below = wayBelow(one);
    const begin = byItself && !one.whole ? startOf(one.path) : 0;
    const until = one.whole && byItself ? Math.max(1, endOf(one.path), below ? endOf(below) : 0) : begin + longest;
    // A row that says the same is left as it is: scrolling moves it and draws nothing anew.
    const goes = one.status === "RUNNING" ? now() : 0;
    const key = JSON.stringify([
      run.execution,
      one.status,
      one.error,
      one.path.length,
      goes,
      begin,
      until,
      beside?.execution,
    ]);
    if (row.dataset.key === key) continue;
    row.dataset.key = key;
    const what = one.whole
      ? el(
          "span",
          { class: "what" },
          el("strong", { text: "The run itself" }),
          el("span", {
            class: "how",
            text:
              run.ended === null && run.path.length
                ? machine.states[run.path[run.path.length - 1][0]]
                : STATUS[run.status] || run.status,
          }),
        )
      : el("span", { class: "what" }, title(one.id), el("span", { class: "how", text: words(one) }));
    const from = byItself && !one.whole && below ? startOf(below) : 0;
    const bars = [bar(one.path, begin, until), below && bar(below, from, from + until - begin, true)];
    clear(row, what, el("span", {}, ...bars));
  }
  for (const [n, row] of drawn) {
    if (!seen.has(n)) {
      row.remove();
      drawn.delete(n);
    }
  }
}
