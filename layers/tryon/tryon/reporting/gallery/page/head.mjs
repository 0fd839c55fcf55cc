/* The head of the page. */

import { byId, el, svg } from "../../../web/elements.mjs";
import { duration, human, plural, rounded, size } from "../../../web/formats.mjs";
import { data, models, overview, pages, run, state, variants, worn } from "./content.mjs";
import { setFilter } from "./filters.mjs";
import { contests, review } from "./review.mjs";
import { signed } from "./viewer.mjs";
import { STATUS } from "./words.mjs";

export function showHead() {
  document.title = pages.shown ? `${run.name}, part ${pages.shown}` : run.name;
  byId("name").textContent = run.name;
  const status = byId("status");
  status.textContent = STATUS[run.status] || run.status;
  status.className = `pill ${run.status}`;
  const when = run.started_at
    ? new Date(run.started_at * 1000).toLocaleString("en", { dateStyle: "medium", timeStyle: "short" })
    : "";
  byId("when").textContent = [
    when,
    pages.shown && `part ${pages.shown} of ${pages.parts.length}`,
    run.retry_of && `retry of ${run.retry_of}`,
    (run.repaired_by || []).length && `repaired by ${run.repaired_by.join(", ")}`,
  ]
    .filter(Boolean)
    .join(" · ");
  const shape = [
    plural(models.length, "model"),
    plural(worn.length, "garment"),
    ...(variants.length > 1 ? [plural(variants.length, "variant")] : []),
  ].join(" × ");
  const money = (amount) => amount.toLocaleString("en", { minimumFractionDigits: 2 });
  const cost =
    run.cost && run.tasks ? `${plural(run.tasks, "task")}, ${money(run.cost.service)} ${run.cost.currency}` : "";
  byId("tagline").replaceChildren(
    el("b", { text: `${run.succeeded.toLocaleString("en")} of ${plural(run.total, "combination")}` }),
    [
      " have a picture",
      overview ? "" : shape,
      run.seconds ? `took ${duration(Math.round(run.seconds))}` : "",
      cost,
      size(run.bytes),
    ]
      .filter(Boolean)
      .join(" · "),
  );
  if (run.error && run.error !== "AllFailedError") {
    byId("stopped").hidden = false;
    byId("stopped").textContent = `The run was stopped: ${human(run.error)}. ${run.cause || ""}`;
  }
  const reasons = run.reasons || [];
  byId("reasons").hidden = !reasons.length;
  byId("reasons").replaceChildren(
    ...reasons.slice(0, 6).map((reason) =>
      el(
        "button",
        {
          "data-status": `error:${reason.error}`,
          "aria-pressed": false,
          click: () => {
            const value = `error:${reason.error}`;
            setFilter("status", state.filters.status === value ? "" : value);
          },
        },
        el("b", { text: reason.count.toLocaleString("en") }),
        human(reason.error),
      ),
    ),
  );
  byId("plots").replaceChildren(...data.plots.filter(Boolean).map(plot));
  const failed = run.failed === 1 ? "One combination has" : `${run.failed?.toLocaleString("en")} combinations have`;
  byId("foot").textContent = [
    `Run ${run.run_id}.`,
    run.retry_manifest ? `${failed} no picture; “tryon retry ${run.run_id}” runs only what failed.` : "",
  ].join(" ");
  showParts();
  showLegend();
  byId("compare").hidden = !contests.length;
}

/* What names a variant goes while the review is blind; a cause may. */
export function showLegend() {
  for (const [i, button] of [...byId("reasons").children].entries())
    button.title = review.blind ? "" : run.reasons[i].cause;
  byId("compare").title = review.blind ? "" : variants.map((variant) => `${variant.id}: ${variant.says}`).join("\n");
}

function plot(figures) {
  const { name, unit, counts, from, step } = figures;
  const numbers = { Latency: run.latency, Polls: run.polls, "Seen after": run.delay }[name] || {};
  const main = name === "Polls" ? numbers.mean : numbers.p50;
  const most = Math.max(...counts);
  const width = 100 / counts.length;
  const bars = counts.map((count, i) => {
    const bar = svg("rect", {
      x: i * width + width * 0.08,
      width: width * 0.84,
      y: 40 - (38 * count) / most,
      height: (38 * count) / most,
      rx: 0.6,
    });
    bar.append(
      svg("title", {}, document.createTextNode(`${from + i * step}–${from + (i + 1) * step} ${unit}: ${count}`)),
    );
    return bar;
  });
  const figure = main === undefined ? "" : `${rounded(main)}${unit ? ` ${unit}` : ""}`;
  const middle = name === "Polls" ? "on average" : "median";
  const tail = numbers.p95 === undefined ? "" : `95 % up to ${rounded(numbers.p95)}${unit ? ` ${unit}` : ""}`;
  return el(
    "div",
    { class: "plot", role: "img", "aria-label": `${name}: ${figure} ${middle}, ${tail}` },
    el("h2", {
      text: { Latency: "Latency of a task", Polls: "Polls a task", "Seen after": "Ready to seen" }[name] || name,
    }),
    el("p", { class: "figure", text: figure }, el("small", { text: middle })),
    svg(
      "svg",
      { viewBox: "0 0 100 40", preserveAspectRatio: "none", "aria-hidden": "true" },
      ...bars,
      svg("line", { x1: 0, x2: 100, y1: 40, y2: 40, "stroke-width": 0.6 }),
    ),
    el(
      "div",
      { class: "ends" },
      el("span", { text: `${from}` }),
      el("span", { text: tail }),
      el("span", { text: `${from + counts.length * step}` }),
    ),
  );
}

function showParts() {
  const nav = byId("parts");
  nav.hidden = !pages.parts.length;
  if (nav.hidden) return;
  const name = (part) => (part.first === part.last ? part.first : `${part.first} – ${part.last}`);
  const link = (file, text, here) =>
    here || signed
      ? el("span", { class: here ? "here" : "", "aria-current": here ? "page" : null, text })
      : el("a", { href: file, text });
  const count = plural(pages.parts.length, "part");
  const what = overview ? "The combinations are" : "All combinations, with small pictures. The large ones are";
  nav.querySelector("summary").textContent = pages.shown
    ? `One part of a large run: ${count}`
    : `${what} in ${count}${signed ? " beside this page in the run’s folder" : ""}`;
  nav.querySelector("details").open = overview || pages.parts.length <= 8;
  nav
    .querySelector(".links")
    .append(
      link(pages.index, "All combinations", !pages.shown),
      ...pages.parts.map((part, i) => link(part.file, `${i + 1} · ${name(part)}`, pages.shown === i + 1)),
    );
}
