/* The large view. */

import { byId, el } from "../../../web/elements.mjs";
import { human } from "../../../web/formats.mjs";
import { keepAddress } from "./address.mjs";
import { noPicture } from "./cell.mjs";
import { answer, nextFlag } from "./checks.mjs";
import {
  cells,
  data,
  hasPicture,
  modelName,
  models,
  pages,
  share,
  state,
  variantName,
  variants,
  viewer,
  worn,
  wornName,
} from "./content.mjs";
import { drawFacts } from "./facts.mjs";
import { refilter, seen } from "./filters.mjs";
import { suspected, suspectText } from "./head.mjs";
import { focusOn, setFocus } from "./keys.mjs";
import { REASONS } from "./marks.mjs";
import {
  alike,
  applyZoom,
  blindShape,
  flick,
  frame,
  inputPicture,
  moveLine,
  panBy,
  pictureOf,
  resultFrame,
  shapeOf,
  zoomBy,
  zoomFit,
  zoomFull,
} from "./panes.mjs";
import {
  contestAt,
  inOrder,
  judgeable,
  judgedStops,
  label,
  mark,
  markOf,
  nextStop,
  pairOf,
  prefer,
  preference,
  rate,
  review,
  shownOf,
  standingOf,
  stars,
  stopOf,
  stops,
} from "./review.mjs";
import { openReview, setBlind } from "./sheet.mjs";
import { toggleMarked } from "./survey.mjs";
import { say, TYPES } from "./words.mjs";

export function show(cell, mode, candidate) {
  state.open = cell;
  state.candidate = candidate ?? shownOf(cell);
  if (mode) state.mode = mode;
  setFocus(cell);
  drawViewer();
  if (!viewer.open) {
    zoomFit();
    viewer.showModal();
    viewer.focus();
    applyZoom();
  }
  keepAddress();
}

viewer.addEventListener("close", () => {
  const cell = state.open;
  state.open = null;
  state.stop = -1;
  state.mode = ["variants", "survey"].includes(state.mode) ? "slider" : state.mode;
  refilter();
  keepAddress();
  focusOn(cell);
});

export const inVariants = () => state.mode === "variants" && pairOf(state.open).length > 1;
const inCandidates = () => state.mode === "candidates" && (state.open.results || []).length > 1;
const inSurvey = () => state.mode === "survey" && state.survey.length > 1;

/* Opens the pairs at the first that is not judged. */
export function openPairs() {
  const next = nextStop();
  state.stop = next.at;
  show(next.cell, "variants");
}

export function walk(by) {
  if (inSurvey()) return chooseActive(state.active + by);
  if (inVariants()) {
    const at = (state.stop < 0 ? stopOf(state.open) : state.stop) + by;
    if (!stops()[at]) return say(by > 0 ? "This is the last pair" : "This is the first pair");
    state.stop = at;
    return show(inOrder(contestAt(at))[0]);
  }
  const list = seen.index.has(state.open) ? seen.order : cells;
  const next = list[list.indexOf(state.open) + by];
  if (next) show(next);
  else say(by > 0 ? "This is the last one" : "This is the first one");
}

/* The same garment on the next model, or the previous one. */
function walkModel(by) {
  const { w, v } = state.open;
  const list = (seen.index.has(state.open) ? seen.order : cells)
    .filter((cell) => cell.w === w && (cell.v === v || review.blind))
    .sort((a, b) => a.m - b.m);
  const next = list[list.indexOf(state.open) + by];
  if (next) show(next);
  else say(by > 0 ? "No further model wears this" : "No model before wears this");
}

/* After a judgement: the next candidate, the next combination, the next pair. */
export function goOn(cell, i, what, words = "") {
  if (what === "preference") return afterPreference(words);
  if (state.open && inSurvey()) return drawViewer();
  if (!review.auto) return state.open && drawViewer();
  const rest = (cell.results || []).findIndex((_, other) => other !== i && !markOf(cell, other));
  if (state.open) {
    if (what === "reject" && rest >= 0 && standingOf(cell) !== "pick") return show(cell, state.mode, rest);
    const list = seen.index.has(cell) ? seen.order : cells;
    const next = list.slice(list.indexOf(cell) + 1).find(hasPicture);
    if (next) return show(next);
    drawViewer();
    return say(`This was the last one: ${counts()}`);
  }
  const next = seen.order.slice(seen.index.get(cell) + 1).find(hasPicture);
  if (next) focusOn(next);
}

