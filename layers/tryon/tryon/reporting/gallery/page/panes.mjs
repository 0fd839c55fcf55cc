/* Pictures in the large view: whole in their frames, magnified and moved together. */

import { byId, el } from "../../../web/elements.mjs";
import { clamp } from "../../../web/formats.mjs";
import { noPicture } from "./cell.mjs";
import { models, share, state, viewer } from "./content.mjs";
import { ratio } from "./layout.mjs";
import { described, review } from "./review.mjs";
import { failure, walk } from "./viewer.mjs";
import { address } from "./words.mjs";

const MOST_SCALE = 12;
const TAP = 12;
const TWICE = 400;

export const resultOf = (cell, i) => (cell.results || [])[i] || (cell.results || [])[0];
export const shapeOf = (cell, i) => {
  const result = resultOf(cell, i);
  return result?.width && result.height ? clamp(result.width / result.height, 0.2, 5) : ratio;
};
/* Whether two shapes may be laid over each other. */
export const alike = (a, b) => Math.abs(a / b - 1) <= 0.02;

/* Where a result's full-size file can be had: beside the page on a disk, or by a shared page's signed address. */
export function fullAddress(result) {
  if (share?.full?.[result.file]) return share.full[result.file];
  if (location.protocol === "file:") return result.file.split("/").map(encodeURIComponent).join("/");
  return null;
}

/* The files of pictures that are shown as copies. No attribute holds them: a file's name tells its variant. */
const files = new WeakMap();

/* The full-size file takes the copy's place once it is there; a disk's at once, a link's when somebody magnifies. */
function sharpen(image) {
  const source = files.get(image);
  if (!source) return;
  files.delete(image);
  const full = new Image();
  full.addEventListener("load", () => {
    image.src = full.src;
    image.dataset.full = "";
  });
  full.src = source;
}

export function pictureOf(cell, i) {
  const result = resultOf(cell, i);
  if (!result) return null;
  const number = result.large ?? result.thumb;
  const file = fullAddress(result);
  if (number === undefined && !file) return null;
  const image = el("img", {
    src: number === undefined ? null : address(number),
    alt: described(cell),
    draggable: "false",
    "data-width": result.width || null,
  });
  if (file) files.set(image, file);
  if (location.protocol === "file:" || number === undefined) sharpen(image);
  return image;
}

export function inputPicture(part, alt) {
  const number = part.large ?? part.thumb;
  return number === undefined ? null : el("img", { src: address(number), alt, draggable: "false" });
}

/**
 * A picture in a frame of its own shape. `flick` is what Space shows in its place; `over` lies over it.
 * @param {any} image
 * @param {number} shape
 * @param {{flick?: any, over?: any[], class?: string, cut?: boolean}} [more]
 */
export function frame(image, shape, more = {}) {
  if (more.flick) {
    more.flick.classList.add("flick");
    more.flick.alt = "";
  }
  return el(
    "div",
    { class: "fit" },
    el(
      "div",
      { class: `frame ${more.class || ""} ${more.cut ? "cut" : ""}`, style: { "--ratio": shape } },
      el("div", { class: "pan" }, image, more.flick),
      ...(more.over || []),
    ),
  );
}

/* A frame for a result, or the words that stand for it. */
export function resultFrame(cell, i, more = {}) {
  if (cell.status !== "SUCCEEDED") return failure(cell);
  const image = pictureOf(cell, i);
  if (!image) return el("p", { class: "note", text: noPicture(cell) });
  return frame(image, more.shape || shapeOf(cell, i), more);
}

/* ---- zoom ---- */

const frames = () => [...byId("stage").querySelectorAll(".frame")];

