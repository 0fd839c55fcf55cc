/* Where everything is: rows and cells are made only while they can be seen. */

import { byId, el } from "../../../web/elements.mjs";
import { clamp, plural } from "../../../web/formats.mjs";
import { button, photo } from "./cell.mjs";
import { cards, cells, data, grid, models, scroller, state, variants, worn } from "./content.mjs";
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

function measure() {
  const width = scroller.clientWidth;
  const phone = width < 720;
  const pad = phone ? 16 : 32;
  const gap = phone ? 4 : 6;
  const between = phone ? 10 : 14;
  const cap = data.side ? data.side * Math.min(1, ratio) * 1.2 : Infinity;
  const zoom = 1.25 ** state.size;
  if (state.view === "cards") {
    const least = Math.min(phone ? 150 : 196, cap * 1.6) * zoom;
    const count = Math.max(1, Math.floor((width - 2 * pad + 18) / (least + 18)));
    const across = (width - 2 * pad - 18 * (count - 1)) / count;
    at = { phone, pad, count, width: across, height: across / ratio, pitch: across / ratio + 66, step: across + 18 };
    return;
  }
  const side = phone ? 90 : 170;
  const slots = Math.max(1, seen.slots.length);
  const fit = ((width - side - pad) / Math.max(1, seen.columns.length) - between - gap * (slots - 1)) / slots;
  const across = Math.round(Math.max(36, Math.min(cap, clamp(fit, phone ? 92 : 104, phone ? 150 : 236)) * zoom));
  const band = slots * across + (slots - 1) * gap + between;
  at = {
    phone,
    pad,
    gap,
    between,
    side,
    slots,
    width: across,
    height: Math.round(across / ratio),
    band,
    pitch: Math.round(across / ratio) + between,
    heads: phone ? 106 : 146,
    total: side + seen.columns.length * band + pad,
  };
}

export function relayout() {
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
        { class: "corner", role: "columnheader", style: { width: `${at.side}px` } },
        el("span", { text: `${plural(seen.rows.length, "model")} × ${seen.columns.length.toLocaleString("en")}` }),
      ),
    );
    grid.append(heads);
    painted.set("heads", { node: heads, cells: new Map() });
  }
  paint();
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
    const garment = worn[seen.columns[column]];
    const photos = garment.garments.map((one) => photo(one, "")).filter(Boolean);
    const head = el(
      "div",
      {
        class: "head",
        role: "columnheader",
        title: garment.name,
        "aria-colindex": column * at.slots + 2,
        "aria-colspan": at.slots > 1 ? at.slots : null,
        style: { left: `${at.side + at.between / 2 + column * at.band}px`, width: `${at.band - at.between}px` },
      },
      photos.length && at.band - at.between > 54 ? el("span", { class: "photos" }, ...photos) : null,
      el("strong", { text: garment.name }),
      garment.type && at.band > 90 ? el("span", { text: TYPES[garment.type] || garment.type }) : null,
    );
    heads.cells.set(column, head);
    heads.node.append(head);
  }
}

function paintRow(row, first, end) {
  let drawn = painted.get(row);
  if (!drawn) {
    const model = models[seen.rows[row]];
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
        { class: "side", role: "rowheader", "aria-colindex": 1, title: model.id, style: { width: `${at.side}px` } },
        at.height > 84 ? photo(model, "", at.height > 240) : null,
        el("strong", { text: model.id }),
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

export function place(drawn, column, cell) {
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
        el("strong", { text: worn[cell.w].name }),
        el("span", { text: variants.length > 1 ? `${models[cell.m].id} · ${label(cell)}` : models[cell.m].id }),
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
