/* What is pressed, and the first look. */

import { byId } from "../../../web/elements.mjs";
import { cells, run, scroller, sheet, state, viewer } from "./content.mjs";
import { clearFilters, fillFilters, refilter, setFilter } from "./filters.mjs";
import { showHead } from "./head.mjs";
import { onKey, resize } from "./keys.mjs";
import { paint, relayout } from "./layout.mjs";
import {
  contests,
  exported,
  inOrder,
  preference,
  recallAgain,
  rename,
  review,
  startOver,
  storeName,
} from "./review.mjs";
import { download, setBlind, showReview } from "./sheet.mjs";
import { table } from "./spreadsheet.mjs";
import { drawViewer, show, walk } from "./viewer.mjs";

for (const name of ["model", "garment", "type", "variant", "status"]) {
  byId(`by-${name}`).addEventListener("change", (event) => setFilter(name, event.target.value));
}
let typingTimer;
byId("search").addEventListener("input", (event) => {
  clearTimeout(typingTimer);
  typingTimer = setTimeout(() => setFilter("text", event.target.value.trim()), cells.length > 2000 ? 120 : 0);
});
byId("clear").addEventListener("click", clearFilters);
byId("clear-too").addEventListener("click", clearFilters);
byId("filters-open").addEventListener("click", (event) => {
  const open = byId("filters").classList.toggle("open");
  event.target.setAttribute("aria-expanded", open);
});
/** @type {HTMLElement[]} */
const layouts = [...document.querySelectorAll("[data-view]")].filter((one) => one instanceof HTMLElement);
for (const choice of layouts) {
  choice.addEventListener("click", () => {
    state.view = choice.dataset.view;
    for (const other of layouts) other.setAttribute("aria-pressed", String(other === choice));
    relayout();
  });
}
byId("smaller").addEventListener("click", () => resize(-1));
byId("larger").addEventListener("click", () => resize(1));
byId("compare").addEventListener("click", () => {
  const first = contests.find((pair) => !preference(pair[0])) || contests[0];
  show(inOrder(first)[0], "variants");
});
byId("review-open").addEventListener("click", () => {
  showReview();
  sheet.showModal();
});
byId("keys-open").addEventListener("click", () => byId("keys").showModal());
for (const dialog of document.querySelectorAll("dialog")) {
  for (const close of dialog.querySelectorAll("[data-close]")) close.addEventListener("click", () => dialog.close());
  if (!dialog.classList.contains("sheet")) continue;
  dialog.addEventListener("click", (event) => event.target === dialog && dialog.close());
}
byId("reviewer").addEventListener("input", (event) => {
  rename(event.target.value.trim());
});
byId("blind").addEventListener("change", (event) => setBlind(event.target.checked));
byId("reveal").addEventListener("click", () => setBlind(false));
byId("export-json").addEventListener("click", () =>
  download(`${run.run_id}-review.json`, "application/json", `${JSON.stringify(exported(), null, 1)}\n`),
);
byId("export-csv").addEventListener("click", () => download(`${run.run_id}-review.csv`, "text/csv", table(exported())));
byId("forget").addEventListener("click", () => {
  if (!confirm("Forget all your ratings and preferences for this run?")) return;
  startOver();
  refilter();
});
for (const choice of byId("modes").children) {
  choice.addEventListener("click", () => {
    state.mode = choice.dataset.mode;
    state.zoom = false;
    drawViewer();
  });
}
byId("previous").addEventListener("click", () => walk(-1));
byId("next").addEventListener("click", () => walk(1));
byId("viewer-close").addEventListener("click", () => viewer.close());
document.addEventListener("keydown", onKey);
addEventListener("storage", (event) => {
  if (event.key !== storeName) return;
  recallAgain();
  showReview();
  relayout();
});

export let waiting = false;
scroller.addEventListener(
  "scroll",
  () => {
    if (waiting) return;
    waiting = true;
    requestAnimationFrame(() => {
      waiting = false;
      paint();
    });
  },
  { passive: true },
);
let lastWidth = 0;
new ResizeObserver(() => {
  if (scroller.clientWidth === lastWidth) return paint();
  lastWidth = scroller.clientWidth;
  relayout();
}).observe(scroller);

showHead();
fillFilters();
showReview();
refilter();
const linked = cells.find((cell) => `#${cell.id}` === location.hash);
if (linked && !review.blind) show(linked);