export function applyZoom() {
  const { scale } = state.zoom;
  const most = (scale - 1) / 2;
  state.zoom.x = clamp(state.zoom.x, -most, most);
  state.zoom.y = clamp(state.zoom.y, -most, most);
  const stage = byId("stage");
  stage.style.setProperty("--scale", String(scale));
  stage.style.setProperty("--px", `${state.zoom.x * 100}%`);
  stage.style.setProperty("--py", `${state.zoom.y * 100}%`);
  stage.classList.toggle("zoomed", scale > 1.001);
  const whole = wholeScale();
  const share100 = whole ? Math.round((scale / whole) * 100) : 0;
  byId("zoom-now").textContent = share100 ? `${share100} %` : `${Math.round(scale * 100)} %`;
  byId("zoom-full").setAttribute("aria-pressed", String(Boolean(whole) && Math.abs(scale / whole - 1) < 0.01));
  byId("zoom-fit").setAttribute("aria-pressed", String(scale <= 1.001));
  if (scale > 1.001) for (const one of stage.querySelectorAll(".pan > img:not(.flick)")) sharpen(one);
}

/* The scale at which a pixel of the file is a pixel of the screen, in the first frame that knows its file's width. */
export function wholeScale() {
  for (const one of frames()) {
    const image = one.querySelector(".pan > img");
    const wide = Number(image?.dataset.width) || image?.naturalWidth;
    if (wide && one.clientWidth) return Math.max(0.05, wide / (one.clientWidth * devicePixelRatio));
  }
  return 0;
}

/* Changes the scale while what lies under the point of a frame stays where it is. */
function zoomAt(one, x, y, scale) {
  const box = one.getBoundingClientRect();
  const next = clamp(scale, 1, Math.max(MOST_SCALE, wholeScale()));
  const u = (x - box.left) / box.width - 0.5;
  const v = (y - box.top) / box.height - 0.5;
  const by = next / state.zoom.scale;
  state.zoom = { scale: next, x: u - (u - state.zoom.x) * by, y: v - (v - state.zoom.y) * by };
  applyZoom();
}

export function zoomBy(factor) {
  const one = frames()[0];
  if (!one) return;
  const box = one.getBoundingClientRect();
  zoomAt(one, box.left + box.width / 2, box.top + box.height / 2, state.zoom.scale * factor);
}

export function zoomFit() {
  state.zoom = { scale: 1, x: 0, y: 0 };
  applyZoom();
}

/* To 100 % and back; a picture that is smaller than its frame is doubled, so that something happens. */
export function zoomFull(x, y, on = frames()[0]) {
  if (!on) return;
  if (state.zoom.scale > 1.001) return zoomFit();
  const box = on.getBoundingClientRect();
  // Faces and garments are above the middle.
  zoomAt(on, x ?? box.left + box.width / 2, y ?? box.top + box.height * 0.4, Math.max(wholeScale(), 1.5));
}

export function panBy(x, y) {
  state.zoom.x += x / 8;
  state.zoom.y += y / 8;
  applyZoom();
}

/* ---- fingers and the mouse ---- */

const down = new Map();
let gesture = null;
let lastTap = null;

const middle = () => {
  const all = [...down.values()];
  const x = all.reduce((sum, one) => sum + one.x, 0) / all.length;
  const y = all.reduce((sum, one) => sum + one.y, 0) / all.length;
  return { x, y, spread: all.length > 1 ? Math.hypot(all[0].x - all[1].x, all[0].y - all[1].y) : 0 };
};

function begin(one) {
  const at = middle();
  gesture = {
    one,
    at,
    first: gesture?.first || at,
    moved: gesture?.moved || false,
    kind: down.size > 1 ? "pinch" : "",
  };
}

/* A first finger's way decides what it does: moves a magnified picture or the line, or turns the page. */
function kindOf(dx, dy) {
  if (state.zoom.scale > 1.001) return "pan";
  if (Math.abs(dy) > Math.abs(dx)) return "scroll";
  return gesture.one.classList.contains("slider") ? "line" : "swipe";
}

export function moveLine(at) {
  state.at = clamp(at, 0, 1);
  const slider = byId("stage").querySelector(".slider");
  if (!slider) return;
  slider.style.setProperty("--at", String(state.at));
  const range = slider.querySelector("input");
  range.value = String(state.at * 100);
  range.setAttribute("aria-valuetext", `${Math.round(state.at * 100)} % before`);
  slider.querySelector(".tag.left").classList.toggle("faint", state.at < 0.16);
  slider.querySelector(".tag.right").classList.toggle("faint", state.at > 0.84);
}

