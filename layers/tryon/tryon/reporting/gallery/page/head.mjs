/* The head of the page: one line, and a drawer for how the run went. */

import { byId, el, svg } from "../../../web/elements.mjs";
import { duration, human, money, plural, rounded, size } from "../../../web/formats.mjs";
import { suspects } from "./causes.mjs";
import { showFlags } from "./checks.mjs";
import { cells, data, models, overview, pages, run, share, state, variants, worn } from "./content.mjs";
import { fillFilters, setFilter, toggleFilter } from "./filters.mjs";
import { contests, review } from "./review.mjs";
import { signed } from "./viewer.mjs";
import { STATUS, say } from "./words.mjs";

export const suspected = suspects(cells);

/* The sentence that names the input which a failure is likely to be of. */
export function suspectText(found) {
  if (!found) return "";
  const many = found.count === 2 ? "both" : `all ${found.count}`;
  return found.kind === "garment"
    ? `Probably the photograph of ${worn[found.at].name}: ${many} models failed with it.`
    : `Probably the photograph of ${models[found.at].name || models[found.at].id}: ${many} garments failed with it.`;
}

export function showHead() {
  document.title = pages.shown ? `${run.name}, part ${pages.shown}` : run.name;
  byId("name").textContent = run.name;
  const status = byId("status");
  status.textContent = STATUS[run.status] || run.status;
  status.className = `pill ${run.status}`;
  const when = run.started_at
    ? new Date(run.started_at * 1000).toLocaleString("en", {
        dateStyle: "medium",
        timeStyle: "short",
      })
    : "";
  const zone = new Intl.DateTimeFormat("en", { timeZoneName: "short" })
    .formatToParts(new Date((run.started_at || 0) * 1000))
    .find((one) => one.type === "timeZoneName");
  byId("when").textContent = [
    when && `${when} ${zone?.value || ""}`.trim(),
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
  const cost = run.cost && run.tasks ? `${plural(run.tasks, "task")}, ${money(run.cost)}` : "";
  byId("tagline").replaceChildren(
    el("b", { text: `${run.succeeded.toLocaleString("en")} of ${run.total.toLocaleString("en")}` }),
    " have a picture",
  );
  byId("measured").textContent = [
    overview ? "" : shape,
    run.seconds ? `took ${duration(Math.round(run.seconds))}` : "",
    cost,
    size(run.bytes),
  ]
    .filter(Boolean)
    .join(" · ");
  if (run.error && run.error !== "AllFailedError") {
    byId("stopped").hidden = false;
    byId("stopped").textContent = `The run was stopped: ${human(run.error)}. ${run.cause || ""}`;
  }
  showReasons();
  byId("plots").replaceChildren(...data.plots.filter(Boolean).map(plot));
  showFoot();
  showParts();
  showLegend();
  byId("compare").hidden = !contests.length;
}

/* Failures by cause, each a filter; in the drawer with the input that is suspect. */
function showReasons() {
  const reasons = run.reasons || [];
  byId("reasons").hidden = !reasons.length;
  byId("reasons").replaceChildren(
    ...reasons.slice(0, 4).map((reason) =>
      el(
        "button",
        {
          "data-error": reason.error,
          "data-key": `reason-${reason.error}`,
          "aria-pressed": String(state.filters.result.includes(reason.error)),
          click: () => toggleFilter("result", reason.error),
        },
        el("b", { text: reason.count.toLocaleString("en") }),
        ` ${human(reason.error)}`,
      ),
    ),
  );
  const groups = new Map();
  for (const [cell, found] of suspected) groups.set(`${found.kind}${found.at}${found.error}`, { cell, found });
  byId("causes").replaceChildren(
    ...[...groups.values()].map(({ cell, found }) =>
      el(
        "li",
        {},
        el("strong", { text: `${human(found.error)}: ` }),
        `${suspectText(found)} `,
        el("button", {
          class: "quiet",
          text: "Show these",
          click: () => {
            setFilter(found.kind === "garment" ? "garment" : "model", [found.kind === "garment" ? cell.w : cell.m]);
            fillFilters();
          },
        }),
      ),
    ),
  );
}

/* The command that makes again what failed, to be copied. */
function showFoot() {
  byId("foot").textContent = `Run ${run.run_id}.`;
  byId("retry").hidden = !run.retry_manifest;
  const command = `tryon retry ${run.run_id}`;
  byId("retry-words").textContent =
    `${run.failed === 1 ? "One combination has" : `${run.failed?.toLocaleString("en")} combinations have`} no picture. Whoever runs tryon makes again only what failed:`;
  byId("retry-command").textContent = command;
  byId("retry-copy").addEventListener("click", () => copy(command));
}

function copy(text) {
  const done = () => say("Copied");
  // A page from a disk may have no clipboard: then the command is selected, for Ctrl+C.
  const select = () => {
    getSelection().selectAllChildren(byId("retry-command"));
    say("Selected: Ctrl+C copies it");
  };
  if (!navigator.clipboard) return select();
  navigator.clipboard.writeText(text).then(done, select);
}

/* What names a variant goes while the review is blind; a cause may. */
export function showLegend() {
  showFlags();
  for (const [i, button] of [...byId("reasons").children].entries())
    button.title = review.blind ? "" : run.reasons[i].cause;
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
      text: { Latency: "Service’s time a task", Polls: "Polls a task", "Seen after": "Until noticed" }[name] || name,
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
    here || (signed && !share?.parts?.[file])
      ? el("span", { class: here ? "here" : "", "aria-current": here ? "page" : null, text })
      : el("a", { href: share?.parts?.[file] || file, text });
  const count = plural(pages.parts.length, "part");
  const what = overview ? "The combinations are" : "All combinations, with small pictures. The large ones are";
  nav.querySelector("summary").textContent = pages.shown
    ? `One part of a large run: ${count}`
    : `${what} in ${count}${signed && !share?.parts ? " beside this page in the run’s folder" : ""}`;
  nav.querySelector("details").open = overview || pages.parts.length <= 8;
  nav
    .querySelector(".links")
    .append(
      link(pages.index, "All combinations", !pages.shown),
      ...pages.parts.map((part, i) => link(part.file, `${i + 1} · ${name(part)}`, pages.shown === i + 1)),
    );
}
