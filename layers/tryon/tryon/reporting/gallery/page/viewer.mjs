/* The large view. */

import { byId, el } from "../../../web/elements.mjs";
import { clamp, human } from "../../../web/formats.mjs";
import { noPicture, photo } from "./cell.mjs";
import { cells, data, models, pages, state, variants, viewer, worn } from "./content.mjs";
import { drawFacts } from "./facts.mjs";
import { seen } from "./filters.mjs";
import { focusOn, setFocus } from "./keys.mjs";
import { ratio } from "./layout.mjs";
import { contests, described, inOrder, judgeable, label, pairOf, prefer, preference, rate, review } from "./review.mjs";
import { setBlind } from "./sheet.mjs";
import { address, hasPicture, say, TYPES } from "./words.mjs";

export function show(cell, mode) {
  state.open = cell;
  state.candidate = 0;
  state.zoom = false;
  if (mode) state.mode = mode;
  setFocus(cell);
  drawViewer();
  if (!viewer.open) {
    viewer.showModal();
    viewer.focus();
  }
  try {
    history.replaceState(null, "", review.blind ? location.pathname + location.search : `#${cell.id}`);
  } catch {
    // a sandboxed frame has no history; the view works all the same
  }
}

viewer.addEventListener("close", () => {
  const cell = state.open;
  state.open = null;
  try {
    history.replaceState(null, "", location.pathname + location.search);
  } catch {
    // as above
  }
  focusOn(cell);
});

export const inVariants = () => state.mode === "variants" && pairOf(state.open).length > 1;

export function walk(by) {
  const list = seen.index.has(state.open) ? seen.order : cells;
  let i = list.indexOf(state.open);
  const pair = pairOf(state.open);
  do i += by;
  while (inVariants() && list[i] && pairOf(list[i]) === pair);
  if (list[i]) show(list[i]);
  else say(by > 0 ? "This is the last one" : "This is the first one");
}

export function onViewerKey(event) {
  const cell = state.open;
  const range = event.target.matches("input[type=range]");
  const pair = inOrder(pairOf(cell));
  if (event.key === "ArrowRight" && !range) walk(1);
  else if (event.key === "ArrowLeft" && !range) walk(-1);
  else if (/^[0-9]$/.test(event.key) && inVariants()) {
    const number = Number(event.key);
    if (number === 0) prefer(cell, null);
    else if (pair[number - 1] && hasPicture(pair[number - 1])) prefer(cell, pair[number - 1]);
  } else if (/^[0-5]$/.test(event.key)) {
    rate(cell, Number(event.key));
    drawViewer();
  } else if (event.key === "v" && pair.length > 1) {
    state.mode = state.mode === "variants" ? "slider" : "variants";
    drawViewer();
  } else if (event.key === "c" && cell.results && cell.results.length > 1) {
    state.candidate = (state.candidate + 1) % cell.results.length;
    drawViewer();
  } else if (event.key === "z") {
    state.zoom = !state.zoom;
    drawViewer();
  } else if (event.key === "b") setBlind(!review.blind);
  else return;
  event.preventDefault();
}

/* What lies beside the page on a disk is sharper than what the page carries; from anywhere else it is not asked for. */
function sharpen(image, file) {
  if (location.protocol !== "file:") return image;
  const full = new Image();
  full.addEventListener("load", () => {
    image.src = full.src;
    image.dataset.full = "";
  });
  full.src = file.split("/").map(encodeURIComponent).join("/");
  return image;
}

export function large(cell, candidate) {
  const result = (cell.results || [])[candidate] || (cell.results || [])[0];
  const number = result && (result.large !== undefined ? result.large : result.thumb);
  if (!result || (number === undefined && location.protocol !== "file:")) return null;
  return sharpen(
    el("img", { src: number === undefined ? null : address(number), alt: described(cell), draggable: "false" }),
    result.file,
  );
}

export const shape = (cell) => {
  const result = (cell.results || [])[0];
  return result?.width && result.height ? clamp(result.width / result.height, 0.3, 3) : ratio;
};

export function drawViewer() {
  const cell = state.open;
  if (!cell) return;
  const garment = worn[cell.w];
  byId("viewer-title").textContent = `${models[cell.m].id} × ${garment.name}`;
  byId("viewer-eyebrow").textContent = [
    TYPES[garment.type],
    variants.length > 1 && !inVariants() && label(cell),
    !hasPicture(cell) && !inVariants() && "no picture",
  ]
    .filter(Boolean)
    .join(" · ");
  byId("modes").hidden = pairOf(cell).length < 2;
  for (const button of byId("modes").children)
    button.setAttribute("aria-pressed", button.dataset.mode === (inVariants() ? "variants" : "slider"));
  const list = seen.index.has(cell) ? seen.order : cells;
  byId("position").textContent = inVariants()
    ? `${contests.filter((pair) => preference(pair[0])).length} of ${contests.length} judged`
    : `${(list.indexOf(cell) + 1).toLocaleString("en")} / ${list.length.toLocaleString("en")}`;
  const stage = byId("stage");
  stage.classList.toggle("wide", inVariants());
  stage.classList.toggle("words", !inVariants() && !hasPicture(cell));
  stage.replaceChildren(...(inVariants() ? variantsStage(cell) : oneStage(cell)));
  drawFacts(cell);
}

