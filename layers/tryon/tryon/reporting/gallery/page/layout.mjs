/* Where everything is: rows and cells are made only while they can be seen. */

import { byId, el } from "../../../web/elements.mjs";
import { clamp, plural } from "../../../web/formats.mjs";
import { button, photo } from "./cell.mjs";
import { cards, cells, data, grid, modelName, models, scroller, state, variants, worn } from "./content.mjs";
import { seen, spot } from "./filters.mjs";
import { label } from "./review.mjs";
import { reach } from "./strip.mjs";
import { TYPES } from "./words.mjs";

export const ratio = (() => {
  const known = cells
    .flatMap((cell) => cell.results || [])
    .filter((one) => one.width && one.height)
    .map((one) => one.width / one.height)
    .sort((a, b) => a - b);
  return known.length ? clamp(known[known.length >> 1], 0.5, 1.5) : 0.75;
})();
export let at = {};
let painted = new Map();
export const nodes = new Map();

/* A product has a row of its own where there are many more garments than models, unless somebody wants it otherwise. */
const MANY_MORE = 3;
export const isTurned = () => state.turned ?? worn.length > MANY_MORE * models.length;
export const axes = () => (isTurned() ? { row: "w", column: "m" } : { row: "m", column: "w" });

function measureCards(width, phone, pad, cap, zoom) {
  const least = Math.min(phone ? 150 : 196, cap * 1.6) * zoom;
  const count = Math.max(1, Math.floor((width - 2 * pad + 18) / (least + 18)));
  const across = (width - 2 * pad - 18 * (count - 1)) / count;
  return { phone, pad, count, width: across, height: across / ratio, pitch: across / ratio + 66, step: across + 18 };
}

/* As wide as the window, but no higher than it: a whole row and its heads are seen at once. */
function widest(width, side, pad, between, gap, slots, heads, phone) {
  const columns = Math.max(1, seen.columns.length);
  const fit = ((width - side - pad) / columns - between - gap * (slots - 1)) / slots;
  // Opening the filters or the drawer changes no picture's size.
  const bars = byId("toolbar").offsetHeight - byId("filters").offsetHeight + Math.min(60, byId("hero").offsetHeight);
  const high = scroller.clientHeight - bars - heads - 2 * between;
  return clamp(Math.min(fit, Math.max(160, high) * ratio), phone ? 92 : 104, 4000);
}

function measure() {
  const width = scroller.clientWidth;
  const phone = width < 720;
  const pad = phone ? 16 : 24;
  const gap = phone ? 4 : 6;
  const between = phone ? 10 : 12;
  const cap = data.side ? data.side * Math.min(1, ratio) * 1.2 : Infinity;
  const zoom = 1.25 ** state.size;
  if (state.view === "cards") {
    at = measureCards(width, phone, pad, cap, zoom);
    return;
  }
  const turned = isTurned();
  const side = phone ? 96 : Math.round(clamp(width * (turned ? 0.2 : 0.12), 150, turned ? 420 : 240));
  const slots = Math.max(1, seen.slots.length);
  const heads = phone ? 92 : 108;
  const across = Math.round(
    Math.max(36, Math.min(cap, widest(width, side, pad, between, gap, slots, heads, phone) * zoom)),
  );
  const band = slots * across + (slots - 1) * gap + between;
  // What columns leave free, because they would be higher than the window, makes the row's photograph larger.
  const left = width - pad - side - seen.columns.length * band;
  at = {
    phone,
    pad,
    gap,
    between,
    side: state.size ? side : Math.min(side + Math.max(0, left), Math.max(side, across)),
    slots,
    width: across,
    height: Math.round(across / ratio),
    band,
    pitch: Math.round(across / ratio) + between,
    heads,
    total: 0,
  };
  at.total = at.side + seen.columns.length * band + pad;
}

/* The buttons of the layout say what is on. */
export function showLayout() {
  for (const one of document.querySelectorAll("[data-view]"))
    one.setAttribute("aria-pressed", String(one.getAttribute("data-view") === state.view));
  byId("turn").setAttribute("aria-pressed", String(isTurned()));
  byId("turn").hidden = state.view === "cards" || models.length < 2 || worn.length < 2;
}

