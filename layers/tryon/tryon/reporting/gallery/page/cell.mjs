/* One combination, as a picture or as words. */

import { el } from "../../../web/elements.mjs";
import { human, plural } from "../../../web/formats.mjs";
import { state, variants } from "./content.mjs";
import { setFocus } from "./keys.mjs";
import { described, preference, review, short, stars } from "./review.mjs";
import { show } from "./viewer.mjs";
import { address, hasPicture } from "./words.mjs";

export function picture(cell, width) {
  const first = cell.results?.[0];
  if (!first) return null;
  const sharp = width * devicePixelRatio > 300 && first.large !== undefined;
  const number = sharp || first.thumb === undefined ? first.large : first.thumb;
  return number === undefined ? null : address(number);
}

export function button(cell, width) {
  const source = picture(cell, width);
  const named = variants.length > 1;
  const failed = !hasPicture(cell);
  const chosen = preference(cell);
  const small = width < 90;
  const marks = [];
  if (chosen && chosen.preferred === variants[cell.v].id)
    marks.push(el("span", { class: "mark", text: "✓ preferred" }));
  if (stars(cell)) marks.push(el("span", { class: "mark rated", text: `★ ${stars(cell)}` }));
  if (cell.results && cell.results.length > 1)
    marks.push(el("span", { class: "mark", text: `×${cell.results.length}` }));
  if (cell.lost) marks.push(el("span", { class: "mark", text: `${cell.lost.length} lost` }));
  const name = [
    described(cell),
    cell.lost ? `, ${plural(cell.lost.length, "picture")} lost` : "",
    failed ? `: failed, ${human(cell.error || "no result")}` : "",
    stars(cell) ? `, rated ${stars(cell)} of 5` : "",
  ].join("");
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
        marks.length && chosen && chosen.preferred === variants[cell.v].id && "preferred",
      ]
        .filter(Boolean)
        .join(" "),
      "data-id": review.blind ? null : cell.id,
      "aria-label": name,
      tabindex: cell === state.focus ? 0 : -1,
      click: () => show(cell),
      focus: () => setFocus(cell),
    },
    source && el("img", { src: source, alt: "", decoding: "async", draggable: "false" }),
    failed && el("strong", { text: human(cell.error || "No result") }),
    failed && el("span", { class: "cause", text: review.blind ? "" : cell.cause || "" }),
    !failed && !source && el("span", { text: noPicture(cell) }),
    named && el("span", { class: "chip", text: short(cell) }),
    marks.length && !small ? el("span", { class: "marks" }, ...marks) : null,
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
