/* The review: what was judged here and by colleagues, kept in the browser, taken back, written out. */

import {
  cells,
  hasPicture,
  modelName,
  models,
  run,
  state,
  variantName,
  variants,
  viewer,
  worn,
  wornName,
} from "./content.mjs";
import { following, tour, turned, turns } from "./judging.mjs";
import { refresh } from "./layout.mjs";
import { best, differ, newer, pictureName, pictureParts, reasonText, standing, vote } from "./marks.mjs";
import { showReview } from "./sheet.mjs";
import { drawViewer, goOn, show } from "./viewer.mjs";
import { say } from "./words.mjs";

// All runs that go back to one share their judgements: what was picked stays picked where the rest is made again.
export const family = run.family || run.run_id;
export const storeName = `tryon-review:${family}`;
export let kept = true;
export let review = recalled();
export let unsaved = false;

function blank() {
  const random = new Uint32Array(2);
  crypto.getRandomValues(random);
  return {
    // a letter first, or a spreadsheet makes a number of it
    review: `r${[...random].map((n) => n.toString(16).padStart(8, "0")).join("")}`,
    reviewer: "",
    blind: false,
    revealed: false,
    auto: true,
    preferences: {},
    repeats: {},
    ratings: {},
    marks: {},
    others: [],
  };
}

