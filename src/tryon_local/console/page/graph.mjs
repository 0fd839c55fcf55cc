/* The workflow's graph. */

import { byId, svg } from "../../../../layers/tryon/tryon/web/elements.mjs";
import { duration, plural } from "../../../../layers/tryon/tryon/web/formats.mjs";
import { now } from "./asking.mjs";
import { choose } from "./choice.mjs";
import { chosen, combinations, graph, machine, run } from "./state.mjs";

const ICONS = {
  Wait: "M8 2.5a5.5 5.5 0 1 0 .01 0ZM8 5v3l2 1.6",
  Choice: "M8 2l6 6-6 6-6-6Z",
  Pass: "M2.5 8h11M9.5 4l4 4-4 4",
  Succeed: "M3 8.5l3.5 3.5L13 5",
  Fail: "M4 4l8 8M12 4l-8 8",
  Map: "M2.5 5.5h8v8h-8zM5.5 5.5v-3h8v8h-3",
  lambda: "M4.5 3h2l5 10.5M8 6.5 4.5 13.5",
  table: "M2.5 4c0-2 11-2 11 0v8c0 2-11 2-11 0ZM2.5 4c0 2 11 2 11 0M2.5 8c0 2 11 2 11 0",
  message: "M2 4h12v8.5H2ZM2 4.5l6 4.5 6-4.5",
};

const ABOUT = "once for every combination";

function icon(node) {
  const services = { lambda: "lambda", dynamodb: "table", sns: "message" };
  const kind = services[node.resource.split(":")[0]] || node.type;
  return svg("path", { class: "icon", d: ICONS[kind] || ICONS.Pass, transform: "translate(12 9)" });
}

function outline(node) {
  const { width: w, height: h } = node;
  if (node.type === "Choice")
    return svg("path", { class: "shape", d: `M10 0H${w - 10}L${w} ${h / 2}L${w - 10} ${h}H10L0 ${h / 2}Z` });
  const round =
    node.type === "Wait" || node.type === "Succeed" || node.type === "Fail" ? h / 2 : node.type === "Map" ? 16 : 8;
  return svg("rect", { class: "shape", width: w, height: h, rx: round });
}

/* One stop of the Tab key for the whole graph; arrows go on from it. */
function stopAt(group, focus = true) {
  for (const one of graph.nodes.values()) one.group.setAttribute("tabindex", one.group === group ? "0" : "-1");
  if (focus) group.focus();
}

const inOrder = () => [...graph.nodes.values()].sort((a, b) => a.node.y - b.node.y || a.node.x - b.node.x);

/* How many lines of the whole drawing leave a state and are folded away. */
function foldedWays(node) {
  if (!graph.folded) return 0;
  const shown = new Set(machine.folded.edges.map((edge) => edge.id));
  return machine.layout.edges.filter((edge) => edge.source === node.name && !shown.has(edge.id)).length;
}

function drawNode(node) {
  const box = node.type === "Map";
  const count = svg("text", { class: "count", x: node.width - 10, y: 21.5 });
  const nowText = svg("text", { y: 3.8 });
  const pillow = svg("rect", { y: -9, height: 18, rx: 9 });
  const badge = svg("g", { class: "now", transform: `translate(${node.width - 4} 1)` }, pillow, nowText);
  const group = svg(
    "g",
    {
      class: `node${box ? " box" : ""}${node.failing ? " failing" : ""} ${node.type.toLowerCase()}`,
      transform: `translate(${node.x} ${node.y})`,
      role: "button",
      tabindex: -1,
      "data-state": node.name,
      click: () => choose({ step: chosen.step === node.name ? "" : node.name }),
      keydown: (event) => {
        const way = { ArrowDown: 1, ArrowRight: 1, ArrowUp: -1, ArrowLeft: -1 }[event.key];
        if (way) {
          event.preventDefault();
          event.stopPropagation();
          const order = inOrder();
          const next = order[order.findIndex((one) => one.group === group) + way];
          if (next) stopAt(next.group);
          return;
        }
        if (event.key !== "Enter" && event.key !== " ") return;
        event.preventDefault();
        choose({ step: chosen.step === node.name ? "" : node.name });
      },
    },
    outline(node),
    icon(node),
    svg("text", { class: "title", x: 34, y: 21.5, text: node.name }),
    " ",
    box && svg("text", { class: "about", x: 34 + node.name.length * 7.6 + 8, y: 21.5, text: ABOUT }),
    // What axe and a reader read as one word otherwise.
    " ",
    count,
    " ",
    badge,
  );
  graph.nodes.set(node.name, { node, group, count, nowText, pillow });
  return group;
}

