/* Another run's bars below those of the chosen one: a retry and what it repeats, before and after another cadence. */

import { byId, el } from "../../../../layers/tryon/tryon/web/elements.mjs";
import { ask, told } from "./asking.mjs";
import { showList } from "./combinations.mjs";
import { beside, chosen, runs, setBeside } from "./state.mjs";
import { clear } from "./words.mjs";

/* Runs that may lie below: those that have ended, since they are read once. */
export function showChoices() {
  const others = runs.filter((one) => one.execution !== chosen.execution && one.ended !== null && one.total);
  const choice = byId("beside");
  choice.hidden = !others.length;
  const key = JSON.stringify([chosen.execution, beside?.execution, others.map((one) => one.execution)]);
  if (choice.dataset.key === key) return;
  choice.dataset.key = key;
  clear(
    choice,
    el("option", { value: "", text: "No other run below" }),
    ...others.map((one) =>
      el("option", {
        value: one.execution,
        selected: one.execution === beside?.execution,
        text: `below: ${one.name}, ${new Date(one.started * 1000).toLocaleTimeString()}`,
      }),
    ),
  );
}

export async function layBeside(execution) {
  const mine = chosen.execution;
  told.delete("beside");
  const answer = execution ? await ask(`/api/runs/${encodeURIComponent(execution)}?after=0`, "beside") : null;
  if (chosen.execution !== mine) return;
  setBeside(
    answer && {
      execution,
      path: answer.path,
      seconds: answer.ended - answer.started,
      paths: new Map(answer.combinations.map((one) => [one.id, one.path])),
    },
  );
  showList();
}

/* The way that lies below a row: of the same combination, or of the run itself. */
export const wayBelow = (one) => (beside && (one.whole ? beside.path : beside.paths.get(one.id))) || null;