const counts = () => {
  const said = seen.order.map(standingOf);
  const number = (what) => said.filter((one) => one === what).length;
  return `${number("pick")} picked, ${number("reject")} rejected`;
};

function afterPreference(words) {
  const next = nextStop(state.stop < 0 ? stopOf(state.open) : state.stop);
  if (!next.over) {
    say(words);
    state.stop = next.at;
    return show(inOrder(contestAt(next.at))[0]);
  }
  viewer.close();
  openReview();
  say("Every pair is judged");
}

/* ---- keys ---- */

function digit(event) {
  const number = Number(event.key);
  const cell = state.open;
  if (inVariants()) {
    const pair = inOrder(pairOf(cell));
    if (number === 0) prefer(cell, null);
    else if (pair[number - 1] && hasPicture(pair[number - 1])) prefer(cell, pair[number - 1]);
  } else if (inCandidates() || inSurvey()) {
    if (!number) return;
    if (inSurvey()) {
      chooseActive(number - 1);
      const pane = state.survey[number - 1];
      if (pane) mark(pane, shownOf(pane), "pick");
    } else if (cell.results[number - 1]) mark(cell, number - 1, "pick");
  } else if (number <= 5) {
    rate(cell, number, state.candidate);
    drawViewer();
  }
}

const judged = () =>
  inSurvey() ? [state.survey[state.active], shownOf(state.survey[state.active])] : [state.open, state.candidate];
const arrows = {
  ArrowRight: () => walk(1),
  ArrowLeft: () => walk(-1),
  ArrowDown: () => walkModel(1),
  ArrowUp: () => walkModel(-1),
};
const pans = {
  ArrowRight: () => panBy(-1, 0),
  ArrowLeft: () => panBy(1, 0),
  ArrowDown: () => panBy(0, -1),
  ArrowUp: () => panBy(0, 1),
};
const letters = {
  p: () => mark(...judged(), "pick"),
  x: () => mark(...judged(), "reject"),
  u: () => mark(...judged(), ""),
  ...Object.fromEntries(REASONS.map(({ id, key }) => [key, () => mark(...judged(), "reject", id)])),
  z: () => zoomFull(),
  "+": () => zoomBy(1.25),
  "=": () => zoomBy(1.25),
  "-": () => zoomBy(0.8),
  ".": () => nextCandidate(1),
  ",": () => nextCandidate(-1),
  v: () => pairOf(state.open).length > 1 && setMode(inVariants() ? "slider" : "variants"),
  d: () => (state.open.results || []).length > 1 && setMode(inCandidates() ? "slider" : "candidates"),
  i: () => setMode(state.mode === "inputs" ? "slider" : "inputs"),
  m: () => toggleMarked(state.open),
  s: () => openSurvey(),
  b: () => setBlind(!review.blind),
  n: () => byId("facts").querySelector("textarea")?.focus(),
  j: () => nextFlag(state.open),
  y: () => answer(...judged(), true),
  w: () => answer(...judged(), false),
  "!": () => inVariants() && prefer(state.open, null, true),
};

const isControl = (node) => node.matches("button, input, textarea, a, summary, select");

export function onViewerKey(event) {
  if (event.target.matches("textarea, input:not([type=range]):not([type=radio]):not([type=checkbox])")) {
    if (event.key === "Escape") {
      viewer.focus();
      event.preventDefault();
    }
    return;
  }
  const ownArrows = event.target.matches("input[type=range], input[type=radio]");
  if (event.shiftKey && pans[event.key]) pans[event.key]();
  else if (arrows[event.key] && !ownArrows) arrows[event.key]();
  else if (event.key === " " && !isControl(event.target)) flick(true);
  else if (/^[0-9]$/.test(event.key)) digit(event);
  else if (letters[event.key]) letters[event.key]();
  else return;
  event.preventDefault();
}

export function onViewerKeyUp(event) {
  if (event.key === " ") flick(false);
}

function nextCandidate(by) {
  const count = (state.open.results || []).length;
  if (count < 2) return;
  state.candidate = (state.candidate + by + count) % count;
  drawViewer();
}