/* How many ways are folded away, beside the step and not in it: a button is named by what stands in it. */
function drawMore(node) {
  const ways = foldedWays(node);
  if (!ways) return null;
  return svg(
    "g",
    {
      class: "more",
      "aria-hidden": "true",
      "data-of": node.name,
      transform: `translate(${node.x + node.width - 16} ${node.y + node.height})`,
    },
    svg("title", { text: `${plural(ways, "way")} of failure, folded away` }),
    svg("rect", { x: -13, y: -8, width: 26, height: 16, rx: 8 }),
    svg("text", { y: 4, text: `+${ways}` }),
  );
}

/* A line at right angles with round corners. */
function rounding(points, radius = 8) {
  let path = `M${points[0][0]} ${points[0][1]}`;
  for (let i = 1; i < points.length - 1; i++) {
    const [[ax, ay], [bx, by], [cx, cy]] = [points[i - 1], points[i], points[i + 1]];
    const before = Math.hypot(bx - ax, by - ay);
    const after = Math.hypot(cx - bx, cy - by);
    const r = Math.min(radius, before / 2, after / 2);
    path += `L${bx - ((bx - ax) / before) * r} ${by - ((by - ay) / before) * r}`;
    path += `Q${bx} ${by} ${bx + ((cx - bx) / after) * r} ${by + ((cy - by) / after) * r}`;
  }
  const end = points[points.length - 1];
  return `${path}L${end[0]} ${end[1]}`;
}

function tip(points) {
  const [[ax, ay], [bx, by]] = points.slice(-2);
  const length = Math.hypot(bx - ax, by - ay);
  const [dx, dy] = [(bx - ax) / length, (by - ay) / length];
  const [x, y] = [bx - dx * 7, by - dy * 7];
  return `M${bx} ${by}L${x - dy * 3.8} ${y + dx * 3.8}L${x + dy * 3.8} ${y - dx * 3.8}Z`;
}

const ways = (edge) =>
  edge.transitions.map(
    (one) => ({ next: "then", choice: `if ${one.label}`, default: "otherwise", catch: `on ${one.label}` })[one.kind],
  );

function drawEdge(edge, inner) {
  const path = rounding(edge.points);
  const times = svg("title");
  const group = svg(
    "g",
    { class: `edge${edge.caught ? " caught" : ""}${inner ? " inner" : ""}`, "data-edge": edge.id },
    svg("path", { class: "hit", d: path }),
    svg("path", { class: "run", d: path }),
    svg("path", { class: "tip", d: tip(edge.points) }),
    ...(edge.label
      ? edge.label.lines.map((line, i) =>
          svg("text", { x: edge.label.x, y: edge.label.y + 13 * i, "text-anchor": edge.label.anchor, text: line }),
        )
      : []),
    times,
  );
  graph.edges.set(edge.id, { edge, group, times });
  return group;
}

function drawMarker(marker) {
  const node = graph.nodes.get(marker.state).node;
  const [from, to] = marker.kind === "start" ? [marker.y, node.y] : [node.y + node.height, marker.y - 5];
  return svg(
    "g",
    {},
    svg("path", { class: "stem", d: `M${marker.x} ${from}V${to}` }),
    svg("circle", { class: `marker ${marker.kind}`, cx: marker.x, cy: marker.y, r: 5 }),
  );
}

export function drawGraph() {
  const { width, height, nodes, edges, markers } = graph.folded ? machine.folded : machine.layout;
  graph.nodes.clear();
  graph.edges.clear();
  const inside = new Map(nodes.map((node) => [node.name, node.inside]));
  const boxes = nodes.filter((node) => node.type === "Map").map(drawNode);
  const others = nodes.filter((node) => node.type !== "Map").map(drawNode);
  const drawing = svg(
    "svg",
    { viewBox: `-6 -6 ${width + 20} ${height + 12}`, role: "group", "aria-label": "The state machine" },
    ...boxes,
    ...markers.map(drawMarker),
    ...edges.map((edge) => drawEdge(edge, inside.get(edge.source) !== null)),
    ...others,
    ...nodes.map(drawMore),
  );
  byId("canvas").replaceChildren(drawing);
  graph.width = width + 20;
  stopAt(inOrder()[0].group, false);
  fitGraph();
  byId("fold").setAttribute("aria-pressed", String(!graph.folded));
  for (const { edge, group } of graph.edges.values()) {
    if (!edge.caught) continue;
    // Dashes are counted from a line's end: lines that share a track there fall together.
    const line = group.querySelector(".run");
    line.style.setProperty("stroke-dashoffset", String(-line.getTotalLength()));
  }
}

/* Letters are as large as in the rest of the page, or larger: only the user's own zoom makes them smaller. */
export function fitGraph() {
  const drawing = byId("canvas").firstElementChild;
  const room = byId("canvas").clientWidth - 2 * parseFloat(getComputedStyle(byId("canvas")).paddingLeft);
  const scale = graph.zoom ?? Math.max(1, Math.min(1.15, room / graph.width));
  graph.scale = scale;
  drawing.style.setProperty("width", `${Math.round(graph.width * scale)}px`);
}

