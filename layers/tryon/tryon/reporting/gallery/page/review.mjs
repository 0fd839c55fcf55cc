import { cells, models, run, state, variants, worn } from "./content.mjs";
import { following, shuffled } from "./judging.mjs";
import { refresh } from "./layout.mjs";
import { showReview } from "./sheet.mjs";
import { drawViewer, show } from "./viewer.mjs";
import { hasPicture, say } from "./words.mjs";

export const storeName = `tryon-review:${run.run_id}`;
export let kept = true;
export let review = recalled();

function blank() {
  const random = new Uint32Array(2);
  crypto.getRandomValues(random);
  return {
    // a letter first, or a spreadsheet makes a number of it
    review: `r${[...random].map((n) => n.toString(16).padStart(8, "0")).join("")}`,
    reviewer: "",
    blind: false,
    preferences: {},
    ratings: {},
  };
}

function recalled() {
  try {
    const found = JSON.parse(localStorage.getItem(storeName));
    if (found && typeof found.preferences === "object" && typeof found.ratings === "object")
      return { ...blank(), ...found };
  } catch {
    kept = false;
  }
  return blank();
}

function store() {
  try {
    localStorage.setItem(storeName, JSON.stringify(review));
  } catch {
    kept = false;
  }
}

export function keep() {
  store();
  showReview();
}

const pairName = (cell) => `${models[cell.m].id}__${worn[cell.w].id}`;
const pairs = new Map();
for (const cell of cells) {
  const key = cell.m * worn.length + cell.w;
  if (!pairs.has(key)) pairs.set(key, []);
  pairs.get(key).push(cell);
}
for (const pair of pairs.values()) pair.sort((a, b) => a.v - b.v);
export const pairOf = (cell) => pairs.get(cell.m * worn.length + cell.w);
export const judgeable = (pair) => pair.filter(hasPicture).length > 1;
export const contests = [...pairs.values()].filter(judgeable);
export const preference = (cell) => review.preferences[pairName(cell)];
export const stars = (cell) => (review.ratings[cell.id] ? review.ratings[cell.id].stars : 0);

export function inOrder(pair) {
  if (!review.blind) return pair;
  return shuffled(pair, (cell) => `${run.run_id}|${pairName(cell)}|${variants[cell.v].id}`);
}

export const label = (cell) =>
  review.blind ? `Picture ${inOrder(pairOf(cell)).indexOf(cell) + 1}` : variants[cell.v].id;
export const short = (cell) => (review.blind ? String(inOrder(pairOf(cell)).indexOf(cell) + 1) : variants[cell.v].id);

export function described(cell) {
  const name = `${models[cell.m].id} wearing ${worn[cell.w].name}`;
  return variants.length > 1 ? `${name}, ${review.blind ? label(cell).toLowerCase() : `variant ${label(cell)}`}` : name;
}

export function rate(cell, count) {
  if (!hasPicture(cell)) return say("Nothing to rate: this combination has no picture");
  if (count === 0) delete review.ratings[cell.id];
  else review.ratings[cell.id] = { stars: count, blind: review.blind, at: new Date().toISOString() };
  keep();
  refresh(cell);
  say(count ? `Rated ${count} of 5` : "Rating taken back");
}

export function prefer(cell, chosen) {
  const pair = pairOf(cell);
  if (!judgeable(pair)) return;
  review.preferences[pairName(cell)] = {
    preferred: chosen ? variants[chosen.v].id : null,
    shown: inOrder(pair)
      .filter(hasPicture)
      .map((one) => variants[one.v].id),
    blind: review.blind,
    at: new Date().toISOString(),
  };
  keep();
  for (const one of pair) refresh(one);
  drawViewer();
  const left = contests.filter((other) => !preference(other[0]));
  if (!left.length) {
    say(
      review.blind
        ? "Every pair is judged: open Review to reveal the variants"
        : "Every pair is judged: open Review to export",
    );
  } else {
    say(chosen ? `${label(chosen)} preferred` : "Equal");
    setTimeout(
      () => state.mode === "variants" && state.open && pairOf(state.open) === pair && show(followingContest(pair)),
      420,
    );
  }
}

/* The next unjudged pair's first picture. */
function followingContest(pair) {
  return inOrder(following(contests, pair, (other) => preference(other[0])))[0];
}

export function exported() {
  const known = new Map(cells.map((cell) => [cell.id, cell]));
  const place = (cell) => ({ model: models[cell.m].id, worn: worn[cell.w].id, type: worn[cell.w].type || "" });
  return {
    format: "tryon-review",
    version: 1,
    run_id: run.run_id,
    review: review.review,
    reviewer: review.reviewer,
    exported_at: new Date().toISOString(),
    variants: variants.map((variant) => variant.id),
    preferences: contests
      .filter((pair) => preference(pair[0]))
      .map((pair) => ({ ...place(pair[0]), ...preference(pair[0]) })),
    ratings: Object.entries(review.ratings)
      .filter(([id]) => known.has(id))
      .map(([id, rating]) => ({ ...place(known.get(id)), variant: variants[known.get(id).v].id, ...rating })),
  };
}

/* Another name for the exports; the sheet that it is typed into is not drawn anew. */
export function rename(reviewer) {
  review.reviewer = reviewer;
  store();
}

/* Nothing is judged any more; the reviewer and the blindness stay. */
export function startOver() {
  review = { ...blank(), reviewer: review.reviewer, blind: review.blind };
  keep();
}

/* What another window of this browser judged meanwhile. */
export function recallAgain() {
  review = recalled();
}
