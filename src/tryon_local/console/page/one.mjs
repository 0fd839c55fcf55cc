/* One combination, or the run itself. */

import { byId, el } from "../../../../layers/tryon/tryon/web/elements.mjs";
import { duration, size } from "../../../../layers/tryon/tryon/web/formats.mjs";
import { now } from "./asking.mjs";
import { choose } from "./choice.mjs";
import { endOf, kind, listed, startOf } from "./combinations.mjs";
import { eventList, logList } from "./events.mjs";
import { chosenPath } from "./graph.mjs";
import { chosen, combinations, detail, machine, run, setTab, tab } from "./state.mjs";
import { tabs } from "./tabs.mjs";
import { clear, clock, pill, titled } from "./words.mjs";

let oneShown = "";

function neighbours() {
  const found = [{ n: 0 }, ...listed()].map((one) => one.n);
  const at = found.indexOf(chosen.n);
  return [found[at - 1], at < 0 ? undefined : found[at + 1]];
}

export function showOne() {
  const article = byId("one");
  article.hidden = chosen.n === null || !run;
  if (article.hidden) {
    oneShown = "";
    return;
  }
  const combination = chosen.n ? combinations.get(chosen.n) : null;
  if (chosen.n && !combination) return clear(article, el("p", { text: "…" }));
  const open = new Set([...article.querySelectorAll("details[open]")].map((node) => node.dataset.id));
  const focused = article.contains(document.activeElement) ? document.activeElement.id : "";
  const scrolled = oneShown === `${chosen.execution}/${chosen.n}` ? article.scrollTop : 0;
  oneShown = `${chosen.execution}/${chosen.n}`;
  const [before, after] = neighbours();
  const path = chosenPath();
  const status = combination ? combination.status : run.status;
  const known = detail && detail.n === chosen.n ? detail : null;
  const error = combination ? combination.error : run.error;
  const facts = known?.ledger ? known.ledger : {};
  const step = (symbol, name, n) =>
    el("button", {
      class: "round",
      id: `one-${name}`,
      "aria-label": name,
      title: name,
      disabled: n === undefined,
      text: symbol,
      click: () => choose({ n }),
    });
  clear(
    article,
    el(
      "header",
      {},
      el("button", {
        class: "round",
        id: "one-back",
        "aria-label": "All combinations",
        title: "All combinations (Esc)",
        text: "←",
        click: () => choose({ n: null }),
      }),
      el("h2", {
        text: combination
          ? combination.id
              .split("__")
              .slice(0, 2)
              .join(" wears ")
              .replace(/ wears \d+-/, " wears ")
          : "The run itself",
      }),
      step("↑", "Previous", before),
      step("↓", "Next", after),
    ),
    el(
      "p",
      { class: "eyebrow" },
      pill(status, combination && status === "SUCCEEDED" ? "Done" : null),
      el("span", { text: combination ? `${combination.n} of ${combinations.size}` : run.run_id || "" }),
      combination &&
        !combination.id.endsWith("__default") &&
        el("span", { text: `variant ${combination.id.split("__")[2]}` }),
      el("span", { text: path.length ? duration(Math.max(0, endOf(path) - startOf(path))) : "" }),
    ),
    error &&
      el(
        "p",
        { class: "trouble" },
        el("b", { text: `${titled(error)}${facts.step ? ` at ${facts.step}` : ""}` }),
        el("span", { text: facts.cause || (!combination && run.cause) || "" }),
        facts.advice && el("span", { class: "advice", text: facts.advice }),
        facts.request_ids && el("small", { text: `request ${facts.request_ids}` }),
      ),
    known?.pictures && kept("pictures", known.pictures, pictures),
    known?.ledger && el("dl", { class: "facts" }, ...ledger(facts)),
    ...tabs(
      "tab",
      "What it did",
      [
        ["way", "Way and times"],
        ["events", known ? `Events ${known.events.length}` : "Events"],
        ["log", known ? `Log ${known.log.length}` : "Log"],
      ],
      tab,
      (name) => {
        setTab(name);
        showOne();
      },
      tab === "way" ? wayList(path) : known && (tab === "events" ? savedEvents(known, open) : logList(known.log)),
    ),
  );
  article.scrollTop = scrolled;
  if (focused && byId(focused)) byId(focused).focus();
}

/* The events, and a way to keep them: the stack forgets them when it ends. */
function savedEvents(known, open) {
  const { execution, n } = known;
  const save = el("a", {
    class: "save",
    href: `/api/runs/${encodeURIComponent(execution)}/${n ? `combinations/${n}` : "events"}`,
    download: `${run.run_id || execution}${n ? `-${n}` : ""}.json`,
    text: "Save events and log as JSON",
  });
  return el("div", {}, save, eventList(known.events, open));
}

export const made = new Map(); // parts that are costly or flicker when they are made anew

function kept(name, content, make) {
  const key = JSON.stringify(content);
  if (!made.has(name) || made.get(name).key !== key) made.set(name, { key, node: make(content) });
  return made.get(name).node;
}

function pictures(list) {
  const shown = list.map((picture) => {
    const image = el("img", {
      src: picture.small,
      alt: `${picture.kind} ${picture.name}`,
      loading: "lazy",
      decoding: "async",
    });
    // A picture too small for a copy of its own is shown as it is.
    image.addEventListener("error", () => {
      if (image.getAttribute("src") !== picture.large) image.src = picture.large;
      else image.style.setProperty("visibility", "hidden");
    });
    return el(
      "a",
      { class: picture.kind, href: picture.large, target: "_blank", rel: "noopener" },
      image,
      picture.kind === "result" ? "result" : picture.name,
    );
  });
  return el("div", { class: "photos" }, ...shown);
}

function ledger(facts) {
  const shown = [
    ["task", facts.task_id],
    ["polls", facts.polls],
    ["submits", facts.submits > 1 ? facts.submits : null],
    ["at the service", facts.latency && duration(facts.latency)],
    ["seen late by", facts.delay && duration(facts.delay)],
    ["size", facts.bytes && size(facts.bytes)],
    ["resumed", facts.resumed ? "yes, not paid again" : null],
  ];
  return shown
    .filter(([, value]) => value)
    .map(([name, value]) => el("div", {}, el("dt", { text: name }), el("dd", { text: String(value) })));
}

function wayList(path) {
  const from = startOf(path);
  const span = Math.max(1, endOf(path) - from);
  return el(
    "ol",
    { class: "way-list" },
    ...path.map(([number, entered, left, error], i) => {
      const until = left === null ? now() - run.started : left;
      const place = {
        left: `${Math.min(99, (100 * (entered - from)) / span)}%`,
        width: `${(100 * (until - entered)) / span}%`,
      };
      const name = machine.states[number];
      const visit = el(
        "button",
        {
          id: `visit-${i}`,
          "aria-current": String(chosen.step === name && chosen.visit === i),
          click: () => choose({ step: name, visit: i }),
        },
        el("span", { class: "at", text: clock(entered) }),
        el("span", { class: "name", text: name }, error && el("small", { text: error })),
        el("span", { class: "track" }, el("i", { class: error ? "bad" : kind(number), style: place })),
        el("span", {
          class: "took",
          text: left === null ? `${duration(until - entered)} …` : duration(until - entered),
        }),
      );
      return el("li", {}, visit);
    }),
  );
}
