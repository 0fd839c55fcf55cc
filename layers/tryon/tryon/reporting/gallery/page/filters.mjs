/* Which combinations are seen, and in which order. */

import { byId, el } from "../../../web/elements.mjs";
import { human, plural } from "../../../web/formats.mjs";
import { keepAddress } from "./address.mjs";
import {
  cards,
  cells,
  grid,
  hasPicture,
  modelName,
  models,
  NO_FILTERS,
  overview,
  scroller,
  services,
  state,
  variantName,
  variants,
  worn,
} from "./content.mjs";
import { axes, paint, relayout, showLayout } from "./layout.mjs";
import { REASONS } from "./marks.mjs";
import {
  contests,
  disputed,
  inOrder,
  judgeable,
  namesOf,
  pairOf,
  preference,
  review,
  standingOf,
  stars,
} from "./review.mjs";
import { CHECKS, TYPES } from "./words.mjs";

for (const cell of cells) {
  const garment = worn[cell.w];
  cell.words = [
    models[cell.m].id,
    modelName(cell),
    garment.id,
    garment.name,
    ...garment.garments.flatMap((one) => [one.id, one.name || ""]),
    TYPES[garment.type] || "",
    cell.error || "",
    cell.error ? human(cell.error) : "",
    cell.cause || "",
  ]
    .join(" ")
    .toLowerCase();
}

const WORST = ["flagged", "not_comparable", "unchecked", "clear"];
export const checksOf = (cell) => (cell.results || []).map((one) => one.check).filter(Boolean);
export const checkOf = (cell) => WORST.find((one) => checksOf(cell).some((check) => check.state === one)) || "";
const starsOfBest = (cell) => Math.max(0, ...(cell.results || []).map((_, i) => stars(cell, i)));
const judgedAs = {
  pick: (cell) => standingOf(cell) === "pick",
  reject: (cell) => standingOf(cell) === "reject",
  undecided: (cell) => hasPicture(cell) && !standingOf(cell),
  unrated: (cell) => hasPicture(cell) && !starsOfBest(cell),
  differ: (cell) => disputed(cell),
  unpaired: (cell) => judgeable(pairOf(cell)) && !preference(cell),
};

/* Whether a combination is what a filter names; each filter's values are alternatives. */
const tests = {
  model: (cell, i) => cell.m === i,
  garment: (cell, i) => cell.w === i,
  variant: (cell, i) => cell.v === i,
  service: (cell, key) => cell.service === key,
  type: (cell, type) => worn[cell.w].type === type || worn[cell.w].garments.some((one) => one.type === type),
  result: (cell, what) =>
    what === "picture" ? hasPicture(cell) : what === "none" ? !hasPicture(cell) : cell.error === what,
  judged: (cell, what) => judgedAs[what]?.(cell),
  reason: (cell, id) => namesOf(cell).some((name) => review.marks[name]?.reason === id),
  check: (cell, what) => checkOf(cell) === what,
};

function fits(cell, words) {
  const wanted = state.filters;
  for (const [name, test] of Object.entries(tests)) {
    if (!wanted[name].length) continue;
    if (wanted[name].some((value) => test(cell, value)) === wanted.not.includes(name)) return false;
  }
  if (wanted.stars && starsOfBest(cell) < wanted.stars) return false;
  return words.every(
    (word) => cell.words.includes(word) || (!review.blind && variants.length > 1 && variants[cell.v].id.includes(word)),
  );
}

/* Places among each run's own results: a retry has fewer. */
const rankOf = (cell) => Math.min(1, ...checksOf(cell).map((check) => (check.rank ? (check.rank - 1) / check.of : 1)));
const order = { pick: 0, "": 1, reject: 2 };
const SORTS = {
  worst: {
    text: "Most suspicious first",
    by: (a, b) => WORST.indexOf(checkOf(a)) - WORST.indexOf(checkOf(b)) || rankOf(a) - rankOf(b),
    there: () => !review.blind && cells.some((cell) => checksOf(cell).length),
  },
  best: { text: "Most stars first", by: (a, b) => starsOfBest(b) - starsOfBest(a) },
  stars: { text: "Fewest stars first", by: (a, b) => (starsOfBest(a) || 9) - (starsOfBest(b) || 9) },
  picked: { text: "Picked first", by: (a, b) => order[standingOf(a)] - order[standingOf(b)] },
  rejected: { text: "Rejected first", by: (a, b) => order[standingOf(b)] - order[standingOf(a)] },
  garment: { text: "By garment", by: (a, b) => a.w - b.w || a.m - b.m || a.v - b.v },
  failed: {
    text: "What failed first",
    by: (a, b) => Number(hasPicture(a)) - Number(hasPicture(b)) || (a.error || "").localeCompare(b.error || ""),
    there: () => cells.some((cell) => !hasPicture(cell)),
  },
};

