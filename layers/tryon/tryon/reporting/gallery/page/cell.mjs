/* One combination, as a picture or as words. */

import { el } from "../../../web/elements.mjs";
import { human, plural } from "../../../web/formats.mjs";
import { flagText } from "./checks.mjs";
import { hasPicture, state, variants } from "./content.mjs";
import { setFocus } from "./keys.mjs";
import { reasonText } from "./marks.mjs";
import { described, disputed, markOf, preference, review, short, shownOf, standingOf, stars } from "./review.mjs";
import { isMarked } from "./survey.mjs";
import { show } from "./viewer.mjs";
import { address } from "./words.mjs";

export function picture(cell, width) {
  const shown = cell.results?.[shownOf(cell)];
  if (!shown) return null;
  const sharp = width * devicePixelRatio > 300 && shown.large !== undefined;
  const number = sharp || shown.thumb === undefined ? shown.large : shown.thumb;
  return number === undefined ? null : address(number);
}

/* What is said of a combination, in words short enough for its corner. */
function marksOf(cell) {
  const found = [];
  const add = (kind, text) => found.push(el("span", { class: `mark ${kind}`, text }));
  const standing = standingOf(cell);
  const shown = shownOf(cell);
  if (preference(cell)?.preferred === variants[cell.v].id) add("prefers", "✓ preferred");
  if (standing === "pick") add("pick", "✓ picked");
  if (standing === "reject") add("reject", `✕ ${reasonText(markOf(cell, shown)?.reason) || "rejected"}`);
  if (stars(cell, shown)) add("rated", `★ ${stars(cell, shown)}`);
  const flag = flagText(cell);
  if (flag) add("flagged", flag);
  if (review.others.length && disputed(cell)) add("differ", "differ");
  if (cell.results?.length > 1) add("many", `×${cell.results.length}`);
  if (cell.lost) add("lost", `${cell.lost.length} lost`);
  return found;
}

/* What is said to whoever does not see it, besides what stands there in words. */
function unseen(cell) {
  const failed = !hasPicture(cell);
  return [
    described(cell),
    cell.lost ? `, ${plural(cell.lost.length, "picture")} lost` : "",
    failed ? ": failed, " : "",
    isMarked(cell) ? ", marked for side by side" : "",
    failed ? "" : " ",
  ].join("");
}

export function button(cell, width) {
  const source = picture(cell, width);
  const named = variants.length > 1;
  const failed = !hasPicture(cell);
  const small = width < 90;
  const marks = marksOf(cell);
  const standing = standingOf(cell);
  const preferred = preference(cell)?.preferred === variants[cell.v].id;
  return el(
    "button",
    {
      class: [
        "cell",
        failed && "failed",
        !failed && !source && "bare",
        named && "named",
        small && "small",
        width < 100 && "narrow",
        preferred && "preferred",
        standing && `is-${standing}`,
        isMarked(cell) && "marked",
      ]
        .filter(Boolean)
        .join(" "),
      "data-id": review.blind ? null : cell.id,
      tabindex: cell === state.focus ? 0 : -1,
      click: () => show(cell),
      focus: () => setFocus(cell),
    },
    source && el("img", { src: source, alt: "", decoding: "async", draggable: "false" }),
    named && el("span", { class: "chip", text: short(cell) }),
    named && " ",
    el("span", { class: "unseen", text: unseen(cell) }),
    failed && el("strong", { text: human(cell.error || "No result") }),
    failed && el("span", { class: "cause", text: review.blind ? "" : cell.cause || "" }),
    !failed && !source && el("span", { text: noPicture(cell) }),
    marks.length ? el("span", { class: small ? "marks unseen" : "marks" }, ...marks) : null,
  );
}

export function noPicture(cell) {
  const first = cell.results?.[0];
  if (first?.note) return first.note;
  return cell.part ? "Picture in its part" : "Stored; no preview of it could be made";
}

export function photo(part, alt, wide) {
  const number = wide && part.large !== undefined ? part.large : part.thumb !== undefined ? part.thumb : part.large;
  return number === undefined
    ? null
    : el("img", { class: "photo", src: address(number), alt, decoding: "async", draggable: "false" });
}
