/* Pictures that are marked to be looked at side by side. */

import { byId } from "../../../web/elements.mjs";
import { plural } from "../../../web/formats.mjs";
import { hasPicture, state, viewer } from "./content.mjs";
import { refresh } from "./layout.mjs";
import { drawViewer } from "./viewer.mjs";
import { say } from "./words.mjs";

const MOST_MARKED = 4;

export const isMarked = (cell) => state.survey.includes(cell);

export function toggleMarked(cell) {
  if (!hasPicture(cell)) return say("Nothing to mark: this combination has no picture");
  if (isMarked(cell)) state.survey = state.survey.filter((one) => one !== cell);
  else if (state.survey.length === MOST_MARKED) return say("Four are marked already: s shows them");
  else state.survey = [...state.survey, cell];
  refresh(cell);
  showMarked();
  if (viewer.open) drawViewer();
  say(
    `${plural(state.survey.length, "picture")} marked${state.survey.length > 1 ? ": s shows them side by side" : ""}`,
  );
}

export function clearMarked() {
  const before = state.survey;
  state.survey = [];
  for (const cell of before) refresh(cell);
  showMarked();
}

export function showMarked() {
  const count = state.survey.length;
  byId("survey-open").hidden = count < 2;
  byId("survey-open").textContent = `Side by side (${count})`;
}