/* What is seen: rows and columns of the grid, and all cells in reading order. */
export const seen = { rows: [], columns: [], slots: [], order: [], place: new Map() };

export function refilter() {
  const words = state.filters.text.toLowerCase().split(/\s+/).filter(Boolean);
  const found = cells.filter((cell) => fits(cell, words));
  const used = (name) => [...new Set(found.map((cell) => cell[name]))].sort((a, b) => a - b);
  const { row, column } = axes();
  seen.rows = used(row);
  seen.columns = used(column);
  seen.slots = used("v");
  const visible = new Set(found);
  seen.place = new Map();
  const rowAt = new Map(seen.rows.map((one, r) => [one, r]));
  const columnAt = new Map(seen.columns.map((one, c) => [one, c]));
  const slotAt = new Map(seen.slots.map((v, s) => [v, s]));
  for (const cell of found) {
    const pair = review.blind ? inOrder(pairOf(cell)).filter((one) => visible.has(one)) : null;
    const slot = pair ? pair.indexOf(cell) : slotAt.get(cell.v);
    seen.place.set(cell, { row: rowAt.get(cell[row]), column: columnAt.get(cell[column]) * seen.slots.length + slot });
  }
  seen.order = found.sort((a, b) => {
    const x = seen.place.get(a);
    const y = seen.place.get(b);
    return x.row - y.row || x.column - y.column;
  });
  const sort = SORTS[state.sort];
  if (sort && state.view === "cards") seen.order.sort(sort.by);
  seen.at = new Map(seen.order.map((cell) => [spot(seen.place.get(cell)), cell]));
  seen.index = new Map(seen.order.map((cell, i) => [cell, i]));
  if (!seen.index.has(state.focus)) state.focus = seen.order[0] || null;
  showFound();
  relayout();
}

function showFound() {
  const active = filtersSet();
  byId("clear").hidden = !active;
  byId("filters-open").textContent = active ? `Filters · ${active}` : "Filters";
  byId("filters-open").classList.toggle("set", active > 0);
  byId("toolbar").hidden = overview;
  byId("nothing").hidden = overview || seen.order.length > 0;
  byId("shown").textContent = active
    ? `${seen.order.length.toLocaleString("en")} of ${plural(cells.length, "combination")}`
    : plural(cells.length, "combination");
  for (const button of byId("reasons").children)
    button.setAttribute("aria-pressed", String(state.filters.result.includes(button.dataset.error)));
}

const filtersSet = () =>
  Object.keys(tests).filter((name) => state.filters[name].length).length +
  Number(state.filters.stars > 0) +
  Number(state.filters.text !== "");

export const spot = ({ row, column }) => row * 1e6 + column;

export function setFilter(name, value) {
  state.filters[name] = value;
  refilter();
  toStart();
  keepAddress();
}

/* Adds a value to a filter's list, or takes it out. */
export function toggleFilter(name, value) {
  const list = state.filters[name];
  setFilter(name, list.includes(value) ? list.filter((one) => one !== value) : [...list, value]);
  fillFilters();
}

/* What is found begins at the grid's corner, however far away the last look went. */
function toStart() {
  const bar = byId("toolbar");
  const stuck = (state.view === "cards" ? cards : grid).offsetTop - bar.offsetHeight;
  scroller.scrollLeft = 0;
  if (scroller.scrollTop > stuck) scroller.scrollTop = stuck;
  paint();
}

export function clearFilters() {
  Object.assign(state.filters, structuredClone(NO_FILTERS));
  byId("search").value = "";
  fillFilters();
  refilter();
  toStart();
  keepAddress();
}

