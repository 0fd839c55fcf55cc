/* The large view's side: what is judged here, what it was made from, how it went. */

import { byId, el } from "../../../web/elements.mjs";
import { human, rounded, size } from "../../../web/formats.mjs";
import { photo } from "./cell.mjs";
import { checked } from "./checks.mjs";
import { hasPicture, modelName, models, state, variantName, variants, worn } from "./content.mjs";
import { differ, REASONS, reasonText, vote } from "./marks.mjs";
import { fullAddress } from "./panes.mjs";
import { canUndo, keep, mark, markOf, nameOf, note, rate, review, stars, undo, votesFor } from "./review.mjs";
import { isMarked, toggleMarked } from "./survey.mjs";
import { drawViewer, inVariants, setMode, signed } from "./viewer.mjs";
import { STEPS, TYPES } from "./words.mjs";

const section = (title, ...children) => el("section", {}, el("h3", { text: title }), ...children);
const fact = (name, value) =>
  value === "" || value === null || value === undefined
    ? []
    : [el("dt", { text: name }), el("dd", { text: value, dir: "auto" })];

export function drawFacts(cell) {
  const judging = hasPicture(cell) && !inVariants() && !["candidates", "survey"].includes(state.mode);
  byId("facts").replaceChildren(
    ...[
      judging && judgement(cell, state.candidate),
      !inVariants() && !review.blind && checked(cell, state.candidate),
      !inVariants() && others(cell, state.candidate),
      madeFrom(cell),
      cell.lost && !inVariants() && lostOnes(cell),
      !inVariants() && !review.blind && howItWent(cell),
    ].filter(Boolean),
  );
}

function judgement(cell, i) {
  const own = markOf(cell, i);
  const decide = (what, text, key) =>
    el(
      "button",
      {
        class: what || "none",
        "data-key": `mark-${what}`,
        "aria-pressed": (own?.mark || "") === what,
        click: () => mark(cell, i, what),
      },
      `${text} `,
      el("kbd", { text: key }),
    );
  return section(
    "Your judgement",
    el(
      "div",
      { class: "decide", role: "group", "aria-label": "Pick or reject" },
      decide("pick", "✓ Pick", "p"),
      decide("reject", "✕ Reject", "x"),
      decide("", "Undecided", "u"),
    ),
    el(
      "div",
      { class: "why", role: "group", "aria-label": "Reject because of" },
      ...REASONS.map((reason) =>
        el(
          "button",
          {
            "data-key": `why-${reason.id}`,
            "aria-pressed": own?.reason === reason.id,
            click: () => mark(cell, i, "reject", reason.id),
          },
          `${reason.text} `,
          el("kbd", { text: reason.key }),
        ),
      ),
    ),
    own && noteField(cell, i, own),
    starsOf(cell, i),
    el(
      "div",
      { class: "row-of" },
      el("button", {
        class: "quiet",
        "data-key": "undo",
        disabled: !canUndo(),
        text: "Take back",
        title: "Ctrl+Z",
        click: () => undo(),
      }),
      el("button", {
        class: "quiet",
        "data-key": "survey",
        "aria-pressed": isMarked(cell),
        text: isMarked(cell) ? "Marked for side by side" : "Mark for side by side",
        title: "m",
        click: () => toggleMarked(cell),
      }),
    ),
    el(
      "label",
      { class: "switch small" },
      el("input", {
        type: "checkbox",
        "data-key": "auto",
        checked: review.auto,
        change: (event) => {
          review.auto = event.target.checked;
          keep();
        },
      }),
      "Go on to the next after each judgement",
    ),
  );
}

function noteField(cell, i, own) {
  return el(
    "label",
    { class: "field" },
    el("span", { text: "Note" }),
    el("textarea", {
      rows: 2,
      maxlength: 2000,
      "data-key": "note",
      dir: "auto",
      text: own.note,
      change: (event) => note(cell, i, event.target.value.trim()),
    }),
  );
}