const corner = () => {
  const both = [plural(seen.rows.length, "model"), plural(seen.columns.length, "garment")];
  if (!isTurned()) return both.join(" × ");
  return `${plural(seen.rows.length, "garment")} × ${plural(seen.columns.length, "model")}`;
};

/* Draws all anew. Whoever was on a combination stays on it: a key that follows must not fall beside the page. */
export function relayout() {
  const onCell = document.activeElement?.classList.contains("cell");
  measure();
  painted = new Map();
  nodes.clear();
  grid.hidden = state.view !== "grid" || !seen.order.length;
  cards.hidden = state.view !== "cards" || !seen.order.length;
  grid.replaceChildren();
  cards.replaceChildren();
  if (state.view === "cards") {
    cards.style.height = `${Math.ceil(seen.order.length / at.count) * at.pitch + 24}px`;
  } else {
    grid.style.width = `${at.total}px`;
    grid.style.height = `${at.heads + seen.rows.length * at.pitch + at.between}px`;
    grid.setAttribute("aria-rowcount", seen.rows.length + 1);
    grid.setAttribute("aria-colcount", seen.columns.length * at.slots + 1);
    const heads = el(
      "div",
      {
        class: "heads",
        role: "row",
        "aria-rowindex": 1,
        style: { height: `${at.heads}px`, top: `${byId("toolbar").offsetHeight}px` },
      },
      el(
        "div",
        { class: "corner", role: "columnheader", "aria-colindex": 1, style: { width: `${at.side}px` } },
        el("span", { text: corner() }),
      ),
    );
    grid.append(heads);
    painted.set("heads", { node: heads, cells: new Map() });
  }
  paint();
  if (onCell) nodes.get(state.focus)?.querySelector("button").focus({ preventScroll: true });
}

export function paint() {
  if (!seen.order.length) return;
  if (state.view === "cards") paintCards();
  else paintGrid();
}

function paintGrid() {
  const down = scroller.scrollTop - grid.offsetTop - at.heads;
  const [firstRow, endRow] = reach(down, scroller.clientHeight, at.pitch, seen.rows.length);
  const [firstColumn, endColumn] = reach(scroller.scrollLeft, scroller.clientWidth, at.band, seen.columns.length);
  paintHeads(firstColumn, endColumn);
  const focus = state.focus && seen.place.get(state.focus);
  for (const [row, kept] of painted) {
    if (row === "heads") continue;
    if ((row < firstRow || row >= endRow) && !(focus && focus.row === row)) {
      kept.node.remove();
      for (const { cell } of kept.cells.values()) nodes.delete(cell);
      painted.delete(row);
    }
  }
  for (let row = firstRow; row < endRow; row++) paintRow(row, firstColumn, endColumn);
}

/* The name, the kind and the photographs of what a row or a column is of. */
function headOf(axis, i, wide) {
  if (axis === "m") {
    const image = photo(models[i], "", wide);
    return { name: models[i].name || models[i].id, kind: "", photos: image ? [image] : [] };
  }
  const photos = worn[i].garments.map((one) => photo(one, "", wide)).filter(Boolean);
  return { name: worn[i].name, kind: TYPES[worn[i].type] || worn[i].type || "", photos };
}

function paintHeads(first, end) {
  const heads = painted.get("heads");
  for (const [column, node] of heads.cells) {
    if (column < first || column >= end) {
      node.remove();
      heads.cells.delete(column);
    }
  }
  for (let column = first; column < end; column++) {
    if (heads.cells.has(column)) continue;
    const { name, kind, photos } = headOf(axes().column, seen.columns[column], false);
    const wide = at.band - at.between;
    const head = el(
      "div",
      {
        class: "head",
        role: "columnheader",
        title: name,
        "aria-colindex": column * at.slots + 2,
        "aria-colspan": at.slots > 1 ? at.slots : null,
        style: { left: `${at.side + at.between / 2 + column * at.band}px`, width: `${wide}px` },
      },
      photos.length && wide > 54 ? el("span", { class: "photos" }, ...photos) : null,
      el("strong", { text: name, dir: "auto" }),
      kind && wide > 120 ? el("span", { class: "kind", text: kind }) : null,
    );
    heads.cells.set(column, head);
    heads.node.append(head);
  }
}