export function beginGraph() {
  const zoom = (by) => {
    graph.zoom = Math.min(3, Math.max(0.3, graph.scale * by));
    fitGraph();
  };
  byId("closer").addEventListener("click", () => zoom(1.25));
  byId("farther").addEventListener("click", () => zoom(0.8));
  byId("fit").addEventListener("click", () => {
    const room = byId("canvas").clientWidth - 2 * parseFloat(getComputedStyle(byId("canvas")).paddingLeft);
    graph.zoom = Math.min(1.15, room / graph.width);
    fitGraph();
  });
  byId("fold").addEventListener("click", () => unfold(graph.folded));
  window.addEventListener("resize", fitGraph);
  drawGraph();
}

function unfold(whole) {
  graph.folded = !whole;
  graph.zoom = undefined;
  drawGraph();
  showGraph();
}

/* The chosen combination's way, or the run's own: time spent in each state, how often, and along which lines. */
function wayOf(path) {
  const states = new Map();
  const lines = new Map();
  path.forEach(([number, entered, left, error], i) => {
    const name = machine.states[number];
    const state = states.get(name) || { times: 0, seconds: 0, here: false };
    state.times += 1;
    state.seconds += Math.max(0, (left === null ? now() - run.started : left) - entered);
    state.here = left === null;
    states.set(name, state);
    if (i + 1 < path.length) {
      const line = `${name} ${error ? "!" : ">"} ${machine.states[path[i + 1][0]]}`;
      lines.set(line, (lines.get(line) || 0) + 1);
    }
  });
  return { states, lines };
}

export const chosenPath = () =>
  chosen.n === null || !run ? null : chosen.n ? (combinations.get(chosen.n) || { path: [] }).path : run.path;

export function showGraph() {
  const path = chosenPath();
  const way = path && wayOf(path);
  // A way that leaves the good one, or a step that is folded away, is shown where it is.
  const hidden = [...(way?.states.keys() || []), chosen.step].some((name) => name && !graph.nodes.has(name));
  if (hidden && graph.folded) return unfold(true);
  byId("canvas").classList.toggle("one", Boolean(way));
  for (const { node, group, count, nowText, pillow } of graph.nodes.values()) {
    const [present, passed, visits] = run?.states[node.name] || [0, 0, 0];
    const mine = way?.states.get(node.name);
    const inMap = way && chosen.n > 0 && node.type === "Map";
    group.classList.toggle("taken", visits > 0);
    const isHere = way ? Boolean(mine?.here) : present > 0;
    group.classList.toggle("present", isHere);
    group.classList.toggle("way", Boolean(mine) || Boolean(inMap));
    group.classList.toggle("chosen", chosen.step === node.name);
    let text = way ? (mine ? spent(mine) : "") : passed ? passed.toLocaleString("en") : "";
    if (node.type === "Map" && run && run.total && !mine) text = `${run.succeeded + run.failed} of ${run.total}`;
    if (!way && node.inside === null && node.type !== "Map" && passed)
      text = spent(wayOf(run.path).states.get(node.name) || { times: 1, seconds: 0 });
    if (count.textContent !== text) count.textContent = text;
    const here = way || node.inside === null ? "now" : present.toLocaleString("en");
    if (nowText.textContent !== here) {
      nowText.textContent = here;
      const wide = 12 + 7 * here.length;
      pillow.setAttribute("width", wide);
      pillow.setAttribute("x", -wide / 2);
    }
    const once = present ? "now" : passed ? "passed" : "not reached";
    group.setAttribute(
      "aria-label",
      `${[node.name, node.type === "Map" && ABOUT, text, isHere && here].filter(Boolean).join(" ")}: ${node.inside === null ? once : `${present} here now, ${passed} been through`}`,
    );
  }
  const firstState = byId("canvas").querySelector(".node:not(.box)");
  for (const { edge, group, times } of graph.edges.values()) {
    const taken = run?.lines[edge.id] || 0;
    const mine = way?.lines.get(edge.id);
    group.classList.toggle("taken", taken > 0);
    if (group.classList.contains("way") !== Boolean(mine)) {
      group.classList.toggle("way", Boolean(mine));
      // What is drawn later lies above: the way is not to be hidden where lines share a track.
      if (mine) group.parentNode.insertBefore(group, firstState);
    }
    const often = run ? `\ntaken ${plural(mine || taken, "time")}` : "";
    const text = `${edge.source} → ${edge.target}: ${ways(edge).join("; ")}${often}`;
    if (times.textContent !== text) times.textContent = text;
  }
}

const spent = (state) => (state.times > 1 ? `${state.times}× · ` : "") + duration(state.seconds);