export function setMode(mode) {
  state.mode = mode;
  if (mode === "variants") state.stop = stopOf(state.open);
  drawViewer();
}

export function openSurvey() {
  if (state.survey.length < 2) return say("Mark two to four pictures first, with m");
  state.active = 0;
  show(state.open || state.survey[0], "survey");
}

function chooseActive(at) {
  if (!state.survey[at]) return;
  state.active = at;
  drawViewer();
}

/* ---- drawing ---- */

export function drawViewer() {
  const cell = state.open;
  if (!cell) return;
  const key = document.activeElement?.getAttribute("data-key");
  const within = viewer.contains(document.activeElement);
  const garment = worn[cell.w];
  byId("viewer-title").replaceChildren(
    el("span", { text: wornName(cell), dir: "auto" }),
    el("small", { text: ` × ${modelName(cell)}`, dir: "auto" }),
  );
  byId("viewer-eyebrow").textContent = [
    TYPES[garment.type],
    variants.length > 1 && !inVariants() && label(cell),
    cell.service && !review.blind && cell.service,
    !hasPicture(cell) && !inVariants() && "no picture",
  ]
    .filter(Boolean)
    .join(" · ");
  drawModes(cell);
  const list = seen.index.has(cell) ? seen.order : cells;
  byId("position").textContent = inVariants()
    ? `${judgedStops()} of ${stops().length} judged`
    : inSurvey()
      ? `${state.survey.length} marked`
      : `${(list.indexOf(cell) + 1).toLocaleString("en")} / ${list.length.toLocaleString("en")}`;
  const stage = byId("stage");
  stage.className = inVariants() ? "wide" : !hasPicture(cell) && !inSurvey() ? "words" : "";
  stage.replaceChildren(...drawStage(cell));
  drawFacts(cell);
  applyZoom();
  moveLine(state.at);
  if (!within || viewer.contains(document.activeElement)) return;
  const again = key && viewer.querySelector(`[data-key="${CSS.escape(key)}"]`);
  (again || viewer).focus({ preventScroll: true });
}

function drawModes(cell) {
  const there = {
    slider: true,
    inputs: true,
    candidates: (cell.results || []).length > 1,
    variants: pairOf(cell).length > 1,
    survey: state.survey.length > 1,
  };
  const now = inVariants() ? "variants" : inCandidates() ? "candidates" : inSurvey() ? "survey" : state.mode;
  for (const button of byId("modes").children) {
    button.hidden = !there[button.dataset.mode];
    button.setAttribute("aria-pressed", String(button.dataset.mode === (there[now] ? now : "slider")));
  }
}

function drawStage(cell) {
  if (inSurvey())
    return panesStage(
      state.survey.map((one) => [one, shownOf(one)]),
      surveyPane,
    );
  if (inVariants()) return variantsStage(cell);
  if (!hasPicture(cell)) return [failure(cell)];
  if (inCandidates())
    return panesStage(
      cell.results.map((_, i) => [cell, i]),
      candidatePane,
    );
  const strip = candidatesStrip(cell);
  if (state.mode === "inputs") return [inputsStage(cell), strip, elsewhere(cell)].filter(Boolean);
  return [oneStage(cell), strip, elsewhere(cell)].filter(Boolean);
}

function oneStage(cell) {
  const image = pictureOf(cell, state.candidate);
  if (!image) return el("div", { class: "fit" }, el("p", { class: "note", text: noPicture(cell) }));
  const shape = shapeOf(cell, state.candidate);
  const model = models[cell.m];
  const before = inputPicture(model, `${modelName(cell)} as photographed`);
  const flicked =
    cell.results.length > 1
      ? pictureOf(cell, (state.candidate + cell.results.length - 1) % cell.results.length)
      : before?.cloneNode();
  if (before && !alike(model.ratio || shape, shape)) {
    return el(
      "div",
      { class: "sides" },
      figure(frame(before, model.ratio), "before"),
      figure(frame(image, shape, { flick: flicked }), "after"),
    );
  }
  if (!before) return frame(image, shape, { flick: flicked });
  before.className = "before";
  return frame(image, shape, {
    flick: flicked,
    class: "slider",
    over: [
      el("div", { class: "clip" }, el("div", { class: "pan" }, before)),
      el("input", {
        type: "range",
        min: 0,
        max: 100,
        step: 0.5,
        "aria-label": "Before and after",
        "data-key": "line",
        input: (event) => moveLine(Number(event.target.value) / 100),
      }),
      el("span", { class: "bar" }),
      el("span", { class: "tag left", text: "before" }),
      el("span", { class: "tag right", text: "after" }),
    ],
  });
}

