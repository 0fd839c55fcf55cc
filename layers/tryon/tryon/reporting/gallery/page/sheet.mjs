/* The sheet of the review: what is judged, the verdict, colleagues' reviews, and the ways out. */

import { byId, el } from "../../../web/elements.mjs";
import { plural } from "../../../web/formats.mjs";
import { cells, run, sheet, state, variantName, variants } from "./content.mjs";
import { fillFilters, refilter } from "./filters.mjs";
import { showLegend } from "./head.mjs";
import {
  allReviews,
  contests,
  exported,
  forgetColleague,
  judgedStops,
  keep,
  kept,
  namesOf,
  review,
  saved,
  standingOf,
  stops,
  takeIn,
  unsaved,
} from "./review.mjs";
import { showSharing } from "./sharing.mjs";
import { fromTable, table } from "./spreadsheet.mjs";
import { verdictOf } from "./verdict.mjs";
import { drawViewer } from "./viewer.mjs";
import { say } from "./words.mjs";

export function openReview() {
  showReview();
  if (!sheet.open) sheet.showModal();
}

const tallyOf = () => {
  const said = cells.map(standingOf);
  return {
    picked: said.filter((one) => one === "pick").length,
    rejected: said.filter((one) => one === "reject").length,
  };
};

export function showReview() {
  const judged = judgedStops();
  const rated = Object.keys(review.ratings).length;
  const { picked, rejected } = tallyOf();
  const all = judged + rated + Object.keys(review.marks).length;
  byId("review-count").textContent = all ? String(all) : "";
  byId("review-kept").textContent = kept
    ? "Kept in this browser, for this address of the page alone: export it, and import it wherever else you look."
    : "This browser keeps nothing for this page: export before you close it.";
  if (byId("reviewer") !== document.activeElement) byId("reviewer").value = review.reviewer;
  byId("blind").checked = review.blind;
  byId("blind-row").hidden = variants.length < 2;
  document.body.classList.toggle("blind", review.blind);
  byId("progress").replaceChildren(
    ...(contests.length
      ? [
          el("div", { text: `${judged} of ${plural(stops().length, "pair")} judged` }),
          el("progress", { value: judged, max: stops().length, "aria-label": "Pairs judged" }),
        ]
      : []),
    el("div", { text: `${picked} picked, ${rejected} rejected, ${plural(rated, "picture")} rated` }),
  );
  byId("reveal").hidden = !review.blind || judged === 0;
  byId("reveal").classList.toggle("strong", judged === stops().length);
  byId("export-json").classList.toggle("strong", all > 0 && unsaved && !review.blind);
  showColleagues();
  showVerdict();
  showSharing();
}

function showColleagues() {
  byId("colleagues").replaceChildren(
    ...review.others.map((one) =>
      el(
        "li",
        {},
        el("span", { text: one.who, dir: "auto" }),
        ` · ${Object.keys(one.marks).length} picked or rejected, ${Object.keys(one.stars).length} rated, ${one.whole.preferences.length} compared `,
        el("button", {
          class: "quiet",
          text: "Remove",
          "aria-label": `Remove ${one.who}`,
          click: () => {
            forgetColleague(one.review);
            fillFilters();
            refilter();
          },
        }),
      ),
    ),
  );
}

/* ---- the verdict ---- */

const percent = (share) => `${(100 * share).toFixed(0)} %`;
const named = (id) => variantName(variants.find((one) => one.id === id) || { id });

function sentence(duel) {
  if (!duel.leader) return `No winner: ${named(duel.first)} and ${named(duel.second)} were preferred equally often.`;
  const own = duel.leader === duel.first;
  const wins = own ? duel.wins : duel.losses;
  const [low, high] = own ? duel.interval : [1 - duel.interval[1], 1 - duel.interval[0]];
  const rate = own ? duel.rate : 1 - duel.rate;
  const other = named(own ? duel.second : duel.first);
  const numbers = `${wins} of ${duel.wins + duel.losses} combinations (${percent(rate)}, 95 % interval ${(100 * low).toFixed(0)}–${(100 * high).toFixed(0)} %, p = ${Number(duel.adjusted.toPrecision(2))})`;
  if (duel.winner) return `${named(duel.leader)} beats ${other} in ${numbers}.`;
  return `No winner yet: ${named(duel.leader)} leads ${other} in ${numbers}, which may be chance.`;
}

