"use strict";
(() => {
  const byId = (id) => document.getElementById(id);
  const ROW = 42;
  const OVER = new Set(["SUCCEEDED", "FAILED", "ABORTED", "TIMED_OUT"]);
  const FILTERS = [["", "All"], ["WAITING", "Waiting"], ["RUNNING", "Running"], ["SUCCEEDED", "Done"], ["FAILED", "Failed"]];

  let machine; // the workflow's drawing
  let runs = []; // all runs in short
  let run = null; // the chosen run; its combinations are kept apart, by number
  let combinations = new Map();
  let detail = null; // the chosen combination, or the run itself as number 0
  const chosen = { execution: "", n: null, step: "" };
  const filters = { text: "", status: "" };
  let aligned = null; // bars begin at the left; null: as many runs want it
  let tab = "way";
  const graph = { nodes: new Map(), edges: new Map() };

  /* ---- small tools ---------------------------------------------------------------------------------- */

  function el(tag, properties, ...children) {
    const node = document.createElement(tag);
    for (const [name, value] of Object.entries(properties || {})) {
      if (value === undefined || value === null || value === false) continue;
      if (name === "text") node.textContent = value;
      else if (name === "style") for (const [key, v] of Object.entries(value)) node.style.setProperty(key, v);
      else if (typeof value === "function") node.addEventListener(name, value);
      else node.setAttribute(name, value === true ? "" : value);
    }
    node.append(...children.filter((child) => child !== null && child !== undefined && child !== false));
    return node;
  }

  function svg(tag, attributes, ...children) {
    const node = document.createElementNS("http://www.w3.org/2000/svg", tag);
    for (const [name, value] of Object.entries(attributes || {})) {
      if (typeof value === "function") node.addEventListener(name, value);
      else if (name === "text") node.textContent = value;
      else node.setAttribute(name, value);
    }
    node.append(...children.filter(Boolean));
    return node;
  }

  const plural = (count, one, many) => `${count.toLocaleString("en")} ${count === 1 ? one : many || one + "s"}`;
  const rounded = (value) => (value >= 100 ? value.toFixed(0) : value.toFixed(1).replace(/\.0$/, ""));
  const clear = (node, ...children) => node.replaceChildren(...children.filter(Boolean));

  function duration(seconds) {
    if (seconds === null || seconds === undefined) return "";
    if (seconds < 60) return `${rounded(seconds)} s`;
    const whole = Math.round(seconds);
    if (whole < 3600) return `${Math.floor(whole / 60)} min ${whole % 60} s`;
    return `${Math.floor(whole / 3600)} h ${Math.floor((whole % 3600) / 60)} min`;
  }

  const clock = (seconds) => {
    const whole = Math.max(0, Math.floor(seconds));
    const two = (value) => String(value).padStart(2, "0");
    const hours = Math.floor(whole / 3600);
    return `${hours ? hours + ":" : ""}${hours ? two(Math.floor(whole / 60) % 60) : Math.floor(whole / 60)}:${two(whole % 60)}`;
  };

  const size = (bytes) => (bytes < 1e6 ? `${Math.max(1, Math.round(bytes / 1e3))} kB` : `${rounded(bytes / 1e6)} MB`);

  /* InputRefusedError -> Input refused */
  function human(error) {
    const words = error.replace(/^.*\./, "").replace(/(Error|Exception)$/, "").replace(/([a-z0-9])([A-Z])/g, "$1 $2");
    const text = words.charAt(0).toUpperCase() + words.slice(1).toLowerCase();
    return text.includes(" ") ? text : `${text} error`;
  }

  const STATUS = {
    RUNNING: "Running",
    SUCCEEDED: "Complete",
    PARTIAL: "Partly complete",
    FAILED: "Failed",
    REJECTED: "Rejected",
    REPEATED: "Event came again",
    ENDS_ANOTHER: "Ends a stopped run",
    ABORTED: "Stopped",
    TIMED_OUT: "Timed out",
    WAITING: "Waiting",
  };
  const pill = (status, text) => el("span", { class: `pill ${status}`, text: text || STATUS[status] || status });

  /* ---- asking the server ---------------------------------------------------------------------------- */

  const told = new Map(); // what an address said last, and its tag
  const time = { workflow: 0, at: 0 };
  const now = () => (machine.speed ? time.workflow + ((performance.now() - time.at) / 1000) * machine.speed : time.workflow);

  /* The answer, or undefined where it is the one that was there before. */
  async function ask(address, key = address) {
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
      runs = answer;
      if (!chosen.execution && runs.length) pick(runs[0].execution);
      showRuns();
    }
  }

  async function askRun() {
    const execution = chosen.execution;
    if (!execution) return;
    const same = run && run.execution === execution;
    if (same && run.status !== "RUNNING" && run.ended !== null) return;
    const answer = await ask(`/api/runs/${encodeURIComponent(execution)}?after=${same ? run.version : 0}`, "run");
    if (chosen.execution !== execution || answer === undefined) return;
    if (answer === null) return choose({ execution: "" });
    if (!same) combinations = new Map();
    for (const combination of answer.combinations) combinations.set(combination.n, combination);
    run = answer;
    showRun();
  }

  async function askDetail() {
    const { execution, n } = chosen;
    if (n === null || !run || run.execution !== execution) return;
    if (n && !combinations.has(n)) return;
    const settled = detail && detail.execution === execution && detail.n === n && detail.settled;
    if (settled) return;
    const base = `/api/runs/${encodeURIComponent(execution)}`;
    const over = n ? OVER.has(combinations.get(n).status) : run.ended !== null;
    const answer = await ask(n ? `${base}/combinations/${n}` : `${base}/events`, "detail");
    if (chosen.execution !== execution || chosen.n !== n || answer === null) return;
    if (answer !== undefined) {
      detail = n ? { ...answer, execution } : { execution, n, events: answer };
      showOne();
    }
    if (detail) detail.settled = over;
  }

  let failures = 0;
  let asking = false;

  async function look() {
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

  async function follow() {
    if (!document.hidden) await look();
    const lively = runs.some((one) => one.status === "RUNNING");
    setTimeout(follow, failures ? 2000 : lively ? 500 : 1200);
  }

  /* ---- what is chosen, and the address that says so ------------------------------------------------- */

  function pick(execution) {
    chosen.execution = execution;
    chosen.n = null;
    detail = null;
    combinations = new Map();
    run = null;
    aligned = null;
  }

  function choose(change) {
    if (change.execution !== undefined && change.execution !== chosen.execution) pick(change.execution);
    if (change.n !== undefined && change.n !== chosen.n) {
      chosen.n = change.n;
      detail = null;
      told.delete("detail");
    }
    if (change.step !== undefined) chosen.step = change.step;
    const address = [chosen.execution, chosen.n].filter((part) => part !== null && part !== "").join("/");
    if (address !== location.hash.slice(1)) history.replaceState(null, "", address ? `#${address}` : location.pathname);
    showRuns();
    showRun();
    look();
  }

  function fromAddress() {
    const [execution, n] = location.hash.slice(1).split("/");
    if (!execution) return;
    choose({ execution, n: /^\d+$/.test(n || "") ? Number(n) : null });
  }

  /* ---- runs ----------------------------------------------------------------------------------------- */

  function showRuns() {
    const nav = byId("runs");
    const buttons = new Map([...nav.children].map((button) => [button.dataset.execution, button]));
    const shown = runs.map((one) => {
      const button = buttons.get(one.execution) || el("button", { "data-execution": one.execution, click: () => choose({ execution: one.execution }) });
      const over = one.succeeded + one.failed;
      const line = one.total ? `${over} of ${one.total}${one.failed ? `, ${one.failed} failed` : ""}` : STATUS[one.status] || "";
      const cost = one.cost && one.cost.service ? ` · ${one.cost.currency} ${one.cost.service}` : "";
      button.classList.toggle("repeated", ["REPEATED", "ENDS_ANOTHER"].includes(one.status));
      button.setAttribute("aria-current", String(one.execution === chosen.execution));
      button.title = `${one.run_id || one.manifest}\n${STATUS[one.status] || one.status}`;
      clear(
        button,
        el("span", { class: "line1" }, el("span", { class: `pill dot ${one.status}`, title: STATUS[one.status] }), el("strong", { text: one.name })),
        el("small", { class: "line2" }, el("span", { text: line + cost }), el("span", { text: new Date(one.started * 1000).toLocaleTimeString([], { hour: "2-digit", minute: "2-digit" }) })),
      );
      return button;
    });
    if (shown.some((button, i) => nav.children[i] !== button) || nav.children.length !== shown.length) nav.replaceChildren(...shown);
    byId("welcome").hidden = runs.length > 0;
    if (!runs.length) {
      byId("head").hidden = byId("list").hidden = byId("one").hidden = true;
    }
  }

  function count(...statuses) {
    let found = 0;
    for (const combination of combinations.values()) if (statuses.includes(combination.status)) found += 1;
    return found;
  }

  function showHead() {
    byId("head").hidden = !run;
    if (!run) return;
    clear(byId("status"), pill(run.status));
    byId("when").textContent = [new Date(run.started * 1000).toLocaleString(), run.run_id].filter(Boolean).join(" · ");
    byId("name").textContent = run.name;
    const over = run.succeeded + run.failed;
    const numbers = [];
    const number = (name, value, small) => numbers.push(el("div", {}, el("dt", { text: name }), el("dd", { text: value }, small && el("small", { text: ` ${small}` }))));
    number(run.ended === null ? "running for" : "took", duration(Math.max(0, (run.ended === null ? now() : run.ended) - run.started)));
    if (run.total) {
      const share = (part) => ({ width: `${(100 * part) / run.total}%` });
      numbers.push(
        el(
          "div",
          { class: "wide" },
          el("dt", { text: `${over} of ${plural(run.total, "combination")} over${run.running ? `, ${run.running} under way` : ""}` }),
          el("dd", {}, el("div", { class: "meter", role: "img", "aria-label": `${run.succeeded} done, ${run.failed} failed, ${run.running} running` }, el("i", { class: "good", style: share(run.succeeded) }), el("i", { class: "bad", style: share(run.failed) }), el("i", { class: "now", style: share(run.running) }))),
        ),
      );
      if (run.failed) number("failed", String(run.failed));
    }
    if (run.cost) {
      number("paid to the service", `${run.cost.currency} ${run.cost.service}`);
      number("on AWS about", `$${run.cost.aws.usd}`);
    }
    clear(byId("numbers"), ...numbers);
    byId("files").hidden = !run.files.length || chosen.n !== null;
    clear(byId("files"), ...run.files.map((file) => el("a", { href: file.href, target: "_blank", rel: "noopener", text: file.name })));
    let trouble = byId("trouble");
    const why = run.error ? `${run.error}: ${run.cause || ""}` : "";
    if (!why) {
      if (trouble) trouble.remove();
    } else {
      if (!trouble) byId("head").append((trouble = el("p", { id: "trouble" })));
      trouble.textContent = why;
    }
  }

  /* ---- the graph ------------------------------------------------------------------------------------ */

  const ICONS = {
    Wait: "M8 2.5a5.5 5.5 0 1 0 .01 0ZM8 5v3l2 1.6",
    Choice: "M8 2l6 6-6 6-6-6Z",
    Pass: "M2.5 8h11M9.5 4l4 4-4 4",
    Succeed: "M3 8.5l3.5 3.5L13 5",
    Fail: "M4 4l8 8M12 4l-8 8",
    Map: "M2.5 5.5h8v8h-8zM5.5 5.5v-3h8v8h-3",
    table: "M2.5 4c0-2 11-2 11 0v8c0 2-11 2-11 0ZM2.5 4c0 2 11 2 11 0M2.5 8c0 2 11 2 11 0",
    message: "M2 4h12v8.5H2ZM2 4.5l6 4.5 6-4.5",
  };

  function icon(node) {
    if (node.resource.startsWith("lambda")) return svg("text", { class: "letter", x: 20, y: 22, text: "λ" });
    const kind = node.resource.startsWith("dynamodb") ? "table" : node.resource.startsWith("sns") ? "message" : node.type;
    return svg("path", { class: "icon", d: ICONS[kind] || ICONS.Pass, transform: "translate(12 9)" });
  }

  function outline(node) {
    const { width: w, height: h } = node;
    if (node.type === "Choice") return svg("path", { class: "shape", d: `M10 0H${w - 10}L${w} ${h / 2}L${w - 10} ${h}H10L0 ${h / 2}Z` });
    const round = node.type === "Wait" || node.type === "Succeed" || node.type === "Fail" ? h / 2 : node.type === "Map" ? 16 : 8;
    return svg("rect", { class: "shape", width: w, height: h, rx: round });
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
        tabindex: 0,
        "data-state": node.name,
        click: () => choose({ step: chosen.step === node.name ? "" : node.name }),
        keydown: (event) => {
          if (event.key !== "Enter" && event.key !== " ") return;
          event.preventDefault();
          choose({ step: chosen.step === node.name ? "" : node.name });
        },
      },
      outline(node),
      icon(node),
      svg("text", { class: "title", x: 34, y: 21.5, text: node.name }),
      box && svg("text", { class: "about", x: 34 + node.name.length * 7.6 + 8, y: 21.5, text: "once for every combination" }),
      count,
      badge,
    );
    graph.nodes.set(node.name, { node, group, count, nowText, pillow });
    return group;
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

  const ways = (edge) => edge.transitions.map((one) => ({ next: "then", choice: `if ${one.label}`, default: "otherwise", catch: `on ${one.label}` })[one.kind]);

  function drawEdge(edge, inner) {
    const path = rounding(edge.points);
    const times = svg("title");
    const group = svg(
      "g",
      { class: `edge${edge.caught ? " caught" : ""}${inner ? " inner" : ""}`, "data-edge": edge.id },
      svg("path", { class: "hit", d: path }),
      svg("path", { class: "run", d: path }),
      svg("path", { class: "tip", d: tip(edge.points) }),
      ...(edge.label ? edge.label.lines.map((line, i) => svg("text", { x: edge.label.x, y: edge.label.y + 13 * i, "text-anchor": edge.label.anchor, text: line })) : []),
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

  function drawGraph() {
    const { width, height, nodes, edges, markers } = machine.layout;
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
    );
    drawing.style.setProperty("max-width", `${Math.round((width + 20) * 1.15)}px`);
    byId("canvas").replaceChildren(drawing);
    for (const { edge, group } of graph.edges.values()) {
      if (!edge.caught) continue;
      // Dashes are counted from a line's end: lines that share a track there fall together.
      const line = group.querySelector(".run");
      line.style.setProperty("stroke-dashoffset", String(-line.getTotalLength()));
    }
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

  const chosenPath = () => (chosen.n === null || !run ? null : chosen.n ? (combinations.get(chosen.n) || { path: [] }).path : run.path);

  function showGraph() {
    const path = chosenPath();
    const way = path && wayOf(path);
    byId("canvas").classList.toggle("one", Boolean(way));
    for (const { node, group, count, nowText, pillow } of graph.nodes.values()) {
      const [present, passed, visits] = (run && run.states[node.name]) || [0, 0, 0];
      const mine = way && way.states.get(node.name);
      const inMap = way && chosen.n > 0 && node.type === "Map";
      group.classList.toggle("taken", visits > 0);
      group.classList.toggle("present", way ? Boolean(mine && mine.here) : present > 0);
      group.classList.toggle("way", Boolean(mine) || Boolean(inMap));
      group.classList.toggle("chosen", chosen.step === node.name);
      let text = way ? (mine ? spent(mine) : "") : passed ? passed.toLocaleString("en") : "";
      if (node.type === "Map" && run && run.total && !mine) text = `${run.succeeded + run.failed} of ${run.total}`;
      if (!way && node.inside === null && node.type !== "Map" && passed) text = spent(wayOf(run.path).states.get(node.name) || { times: 1, seconds: 0 });
      if (count.textContent !== text) count.textContent = text;
      const here = way || node.inside === null ? "now" : present.toLocaleString("en");
      if (nowText.textContent !== here) {
        nowText.textContent = here;
        const wide = 12 + 7 * here.length;
        pillow.setAttribute("width", wide);
        pillow.setAttribute("x", -wide / 2);
      }
      group.setAttribute("aria-label", `${node.name}: ${node.inside === null ? (present ? "now" : passed ? "passed" : "not reached") : `${present} here now, ${passed} been through`}`);
    }
    const firstState = byId("canvas").querySelector(".node:not(.box)");
    for (const { edge, group, times } of graph.edges.values()) {
      const taken = (run && run.lines[edge.id]) || 0;
      const mine = way && way.lines.get(edge.id);
      group.classList.toggle("taken", taken > 0);
      if (group.classList.contains("way") !== Boolean(mine)) {
        group.classList.toggle("way", Boolean(mine));
        // What is drawn later lies above: the way is not to be hidden where lines share a track.
        if (mine) group.parentNode.insertBefore(group, firstState);
      }
      const text = `${edge.source} → ${edge.target}: ${ways(edge).join("; ")}${run ? `\ntaken ${plural(mine || taken, "time")}` : ""}`;
      if (times.textContent !== text) times.textContent = text;
    }
  }

  const spent = (state) => (state.times > 1 ? `${state.times}× · ` : "") + duration(state.seconds);

  /* ---- a step in words ------------------------------------------------------------------------------ */

  const KINDS = {
    Pass: "sets variables",
    Wait: "waits",
    Choice: "decides",
    Succeed: "ends well",
    Fail: "ends with an error",
    Map: "starts an execution for every combination",
  };

  function kindOf(node) {
    if (!node.resource) return KINDS[node.type] || node.type;
    const [service, action] = node.resource.split(":");
    if (service === "lambda") return action.endsWith("waitForTaskToken") ? "asks a Lambda function and waits to be woken" : "calls a Lambda function";
    return `${service === "dynamodb" ? "DynamoDB" : service.toUpperCase()}, ${action}, without a Lambda function`;
  }

  function retries(definition) {
    return (definition.Retry || []).filter((rule) => rule.MaxAttempts !== 0).map((rule) => {
      const errors = rule.ErrorEquals.map((name) => (name === "States.ALL" ? "any error" : name));
      const shown = errors.length > 2 ? `${errors.slice(0, 2).join(", ")} and ${errors.length - 2} more` : errors.join(", ");
      return el("li", {}, el("b", { text: "tries again" }), el("span", { text: `up to ${plural(rule.MaxAttempts ?? 3, "time")} after ${shown}` }));
    });
  }

  let stepShown = "";

  function showStep() {
    const card = byId("step");
    card.hidden = !chosen.step;
    if (!chosen.step) {
      stepShown = "";
      return;
    }
    const { node } = graph.nodes.get(chosen.step);
    const [present, passed, visits] = (run && run.states[node.name]) || [0, 0, 0];
    const told = node.inside === null ? "" : `${plural(present, "combination")} here now, ${passed} been through${visits > passed ? `, ${visits} times in all` : ""}.`;
    if (stepShown === node.name) {
      byId("step-told").textContent = told;
      return;
    }
    stepShown = node.name;
    const definition = machine.definitions[node.name];
    const out = machine.layout.edges.filter((edge) => edge.source === node.name);
    const rows = out.flatMap((edge) =>
      edge.transitions.map((one) =>
        el("li", { class: edge.caught ? "caught" : "" }, el("b", { text: `→ ${edge.target}` }), el("span", { text: { next: "", choice: `if ${one.label}`, default: "otherwise", catch: `on ${one.label}` }[one.kind] })),
      ),
    );
    const limit = definition.TimeoutSeconds ? `Each try may take ${definition.TimeoutSeconds} s.` : "";
    clear(
      card,
      el("header", {}, el("h2", { text: node.name }, el("small", { text: kindOf(node) })), el("button", { class: "round", "aria-label": "Close", text: "✕", click: () => choose({ step: "" }) })),
      node.comment && el("p", { text: node.comment }),
      el("p", { class: "eyebrow" }, el("span", { id: "step-told", text: told }), el("span", { text: limit })),
      el("ul", {}, ...rows, ...retries(definition)),
      el("details", {}, el("summary", { text: "As it stands in the state machine" }), el("pre", { text: JSON.stringify(definition, null, 2) })),
    );
    card.scrollTop = 0;
  }

  /* ---- the combinations ----------------------------------------------------------------------------- */

  const startOf = (path) => (path.length ? path[0][1] : 0);
  const endOf = (path) => (path.length ? path[path.length - 1][2] : 0) ?? now() - run.started;

  function listed() {
    const words = filters.text.toLowerCase().split(/\s+/).filter(Boolean);
    const step = graph.nodes.get(chosen.step);
    const number = step && step.node.inside !== null ? machine.states.indexOf(chosen.step) : -1;
    const found = [];
    for (const combination of combinations.values()) {
      const status = combination.status === "ABORTED" || combination.status === "TIMED_OUT" ? "FAILED" : combination.status;
      if (filters.status && status !== filters.status) continue;
      if (number >= 0 && !combination.path.some((visit) => visit[0] === number)) continue;
      if (words.length) {
        const text = `${combination.n} ${combination.id} ${combination.error || ""}`.toLowerCase();
        if (!words.every((word) => text.includes(word))) continue;
      }
      found.push(combination);
    }
    return found.sort((a, b) => a.n - b.n);
  }

  function kind(number) {
    const { node } = graph.nodes.get(machine.states[number]);
    if (node.failing) return "bad";
    if (node.type === "Wait" || node.type === "Map") return "wait";
    return node.resource.endsWith("waitForTaskToken") ? "queue" : "work";
  }

  function bar(path, from, to) {
    const width = 1000 / Math.max(1, to - from);
    const rects = path
      .map(([number, entered, left]) => ({ at: entered, until: left === null ? now() - run.started : left, kind: kind(number) }))
      .filter((part) => part.until > part.at || part.kind === "work" || part.kind === "bad")
      .sort((a, b) => (a.kind === "work") - (b.kind === "work"))
      .map((part) => {
        const work = part.kind === "work" || part.kind === "bad";
        const wide = Math.max((part.until - part.at) * width, work ? 5 : 2);
        return svg("rect", { class: part.kind, x: Math.min((part.at - from) * width, 1000 - wide), y: work ? 1 : 4, width: wide, height: work ? 14 : 8 });
      });
    return svg("svg", { class: "bar", viewBox: "0 0 1000 16", preserveAspectRatio: "none", "aria-hidden": "true" }, ...rects);
  }

  function words(combination) {
    const { path, status } = combination;
    if (status === "WAITING") return "not started";
    const took = duration(Math.max(0, endOf(path) - startOf(path)));
    if (status === "RUNNING") return `${path.length ? machine.states[path[path.length - 1][0]] : "starting"} · ${took}`;
    if (status === "SUCCEEDED") return `Done · ${took}`;
    return `${combination.error ? human(combination.error) : STATUS[status]} · ${took}`;
  }

  function title(id) {
    const [model, worn, variant] = id.split("__");
    if (worn === undefined) return el("strong", { text: id });
    return el("strong", { title: id }, model, el("i", { text: " wears " }), worn.replace(/^\d+-/, ""), variant && variant !== "default" && el("i", { text: ` ${variant}` }));
  }

  const drawn = new Map(); // the rows that can be seen, by the combination's number; 0 is the run itself

  function showList() {
    const showing = Boolean(run) && chosen.n === null;
    byId("list").hidden = !showing;
    if (!showing) return;
    for (const button of byId("statuses").children) {
      const status = button.dataset.status;
      button.setAttribute("aria-pressed", String(filters.status === status));
      const many = !status ? combinations.size : status === "FAILED" ? count("FAILED", "ABORTED", "TIMED_OUT") : count(status);
      button.lastChild.textContent = many.toLocaleString("en");
    }
    const found = listed();
    const byItself = aligned === null ? combinations.size > 120 : aligned;
    byId("aligned").setAttribute("aria-pressed", String(byItself));
    const longest = byItself ? Math.max(1, ...found.map((one) => endOf(one.path) - startOf(one.path))) : Math.max(1, (run.ended === null ? now() : run.ended) - run.started);
    clear(byId("axis"), ...[0, 0.5, 1].map((part) => el("span", { text: clock(part * longest) })));
    const whole = !filters.text && !filters.status && !chosen.step;
    const all = whole ? [{ n: 0, id: "", status: run.status, path: run.path, whole: true }, ...found] : found;
    const nothing = byId("nothing");
    nothing.hidden = all.length > (whole ? 1 : 0);
    nothing.textContent = combinations.size ? "No combination fits these filters." : run.ended === null ? "The plan is being made: every picture is checked before anything is paid for." : "This run came to no combinations.";
    byId("tall").style.setProperty("height", `${all.length * ROW}px`);
    const pane = byId("rows");
    // A list that a filter just made shorter is still scrolled to where it was until the browser lays it out.
    const scrolled = Math.min(pane.scrollTop, Math.max(0, all.length * ROW - pane.clientHeight));
    const first = Math.max(0, Math.floor(scrolled / ROW) - 4);
    const last = Math.min(all.length, first + Math.ceil((pane.clientHeight || 600) / ROW) + 9);
    const seen = new Set();
    for (let i = first; i < last; i++) {
      const one = all[i];
      seen.add(one.n);
      let row = drawn.get(one.n);
      if (!row) {
        row = el("button", { class: "row", role: "listitem", "data-n": one.n, click: () => choose({ n: one.n }) });
        drawn.set(one.n, row);
        byId("tall").append(row);
      }
      row.className = `row ${one.status}${one.whole ? " whole" : ""}`;
      row.style.setProperty("top", `${i * ROW}px`);
      const begin = byItself && !one.whole ? startOf(one.path) : 0;
      const until = one.whole && byItself ? Math.max(1, endOf(one.path)) : begin + longest;
      const what = one.whole
        ? el("span", { class: "what" }, el("strong", { text: "The run itself" }), el("span", { class: "how", text: run.ended === null && run.path.length ? machine.states[run.path[run.path.length - 1][0]] : STATUS[run.status] || run.status }))
        : el("span", { class: "what" }, title(one.id), el("span", { class: "how", text: words(one) }));
      clear(row, what, bar(one.path, begin, until));
    }
    for (const [n, row] of drawn) {
      if (!seen.has(n)) {
        row.remove();
        drawn.delete(n);
      }
    }
  }

  /* ---- one combination, or the run itself ------------------------------------------------------------ */

  let oneShown = "";

  function neighbours() {
    const found = [{ n: 0 }, ...listed()].map((one) => one.n);
    const at = found.indexOf(chosen.n);
    return [found[at - 1], at < 0 ? undefined : found[at + 1]];
  }

  function showOne() {
    const article = byId("one");
    article.hidden = chosen.n === null || !run;
    if (article.hidden) {
      oneShown = "";
      return;
    }
    const combination = chosen.n ? combinations.get(chosen.n) : null;
    if (chosen.n && !combination) return clear(article, el("p", { text: "…" }));
    const open = new Set([...article.querySelectorAll("details[open]")].map((node) => node.dataset.id));
    const focused = article.contains(document.activeElement) ? document.activeElement.id : "";
    const scrolled = oneShown === `${chosen.execution}/${chosen.n}` ? article.scrollTop : 0;
    oneShown = `${chosen.execution}/${chosen.n}`;
    const [before, after] = neighbours();
    const path = chosenPath();
    const status = combination ? combination.status : run.status;
    const known = detail && detail.n === chosen.n ? detail : null;
    const error = combination ? combination.error : run.error;
    const facts = known && known.ledger ? known.ledger : {};
    const step = (symbol, name, n) => el("button", { class: "round", id: `one-${name}`, "aria-label": name, title: name, disabled: n === undefined, text: symbol, click: () => choose({ n }) });
    clear(
      article,
      el(
        "header",
        {},
        el("button", { class: "round", id: "one-back", "aria-label": "All combinations", title: "All combinations (Esc)", text: "←", click: () => choose({ n: null }) }),
        el("h2", { text: combination ? combination.id.split("__").slice(0, 2).join(" wears ").replace(/ wears \d+-/, " wears ") : "The run itself" }),
        step("↑", "Previous", before),
        step("↓", "Next", after),
      ),
      el("p", { class: "eyebrow" }, pill(status, combination && status === "SUCCEEDED" ? "Done" : null), el("span", { text: combination ? `${combination.n} of ${combinations.size}` : run.run_id || "" }), combination && !combination.id.endsWith("__default") && el("span", { text: `variant ${combination.id.split("__")[2]}` }), el("span", { text: path.length ? duration(Math.max(0, endOf(path) - startOf(path))) : "" })),
      error && el("p", { class: "trouble" }, el("b", { text: `${human(error)}${facts.step ? ` at ${facts.step}` : ""}` }), el("span", { text: facts.cause || (!combination && run.cause) || "" })),
      known && known.pictures && kept("pictures", known.pictures, pictures),
      known && known.ledger && el("dl", { class: "facts" }, ...ledger(facts)),
      el(
        "div",
        { class: "tabs", role: "tablist" },
        ...[["way", "Way and times"], ["events", known ? `Events ${known.events.length}` : "Events"]].map(([name, text]) => el("button", { role: "tab", id: `tab-${name}`, "aria-selected": String(tab === name), text, click: () => { tab = name; showOne(); } })),
      ),
      tab === "way" ? wayList(path) : known && eventList(known.events, open),
    );
    article.scrollTop = scrolled;
    if (focused && byId(focused)) byId(focused).focus();
  }

  const made = new Map(); // parts that are costly or flicker when they are made anew

  function kept(name, content, make) {
    const key = JSON.stringify(content);
    if (!made.has(name) || made.get(name).key !== key) made.set(name, { key, node: make(content) });
    return made.get(name).node;
  }

  function pictures(list) {
    const shown = list.map((picture) => {
      const image = el("img", { src: picture.small, alt: `${picture.kind} ${picture.name}`, loading: "lazy", decoding: "async" });
      // A picture too small for a copy of its own is shown as it is.
      image.addEventListener("error", () => { if (image.getAttribute("src") !== picture.large) image.src = picture.large; else image.style.setProperty("visibility", "hidden"); });
      return el("a", { class: picture.kind, href: picture.large, target: "_blank", rel: "noopener" }, image, picture.kind === "result" ? "result" : picture.name);
    });
    return el("div", { class: "photos" }, ...shown);
  }

  function ledger(facts) {
    const shown = [
      ["task", facts.task_id],
      ["polls", facts.polls],
      ["submits", facts.submits > 1 ? facts.submits : null],
      ["at the service", facts.latency && duration(facts.latency)],
      ["seen late by", facts.delay && duration(facts.delay)],
      ["size", facts.bytes && size(facts.bytes)],
      ["resumed", facts.resumed ? "yes, not paid again" : null],
    ];
    return shown.filter(([, value]) => value).map(([name, value]) => el("div", {}, el("dt", { text: name }), el("dd", { text: String(value) })));
  }

  function wayList(path) {
    const from = startOf(path);
    const span = Math.max(1, endOf(path) - from);
    return el(
      "ol",
      { class: "way-list" },
      ...path.map(([number, entered, left, error]) => {
        const until = left === null ? now() - run.started : left;
        const place = { left: `${Math.min(99, (100 * (entered - from)) / span)}%`, width: `${(100 * (until - entered)) / span}%` };
        return el(
          "li",
          {},
          el("span", { class: "at", text: clock(entered) }),
          el("span", { class: "name", text: machine.states[number] }, error && el("small", { text: error })),
          el("span", { class: "track" }, el("i", { class: error ? "bad" : kind(number), style: place })),
          el("span", { class: "took", text: left === null ? `${duration(until - entered)} …` : duration(until - entered) }),
        );
      }),
    );
  }

  function eventList(events, open) {
    return el(
      "ol",
      { class: "events" },
      ...events.map((event) => {
        const failed = /Failed$|TimedOut$|Aborted$/.test(event.type);
        const details = Object.entries(event.details);
        return el(
          "li",
          { class: failed ? "bad-event" : "" },
          el("div", { class: "head" }, el("span", { class: "at", text: clock(event.at - run.started) }), el("span", { class: "type", text: event.type }), el("span", { class: "of", text: event.state })),
          (event.error || event.cause) && el("p", { class: "why", text: [event.error, event.cause].filter(Boolean).join(": ") }),
          details.length > 0 && el("details", { "data-id": event.id, open: open.has(String(event.id)) }, el("summary", { text: details.map(([name]) => name).join(", ") }), ...details.flatMap(([name, value]) => [el("h3", { text: name }), el("pre", { text: value })])),
        );
      }),
    );
  }

  /* ---- all of it ------------------------------------------------------------------------------------ */

  function showRun() {
    if (!machine) return;
    showHead();
    showGraph();
    showStep();
    showList();
    showOne();
  }

  function typing(event) {
    return event.target instanceof HTMLInputElement;
  }

  function keys(event) {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    if (event.key === "Escape") {
      if (typing(event)) event.target.blur();
      else if (chosen.n !== null) choose({ n: null });
      else if (chosen.step) choose({ step: "" });
    } else if (event.key === "/" && !typing(event)) {
      event.preventDefault();
      byId("search").focus();
    } else if (event.key === "ArrowDown" || event.key === "ArrowUp") {
      const row = event.target.closest && event.target.closest(".row");
      if (row) {
        event.preventDefault();
        const rows = [...byId("tall").children].sort((a, b) => parseFloat(a.style.top) - parseFloat(b.style.top));
        const next = rows[rows.indexOf(row) + (event.key === "ArrowDown" ? 1 : -1)];
        if (next) next.focus();
      }
    }
  }

  async function begin() {
    machine = await ask("/api/machine");
    byId("pace").textContent = machine.speed ? `on this machine, ${machine.speed} × real time` : "on this machine";
    byId("bucket").textContent = machine.bucket;
    drawGraph();
    clear(byId("statuses"), ...FILTERS.map(([status, text]) => el("button", { "data-status": status, click: () => { filters.status = status; showList(); } }, `${text} `, el("b"))));
    byId("search").addEventListener("input", () => { filters.text = byId("search").value; showList(); });
    byId("aligned").addEventListener("click", () => { aligned = byId("aligned").getAttribute("aria-pressed") !== "true"; showList(); });
    byId("rows").addEventListener("scroll", showList, { passive: true });
    document.addEventListener("keydown", keys);
    window.addEventListener("hashchange", fromAddress);
    window.addEventListener("resize", showList);
    fromAddress();
    showRuns();
    showRun();
    follow();
    // Between two answers time goes on: what lasts grows.
    setInterval(() => { if (run && run.ended === null && !document.hidden) { showHead(); showGraph(); showList(); if (tab === "way") showOne(); } }, 500);
  }

  begin().catch((error) => {
    byId("lost").hidden = false;
    console.error(error);
  });
})();