const figure = (framed, caption, more = null) =>
  el("figure", { class: "pane" }, framed, el("figcaption", {}, el("span", { text: caption, dir: "auto" }), more));

/* The inputs at the result's height: the garment is what the result is held against. */
function inputsStage(cell) {
  const garment = worn[cell.w];
  const panes = garment.garments.map((one) => {
    const image = inputPicture(one, one.name || one.id);
    return image && figure(frame(image, one.ratio || 0.75), one.name || one.id);
  });
  const model = inputPicture(models[cell.m], modelName(cell));
  const shape = shapeOf(cell, state.candidate);
  return el(
    "div",
    { class: "sides" },
    ...panes.filter(Boolean),
    model && figure(frame(model, models[cell.m].ratio || shape), modelName(cell)),
    figure(resultFrame(cell, state.candidate, { flick: model?.cloneNode() }), "result"),
  );
}

function panesStage(panes, pane) {
  const flicks = panes.map(([cell, i]) => (hasPicture(cell) ? pictureOf(cell, i) : null));
  return [
    el("div", { class: "sides" }, ...panes.map(([cell, i], n) => pane(cell, i, n, flicks[(n + 1) % flicks.length]))),
  ];
}

const said = (cell, i) => {
  const own = markOf(cell, i);
  const many = stars(cell, i);
  return [own && (own.mark === "pick" ? "✓ picked" : "✕ rejected"), many && `★ ${many}`].filter(Boolean).join(" · ");
};

/* A picture of several with its own buttons. */
function judgedPane(cell, i, n, flicked, caption, key) {
  const own = markOf(cell, i)?.mark;
  return el(
    "figure",
    { class: `pane ${own || ""}`, "data-pane": n },
    resultFrame(cell, i, { flick: flicked }),
    el(
      "figcaption",
      {},
      el("span", { text: [caption, said(cell, i)].filter(Boolean).join(" · "), dir: "auto" }),
      el(
        "button",
        { "data-key": `${key}-pick-${n}`, "aria-pressed": own === "pick", click: () => mark(cell, i, "pick") },
        `Pick ${caption} `,
        el("kbd", { text: n + 1 }),
      ),
      el("button", {
        "data-key": `${key}-reject-${n}`,
        "aria-pressed": own === "reject",
        text: "Reject",
        "aria-label": `Reject ${caption}`,
        click: () => mark(cell, i, "reject"),
      }),
    ),
  );
}

function candidatePane(cell, i, n, flicked) {
  const node = judgedPane(cell, i, n, flicked, candidateName(cell, i), "candidate");
  node.classList.toggle("active", i === state.candidate);
  return node;
}

function surveyPane(cell, i, n, flicked) {
  const node = judgedPane(cell, i, n, flicked, `${wornName(cell)}, ${modelName(cell)}`, "survey");
  node.classList.toggle("active", n === state.active);
  node.addEventListener("pointerdown", () => {
    state.active = n;
    for (const [at, one] of [...node.parentElement.children].entries()) one.classList.toggle("active", at === n);
  });
  return node;
}

export const candidateName = (cell, i) => {
  const one = cell.results[i];
  const several = cell.results.some((other) => (other.take || 1) !== (cell.results[0].take || 1));
  const many = cell.results.filter((other) => (other.take || 1) === (one.take || 1)).length > 1;
  const candidate = `Candidate ${one.candidate || i + 1}`;
  if (!several) return candidate;
  return `Take ${one.take || 1}${many ? `, candidate ${one.candidate || 1}` : ""}`;
};

function candidatesStrip(cell) {
  if (cell.results.length < 2) return null;
  return el(
    "div",
    { class: "strip", role: "group", "aria-label": "Candidates" },
    ...cell.results.map((_, i) =>
      el("button", {
        text: candidateName(cell, i),
        class: markOf(cell, i)?.mark || "",
        "data-key": `candidate-${i}`,
        "aria-pressed": i === state.candidate,
        click: () => {
          state.candidate = i;
          drawViewer();
        },
      }),
    ),
  );
}

