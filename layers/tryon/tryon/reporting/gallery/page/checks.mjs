/* What the automatic checks say of a picture: in words, with the part of both pictures that it is about. */

import { byId, el, svg } from "../../../web/elements.mjs";
import { cells, hasPicture, models, run, state } from "./content.mjs";
import { checkOf, fillFilters, seen, setSort } from "./filters.mjs";
import { mark, markOf, review, shownOf } from "./review.mjs";
import { show } from "./viewer.mjs";
import { address, CHECKS, say } from "./words.mjs";

const checkAt = (cell, i) => cell.results?.[i]?.check;
const isFlagged = (cell, i) => checkAt(cell, i)?.state === "flagged";

/* The first reason of a combination's flag, for its corner; nothing of a blind review. */
export function flagText(cell) {
  if (review.blind || checkOf(cell) !== "flagged") return "";
  const shown = shownOf(cell);
  const at = isFlagged(cell, shown) ? shown : cell.results.findIndex((_, i) => isFlagged(cell, i));
  const [first, ...more] = checkAt(cell, at).reasons || [];
  return `⚑ ${first ? first.text : "flagged"}${more.length ? ` +${more.length}` : ""}`;
}

/* The line in the head: how many deserve a look, and the way to them. */
export function showFlags() {
  const line = byId("flags");
  const checks = run.checks;
  line.hidden = review.blind || !checks?.results;
  if (line.hidden) return;
  const unchecked = checks.unchecked ? `, ${checks.unchecked.toLocaleString("en")} unchecked` : "";
  if (!checks.flagged) {
    line.replaceChildren((checks.checked ? "nothing stands out" : "not checked") + (checks.checked ? unchecked : ""));
    return;
  }
  line.replaceChildren(
    el("button", {
      class: "quiet",
      title: "Most suspicious first",
      text: `⚑ ${checks.flagged.toLocaleString("en")} deserve a look`,
      click: suspiciousFirst,
    }),
    unchecked,
  );
}

function suspiciousFirst() {
  state.filters.check = ["flagged"];
  setSort("worst");
  fillFilters();
}

/* The section of the large view. */
export function checked(cell, i) {
  const check = checkAt(cell, i);
  if (!check) return null;
  const rank = check.rank && check.of ? `odder than ${check.of - check.rank} of ${check.of} in this run` : "";
  const line = (text, kind = "") => el("p", { class: kind, text });
  return el(
    "section",
    { class: "checks" },
    el("h3", { text: "Automatic checks" }),
    line([CHECKS[check.state], rank].filter(Boolean).join(" · "), `check ${check.state}`),
    ...(check.reasons || []).map((reason) => line(reason.text, "reason")),
    check.unchecked && line(check.unchecked),
    shownFirst(cell, i) && line(`Shown first: the least suspicious of ${cell.results.length}`),
    check.state === "flagged" && sideBySide(cell, i, check),
    check.state === "flagged" && answers(cell, i),
    check.judge?.length && numbersOf(check.judge),
    check.not_comparable?.length &&
      el(
        "details",
        {},
        el("summary", { text: `${check.not_comparable.length} checks could not compare` }),
        ...check.not_comparable.map((one) => line(one.text)),
      ),
  );
}

/* What the owner's own judge gave the result: its numbers by its own names. */
function numbersOf(judge) {
  const number = (score) => score.toLocaleString("en", { maximumSignificantDigits: 4 });
  return el(
    "details",
    { "data-key": "judge" },
    el("summary", { text: judge.length === 1 ? "Your judge’s number" : `Your judge’s ${judge.length} numbers` }),
    el("dl", {}, ...judge.flatMap(({ name, score }) => [el("dt", { text: name }), el("dd", { text: number(score) })])),
  );
}

/* Whether this picture comes before its others by what the checks say, and by nothing that a reviewer said. */
function shownFirst(cell, i) {
  const results = cell.results;
  if (results.length < 2 || i !== shownOf(cell)) return false;
  const same = results.filter((one) => (one.take || 1) === (results[i].take || 1) && one.check?.rank);
  const judged = results.some((_, other) => markOf(cell, other));
  return !judged && same.length > 1 && same.every((one) => one.check.rank <= (results[i].check?.rank || 0));
}

/* Model and result, cut to the same part; what changed, and what the judge marked, is outlined in the result. */
function sideBySide(cell, i, check) {
  const result = cell.results[i];
  const wide = (result.width || 3) / (result.height || 4);
  const whole = [0, 0, 1, 1];
  const own = check.result_box || whole;
  const pictures = [
    ["model", models[cell.m].large ?? models[cell.m].thumb, check.model_box || whole, []],
    ["result", result.large ?? result.thumb, own, check.outline || []],
  ];
  return el(
    "div",
    { class: "beside" },
    ...pictures
      .filter(([, number]) => number !== undefined)
      .map(([what, number, box, outline]) =>
        el(
          "figure",
          {},
          cutOut(address(number), what, box, ((own[2] - own[0]) / (own[3] - own[1])) * wide, outline),
          el("figcaption", { text: what }),
        ),
      ),
  );
}

function cutOut(source, what, [left, top, right, bottom], ratio, outline) {
  const [width, height] = [right - left, bottom - top];
  const share = (value) => `${100 * value}%`;
  return el(
    "div",
    { class: "part", style: { "aspect-ratio": String(ratio) } },
    el("img", {
      src: source,
      alt: `${what}, the part that the check is about`,
      draggable: "false",
      style: {
        width: share(1 / width),
        height: share(1 / height),
        left: share(-left / width),
        top: share(-top / height),
      },
    }),
    outline.length > 0 &&
      svg(
        "svg",
        { viewBox: `${left} ${top} ${width} ${height}`, preserveAspectRatio: "none", "aria-hidden": "true" },
        ...outline.map((polygon) => svg("polygon", { points: polygon.map((point) => point.join(",")).join(" ") })),
      ),
  );
}

function answers(cell, i) {
  const button = (name, text, key, click) =>
    el("button", { class: "quiet", "data-key": `flag-${name}`, click }, `${text} `, el("kbd", { text: key }));
  return el(
    "div",
    { class: "row-of", role: "group", "aria-label": "What the check says is" },
    button("right", "Right: reject", "y", () => answer(cell, i, true)),
    button("wrong", "Wrong: pick", "w", () => answer(cell, i, false)),
    button("next", "Next flag", "j", () => nextFlag(cell)),
  );
}

/* A flag is right, and the picture is rejected for what it says; or it is wrong, and the picture picked. */
export function answer(cell, i, right) {
  if (review.blind || !isFlagged(cell, i)) return say("This picture is not flagged");
  const reason = checkAt(cell, i).reasons?.find((one) => one.reject)?.reject;
  mark(cell, i, right ? "reject" : "pick", right ? reason : null);
  if (review.auto) nextFlag(cell, right ? "Rejected" : "Picked");
}

/* Opens the flagged picture that comes next in the order that is seen. */
export function nextFlag(from, words = "") {
  if (review.blind) return say("A blind review shows no flags");
  const list = from && !seen.index.has(from) ? cells : seen.order;
  const next = list.slice(list.indexOf(from) + 1).find((cell) => hasPicture(cell) && checkOf(cell) === "flagged");
  if (!next) return say(`${words ? `${words}. ` : ""}No flag after this one`);
  show(
    next,
    state.open ? state.mode : undefined,
    next.results.findIndex((_, i) => isFlagged(next, i)),
  );
}
