/* The page's data, taken out of it, and what is looked at. */

import { byId } from "../../../web/elements.mjs";

export const data = taken("data");
export const embedded = taken("embedded");
export const { run, models, worn, variants, cells, pages } = data;
// A run that several services made says it by variant.
for (const cell of cells) cell.service ||= variants[cell.v].service || "";
// The addresses that a shared page was signed with: full-size files by their paths, and where a review is sent.
export const share = data.share || null;
// A run so large that its combinations are in the parts alone.
export const overview = pages.parts.length > 0 && !cells.length;
export const scroller = byId("scroller");
export const grid = byId("grid");
export const cards = byId("cards");
export const viewer = byId("viewer");
export const sheet = byId("review");

/* Filters hold lists: any of their values fits; `not` turns one round. Stars and text are a number and words. */
export const NO_FILTERS = {
  model: [],
  garment: [],
  type: [],
  variant: [],
  service: [],
  result: [],
  judged: [],
  reason: [],
  check: [],
  stars: 0,
  text: "",
  not: [],
};
export const state = {
  filters: structuredClone(NO_FILTERS),
  sort: "",
  view: "grid",
  turned: null,
  size: 0,
  focus: null,
  open: null,
  candidate: 0,
  mode: "slider",
  at: 0.5,
  zoom: { scale: 1, x: 0, y: 0 },
  survey: [],
  active: 0,
  stop: -1,
};

export const hasPicture = (cell) => cell.status === "SUCCEEDED";
export const modelName = (cell) => models[cell.m].name || models[cell.m].id;
export const wornName = (cell) => worn[cell.w].name;
export const variantName = (variant) => variant.name || variant.id;
export const services = [...new Set(cells.map((cell) => cell.service).filter(Boolean))].sort();

export function taken(id) {
  const node = document.getElementById(id);
  const value = JSON.parse(node.textContent);
  node.remove(); // megabytes that nobody reads twice
  return value;
}