function pressed(event) {
  const one = event.target.closest(".frame");
  if (!one || event.target.closest("button, a, input") || event.button > 0) return;
  down.set(event.pointerId, { x: event.clientX, y: event.clientY });
  one.setPointerCapture?.(event.pointerId);
  begin(one);
  event.preventDefault();
}

function pushed(event) {
  if (!down.has(event.pointerId) || !gesture) return;
  down.set(event.pointerId, { x: event.clientX, y: event.clientY });
  const at = middle();
  const dx = at.x - gesture.at.x;
  const dy = at.y - gesture.at.y;
  if (!gesture.kind) {
    if (Math.hypot(dx, dy) < TAP / 3) return;
    gesture.kind = kindOf(dx, dy);
  }
  gesture.moved = true;
  const box = gesture.one.getBoundingClientRect();
  if (gesture.kind === "line") moveLine((at.x - box.left) / box.width);
  else if (gesture.kind === "scroll") byId("viewer-body").scrollTop -= dy;
  else if (gesture.kind === "pan" || gesture.kind === "pinch") {
    state.zoom.x += dx / box.width;
    state.zoom.y += dy / box.height;
    if (gesture.kind === "pinch" && gesture.at.spread)
      zoomAt(gesture.one, at.x, at.y, (state.zoom.scale * at.spread) / gesture.at.spread);
    else applyZoom();
  }
  if (gesture.kind !== "swipe") gesture.at = at;
}

function lifted(event) {
  if (!down.has(event.pointerId) || !gesture) return;
  const at = middle();
  down.delete(event.pointerId);
  const { kind, moved, one } = gesture;
  if (down.size) return begin(one);
  const dx = at.x - gesture.at.x;
  gesture = null;
  if (event.type === "pointercancel") return;
  if (kind === "swipe" && Math.abs(dx) > 48) walk(dx < 0 ? 1 : -1);
  else if (!moved) tapped(event, one);
  // The arrows go on to the next picture again, also after the line was moved.
  if (!viewer.contains(document.activeElement) || document.activeElement.matches("input[type=range]")) viewer.focus();
}

function tapped(event, one) {
  const twice =
    lastTap &&
    event.timeStamp - lastTap.at < TWICE &&
    Math.hypot(event.clientX - lastTap.x, event.clientY - lastTap.y) < 3 * TAP;
  lastTap = twice ? null : { at: event.timeStamp, x: event.clientX, y: event.clientY };
  if (twice) zoomFull(event.clientX, event.clientY, one);
}

function wheeled(event) {
  const one = event.target.closest(".frame");
  const body = byId("viewer-body");
  // Where the large view itself scrolls, as on a telephone, the wheel is for that.
  if (!one || (body.scrollHeight > body.clientHeight + 1 && !event.ctrlKey)) return;
  event.preventDefault();
  zoomAt(
    one,
    event.clientX,
    event.clientY,
    state.zoom.scale * Math.exp(-event.deltaY * (event.ctrlKey ? 0.01 : 0.002)),
  );
}

export function listen() {
  const stage = byId("stage");
  stage.addEventListener("pointerdown", pressed);
  stage.addEventListener("pointermove", pushed);
  stage.addEventListener("pointerup", lifted);
  stage.addEventListener("pointercancel", lifted);
  stage.addEventListener("wheel", wheeled, { passive: false });
}

/* Space held: what is compared with lies in the picture's place. */
export function flick(on) {
  byId("stage").classList.toggle("flicking", on);
}

/* One shape for all pictures of a blind pair, the middle one, so that a service is not known by its shape. */
export function blindShape(pair) {
  if (!review.blind) return null;
  const shapes = pair.map((cell) => shapeOf(cell, 0));
  if (shapes.every((one) => alike(one, shapes[0]))) return null;
  const photo = models[pair[0].m].ratio;
  return photo || Math.exp(shapes.reduce((sum, one) => sum + Math.log(one), 0) / shapes.length);
}
