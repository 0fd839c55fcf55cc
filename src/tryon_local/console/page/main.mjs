/* All of it. */

import { byId, el } from "../../../../layers/tryon/tryon/web/elements.mjs";
import { beginActions } from "./act.mjs";
import { ask, follow } from "./asking.mjs";
import { layBeside } from "./beside.mjs";
import { choose, fromAddress } from "./choice.mjs";
import { showList } from "./combinations.mjs";
import { beginGraph, fitGraph, showGraph } from "./graph.mjs";
import { showOne } from "./one.mjs";
import { showHead, showRuns } from "./runs.mjs";
import { chosen, FILTERS, filters, machine, run, setAligned, setMachine, tab } from "./state.mjs";
import { showStep } from "./step.mjs";
import { clear } from "./words.mjs";

export function showRun() {
  if (!machine) return;
  byId("reading").hidden = !chosen.execution || Boolean(run);
  showHead();
  showGraph();
  showStep();
  showList();
  showOne();
}

function typing(event) {
  return event.target instanceof HTMLInputElement;
}

function keys(event) {
  if (event.ctrlKey || event.metaKey || event.altKey || byId("act").open) return;
  if (event.key === "Escape") {
    if (typing(event)) event.target.blur();
    else if (chosen.step) choose({ step: "" });
    else if (chosen.n !== null) choose({ n: null });
  } else if (event.key === "/" && !typing(event)) {
    event.preventDefault();
    byId("search").focus();
  } else if (event.key === "ArrowDown" || event.key === "ArrowUp") {
    const row = event.target.closest?.(".row");
    if (row) {
      event.preventDefault();
      const rows = [...byId("tall").children].sort((a, b) => parseFloat(a.style.top) - parseFloat(b.style.top));
      const next = rows[rows.indexOf(row) + (event.key === "ArrowDown" ? 1 : -1)];
      if (next) next.focus();
    }
  }
}

/* On a narrow screen the list and the graph take turns. */
function view(name) {
  byId("main").dataset.view = name;
  for (const button of byId("views").children)
    button.setAttribute("aria-pressed", String(button.dataset.view === name));
  if (name === "workflow") fitGraph();
  else showList();
}

export async function begin() {
  setMachine(await ask("/api/machine"));
  byId("pace").textContent = machine.speed ? `on this machine, ${machine.speed} × real time` : "on this machine";
  byId("bucket").textContent = machine.bucket;
  beginGraph();
  beginActions();
  clear(
    byId("statuses"),
    ...FILTERS.map(([status, text]) =>
      el(
        "button",
        {
          "data-status": status,
          click: () => {
            filters.status = status;
            showList();
          },
        },
        `${text} `,
        el("b"),
      ),
    ),
  );
  for (const button of byId("views").children) button.addEventListener("click", () => view(button.dataset.view));
  byId("find").addEventListener("input", showRuns);
  byId("all-runs").addEventListener("click", () => {
    const open = byId("top").classList.toggle("open");
    byId("all-runs").setAttribute("aria-expanded", String(open));
    showRuns();
  });
  byId("search").addEventListener("input", () => {
    filters.text = byId("search").value;
    showList();
    if (run) showHead();
  });
  byId("aligned").addEventListener("click", () => {
    setAligned(byId("aligned").getAttribute("aria-pressed") !== "true");
    showList();
  });
  byId("beside").addEventListener("change", () => layBeside(byId("beside").value));
  byId("skip").addEventListener("click", (event) => {
    // The address says what is looked at, and nothing else.
    event.preventDefault();
    byId("side").focus();
  });
  byId("rows").addEventListener("scroll", showList, { passive: true });
  document.addEventListener("keydown", keys);
  window.addEventListener("hashchange", fromAddress);
  window.addEventListener("resize", showList);
  fromAddress();
  showRuns();
  showRun();
  follow();
  // Between two answers time goes on: what lasts grows.
  setInterval(() => {
    if (run && run.ended === null && !document.hidden) {
      showHead();
      showGraph();
      showList();
      if (tab === "way") showOne();
    }
  }, 500);
}

begin().catch((error) => {
  byId("lost").hidden = false;
  console.error(error);
});
