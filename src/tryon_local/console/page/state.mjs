/* What the page knows and what is chosen. */

export const ROW = 42;
export const OVER = new Set(["SUCCEEDED", "FAILED", "ABORTED", "TIMED_OUT"]);
export const LIVE = new Set(["RUNNING", "RECORDING"]); // of a run: more is to come of it
export const FILTERS = [
  ["", "All"],
  ["WAITING", "Waiting"],
  ["RUNNING", "Running"],
  ["SUCCEEDED", "Done"],
  ["FAILED", "Failed"],
];

export let machine; // the workflow's drawing
export let runs = []; // all runs in short
export let run = null; // the chosen run; its combinations are kept apart, by number
export let combinations = new Map();
export let detail = null; // the chosen combination, or the run itself as number 0
export const chosen = { execution: "", n: null, step: "", visit: null }; // a visit's place in the way; null: the last
export const filters = { text: "", status: "" };
export let aligned = null; // bars begin at the left; null: as many runs want it
export let beside = null; // the run whose bars lie below the chosen one's: its way and its combinations' by their ids
export let tab = "way";
export let stepTab = "input";
export const graph = { nodes: new Map(), edges: new Map(), folded: true };
export const nodes = new Map(); // every state of the workflow, drawn or folded away, by its name

export const setMachine = (value) => {
  machine = value;
  for (const node of value.layout.nodes) nodes.set(node.name, node);
};
export const setRuns = (value) => {
  runs = value;
};
export const setRun = (value) => {
  run = value;
};
export const setCombinations = (value) => {
  combinations = value;
};
export const setDetail = (value) => {
  detail = value;
};
export const setAligned = (value) => {
  aligned = value;
};
export const setTab = (value) => {
  tab = value;
};
export const setStepTab = (value) => {
  stepTab = value;
};

/* Whose events are wanted: the chosen combination's, or the run's own (0) where one of its steps is looked at. */
export const wanted = () =>
  chosen.n === null && chosen.step && nodes.get(chosen.step)?.inside === null ? 0 : chosen.n;
export const setBeside = (value) => {
  beside = value;
};