function paintRow(row, first, end) {
  let drawn = painted.get(row);
  if (!drawn) {
    const { name, kind, photos } = headOf(axes().row, seen.rows[row], at.height > 240);
    const node = el(
      "div",
      {
        class: "row",
        role: "row",
        "aria-rowindex": row + 2,
        style: { top: `${at.heads + at.between / 2 + row * at.pitch}px`, height: `${at.height}px` },
      },
      el(
        "div",
        { class: "side", role: "rowheader", "aria-colindex": 1, title: name, style: { width: `${at.side}px` } },
        ...(at.height > 84 ? photos : []),
        el("strong", { text: name, dir: "auto" }),
        kind && at.height > 160 ? el("span", { class: "kind", text: kind }) : null,
      ),
    );
    drawn = { node, cells: new Map() };
    painted.set(row, drawn);
    // In reading order, so that what reads the page aloud does too.
    const after = [...painted.keys()].filter((other) => other !== "heads" && other > row).sort((a, b) => a - b)[0];
    grid.insertBefore(node, after === undefined ? null : painted.get(after).node);
  }
  const from = first * at.slots;
  const to = end * at.slots;
  for (const [column, { node, cell }] of drawn.cells) {
    if ((column < from || column >= to) && !(cell && cell === state.focus)) {
      node.remove();
      nodes.delete(cell);
      drawn.cells.delete(column);
    }
  }
  for (let column = from; column < to; column++) {
    if (!drawn.cells.has(column)) place(drawn, column, seen.at.get(spot({ row, column })));
  }
}

function place(drawn, column, cell) {
  const left =
    at.side + at.between / 2 + Math.floor(column / at.slots) * at.band + (column % at.slots) * (at.width + at.gap);
  const node = el(
    "div",
    {
      role: "gridcell",
      class: cell ? "slot" : "slot none",
      "aria-colindex": column + 2,
      style: { left: `${left}px`, width: `${at.width}px`, height: `${at.height}px` },
    },
    cell && button(cell, at.width),
  );
  drawn.cells.set(column, { node, cell });
  if (cell) nodes.set(cell, node);
  drawn.node.append(node);
}

function paintCards() {
  const down = scroller.scrollTop - cards.offsetTop;
  const [first, end] = reach(down, scroller.clientHeight, at.pitch, Math.ceil(seen.order.length / at.count));
  const wanted = new Set(seen.order.slice(first * at.count, end * at.count));
  for (const [cell, node] of nodes) {
    if (!wanted.has(cell) && cell !== state.focus) {
      node.remove();
      nodes.delete(cell);
    }
  }
  for (const cell of wanted) {
    if (nodes.has(cell)) continue;
    const i = seen.index.get(cell);
    const card = el(
      "div",
      {
        class: "card",
        role: "listitem",
        style: {
          left: `${at.pad + (i % at.count) * at.step}px`,
          top: `${12 + Math.floor(i / at.count) * at.pitch}px`,
          width: `${at.width}px`,
        },
      },
      button(cell, at.width),
      el(
        "p",
        {},
        el("strong", { text: worn[cell.w].name, dir: "auto" }),
        el("span", {
          text: variants.length > 1 ? `${modelName(cell)} · ${label(cell)}` : modelName(cell),
          dir: "auto",
        }),
      ),
    );
    card.firstChild.style.height = `${at.height}px`;
    nodes.set(cell, card);
    cards.append(card);
  }
}

export function refresh(cell) {
  const node = nodes.get(cell);
  if (!node) return;
  const old = node.querySelector("button");
  const hadFocus = document.activeElement === old;
  const fresh = button(cell, at.width);
  fresh.style.cssText = old.style.cssText;
  old.replaceWith(fresh);
  if (hadFocus) fresh.focus({ preventScroll: true });
}
