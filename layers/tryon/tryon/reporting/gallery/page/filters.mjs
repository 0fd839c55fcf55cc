/* Which combinations are seen, and in which order. */

import { byId, el } from "../../../web/elements.mjs";
import { human, plural } from "../../../web/formats.mjs";
import { cards, cells, grid, models, NO_FILTERS, overview, scroller, state, variants, worn } from "./content.mjs";
import { paint, relayout } from "./layout.mjs";
import { contests, inOrder, judgeable, pairOf, preference, review, stars } from "./review.mjs";
import { hasPicture, TYPES } from "./words.mjs";

for (const cell of cells) {
  const garment = worn[cell.w];
  cell.words = [
    models[cell.m].id,
    garment.id,
    ...garment.garments.map((one) => one.id),
    TYPES[garment.type] || "",
    cell.error || "",
    cell.error ? human(cell.error) : "",
    cell.cause || "",
  ]
    .join(" ")
    .toLowerCase();
}

function fits(cell, words) {
  const wanted = state.filters;
  if (wanted.model !== "" && cell.m !== Number(wanted.model)) return false;
  if (wanted.garment !== "" && cell.w !== Number(wanted.garment)) return false;
  if (wanted.variant !== "" && cell.v !== Number(wanted.variant)) return false;
  if (wanted.type !== "") {
    const garment = worn[cell.w];
    if (garment.type !== wanted.type && !garment.garments.some((one) => one.type === wanted.type)) return false;
  }
  if (wanted.status === "succeeded" && !hasPicture(cell)) return false;
  if (wanted.status === "failed" && hasPicture(cell)) return false;
  if (wanted.status === "rated" && !stars(cell)) return false;
  if (wanted.status === "unrated" && (stars(cell) || !hasPicture(cell))) return false;
  if (wanted.status === "unjudged" && (preference(cell) || !judgeable(pairOf(cell)))) return false;
  if (wanted.status.startsWith("error:") && cell.error !== wanted.status.slice(6)) return false;
  return words.every(
    (word) => cell.words.includes(word) || (!review.blind && variants.length > 1 && variants[cell.v].id.includes(word)),
  );
}

/* What is seen: rows and columns of the grid, and all cells in reading order. */
export const seen = { rows: [], columns: [], slots: [], order: [], place: new Map() };

export function refilter() {
  const words = state.filters.text.toLowerCase().split(/\s+/).filter(Boolean);
  const found = cells.filter((cell) => fits(cell, words));
  const used = (name) => [...new Set(found.map((cell) => cell[name]))].sort((a, b) => a - b);
  seen.rows = used("m");
  seen.columns = used("w");
  seen.slots = used("v");
  const visible = new Set(found);
  seen.order = [];
  seen.place = new Map();
  const rowAt = new Map(seen.rows.map((m, r) => [m, r]));
  const columnAt = new Map(seen.columns.map((w, c) => [w, c]));
  const slotAt = new Map(seen.slots.map((v, s) => [v, s]));
  for (const cell of found) {
    const pair = review.blind ? inOrder(pairOf(cell)).filter((one) => visible.has(one)) : null;
    const slot = pair ? pair.indexOf(cell) : slotAt.get(cell.v);
    seen.place.set(cell, { row: rowAt.get(cell.m), column: columnAt.get(cell.w) * seen.slots.length + slot });
  }
  seen.order = found.sort((a, b) => {
    const x = seen.place.get(a);
    const y = seen.place.get(b);
    return x.row - y.row || x.column - y.column;
  });
  seen.at = new Map(seen.order.map((cell) => [spot(seen.place.get(cell)), cell]));
  seen.index = new Map(seen.order.map((cell, i) => [cell, i]));
  if (!seen.index.has(state.focus)) state.focus = seen.order[0] || null;
  const filtered = Object.values(state.filters).some(Boolean);
  byId("clear").hidden = !filtered;
  byId("toolbar").hidden = overview;
  byId("nothing").hidden = overview || seen.order.length > 0;
  byId("shown").textContent = filtered
    ? `${seen.order.length.toLocaleString("en")} of ${plural(cells.length, "combination")}`
    : plural(cells.length, "combination");
  for (const button of byId("reasons").children)
    button.setAttribute("aria-pressed", state.filters.status === button.dataset.status);
  relayout();
}

export const spot = ({ row, column }) => row * 1e6 + column;

export function setFilter(name, value) {
  state.filters[name] = value;
  const select = byId(`by-${name}`);
  if (select) {
    select.value = value;
    select.classList.toggle("set", value !== "");
  }
  refilter();
  toStart();
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
  Object.assign(state.filters, NO_FILTERS);
  byId("search").value = "";
  fillFilters();
  refilter();
  toStart();
}

export function fillFilters() {
  const fill = (name, any, options) => {
    const select = byId(`by-${name}`);
    select.replaceChildren(el("option", { value: "", text: any }), ...options);
    select.value = state.filters[name];
    select.classList.toggle("set", select.value !== "");
    select.parentElement.hidden = options.length < 2;
  };
  const option = (value, text) => el("option", { value, text });
  const types = [
    ...new Set(worn.flatMap((garment) => [garment.type, ...garment.garments.map((one) => one.type)])),
  ].filter(Boolean);
  fill(
    "model",
    "Model",
    models.map((model, i) => option(i, model.id)),
  );
  fill(
    "garment",
    "Garment",
    worn.map((garment, i) => option(i, garment.name)),
  );
  fill(
    "type",
    "Type",
    Object.keys(TYPES)
      .filter((type) => types.includes(type))
      .map((type) => option(type, TYPES[type])),
  );
  fill("variant", "Variant", review.blind ? [] : variants.map((variant, i) => option(i, variant.id)));
  const errors = [...new Set(cells.map((cell) => cell.error).filter(Boolean))].sort();
  fill("status", "Status", [
    option("succeeded", "With picture"),
    option("failed", "No picture"),
    ...errors.map((error) => option(`error:${error}`, human(error))),
    option("unrated", "Not rated yet"),
    option("rated", "Rated"),
    ...(contests.length ? [option("unjudged", "Not compared yet")] : []),
  ]);
}
