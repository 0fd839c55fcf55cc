/* Focus and keys in the grid. */

import { byId } from "../../../web/elements.mjs";
import { clamp } from "../../../web/formats.mjs";
import { keepAddress } from "./address.mjs";
import { nextFlag } from "./checks.mjs";
import { cards, grid, scroller, sheet, state, viewer } from "./content.mjs";
import { clearFilters, seen, spot } from "./filters.mjs";
import { at, nodes, paint, relayout } from "./layout.mjs";
import { REASONS } from "./marks.mjs";
import { mark, pairOf, rate, review, shownOf, undo } from "./review.mjs";
import { setBlind } from "./sheet.mjs";
import { toggleMarked } from "./survey.mjs";
import { onViewerKey, openSurvey, show } from "./viewer.mjs";

export function setFocus(cell) {
  if (state.focus === cell) return;
  const before = nodes.get(state.focus);
  if (before) before.querySelector("button").tabIndex = -1;
  state.focus = cell;
  const now = nodes.get(cell);
  if (now) now.querySelector("button").tabIndex = 0;
}

export function reveal(cell) {
  const bar = byId("toolbar").offsetHeight;
  let top, left, right, above;
  if (state.view === "cards") {
    top = cards.offsetTop + 12 + Math.floor(seen.index.get(cell) / at.count) * at.pitch;
    above = bar + 12;
  } else {
    const { row, column } = seen.place.get(cell);
    top = grid.offsetTop + at.heads + at.between / 2 + row * at.pitch;
    above = bar + at.heads + at.between;
    left =
      at.side + at.between / 2 + Math.floor(column / at.slots) * at.band + (column % at.slots) * (at.width + at.gap);
    right = left + at.width;
    if (left < scroller.scrollLeft + at.side + 8) scroller.scrollLeft = left - at.side - 8;
    else if (right > scroller.scrollLeft + scroller.clientWidth - 8)
      scroller.scrollLeft = right - scroller.clientWidth + 8;
  }
  const bottom = top + at.pitch;
  if (top < scroller.scrollTop + above) scroller.scrollTop = top - above;
  else if (bottom > scroller.scrollTop + scroller.clientHeight) scroller.scrollTop = bottom - scroller.clientHeight + 8;
  paint();
}

export function focusOn(cell) {
  if (!cell || !seen.index.has(cell)) return;
  setFocus(cell);
  reveal(cell);
  const node = nodes.get(cell);
  if (node) node.querySelector("button").focus({ preventScroll: true });
}

function moved(cell, key) {
  if (state.view === "cards") {
    const step = {
      ArrowLeft: -1,
      ArrowRight: 1,
      ArrowUp: -at.count,
      ArrowDown: at.count,
      Home: -Infinity,
      End: Infinity,
      PageUp: -4 * at.count,
      PageDown: 4 * at.count,
    }[key];
    return seen.order[clamp(seen.index.get(cell) + step, 0, seen.order.length - 1)];
  }
  const { row, column } = seen.place.get(cell);
  const columns = seen.columns.length * at.slots;
  const page = Math.max(1, Math.floor((scroller.clientHeight - at.heads) / at.pitch) - 1);
  const [dr, dc] = {
    ArrowLeft: [0, -1],
    ArrowRight: [0, 1],
    ArrowUp: [-1, 0],
    ArrowDown: [1, 0],
    Home: [0, -1],
    End: [0, 1],
    PageUp: [-1, 0],
    PageDown: [1, 0],
  }[key];
  let r =
    key === "PageUp"
      ? Math.max(0, row - page)
      : key === "PageDown"
        ? Math.min(seen.rows.length - 1, row + page)
        : row + dr;
  let c = key === "Home" ? 0 : key === "End" ? columns - 1 : column + dc;
  const [sr, sc] =
    key === "Home"
      ? [0, 1]
      : key === "End"
        ? [0, -1]
        : key === "PageUp"
          ? [1, 0]
          : key === "PageDown"
            ? [-1, 0]
            : [dr, dc];
  for (; r >= 0 && r < seen.rows.length && c >= 0 && c < columns; r += sr, c += sc) {
    const found = seen.at.get(spot({ row: r, column: c }));
    if (found) return found;
  }
  return cell;
}

const MOVES = new Set(["ArrowLeft", "ArrowRight", "ArrowUp", "ArrowDown", "Home", "End", "PageUp", "PageDown"]);

const judge = (what, reason) => () => {
  const cell = state.focus;
  mark(cell, shownOf(cell), what, reason);
};

/* What a key does to the combination in focus. */
const onCell = {
  p: judge("pick"),
  x: judge("reject"),
  u: judge(""),
  ...Object.fromEntries(REASONS.map(({ id, key }) => [key, judge("reject", id)])),
  m: () => toggleMarked(state.focus),
  v: () => pairOf(state.focus).length > 1 && show(state.focus, "variants"),
};
const anywhere = {
  s: () => openSurvey(),
  j: () => nextFlag(null),
  "/": () => byId("search").focus(),
  "+": () => resize(1),
  "=": () => resize(1),
  "-": () => resize(-1),
  b: () => setBlind(!review.blind),
  "?": () => byId("keys").showModal(),
};

function whileTyping(event) {
  if (event.target !== byId("search") || !["Escape", "ArrowDown"].includes(event.key)) return;
  if (event.key === "Escape") clearFilters();
  focusOn(state.focus);
  event.preventDefault();
}

export function onKey(event) {
  if (event.defaultPrevented || event.altKey) return;
  const typing = event.target.matches(
    "input:not([type=range]):not([type=checkbox]):not([type=radio]), select, textarea",
  );
  if ((event.ctrlKey || event.metaKey) && event.key.toLowerCase() === "z" && !typing && !sheet.open) {
    const cell = undo();
    if (cell && !viewer.open) focusOn(cell);
    event.preventDefault();
    return;
  }
  if (event.ctrlKey || event.metaKey) return;
  if (viewer.open && !sheet.open) return onViewerKey(event);
  if (sheet.open || byId("keys").open) return;
  if (typing) return whileTyping(event);
  inGrid(event);
}

function inGrid(event) {
  const own = event.target.closest(".cell");
  if (MOVES.has(event.key) && state.focus && (own || event.target === document.body || event.target === scroller))
    focusOn(own ? moved(state.focus, event.key) : state.focus);
  else if (/^[0-5]$/.test(event.key) && own && state.focus) rate(state.focus, Number(event.key));
  else if (onCell[event.key] && own && state.focus) onCell[event.key]();
  else if (anywhere[event.key]) anywhere[event.key]();
  else return;
  event.preventDefault();
}

export function resize(by) {
  state.size = clamp(state.size + by, -4, 5);
  const onCell = document.activeElement?.classList.contains("cell");
  relayout();
  keepAddress();
  if (onCell) focusOn(state.focus);
  else if (state.focus && document.activeElement === document.body) reveal(state.focus);
}