export function setSort(value) {
  state.sort = value;
  // A grid has an order of its own: rows and columns.
  if (value) state.view = "cards";
  showLayout();
  refilter();
  toStart();
  keepAddress();
}

/* The filters that the run has anything for, each a list of values to choose from. */
export function fillFilters() {
  const types = new Set(worn.flatMap((garment) => [garment.type, ...garment.garments.map((one) => one.type)]));
  const errors = [...new Set(cells.map((cell) => cell.error).filter(Boolean))].sort();
  const checks = new Set(review.blind ? [] : cells.map(checkOf).filter(Boolean));
  const reasons = new Set(Object.values(review.marks).map((one) => one.reason));
  const menus = [
    ["garment", "Garment", worn.map((one, i) => [i, one.name])],
    ["model", "Model", models.map((one, i) => [i, one.name || one.id])],
    [
      "type",
      "Type",
      Object.keys(TYPES)
        .filter((type) => types.has(type))
        .map((type) => [type, TYPES[type]]),
    ],
    ["variant", "Variant", review.blind ? [] : variants.map((one, i) => [i, variantName(one)])],
    ["service", "Service", review.blind ? [] : services.map((one) => [one, one])],
    [
      "result",
      "Result",
      [["picture", "With picture"], ["none", "No picture"], ...errors.map((error) => [error, human(error)])],
    ],
    [
      "judged",
      "Judged",
      [
        ["pick", "Picked"],
        ["reject", "Rejected"],
        ["undecided", "Undecided"],
        ["unrated", "Not rated yet"],
        ...(review.others.length ? [["differ", "Reviewers differ"]] : []),
        ...(contests.length ? [["unpaired", "Not compared yet"]] : []),
      ],
    ],
    ["reason", "Rejected for", REASONS.filter((one) => reasons.has(one.id)).map((one) => [one.id, one.text])],
    [
      "check",
      "Checks",
      Object.keys(CHECKS)
        .filter((one) => checks.has(one))
        .map((one) => [one, CHECKS[one]]),
    ],
  ];
  byId("menus").replaceChildren(...menus.map(([name, title, values]) => menu(name, title, values)).filter(Boolean));
  byId("by-stars").value = String(state.filters.stars);
  byId("search").value = state.filters.text;
  const sorts = Object.entries(SORTS).filter(([, sort]) => !sort.there || sort.there());
  byId("sort").replaceChildren(
    el("option", { value: "", text: "As in the manifest" }),
    ...sorts.map(([value, { text }]) => el("option", { value, text })),
  );
  byId("sort").value = state.sort;
}

function menu(name, title, values) {
  const least = name === "reason" || name === "check" ? 1 : 2;
  if (values.length < least) return null;
  const own = state.filters[name];
  const not = state.filters.not.includes(name);
  return el(
    "fieldset",
    { "data-filter": name },
    el("legend", { text: own.length ? `${title} · ${not ? "not " : ""}${own.length}` : title }),
    el(
      "div",
      { class: "values" },
      ...values.map(([value, text]) =>
        el(
          "label",
          {},
          el("input", {
            type: "checkbox",
            checked: own.includes(value),
            "data-key": `${name}-${value}`,
            change: () => refill(() => toggleFilter(name, value)),
          }),
          el("span", { text, dir: "auto" }),
        ),
      ),
    ),
    own.length
      ? el(
          "label",
          { class: "not" },
          el("input", {
            type: "checkbox",
            checked: not,
            "data-key": `${name}-not`,
            change: () => refill(() => toggleFilter("not", name)),
          }),
          el("span", { text: "all but these" }),
        )
      : null,
  );
}

/* The menus are drawn anew, and whoever came by keyboard stays where he was. */
function refill(change) {
  const key = document.activeElement?.getAttribute("data-key");
  const tops = new Map(
    [...byId("menus").children].map((one) => [one.dataset.filter, one.querySelector(".values").scrollTop]),
  );
  change();
  fillFilters();
  for (const one of byId("menus").children) one.querySelector(".values").scrollTop = tops.get(one.dataset.filter) || 0;
  if (key)
    byId("menus")
      .querySelector(`[data-key="${CSS.escape(key)}"]`)
      ?.focus({ preventScroll: true });
}