function oneStage(cell) {
  const image = large(cell, state.candidate);
  if (!hasPicture(cell)) return [failure(cell)];
  if (!image) return [el("div", { class: "fit" }, el("p", { class: "note", text: noPicture(cell) })), elsewhere(cell)];
  const before = photo(models[cell.m], `${models[cell.m].id} as photographed`, true);
  const style = { "--ratio": shape(cell), "--at": state.at };
  let frame;
  if (before && !state.zoom) {
    before.className = "before";
    const left = el("span", { class: "tag left", text: "before" });
    const right = el("span", { class: "tag right", text: "after" });
    const range = el("input", {
      type: "range",
      min: 0,
      max: 100,
      step: 0.5,
      "aria-label": "Before and after",
      "aria-valuetext": `${Math.round(state.at * 100)} % before`,
      input: () => {
        state.at = Number(range.value) / 100;
        frame.style.setProperty("--at", state.at);
        range.setAttribute("aria-valuetext", `${Math.round(state.at * 100)} % before`);
        left.classList.toggle("faint", state.at < 0.16);
        right.classList.toggle("faint", state.at > 0.84);
      },
    });
    range.value = state.at * 100;
    frame = el("div", { class: "slider", style }, image, before, range, el("span", { class: "bar" }), left, right);
    left.classList.toggle("faint", state.at < 0.16);
    right.classList.toggle("faint", state.at > 0.84);
  } else {
    frame = still(image, style);
  }
  const strip =
    cell.results.length > 1
      ? el(
          "div",
          { class: "strip", role: "group", "aria-label": "Candidates" },
          ...cell.results.map((one, i) =>
            el("button", {
              text: `Candidate ${one.candidate || i + 1}`,
              "aria-pressed": i === state.candidate,
              click: () => {
                state.candidate = i;
                drawViewer();
              },
            }),
          ),
        )
      : null;
  return [el("div", { class: state.zoom ? "fit zoomed" : "fit" }, frame), strip, elsewhere(cell)].filter(Boolean);
}

function still(image, style) {
  const frame = el(
    "div",
    {
      class: "still",
      style,
      pointermove: (event) => {
        if (!state.zoom) return;
        const box = frame.getBoundingClientRect();
        const stage = byId("stage");
        stage.style.setProperty("--zx", `${((event.clientX - box.left) / box.width) * 100}%`);
        stage.style.setProperty("--zy", `${((event.clientY - box.top) / box.height) * 100}%`);
      },
      click: () => {
        state.zoom = !state.zoom;
        drawViewer();
      },
    },
    image,
  );
  return frame;
}

/* Where the large picture is when this page carries only a small one. */
function elsewhere(cell) {
  const result = (cell.results || [])[state.candidate];
  if (!cell.part || !result || result.large !== undefined || (location.protocol === "file:" && !pages.parts.length))
    return null;
  const file = pages.parts[cell.part - 1].file;
  if (signed)
    return el("p", { class: "note", text: `A larger picture is in ${file}, beside this page in the run’s folder.` });
  return el(
    "p",
    { class: "note" },
    "A larger picture is in ",
    el("a", { href: review.blind ? file : `${file}#${cell.id}`, text: file }),
    ".",
  );
}

export const signed = /[?&]X-Amz-Signature=/i.test(location.search);

function failure(cell) {
  return el(
    "div",
    { class: "message" },
    el("h3", { text: human(cell.error || "No result") }),
    el("code", { text: cell.error || cell.status }),
    cell.cause
      ? el("p", {
          text: review.blind ? "The cause is hidden while the review is blind: it may name the variant." : cell.cause,
        })
      : null,
    data.advice[cell.error] ? el("p", {}, el("strong", { text: "What to do: " }), data.advice[cell.error]) : null,
  );
}

function variantsStage(cell) {
  const pair = inOrder(pairOf(cell));
  const chosen = preference(cell);
  const fair = judgeable(pair);
  const sides = pair.map((one, i) => {
    const image = hasPicture(one) ? large(one, one === cell ? state.candidate : 0) : null;
    const mine = fair && chosen && chosen.preferred === variants[one.v].id;
    return el(
      "div",
      { class: mine ? "choice chosen" : "choice", role: "group", "aria-label": label(one) },
      image
        ? el("div", { class: "fit" }, still(image, { "--ratio": shape(one) }))
        : hasPicture(one)
          ? el("p", { class: "note", text: noPicture(one) })
          : failure(one),
      el(
        "button",
        {
          "aria-pressed": Boolean(mine),
          disabled: !fair || !hasPicture(one),
          click: () => prefer(cell, one),
          text: `${mine ? "✓ " : ""}Prefer ${review.blind ? label(one).toLowerCase() : one && variants[one.v].id}  `,
        },
        el("kbd", { text: i + 1 }),
      ),
    );
  });
  const says = review.blind
    ? []
    : pair.filter((one) => variants[one.v].says).map((one) => `${variants[one.v].id}: ${variants[one.v].says}`);
  return [
    el("div", { class: state.zoom ? "sides zoomed" : "sides" }, ...sides),
    fair
      ? el(
          "button",
          {
            class: "tie",
            "aria-pressed": Boolean(chosen && chosen.preferred === null),
            click: () => prefer(cell, null),
            text: "Equal  ",
          },
          el("kbd", { text: "0" }),
        )
      : el("p", { class: "note", text: "Fewer than two variants have a picture here: there is nothing to compare." }),
    says.length ? el("p", { class: "note", text: says.join(" · ") }) : null,
  ].filter(Boolean);
}