function showVerdict() {
  const verdict = byId("verdict");
  const found = review.blind ? null : verdictOf(allReviews());
  const ratings = review.blind ? [] : ratingLines();
  verdict.hidden = !found || variants.length < 2 || !(found.duels.length + ratings.length);
  verdict.replaceChildren();
  if (verdict.hidden) return;
  const row = (cells, head) =>
    el(
      "tr",
      {},
      ...cells.map((text, i) => el(head ? "th" : i ? "td" : "th", { text, scope: head ? "col" : i ? null : "row" })),
    );
  for (const duel of found.duels) {
    const lines = [["combinations", duel], ...Object.entries(duel.types), ["single votes", duel.votes]];
    verdict.append(
      el("p", { class: "sentence", text: sentence(duel) }),
      el(
        "table",
        {},
        el("thead", {}, row(["Of", named(duel.first), named(duel.second), "ties", "p"], true)),
        el(
          "tbody",
          {},
          ...lines.map(([name, one]) =>
            row([
              name || "other",
              one.wins,
              one.losses,
              one.ties,
              one.rate === null ? "–" : String(Number(one.p.toPrecision(2))),
            ]),
          ),
        ),
      ),
    );
  }
  const [alike, repeated] = found.steady;
  const more = [
    found.duels.length && plural(found.reviewers, "reviewer"),
    found.bothBad && `${found.bothBad} times none was good`,
    repeated && `${alike} of ${repeated} repeated pairs judged as the first time`,
    found.agreement !== null && `reviewers agree in ${percent(found.agreement)}`,
    ...ratings,
  ].filter(Boolean);
  if (more.length) verdict.append(el("p", { class: "hint", text: `${more.join(" · ")}.` }));
}

function ratingLines() {
  return variants
    .map((variant) => {
      const given = allReviews()
        .flatMap((one) => one.ratings)
        .filter((one) => one.variant === variant.id);
      const mean = given.reduce((sum, one) => sum + one.stars, 0) / given.length;
      return given.length ? `${variantName(variant)}: ${mean.toFixed(1)} stars on average of ${given.length}` : "";
    })
    .filter(Boolean);
}

export function setBlind(on) {
  if (variants.length < 2) return;
  review.blind = on;
  if (!on) review.revealed = true;
  if (on) Object.assign(state.filters, { variant: [], service: [], check: [] });
  state.stop = -1;
  keep();
  fillFilters();
  showLegend();
  refilter();
  if (state.open) drawViewer();
  say(on ? "Blind: variants are unnamed and shuffled" : "Variants are named");
}

/* ---- out and in ---- */

export function download(name, type, text) {
  const url = URL.createObjectURL(new Blob([text], { type }));
  el("a", { href: url, download: name }).click();
  setTimeout(() => URL.revokeObjectURL(url), 10000);
}

export const asJson = () => `${JSON.stringify(exported(), null, 1)}\n`;

/* Two reviewers' files never have one name: beside the name that they gave, the number that their browser drew. */
function exportName() {
  const { reviewer, review } = exported();
  const who = reviewer.slice(0, 40).match(/[\p{L}\p{N}]+/gu) || [];
  return [run.run_id, "review", ...who, review.slice(0, 6)].join("-");
}

export function exportAs(kind) {
  if (kind === "json") download(`${exportName()}.json`, "application/json", asJson());
  else download(`${exportName()}.csv`, "text/csv", table(exported()));
  saved();
  showReview();
}

/* Reads colleagues' files, or one's own from elsewhere. */
export async function importFiles(files) {
  const told = [];
  for (const file of files) {
    try {
      const text = await file.text();
      told.push(takeIn(/^\s*[\ufeff]?\s*\{/.test(text) ? JSON.parse(text) : fromTable(text)));
    } catch (error) {
      told.push(`${file.name} was not read: ${error.message}`);
    }
  }
  keep();
  fillFilters();
  refilter();
  if (state.open) drawViewer();
  byId("imported").textContent = told.join(" · ");
  say(told.join(" · "));
}

export const chosen = () =>
  cells.flatMap((cell) => namesOf(cell).flatMap((name, i) => (review.marks[name]?.mark === "pick" ? [[cell, i]] : [])));
