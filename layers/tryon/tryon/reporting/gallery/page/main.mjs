/* What is pressed, and the first look. */

import { byId } from "../../../web/elements.mjs";
import { keepAddress, readAddress } from "./address.mjs";
import { cells, scroller, sheet, state, viewer } from "./content.mjs";
import { clearFilters, fillFilters, refilter, setFilter, setSort } from "./filters.mjs";
import { showHead } from "./head.mjs";
import { onKey, resize } from "./keys.mjs";
import { isTurned, paint, relayout, showLayout } from "./layout.mjs";
import { listen, zoomBy, zoomFit, zoomFull } from "./panes.mjs";
import { unroll } from "./printing.mjs";
import { kept, recallAgain, rename, review, startOver, storeName, unsaved } from "./review.mjs";
import { send, takeAway } from "./sharing.mjs";
import { exportAs, importFiles, openReview, setBlind, showReview } from "./sheet.mjs";
import { clearMarked, showMarked } from "./survey.mjs";
import { drawViewer, onViewerKeyUp, openPairs, openSurvey, setMode, show, walk } from "./viewer.mjs";

let typingTimer;
byId("search").addEventListener("input", (event) => {
  clearTimeout(typingTimer);
  typingTimer = setTimeout(() => setFilter("text", event.target.value.trim()), cells.length > 2000 ? 120 : 0);
});
byId("clear").addEventListener("click", clearFilters);
byId("clear-too").addEventListener("click", clearFilters);
byId("by-stars").addEventListener("change", (event) => setFilter("stars", Number(event.target.value)));
byId("sort").addEventListener("change", (event) => setSort(event.target.value));
byId("filters-open").addEventListener("click", () => {
  const open = byId("filters").toggleAttribute("hidden") === false;
  byId("filters-open").setAttribute("aria-expanded", String(open));
  relayout();
});
byId("how-open").addEventListener("click", () => {
  const open = byId("how").toggleAttribute("hidden") === false;
  byId("how-open").setAttribute("aria-expanded", String(open));
  paint();
});
for (const choice of document.querySelectorAll("[data-view]")) {
  choice.addEventListener("click", () => {
    state.view = choice.getAttribute("data-view");
    if (state.view === "grid") state.sort = "";
    showLayout();
    fillFilters();
    refilter();
    keepAddress();
  });
}
byId("turn").addEventListener("click", () => {
  state.turned = !isTurned();
  showLayout();
  refilter();
  keepAddress();
});
byId("smaller").addEventListener("click", () => resize(-1));
byId("larger").addEventListener("click", () => resize(1));
byId("compare").addEventListener("click", () => {
  // Names seen once are seen: only whoever revealed them judges with open eyes.
  if (!review.blind && !review.revealed) setBlind(true);
  openPairs();
});
byId("survey-open").addEventListener("click", () => openSurvey());
byId("survey-clear").addEventListener("click", () => {
  clearMarked();
  setMode("slider");
});
byId("review-open").addEventListener("click", openReview);
byId("keys-open").addEventListener("click", () => byId("keys").showModal());
for (const dialog of document.querySelectorAll("dialog")) {
  for (const close of dialog.querySelectorAll("[data-close]")) close.addEventListener("click", () => dialog.close());
  if (!dialog.classList.contains("sheet")) continue;
  dialog.addEventListener("click", (event) => event.target === dialog && dialog.close());
}
sheet.addEventListener("close", () => refilter());
byId("reviewer").addEventListener("input", (event) => {
  rename(event.target.value.trim());
});
byId("blind").addEventListener("change", (event) => setBlind(event.target.checked));
byId("reveal").addEventListener("click", () => setBlind(false));
byId("export-json").addEventListener("click", () => exportAs("json"));
byId("export-csv").addEventListener("click", () => exportAs("csv"));
byId("import").addEventListener("click", () => byId("import-files").click());
byId("import-files").addEventListener("change", async (event) => {
  await importFiles([...event.target.files]);
  event.target.value = "";
});
document.addEventListener("dragover", (event) => event.preventDefault());
document.addEventListener("drop", (event) => {
  event.preventDefault();
  if (event.dataTransfer.files.length) importFiles([...event.dataTransfer.files]);
});
byId("take-away").addEventListener("click", takeAway);
byId("send").addEventListener("click", send);
byId("forget").addEventListener("click", () => {
  if (!confirm("Forget all that you judged in this run?")) return;
  startOver();
  refilter();
});
for (const choice of byId("modes").children) choice.addEventListener("click", () => setMode(choice.dataset.mode));
byId("zoom-fit").addEventListener("click", zoomFit);
byId("zoom-full").addEventListener("click", () => {
  zoomFit();
  zoomFull();
});
byId("zoom-in").addEventListener("click", () => zoomBy(1.25));
byId("zoom-out").addEventListener("click", () => zoomBy(0.8));
byId("previous").addEventListener("click", () => walk(-1));
byId("next").addEventListener("click", () => walk(1));
byId("viewer-close").addEventListener("click", () => viewer.close());
/* After the mouse, keys belong to the pictures again: a button that was clicked would take Space for itself. */
viewer.addEventListener("click", (event) => {
  if (event.detail > 0 && event.target.closest("button") && viewer.open) viewer.focus({ preventScroll: true });
});
document.addEventListener("keydown", onKey);
document.addEventListener("keyup", onViewerKeyUp);
addEventListener("beforeprint", unroll);
addEventListener("afterprint", () => byId("print").replaceChildren());
addEventListener("beforeunload", (event) => {
  // What the browser keeps is there again; what it does not keep is lost.
  if (unsaved && !kept) event.preventDefault();
});
addEventListener("storage", (event) => {
  if (event.key !== storeName) return;
  recallAgain();
  showReview();
  relayout();
});

let waiting = false;
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
let lastSize = "";
new ResizeObserver(() => {
  const size = `${scroller.clientWidth} ${scroller.clientHeight}`;
  if (size === lastSize) return paint();
  lastSize = size;
  relayout();
  if (state.open) drawViewer();
}).observe(scroller);

listen();
const linked = readAddress();
showHead();
fillFilters();
showReview();
showLayout();
showMarked();
refilter();
if (linked && !review.blind) show(linked);
