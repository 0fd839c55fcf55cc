/* What is known of the combination in the large view. */

import { byId, el } from "../../../web/elements.mjs";
import { human, rounded, size } from "../../../web/formats.mjs";
import { photo } from "./cell.mjs";
import { models, state, variants, worn } from "./content.mjs";
import { rate, review, stars } from "./review.mjs";
import { drawViewer, inVariants, signed } from "./viewer.mjs";
import { hasPicture, STEPS, TYPES } from "./words.mjs";

export function drawFacts(cell) {
  const garment = worn[cell.w];
  const model = models[cell.m];
  const input = (part, name, what) =>
    el(
      "figure",
      {},
      photo(part, `${what} ${name}`, true),
      el("figcaption", { text: name }, el("span", { text: what })),
    );
  const fact = (name, value) =>
    value === "" || value === null || value === undefined ? [] : [el("dt", { text: name }), el("dd", { text: value })];
  const sections = [
    el(
      "section",
      {},
      el("h3", { text: "Made from" }),
      el(
        "div",
        { class: "inputs" },
        input(model, model.id, "model"),
        ...garment.garments.map((one) => input(one, one.id, TYPES[one.type] || "garment")),
      ),
    ),
  ];
  if (hasPicture(cell) && !inVariants()) {
    const mine = stars(cell);
    sections.push(
      el(
        "section",
        {},
        el("h3", { text: "Your rating" }),
        el(
          "div",
          { class: "stars", role: "group", "aria-label": "Rating" },
          ...[1, 2, 3, 4, 5].map((n) =>
            el("button", {
              class: n <= mine ? "on" : "",
              "aria-label": `${n} of 5`,
              "aria-pressed": n === mine,
              text: "★",
              click: () => {
                rate(cell, n === mine ? 0 : n);
                drawViewer();
                byId("facts").querySelectorAll(".stars button")[n - 1].focus();
              },
            }),
          ),
        ),
      ),
    );
  }
  if (cell.lost && !inVariants()) {
    sections.push(
      el(
        "section",
        { class: "lost" },
        el("h3", { text: "Could not be had" }),
        el(
          "dl",
          {},
          ...cell.lost.flatMap((one) =>
            fact(`Candidate ${one.candidate}`, review.blind ? human(one.error) : `${human(one.error)}: ${one.cause}`),
          ),
        ),
      ),
    );
  }
  if (!inVariants() && !review.blind) {
    const result = (cell.results || [])[state.candidate];
    sections.push(
      el(
        "section",
        {},
        el("h3", { text: "How it went" }),
        el(
          "dl",
          {},
          ...fact("Variant", variants.length > 1 ? variants[cell.v].id : ""),
          ...fact("Changes", variants.length > 1 ? variants[cell.v].says : ""),
          ...fact("Latency", cell.latency === undefined ? "" : `${rounded(cell.latency)} s`),
          ...fact("Polls", cell.polls || ""),
          ...fact("Seen after", cell.delay === undefined ? "" : `${rounded(cell.delay)} s`),
          ...fact("Submitted", cell.submits ? `${cell.submits} times` : ""),
          ...fact("Refused results", cell.refused ? `${cell.refused}, each paid and followed by another seed` : ""),
          ...fact("Task", cell.resumed ? "resumed from an earlier run" : ""),
          ...fact("Stopped while", cell.step ? STEPS[cell.step] || cell.step : ""),
          ...fact("Task id", cell.task),
          ...fact("Request", (cell.requests || []).join(" ")),
          ...fact("Picture", result?.width ? `${result.width} × ${result.height}` : ""),
          ...fact("File", result ? size(result.bytes) : ""),
        ),
      ),
    );
    if (result && !signed) {
      sections.push(
        el("a", {
          class: "open",
          href: result.file.split("/").map(encodeURIComponent).join("/"),
          target: "_blank",
          rel: "noopener",
          text: "Open the full-size file",
        }),
      );
    }
  }
  byId("facts").replaceChildren(...sections);
}
