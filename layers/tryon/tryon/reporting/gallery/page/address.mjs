/* What is looked at, in the page's address: filters, order, view, the open picture. */

import { cells, models, NO_FILTERS, services, state, variants, viewer, worn } from "./content.mjs";
import { review } from "./review.mjs";

const LISTS = ["result", "judged", "reason", "check", "type", "not"];
/* Ids in the address, since numbers change where garments are added. */
const NAMED = { model: models, garment: worn, variant: variants };
const VIEWS = ["grid", "cards"];

export function keepAddress() {
  const words = new URLSearchParams();
  const { filters } = state;
  for (const name of LISTS) if (filters[name].length) words.set(name, filters[name].join(","));
  for (const [name, list] of Object.entries(NAMED)) {
    if (filters[name].length && !(name === "variant" && review.blind))
      words.set(name, filters[name].map((i) => list[i].id).join(","));
  }
  if (filters.service.length && !review.blind) words.set("service", filters.service.join(","));
  if (filters.stars) words.set("stars", String(filters.stars));
  if (filters.text) words.set("q", filters.text);
  if (state.sort) words.set("sort", state.sort);
  if (state.view !== "grid") words.set("view", state.view);
  if (state.turned !== null) words.set("rows", state.turned ? "garments" : "models");
  if (state.size) words.set("size", String(state.size));
  // A combination's id names its variant.
  if (viewer.open && state.open && !review.blind) words.set("open", state.open.id);
  const text = words.toString().replaceAll("%2C", ",");
  try {
    history.replaceState(null, "", location.pathname + location.search + (text ? `#${text}` : ""));
  } catch {
    // a sandboxed frame has no history; the view works all the same
  }
}

/* Takes the address's words; returns the combination that it opens, if any. */
export function readAddress() {
  const text = decodeURIComponent(location.hash.slice(1));
  const plain = cells.find((cell) => cell.id === text);
  if (plain) return plain;
  const words = new URLSearchParams(location.hash.slice(1));
  const { filters } = state;
  Object.assign(filters, structuredClone(NO_FILTERS));
  const list = (name) => (words.get(name) || "").split(",").filter(Boolean);
  for (const name of LISTS) filters[name] = list(name);
  for (const [name, known] of Object.entries(NAMED)) {
    filters[name] = list(name)
      .map((id) => known.findIndex((one) => one.id === id))
      .filter((i) => i >= 0);
  }
  filters.service = list("service").filter((one) => services.includes(one));
  filters.stars = Math.min(5, Math.max(0, Number(words.get("stars")) || 0));
  filters.text = words.get("q") || "";
  state.sort = words.get("sort") || "";
  state.view = VIEWS.includes(words.get("view")) ? words.get("view") : "grid";
  state.turned = words.has("rows") ? words.get("rows") === "garments" : null;
  state.size = Math.min(5, Math.max(-4, Math.round(Number(words.get("size")) || 0)));
  return cells.find((cell) => cell.id === words.get("open"));
}
