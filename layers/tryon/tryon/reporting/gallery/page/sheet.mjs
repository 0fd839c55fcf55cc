/* The sheet of the review: what is judged, the verdict, and the switch that hides the variants' names. */

import { byId, el } from "../../../web/elements.mjs";
import { plural } from "../../../web/formats.mjs";
import { state, variants } from "./content.mjs";
import { fillFilters, refilter } from "./filters.mjs";
import { showLegend } from "./head.mjs";
import { tally } from "./judging.mjs";
import { contests, exported, keep, kept, preference, review } from "./review.mjs";
import { drawViewer } from "./viewer.mjs";
import { say } from "./words.mjs";

export function showReview() {
  const judged = contests.filter((pair) => preference(pair[0])).length;
  const rated = Object.keys(review.ratings).length;
  byId("review-count").textContent = judged + rated ? judged + rated : "";
  byId("review-kept").textContent = kept
    ? "Kept in this browser until you export it."
    : "This browser keeps nothing for this page: export before you close it.";
  byId("reviewer").value = review.reviewer;
  byId("blind").checked = review.blind;
  byId("blind-row").hidden = variants.length < 2;
  document.body.classList.toggle("blind", review.blind);
  byId("progress").replaceChildren(
    ...(contests.length
      ? [
          el("div", { text: `${judged} of ${plural(contests.length, "pair")} judged` }),
          el("progress", { value: judged, max: contests.length, "aria-label": "Pairs judged" }),
        ]
      : []),
    el("div", { text: `${plural(rated, "picture")} rated` }),
  );
  byId("reveal").hidden = !review.blind || judged === 0;
  byId("reveal").classList.toggle("strong", judged === contests.length);
  showVerdict(judged, rated);
}

function showVerdict(judged, rated) {
  const verdict = byId("verdict");
  verdict.hidden = review.blind || variants.length < 2 || judged + rated === 0;
  verdict.replaceChildren();
  if (verdict.hidden) return;
  const all = exported();
  const { rows, ties } = tally(all.variants, all.preferences, all.ratings);
  const lines = rows.map((row) =>
    el(
      "tr",
      {},
      el("th", { scope: "row", text: row.id }),
      el("td", { text: row.preferred }),
      el("td", { text: row.rated ? `${row.mean.toFixed(1)} ★ (${row.rated})` : "–" }),
    ),
  );
  verdict.append(
    el(
      "table",
      {},
      el(
        "thead",
        {},
        el("tr", {}, el("th", { text: "Variant" }), el("th", { text: "Preferred" }), el("th", { text: "Rating" })),
      ),
      el(
        "tbody",
        {},
        ...lines,
        ties ? el("tr", {}, el("th", { scope: "row", text: "equal" }), el("td", { text: ties }), el("td")) : null,
      ),
    ),
  );
}

export function setBlind(on) {
  if (variants.length < 2) return;
  review.blind = on;
  if (on) Object.assign(state.filters, { variant: "" });
  keep();
  fillFilters();
  showLegend();
  refilter();
  if (state.open) drawViewer();
  say(on ? "Blind: variants are unnamed and shuffled" : "Variants are named");
}

export function download(name, type, text) {
  const url = URL.createObjectURL(new Blob([text], { type }));
  el("a", { href: url, download: name }).click();
  setTimeout(() => URL.revokeObjectURL(url), 10000);
}