/* A radio group: five stars and none. The word beside it says what the shapes say. */
function starsOf(cell, i) {
  const mine = stars(cell, i);
  return el(
    "fieldset",
    { class: "stars" },
    el("legend", { text: "Stars" }),
    ...[1, 2, 3, 4, 5].map((n) =>
      el(
        "label",
        { class: n <= mine ? "on" : "", title: `${n} of 5` },
        el("input", {
          type: "radio",
          name: "stars",
          value: n,
          "data-key": `star-${n}`,
          "aria-label": `${n} of 5`,
          checked: n === mine,
          // A star that is chosen already takes the rating back.
          click: () => give(cell, i, n === mine ? 0 : n),
        }),
        el("span", { "aria-hidden": "true", text: n <= mine ? "★" : "☆" }),
      ),
    ),
    el("output", { text: mine ? `${mine} of 5` : "not rated" }),
  );
}

function give(cell, i, count) {
  rate(cell, count, i);
  drawViewer();
}

function others(cell, i) {
  if (!review.others.length) return null;
  const all = votesFor(nameOf(cell, i));
  const say = (one) =>
    [
      one.mark &&
        (one.mark.mark === "pick" ? "picked" : `rejected${one.mark.reason ? `: ${reasonText(one.mark.reason)}` : ""}`),
      one.stars && `${one.stars} of 5`,
      one.mark?.note,
    ]
      .filter(Boolean)
      .join(", ") || "nothing";
  const apart = differ(all.map((one) => vote(one.mark, one.stars)));
  return section(
    apart ? "Reviewers differ" : "All reviewers",
    el("dl", {}, ...all.flatMap((one) => fact(one.who, say(one)))),
  );
}

function madeFrom(cell) {
  const input = (part, name, what) =>
    el(
      "figure",
      {},
      photo(part, `${what} ${name}`, true),
      el("figcaption", {}, el("span", { class: "who", text: name, dir: "auto" }), el("span", { text: what })),
    );
  return section(
    "Made from",
    el(
      "div",
      { class: "inputs" },
      input(models[cell.m], modelName(cell), "model"),
      ...worn[cell.w].garments.map((one) => input(one, one.name || one.id, TYPES[one.type] || "garment")),
    ),
    hasPicture(cell) && !inVariants() && state.mode !== "inputs"
      ? el("button", {
          class: "quiet",
          "data-key": "inputs",
          text: "Show them beside the result",
          click: () => setMode("inputs"),
        })
      : null,
  );
}

function lostOnes(cell) {
  const lines = cell.lost.flatMap((one) =>
    fact(`Candidate ${one.candidate}`, review.blind ? human(one.error) : `${human(one.error)}: ${one.cause}`),
  );
  const part = section("Could not be had", el("dl", {}, ...lines));
  part.className = "lost";
  return part;
}

function howItWent(cell) {
  const result = (cell.results || [])[state.candidate];
  const full = result && !signed ? fileAddress(result) : result && fullAddress(result);
  const several = variants.length > 1;
  return el(
    "details",
    { class: "how", open: !hasPicture(cell) || review.how !== false },
    el("summary", { "data-key": "how" }, el("h3", { text: "How it went" })),
    el(
      "dl",
      {},
      ...fact("Variant", several ? variantName(variants[cell.v]) : ""),
      ...fact("Changes", several ? variants[cell.v].says : ""),
      ...fact("Combination", review.blind ? "" : cell.n),
      ...fact("Service", cell.service || ""),
      ...fact("Picture", result?.width ? `${result.width} × ${result.height}` : ""),
      ...fact("File", result ? size(result.bytes) : ""),
      ...fact("Service’s time", cell.latency === undefined ? "" : `${rounded(cell.latency)} s`),
      ...fact("Polls", cell.polls || ""),
      ...fact("Noticed after", cell.delay === undefined ? "" : `${rounded(cell.delay)} s`),
      ...fact("Submitted", cell.submits ? `${cell.submits} times` : ""),
      ...fact("Refused results", cell.refused ? `${cell.refused}, each paid and followed by another seed` : ""),
      ...fact("Task", cell.resumed ? "resumed from an earlier run" : ""),
      ...fact("Stopped while", cell.step ? STEPS[cell.step] || cell.step : ""),
      ...fact("Task id", cell.task),
      ...fact("Request", (cell.requests || []).join(" ")),
    ),
    full
      ? el("a", { class: "open", href: full, target: "_blank", rel: "noopener", text: "Open the full-size file" })
      : null,
  );
}

const fileAddress = (result) => fullAddress(result) || result.file.split("/").map(encodeURIComponent).join("/");