function recalled() {
  try {
    for (const name of [storeName, `tryon-review:${run.run_id}`]) {
      const found = JSON.parse(localStorage.getItem(name));
      if (found && typeof found.preferences === "object" && typeof found.ratings === "object")
        return { ...blank(), ...found };
    }
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

/* Judgements have left the page: there is nothing to warn of any more. */
export function saved() {
  unsaved = false;
}

/* ---- pictures ---- */

export const namesOf = (cell) => (cell.results || []).map((one) => pictureName(cell.id, one.take, one.candidate));
export const nameOf = (cell, i) => namesOf(cell)[i] ?? pictureName(cell.id, 1, 1);
export const markOf = (cell, i) => review.marks[nameOf(cell, i)];
export const stars = (cell, i = shownOf(cell)) => review.ratings[nameOf(cell, i)]?.stars || 0;
export const standingOf = (cell) => standing(namesOf(cell), review.marks);

/* Which picture of several the grid shows: the picked one, or one that is not rejected, the least odd one first. */
export function shownOf(cell) {
  const results = cell.results || [];
  if (results.length < 2) return 0;
  const order = results.map((_, i) => i);
  const rank = (i) => results[i].check?.rank ?? -1;
  if (!review.blind) order.sort((a, b) => rank(b) - rank(a) || a - b);
  // A later take was made because the one before was not wanted.
  order.sort((a, b) => (results[b].take || 1) - (results[a].take || 1));
  const names = namesOf(cell);
  return order[
    best(
      order.map((i) => names[i]),
      review.marks,
    )
  ];
}

/* What everybody says of a picture, in the order of the reviews; the own one first. */
export function votesFor(name) {
  const mine = { who: review.reviewer || "You", mark: review.marks[name], stars: review.ratings[name]?.stars || 0 };
  return [mine, ...review.others.map((one) => ({ who: one.who, mark: one.marks[name], stars: one.stars[name] || 0 }))];
}

export const disputed = (cell) =>
  namesOf(cell).some((name) => differ(votesFor(name).map((one) => vote(one.mark, one.stars))));

/* ---- pairs ---- */

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
export const preference = (cell) => (repeating() ? review.repeats : review.preferences)[pairName(cell)];

const contestOf = new Map(contests.map((pair) => [pairName(pair[0]), pair]));
let way = null;

/* The way through the pairs: in a blind review each reviewer's own, with some pairs twice. */
export function stops() {
  const key = `${review.review}|${review.blind}`;
  if (way?.key !== key) {
    const names = [...contestOf.keys()];
    way = {
      key,
      turns: turns(names, family, review.review),
      stops: review.blind ? tour(names, family, review.review) : names.map((name) => ({ name, repeat: false })),
    };
  }
  return way.stops;
}

export const repeating = () => Boolean(review.blind && state.open && stops()[state.stop]?.repeat);
const judgedAt = (stop) => (stop.repeat ? review.repeats : review.preferences)[stop.name];
export const judgedStops = () => stops().filter(judgedAt).length;

/* The picture of the next stop that is not judged, and its place; the first one where all are. */
export function nextStop(after = -1) {
  const at = following(stops(), after, judgedAt);
  const stop = stops()[Math.max(0, at)];
  return { at: Math.max(0, at), cell: contestOf.get(stop.name)[0], over: at < 0 };
}

export const stopOf = (cell) => stops().findIndex((stop) => !stop.repeat && stop.name === pairName(cell));
export const contestAt = (at) => contestOf.get(stops()[at].name);

export function inOrder(pair) {
  if (!review.blind || pair.length < 2) return pair;
  stops();
  const by = way.turns.get(pairName(pair[0])) || 0;
  return turned(pair, by + (repeating() ? 1 : 0));
}

export const label = (cell) =>
  review.blind ? `Picture ${inOrder(pairOf(cell)).indexOf(cell) + 1}` : variantName(variants[cell.v]);
export const short = (cell) =>
  review.blind ? String(inOrder(pairOf(cell)).indexOf(cell) + 1) : variantName(variants[cell.v]);

export function described(cell) {
  const name = `${modelName(cell)} wearing ${wornName(cell)}`;
  return variants.length > 1 ? `${name}, ${review.blind ? label(cell).toLowerCase() : `variant ${label(cell)}`}` : name;
}

/* ---- judging ---- */

const MOST_UNDONE = 50;
const undone = [];
export const canUndo = () => undone.length > 0;

/* What is about to change, so that it can be taken back. */
function remember(what, cell) {
  const { marks, ratings, preferences, repeats } = review;
  undone.push({
    what,
    cell,
    before: { marks: { ...marks }, ratings: { ...ratings }, preferences: { ...preferences }, repeats: { ...repeats } },
    open: state.open && { cell: state.open, candidate: state.candidate, mode: state.mode, stop: state.stop },
  });
  if (undone.length > MOST_UNDONE) undone.shift();
  unsaved = true;
}

export function undo() {
  const last = undone.pop();
  if (!last) return say("Nothing to take back");
  Object.assign(review, last.before);
  keep();
  for (const one of pairOf(last.cell)) refresh(one);
  if (last.open && viewer.open) {
    state.stop = last.open.stop;
    show(last.open.cell, last.open.mode, last.open.candidate);
  } else if (state.open) drawViewer();
  say(`Taken back: ${last.what}`);
  return last.cell;
}

const now = () => new Date().toISOString();

export function rate(cell, count, i = shownOf(cell)) {
  if (!hasPicture(cell)) return say("Nothing to rate: this combination has no picture");
  remember(count ? `${count} of 5 stars` : "no stars", cell);
  if (count === 0) delete review.ratings[nameOf(cell, i)];
  else review.ratings[nameOf(cell, i)] = { stars: count, blind: review.blind, at: now() };
  keep();
  refresh(cell);
  say(count ? `Rated ${count} of 5` : "Rating taken back");
}

/* Picks or rejects a picture, or leaves it undecided, and goes on to the next. */
export function mark(cell, i, what, reason = null) {
  if (!hasPicture(cell)) return say("Nothing to judge: this combination has no picture");
  const name = nameOf(cell, i);
  const words = what === "pick" ? "Picked" : what ? `Rejected${reason ? `: ${reasonText(reason)}` : ""}` : "Undecided";
  remember(words.toLowerCase(), cell);
  const note = review.marks[name]?.note || "";
  if (!what) delete review.marks[name];
  else review.marks[name] = { mark: what, reason, note, blind: review.blind, at: now() };
  keep();
  refresh(cell);
  say(`${words}${review.auto ? "" : ` · ${described(cell)}`}`);
  if (what) goOn(cell, i, what);
  else if (state.open) drawViewer();
}

/* A note stays with its picture's mark; it is no judgement of its own. */
export function note(cell, i, text) {
  const name = nameOf(cell, i);
  if (!review.marks[name] || review.marks[name].note === text) return;
  remember("a note", cell);
  review.marks[name] = { ...review.marks[name], note: text, at: now() };
  keep();
}

/* Prefers one of a pair; null says that they are equal, `bad` that none can be used. */
export function prefer(cell, chosen, bad = false) {
  const pair = pairOf(cell);
  if (!judgeable(pair)) return;
  remember(bad ? "both bad" : chosen ? "a preference" : "equal", cell);
  (repeating() ? review.repeats : review.preferences)[pairName(cell)] = {
    preferred: chosen ? variants[chosen.v].id : null,
    both_bad: bad,
    shown: inOrder(pair)
      .filter(hasPicture)
      .map((one) => variants[one.v].id),
    blind: review.blind,
    at: now(),
  };
  const words = chosen ? `${label(chosen)} preferred` : bad ? "None can be used" : "Equal";
  keep();
  for (const one of pair) refresh(one);
  drawViewer();
  goOn(cell, 0, "preference", words);
}

/* ---- out and in ---- */

const placeOf = (cell) => ({ model: models[cell.m].id, worn: worn[cell.w].id, type: worn[cell.w].type || "" });

export function exported() {
  const known = new Map(cells.map((cell) => [cell.id, cell]));
  const ofPicture = ([name, said]) => {
    const { combination, take, candidate } = pictureParts(name);
    const cell = known.get(combination);
    return cell && { ...placeOf(cell), variant: variants[cell.v].id, take, candidate, ...said };
  };
  const ofPair = (repeat) => (pair) => {
    const said = (repeat ? review.repeats : review.preferences)[pairName(pair[0])];
    return said && { ...placeOf(pair[0]), ...said, repeat };
  };
  return {
    format: "tryon-review",
    version: 2,
    run_id: family,
    review: review.review,
    reviewer: review.reviewer,
    exported_at: now(),
    variants: variants.map((variant) => variant.id),
    preferences: [...contests.map(ofPair(false)), ...contests.map(ofPair(true))].filter(Boolean),
    ratings: Object.entries(review.ratings).map(ofPicture).filter(Boolean),
    marks: Object.entries(review.marks).map(ofPicture).filter(Boolean),
  };
}

/* All reviews that the page knows, in the form of exports, those without a judgement left out. */
export const allReviews = () =>
  [exported(), ...review.others.map((one) => one.whole)].filter(
    (one) => one.preferences.length + one.ratings.length + one.marks.length,
  );

/* A colleague's review beside the own one; the own one read back is merged into it. Throws an error in words. */
export function takeIn(whole) {
  if (whole.format !== "tryon-review" || ![1, 2].includes(whole.version))
    throw new Error("it is no review of a gallery");
  if (![family, run.run_id, ...(run.repaired_by || [])].includes(whole.run_id))
    throw new Error(`it is of run ${whole.run_id}, not of this one`);
  const given = { preferences: [], ratings: [], marks: [], reviewer: "", ...whole, run_id: family };
  const named = (line) => pictureName(`${line.model}__${line.worn}__${line.variant}`, line.take, line.candidate);
  const byName = (lines, value) => Object.fromEntries(lines.map((line) => [named(line), value(line)]));
  const common = ({ blind, at }) => ({ blind: Boolean(blind), at: at || "" });
  const marks = byName(given.marks, (one) => ({
    mark: one.mark,
    reason: one.reason || null,
    note: one.note || "",
    ...common(one),
  }));
  const ratings = byName(given.ratings, (one) => ({ stars: one.stars, ...common(one) }));
  unsaved = true;
  if (given.review === review.review) {
    const preferred = (repeat) =>
      Object.fromEntries(
        given.preferences
          .filter((one) => Boolean(one.repeat) === repeat)
          .map((one) => [
            `${one.model}__${one.worn}`,
            { preferred: one.preferred, both_bad: Boolean(one.both_bad), shown: one.shown, ...common(one) },
          ]),
      );
    review.marks = newer(review.marks, marks);
    review.ratings = newer(review.ratings, ratings);
    review.preferences = newer(review.preferences, preferred(false));
    review.repeats = newer(review.repeats, preferred(true));
    return `Your own review, merged: ${given.marks.length + given.ratings.length + given.preferences.length} judgements`;
  }
  const who = given.reviewer.trim() || `Reviewer ${given.review.slice(0, 5)}`;
  const starsByName = Object.fromEntries(Object.entries(ratings).map(([name, one]) => [name, one.stars]));
  const others = review.others.filter((one) => one.review !== given.review);
  review.others = [...others, { review: given.review, who, marks, stars: starsByName, whole: given }];
  return `${who}: ${given.marks.length + given.ratings.length + given.preferences.length} judgements`;
}

export function forgetColleague(id) {
  review.others = review.others.filter((one) => one.review !== id);
  keep();
}

/* Another name for the exports; the sheet that it is typed into is not drawn anew. */
export function rename(reviewer) {
  review.reviewer = reviewer;
  store();
}

/* Nothing is judged any more; the reviewer, the colleagues and the blindness stay. */
export function startOver() {
  const { reviewer, blind, auto, others } = review;
  review = { ...blank(), reviewer, blind, auto, others };
  undone.length = 0;
  unsaved = false;
  keep();
}

/* What another window of this browser judged meanwhile. */
export function recallAgain() {
  review = recalled();
}
