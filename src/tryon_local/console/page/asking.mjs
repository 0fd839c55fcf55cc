/* Asking the server. */

import { byId } from "../../../../layers/tryon/tryon/web/elements.mjs";
import { choose, pick } from "./choice.mjs";
import { showRun } from "./main.mjs";
import { showOne } from "./one.mjs";
import { showRuns } from "./runs.mjs";
import {
  chosen,
  combinations,
  detail,
  LIVE,
  machine,
  OVER,
  run,
  runs,
  setCombinations,
  setDetail,
  setRun,
  setRuns,
  wanted,
} from "./state.mjs";
import { showStep } from "./step.mjs";

export const told = new Map(); // what an address said last, and its tag
export const time = { workflow: 0, at: 0 };
export const now = () =>
  machine.speed ? time.workflow + ((performance.now() - time.at) / 1000) * machine.speed : time.workflow;

/* The answer, or undefined where it is the one that was there before. */
export async function ask(address, key = address) {
  const before = told.get(key);
  const headers = before && before.address === address ? { "If-None-Match": before.tag } : {};
  const answer = await fetch(address, { headers, cache: "no-store" });
  time.workflow = Number(answer.headers.get("Workflow-Time"));
  time.at = performance.now();
  if (answer.status === 304) return void (await answer.text());
  if (!answer.ok) {
    if (answer.status === 404) return null;
    throw new Error(`${address} answered ${answer.status}`);
  }
  told.set(key, { address, tag: answer.headers.get("ETag") });
  return answer.json();
}

async function askRuns() {
  const answer = await ask("/api/runs");
  if (answer) {
    setRuns(answer);
    if (!chosen.execution && runs.length) pick(runs[0].execution);
    showRuns();
  }
}

async function askRun() {
  const execution = chosen.execution;
  if (!execution) return;
  const same = run && run.execution === execution;
  if (same && !LIVE.has(run.status) && run.ended !== null) return;
  const answer = await ask(`/api/runs/${encodeURIComponent(execution)}?after=${same ? run.version : 0}`, "run");
  if (chosen.execution !== execution || answer === undefined) return;
  if (answer === null) return choose({ execution: "" });
  if (!same) setCombinations(new Map());
  for (const combination of answer.combinations) combinations.set(combination.n, combination);
  setRun(answer);
  showRun();
}

async function askDetail() {
  const { execution } = chosen;
  const n = wanted();
  if (n === null || !run || run.execution !== execution) return;
  if (n && !combinations.has(n)) return;
  const settled = detail && detail.execution === execution && detail.n === n && detail.settled;
  if (settled) return;
  const base = `/api/runs/${encodeURIComponent(execution)}`;
  const over = n ? OVER.has(combinations.get(n).status) : run.ended !== null;
  const answer = await ask(n ? `${base}/combinations/${n}` : `${base}/events`, "detail");
  if (chosen.execution !== execution || wanted() !== n || answer === null) return;
  if (answer !== undefined) {
    setDetail(n ? { ...answer, execution } : { ...answer, execution, n });
    showStep();
    showOne();
  }
  if (detail) detail.settled = over;
}

let failures = 0;
let asking = false;

export async function look() {
  if (asking) return;
  asking = true;
  try {
    await askRuns();
    await askRun();
    await askDetail();
    failures = 0;
  } catch (error) {
    failures += 1;
    if (!(error instanceof TypeError)) console.error(error);
  }
  byId("lost").hidden = failures < 2;
  asking = false;
}

export async function follow() {
  if (!document.hidden) await look();
  const lively = runs.some((one) => LIVE.has(one.status));
  setTimeout(follow, failures ? 2000 : lively ? 500 : 1200);
}
