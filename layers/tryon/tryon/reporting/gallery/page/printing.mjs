/* On paper: what is filtered, all of it, with names and without tools. */

import { byId, el } from "../../../web/elements.mjs";
import { human } from "../../../web/formats.mjs";
import { picture } from "./cell.mjs";
import { hasPicture, modelName, run, variants, wornName } from "./content.mjs";
import { seen } from "./filters.mjs";
import { reasonText } from "./marks.mjs";
import { label, markOf, shownOf, standingOf, stars } from "./review.mjs";

/* Forty pages or so; a browser lays out no more than that in bearable time. */
const MOST_PRINTED = 600;

function printed(cell) {
  const source = hasPicture(cell) ? picture(cell, 240) : null;
  const standing = standingOf(cell);
  const said = [
    standing === "pick" && "✓ picked",
    standing === "reject" && `✕ ${reasonText(markOf(cell, shownOf(cell))?.reason) || "rejected"}`,
    stars(cell) && `${"★".repeat(stars(cell))}`,
  ].filter(Boolean);
  return el(
    "figure",
    {},
    source ? el("img", { src: source, alt: "" }) : el("p", { class: "none", text: human(cell.error || "No picture") }),
    el(
      "figcaption",
      {},
      el("strong", { text: wornName(cell), dir: "auto" }),
      el("span", { text: variants.length > 1 ? `${modelName(cell)} · ${label(cell)}` : modelName(cell), dir: "auto" }),
      el("span", { class: "said", text: said.join(" · ") }),
    ),
  );
}

export function unroll() {
  const left = seen.order.length - MOST_PRINTED;
  byId("print").replaceChildren(
    el("h1", { text: run.name, dir: "auto" }),
    el("p", { text: `${byId("shown").textContent} · run ${run.run_id}` }),
    ...seen.order.slice(0, MOST_PRINTED).map(printed),
    left > 0 ? el("p", { text: `${left.toLocaleString("en")} more are left out: filter to print them.` }) : "",
  );
}
