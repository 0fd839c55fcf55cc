/* What is chosen, and the address that says so. */

import { look, told } from "./asking.mjs";
import { showRun } from "./main.mjs";
import { showRuns } from "./runs.mjs";
import { chosen, setAligned, setBeside, setCombinations, setDetail, setRun } from "./state.mjs";

export function pick(execution) {
  chosen.execution = execution;
  chosen.n = null;
  chosen.visit = null;
  setDetail(null);
  told.delete("detail");
  setCombinations(new Map());
  setRun(null);
  setAligned(null);
  setBeside(null);
}

export function choose(change) {
  if (change.execution !== undefined && change.execution !== chosen.execution) pick(change.execution);
  if (change.n !== undefined && change.n !== chosen.n) {
    chosen.n = change.n;
    chosen.visit = null;
    setDetail(null);
    told.delete("detail");
  }
  if (change.step !== undefined) {
    chosen.step = change.step;
    chosen.visit = change.visit ?? null;
  }
  const address = [chosen.execution, chosen.n].filter((part) => part !== null && part !== "").join("/");
  if (address !== location.hash.slice(1)) history.replaceState(null, "", address ? `#${address}` : location.pathname);
  showRuns();
  showRun();
  look();
}

export function fromAddress() {
  const [execution, n] = location.hash.slice(1).split("/");
  if (!execution) return;
  choose({ execution, n: /^\d+$/.test(n || "") ? Number(n) : null });
}
