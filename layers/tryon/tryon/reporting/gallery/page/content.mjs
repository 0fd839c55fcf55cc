/* The page's data, taken out of it, and what is looked at. */

import { byId } from "../../../web/elements.mjs";

export const data = taken("data");
export const embedded = taken("embedded");
export const { run, models, worn, variants, cells, pages } = data;
// A run so large that its combinations are in the parts alone.
export const overview = pages.parts.length > 0 && !cells.length;
export const scroller = byId("scroller");
export const grid = byId("grid");
export const cards = byId("cards");
export const viewer = byId("viewer");
export const sheet = byId("review");

export const NO_FILTERS = { model: "", garment: "", type: "", variant: "", status: "", text: "" };
export const state = {
  filters: { ...NO_FILTERS },
  view: "grid",
  size: 0,
  focus: null,
  open: null,
  candidate: 0,
  mode: "slider",
  at: 0.5,
  zoom: false,
};

export function taken(id) {
  const node = document.getElementById(id);
  const value = JSON.parse(node.textContent);
  node.remove(); // megabytes that nobody reads twice
  return value;
}