/* Where the large picture is when this page carries only a small one. */
function elsewhere(cell) {
  const result = (cell.results || [])[state.candidate];
  if (!cell.part || !result || result.large !== undefined || share?.full?.[result.file]) return null;
  const file = pages.parts[cell.part - 1].file;
  const signedPart = share?.parts?.[file];
  if (signed && !signedPart)
    return el("p", { class: "note", text: `A larger picture is in ${file}, beside this page in the run’s folder.` });
  const to = signedPart || file;
  return el(
    "p",
    { class: "note" },
    "A larger picture is in ",
    el("a", { href: review.blind ? to : `${to}#${cell.id}`, text: file }),
    ".",
  );
}

export const signed = /[?&](X-Amz-)?Signature=/i.test(location.search);

export function failure(cell) {
  const suspect = review.blind ? null : suspected.get(cell);
  const inputs = [
    [models[cell.m], suspect?.kind === "model"],
    ...worn[cell.w].garments.map((one) => [one, suspect?.kind === "garment"]),
  ].map(([part, guilty]) => {
    const image = inputPicture(part, part.name || part.id);
    const caption = el("figcaption", { text: part.name || part.id, dir: "auto" });
    return image && el("figure", { class: guilty ? "guilty" : "" }, image, caption);
  });
  return el(
    "div",
    { class: "message" },
    el("h3", { text: human(cell.error || "No result") }),
    suspect && el("p", { class: "suspect", text: suspectText(suspect) }),
    cell.cause
      ? el("p", {
          text: review.blind ? "The cause is hidden while the review is blind: it may name the variant." : cell.cause,
        })
      : null,
    data.advice[cell.error] ? el("p", {}, el("strong", { text: "What to do: " }), data.advice[cell.error]) : null,
    el("p", {}, el("code", { text: cell.error || cell.status })),
    el("div", { class: "inputs" }, ...inputs),
  );
}

function variantsStage(cell) {
  const pair = inOrder(pairOf(cell));
  const chosen = preference(cell);
  const fair = judgeable(pair);
  const shape = blindShape(pair.filter(hasPicture));
  const sides = pair.map((one, i) => {
    const mine = fair && chosen && chosen.preferred === variants[one.v].id;
    const other = pair[(i + 1) % pair.length];
    const flicked = hasPicture(other) ? pictureOf(other, shownOf(other)) : null;
    return el(
      "div",
      { class: mine ? "choice chosen" : "choice", role: "group", "aria-label": label(one) },
      resultFrame(one, shownOf(one), { flick: flicked, shape, cut: Boolean(shape) }),
      el(
        "button",
        {
          "data-key": `prefer-${i}`,
          "aria-pressed": Boolean(mine),
          disabled: !fair || !hasPicture(one),
          click: () => prefer(cell, one),
          text: `${mine ? "✓ " : ""}Prefer ${review.blind ? label(one).toLowerCase() : variantName(variants[one.v])}  `,
        },
        el("kbd", { text: i + 1 }),
      ),
    );
  });
  const says = review.blind
    ? []
    : pair
        .filter((one) => variants[one.v].says)
        .map((one) => `${variantName(variants[one.v])}: ${variants[one.v].says}`);
  return [
    el("div", { class: "sides" }, ...sides),
    fair
      ? el(
          "div",
          { class: "ties" },
          el(
            "button",
            {
              class: "tie",
              "data-key": "equal",
              "aria-pressed": Boolean(chosen && chosen.preferred === null && !chosen.both_bad),
              click: () => prefer(cell, null),
              text: "Equal  ",
            },
            el("kbd", { text: "0" }),
          ),
          el(
            "button",
            {
              class: "tie bad",
              "data-key": "bad",
              "aria-pressed": Boolean(chosen?.both_bad),
              click: () => prefer(cell, null, true),
              text: pair.length > 2 ? "None is good  " : "Both bad  ",
            },
            el("kbd", { text: "!" }),
          ),
        )
      : el("p", { class: "note", text: "Fewer than two variants have a picture here: there is nothing to compare." }),
    shape
      ? el("p", {
          class: "note",
          text: "All are cut to one shape while the review is blind: a shape may give a service away.",
        })
      : null,
    says.length ? el("p", { class: "note", text: says.join(" · ") }) : null,
  ].filter(Boolean);
}
