"use strict";
(() => {
  const data = taken("data");
  const embedded = taken("embedded");
  const { run, models, worn, variants, cells, pages } = data;
  const overview = pages.parts.length > 0 && !cells.length; // a run so large that its combinations are in the parts alone
  const byId = (id) => document.getElementById(id);
  const scroller = byId("scroller");
  const grid = byId("grid");
  const cards = byId("cards");
  const viewer = byId("viewer");
  const sheet = byId("review");

  const NO_FILTERS = { model: "", garment: "", type: "", variant: "", status: "", text: "" };
  const state = {
    filters: { ...NO_FILTERS },
    view: "grid",
    size: 0,
    focus: null,
    open: null,
    candidate: 0,
    mode: "slider",
    at: 0.5,
    zoom: false,
  };

  /* ---- small tools ---------------------------------------------------------------------------------- */

  function taken(id) {
    const node = document.getElementById(id);
    const value = JSON.parse(node.textContent);
    node.remove(); // megabytes that nobody reads twice
    return value;
  }

  function el(tag, properties, ...children) {
    const node = document.createElement(tag);
    for (const [name, value] of Object.entries(properties || {})) {
      if (value === undefined || value === null) continue;
      if (name.startsWith("aria-")) node.setAttribute(name, String(value));
      else if (value === false) continue;
      else if (name === "text") node.textContent = value;
      else if (name === "style") for (const [key, v] of Object.entries(value)) node.style.setProperty(key, v);
      else if (typeof value === "function") node.addEventListener(name, value);
      else node.setAttribute(name, value === true ? "" : value);
    }
    node.append(...children.filter((child) => child !== null && child !== undefined && child !== false));
    return node;
  }

  function svg(tag, attributes, ...children) {
    const node = document.createElementNS("http://www.w3.org/2000/svg", tag);
    for (const [name, value] of Object.entries(attributes)) node.setAttribute(name, value);
    node.append(...children);
    return node;
  }

  const clamp = (value, low, high) => Math.min(high, Math.max(low, value));
  const plural = (count, one, many) => `${count.toLocaleString("en")} ${count === 1 ? one : many || one + "s"}`;
  const rounded = (value) => (value >= 100 ? value.toFixed(0) : value.toFixed(1).replace(/\.0$/, ""));

  function duration(seconds) {
    if (seconds === null || seconds === undefined) return "";
    const whole = Math.round(seconds);
    if (whole < 60) return `${whole} s`;
    if (whole < 3600) return `${Math.floor(whole / 60)} min ${whole % 60} s`;
    return `${Math.floor(whole / 3600)} h ${Math.floor((whole % 3600) / 60)} min`;
  }

  function size(bytes) {
    if (!bytes) return "";
    if (bytes >= 1e9) return `${rounded(bytes / 1e9)} GB`;
    return bytes < 1e6 ? `${Math.max(1, Math.round(bytes / 1e3))} kB` : `${rounded(bytes / 1e6)} MB`;
  }

  /* InputRefusedError -> Input refused */
  function human(error) {
    const words = error.replace(/^.*\./, "").replace(/(Error|Exception)$/, "").replace(/([a-z0-9])([A-Z])/g, "$1 $2");
    return words.charAt(0).toUpperCase() + words.slice(1).toLowerCase();
  }

  const TYPES = { upper: "upper body", lower: "lower body", full: "full body", outfit: "outfit" };
  const STATUS = { SUCCEEDED: "Complete", PARTIAL: "Partly complete", FAILED: "Failed" };
  const STEPS = {
    ReserveSlot: "waiting for a slot",
    Submit: "submitting",
    Poll: "waiting for the service",
    Download: "storing the picture",
  };
  const hasPicture = (cell) => cell.status === "SUCCEEDED";

  const address = (number) => {
    const text = embedded[number];
    return `data:image/${text.startsWith("UklG") ? "webp" : "jpeg"};base64,${text}`;
  };

  let toastTimer;
  function say(text) {
    const toast = byId("toast");
    toast.textContent = text;
    toast.classList.add("up");
    clearTimeout(toastTimer);
    toastTimer = setTimeout(() => toast.classList.remove("up"), 2600);
  }

  /* ---- the review: judgements kept in this browser --------------------------------------------------- */

  const storeName = `tryon-review:${run.run_id}`;
  let kept = true;
  let review = recalled();

  function blank() {
    const random = new Uint32Array(2);
    crypto.getRandomValues(random);
    return {
      // a letter first, or a spreadsheet makes a number of it
      review: `r${[...random].map((n) => n.toString(16).padStart(8, "0")).join("")}`,
      reviewer: "",
      blind: false,
      preferences: {},
      ratings: {},
    };
  }

  function recalled() {
    try {
      const found = JSON.parse(localStorage.getItem(storeName));
      if (found && typeof found.preferences === "object" && typeof found.ratings === "object") return { ...blank(), ...found };
    } catch {
      kept = false;
    }
    return blank();
  }

  function keep() {
    try {
      localStorage.setItem(storeName, JSON.stringify(review));
    } catch {
      kept = false;
    }
    showReview();
  }

  const pairName = (cell) => `${models[cell.m].id}__${worn[cell.w].id}`;
  const pairs = new Map();
  for (const cell of cells) {
    const key = cell.m * worn.length + cell.w;
    if (!pairs.has(key)) pairs.set(key, []);
    pairs.get(key).push(cell);
  }
  for (const pair of pairs.values()) pair.sort((a, b) => a.v - b.v);
  const pairOf = (cell) => pairs.get(cell.m * worn.length + cell.w);
  const judgeable = (pair) => pair.filter(hasPicture).length > 1;
  const contests = [...pairs.values()].filter(judgeable);
  const preference = (cell) => review.preferences[pairName(cell)];
  const stars = (cell) => (review.ratings[cell.id] ? review.ratings[cell.id].stars : 0);

  /* FNV-1a with a last mix: the same order for everybody who looks at the same run, a different one in each pair. */
  function chance(text) {
    let hash = 0x811c9dc5;
    for (let i = 0; i < text.length; i++) hash = Math.imul(hash ^ text.charCodeAt(i), 0x01000193);
    hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b);
    hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35);
    return (hash ^ (hash >>> 16)) >>> 0;
  }

  function inOrder(pair) {
    if (!review.blind) return pair;
    const key = (cell) => chance(`${run.run_id}|${pairName(cell)}|${variants[cell.v].id}`);
    return [...pair].sort((a, b) => key(a) - key(b));
  }

  const label = (cell) => (review.blind ? `Picture ${inOrder(pairOf(cell)).indexOf(cell) + 1}` : variants[cell.v].id);
  const short = (cell) => (review.blind ? String(inOrder(pairOf(cell)).indexOf(cell) + 1) : variants[cell.v].id);

  function described(cell) {
    const name = `${models[cell.m].id} wearing ${worn[cell.w].name}`;
    return variants.length > 1 ? `${name}, ${review.blind ? label(cell).toLowerCase() : `variant ${label(cell)}`}` : name;
  }

  function rate(cell, count) {
    if (!hasPicture(cell)) return say("Nothing to rate: this combination has no picture");
    if (count === 0) delete review.ratings[cell.id];
    else review.ratings[cell.id] = { stars: count, blind: review.blind, at: new Date().toISOString() };
    keep();
    refresh(cell);
    say(count ? `Rated ${count} of 5` : "Rating taken back");
  }

  function prefer(cell, chosen) {
    const pair = pairOf(cell);
    if (!judgeable(pair)) return;
    review.preferences[pairName(cell)] = {
      preferred: chosen ? variants[chosen.v].id : null,
      shown: inOrder(pair).filter(hasPicture).map((one) => variants[one.v].id),
      blind: review.blind,
      at: new Date().toISOString(),
    };
    keep();
    for (const one of pair) refresh(one);
    drawViewer();
    const left = contests.filter((other) => !preference(other[0]));
    if (!left.length) {
      say(review.blind ? "Every pair is judged: open Review to reveal the variants" : "Every pair is judged: open Review to export");
    } else {
      say(chosen ? `${label(chosen)} preferred` : "Equal");
      setTimeout(() => state.mode === "variants" && state.open && pairOf(state.open) === pair && show(followingContest(pair)), 420);
    }
  }

  /* The next unjudged pair after this one, round the end. */
  function followingContest(pair) {
    const at = contests.indexOf(pair);
    const round = [...contests.slice(at + 1), ...contests.slice(0, at + 1)];
    return inOrder(round.find((other) => !preference(other[0])) || pair)[0];
  }

  function exported() {
    const known = new Map(cells.map((cell) => [cell.id, cell]));
    const place = (cell) => ({ model: models[cell.m].id, worn: worn[cell.w].id, type: worn[cell.w].type || "" });
    return {
      format: "tryon-review",
      version: 1,
      run_id: run.run_id,
      review: review.review,
      reviewer: review.reviewer,
      exported_at: new Date().toISOString(),
      variants: variants.map((variant) => variant.id),
      preferences: contests.filter((pair) => preference(pair[0])).map((pair) => ({ ...place(pair[0]), ...preference(pair[0]) })),
      ratings: Object.entries(review.ratings)
        .filter(([id]) => known.has(id))
        .map(([id, rating]) => ({ ...place(known.get(id)), variant: variants[known.get(id).v].id, ...rating })),
    };
  }

  const COLUMNS = ["run_id", "review", "reviewer", "model", "worn", "type", "preferred", "shown", "variant", "stars", "blind", "at"];

  // As in tryon/spreadsheet.py: what a spreadsheet would read as a formula, a number, a date or a truth value carries an
  // apostrophe.
  const FORMULA = /^(?:[\s\ufeff]*[=+\-@＝＋－＠']|[\t\r\n])/u;
  const VALUES = "adevarat dogru epatosi fals falsch false falsk falskt falso falsz faux hamis igaz inf infinity n/a na nan nepravda nil none null onwaar pravda prawda sand sant tosi true usann verdadeiro verdadero vero vrai waar wahr yanlis".split(" ");

  function marked(text) {
    const words = text.match(/\p{L}{2,}/gu) || [];
    const doubtful = FORMULA.test(text) || (/\p{Nd}/u.test(text) && words.length <= 1) || VALUES.includes(text.trim().toLowerCase());
    return doubtful ? "'" + text : text;
  }

  function table(whole) {
    const lines = [
      ...whole.preferences.map((line) => ({ ...line, preferred: line.preferred === null ? "=" : line.preferred, shown: line.shown.join(" ") })),
      ...whole.ratings,
    ].map((line) => ({ ...line, run_id: whole.run_id, review: whole.review, reviewer: whole.reviewer }));
    const cell = (value) => `"${(typeof value === "string" ? marked(value) : String(value ?? "")).replaceAll('"', '""')}"`;
    return "\ufeff" + [COLUMNS.join(","), ...lines.map((line) => COLUMNS.map((name) => cell(line[name])).join(","))].join("\r\n") + "\r\n";
  }

  function download(name, type, text) {
    const url = URL.createObjectURL(new Blob([text], { type }));
    el("a", { href: url, download: name }).click();
    setTimeout(() => URL.revokeObjectURL(url), 10000);
  }

  function showReview() {
    const judged = contests.filter((pair) => preference(pair[0])).length;
    const rated = Object.keys(review.ratings).length;
    byId("review-count").textContent = judged + rated ? judged + rated : "";
    byId("review-kept").textContent = kept
      ? "Kept in this browser until you export it."
      : "This browser keeps nothing for this page: export before you close it.";
    byId("reviewer").value = review.reviewer;
    byId("blind").checked = review.blind;
    byId("blind-row").hidden = variants.length < 2;
    document.body.classList.toggle("blind", review.blind);
    byId("progress").replaceChildren(
      ...(contests.length
        ? [el("div", { text: `${judged} of ${plural(contests.length, "pair")} judged` }), el("progress", { value: judged, max: contests.length, "aria-label": "Pairs judged" })]
        : []),
      el("div", { text: `${plural(rated, "picture")} rated` }),
    );
    byId("reveal").hidden = !review.blind || judged === 0;
    byId("reveal").classList.toggle("strong", judged === contests.length);
    showVerdict(judged, rated);
  }

  function showVerdict(judged, rated) {
    const verdict = byId("verdict");
    verdict.hidden = review.blind || variants.length < 2 || judged + rated === 0;
    verdict.replaceChildren();
    if (verdict.hidden) return;
    const all = exported();
    const rows = variants.map((variant) => {
      const given = all.ratings.filter((line) => line.variant === variant.id).map((line) => line.stars);
      const mean = given.reduce((sum, n) => sum + n, 0) / given.length;
      return el("tr", {},
        el("th", { scope: "row", text: variant.id }),
        el("td", { text: all.preferences.filter((line) => line.preferred === variant.id).length }),
        el("td", { text: given.length ? `${mean.toFixed(1)} ★ (${given.length})` : "–" }));
    });
    const ties = all.preferences.filter((line) => line.preferred === null).length;
    verdict.append(
      el("table", {},
        el("thead", {}, el("tr", {}, el("th", { text: "Variant" }), el("th", { text: "Preferred" }), el("th", { text: "Rating" }))),
        el("tbody", {}, ...rows, ties ? el("tr", {}, el("th", { scope: "row", text: "equal" }), el("td", { text: ties }), el("td")) : null)));
  }

  function setBlind(on) {
    if (variants.length < 2) return;
    review.blind = on;
    if (on) Object.assign(state.filters, { variant: "" });
    keep();
    fillFilters();
    showLegend();
    refilter();
    if (state.open) drawViewer();
    say(on ? "Blind: variants are unnamed and shuffled" : "Variants are named");
  }

  /* ---- filters ------------------------------------------------------------------------------------------ */

  for (const cell of cells) {
    const garment = worn[cell.w];
    cell.words = [
      models[cell.m].id,
      garment.id,
      ...garment.garments.map((one) => one.id),
      TYPES[garment.type] || "",
      cell.error || "",
      cell.error ? human(cell.error) : "",
      cell.cause || "",
    ].join(" ").toLowerCase();
  }

  function fits(cell, words) {
    const wanted = state.filters;
    if (wanted.model !== "" && cell.m !== Number(wanted.model)) return false;
    if (wanted.garment !== "" && cell.w !== Number(wanted.garment)) return false;
    if (wanted.variant !== "" && cell.v !== Number(wanted.variant)) return false;
    if (wanted.type !== "") {
      const garment = worn[cell.w];
      if (garment.type !== wanted.type && !garment.garments.some((one) => one.type === wanted.type)) return false;
    }
    if (wanted.status === "succeeded" && !hasPicture(cell)) return false;
    if (wanted.status === "failed" && hasPicture(cell)) return false;
    if (wanted.status === "rated" && !stars(cell)) return false;
    if (wanted.status === "unrated" && (stars(cell) || !hasPicture(cell))) return false;
    if (wanted.status === "unjudged" && (preference(cell) || !judgeable(pairOf(cell)))) return false;
    if (wanted.status.startsWith("error:") && cell.error !== wanted.status.slice(6)) return false;
    return words.every((word) => cell.words.includes(word) || (!review.blind && variants.length > 1 && variants[cell.v].id.includes(word)));
  }

  /* What is seen: rows and columns of the grid, and all cells in reading order. */
  const seen = { rows: [], columns: [], slots: [], order: [], place: new Map() };

  function refilter() {
    const words = state.filters.text.toLowerCase().split(/\s+/).filter(Boolean);
    const found = cells.filter((cell) => fits(cell, words));
    const used = (name) => [...new Set(found.map((cell) => cell[name]))].sort((a, b) => a - b);
    seen.rows = used("m");
    seen.columns = used("w");
    seen.slots = used("v");
    const visible = new Set(found);
    seen.order = [];
    seen.place = new Map();
    const rowAt = new Map(seen.rows.map((m, r) => [m, r]));
    const columnAt = new Map(seen.columns.map((w, c) => [w, c]));
    const slotAt = new Map(seen.slots.map((v, s) => [v, s]));
    for (const cell of found) {
      const pair = review.blind ? inOrder(pairOf(cell)).filter((one) => visible.has(one)) : null;
      const slot = pair ? pair.indexOf(cell) : slotAt.get(cell.v);
      seen.place.set(cell, { row: rowAt.get(cell.m), column: columnAt.get(cell.w) * seen.slots.length + slot });
    }
    seen.order = found.sort((a, b) => {
      const x = seen.place.get(a);
      const y = seen.place.get(b);
      return x.row - y.row || x.column - y.column;
    });
    seen.at = new Map(seen.order.map((cell) => [spot(seen.place.get(cell)), cell]));
    seen.index = new Map(seen.order.map((cell, i) => [cell, i]));
    if (!seen.index.has(state.focus)) state.focus = seen.order[0] || null;
    const filtered = Object.values(state.filters).some(Boolean);
    byId("clear").hidden = !filtered;
    byId("toolbar").hidden = overview;
    byId("nothing").hidden = overview || seen.order.length > 0;
    byId("shown").textContent = filtered
      ? `${seen.order.length.toLocaleString("en")} of ${plural(cells.length, "combination")}`
      : plural(cells.length, "combination");
    for (const button of byId("reasons").children) button.setAttribute("aria-pressed", state.filters.status === button.dataset.status);
    relayout();
  }

  const spot = ({ row, column }) => row * 1e6 + column;

  function setFilter(name, value) {
    state.filters[name] = value;
    const select = byId(`by-${name}`);
    if (select) {
      select.value = value;
      select.classList.toggle("set", value !== "");
    }
    refilter();
    toStart();
  }

  /* What is found begins at the grid's corner, however far away the last look went. */
  function toStart() {
    const bar = byId("toolbar");
    const stuck = (state.view === "cards" ? cards : grid).offsetTop - bar.offsetHeight;
    scroller.scrollLeft = 0;
    if (scroller.scrollTop > stuck) scroller.scrollTop = stuck;
    paint();
  }

  function clearFilters() {
    Object.assign(state.filters, NO_FILTERS);
    byId("search").value = "";
    fillFilters();
    refilter();
    toStart();
  }

  function fillFilters() {
    const fill = (name, any, options) => {
      const select = byId(`by-${name}`);
      select.replaceChildren(el("option", { value: "", text: any }), ...options);
      select.value = state.filters[name];
      select.classList.toggle("set", select.value !== "");
      select.parentElement.hidden = options.length < 2;
    };
    const option = (value, text) => el("option", { value, text });
    const types = [...new Set(worn.flatMap((garment) => [garment.type, ...garment.garments.map((one) => one.type)]))].filter(Boolean);
    fill("model", "Model", models.map((model, i) => option(i, model.id)));
    fill("garment", "Garment", worn.map((garment, i) => option(i, garment.name)));
    fill("type", "Type", Object.keys(TYPES).filter((type) => types.includes(type)).map((type) => option(type, TYPES[type])));
    fill("variant", "Variant", review.blind ? [] : variants.map((variant, i) => option(i, variant.id)));
    const errors = [...new Set(cells.map((cell) => cell.error).filter(Boolean))].sort();
    fill("status", "Status", [
      option("succeeded", "With picture"),
      option("failed", "No picture"),
      ...errors.map((error) => option(`error:${error}`, human(error))),
      option("unrated", "Not rated yet"),
      option("rated", "Rated"),
      ...(contests.length ? [option("unjudged", "Not compared yet")] : []),
    ]);
  }

  /* ---- one combination, as a picture or as words ------------------------------------------------------------ */

  function picture(cell, width) {
    const first = cell.results && cell.results[0];
    if (!first) return null;
    const sharp = width * devicePixelRatio > 300 && first.large !== undefined;
    const number = sharp || first.thumb === undefined ? first.large : first.thumb;
    return number === undefined ? null : address(number);
  }

  function button(cell, width) {
    const source = picture(cell, width);
    const named = variants.length > 1;
    const failed = !hasPicture(cell);
    const chosen = preference(cell);
    const small = width < 90;
    const marks = [];
    if (chosen && chosen.preferred === variants[cell.v].id) marks.push(el("span", { class: "mark", text: "✓ preferred" }));
    if (stars(cell)) marks.push(el("span", { class: "mark rated", text: `★ ${stars(cell)}` }));
    if (cell.results && cell.results.length > 1) marks.push(el("span", { class: "mark", text: `×${cell.results.length}` }));
    if (cell.lost) marks.push(el("span", { class: "mark", text: `${cell.lost.length} lost` }));
    const name = `${described(cell)}${cell.lost ? `, ${plural(cell.lost.length, "picture")} lost` : ""}${failed ? `: failed, ${human(cell.error || "no result")}` : ""}${stars(cell) ? `, rated ${stars(cell)} of 5` : ""}`;
    return el("button", {
      class: ["cell", failed && "failed", !failed && !source && "bare", named && "named", small && "small", width < 100 && "narrow", marks.length && chosen && chosen.preferred === variants[cell.v].id && "preferred"].filter(Boolean).join(" "),
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

  function noPicture(cell) {
    const first = cell.results && cell.results[0];
    if (first && first.note) return first.note;
    return cell.part ? "Picture in its part" : "Stored; no preview of it could be made";
  }

  function photo(part, alt, wide) {
    const number = wide && part.large !== undefined ? part.large : part.thumb !== undefined ? part.thumb : part.large;
    return number === undefined ? null : el("img", { class: "photo", src: address(number), alt, decoding: "async", draggable: "false" });
  }

  /* ---- where everything lies ------------------------------------------------------------------------------------ */

  const ratio = (() => {
    const known = cells.flatMap((cell) => cell.results || []).filter((one) => one.width && one.height).map((one) => one.width / one.height).sort((a, b) => a - b);
    return known.length ? clamp(known[known.length >> 1], 0.5, 1.5) : 0.75;
  })();
  let at = {};
  let painted = new Map();
  const nodes = new Map();

  function measure() {
    const width = scroller.clientWidth;
    const phone = width < 720;
    const pad = phone ? 16 : 32;
    const gap = phone ? 4 : 6;
    const between = phone ? 10 : 14;
    const cap = data.side ? data.side * Math.min(1, ratio) * 1.2 : Infinity;
    const zoom = 1.25 ** state.size;
    if (state.view === "cards") {
      const least = Math.min(phone ? 150 : 196, cap * 1.6) * zoom;
      const count = Math.max(1, Math.floor((width - 2 * pad + 18) / (least + 18)));
      const across = (width - 2 * pad - 18 * (count - 1)) / count;
      at = { phone, pad, count, width: across, height: across / ratio, pitch: across / ratio + 66, step: across + 18 };
      return;
    }
    const side = phone ? 90 : 170;
    const slots = Math.max(1, seen.slots.length);
    const fit = ((width - side - pad) / Math.max(1, seen.columns.length) - between - gap * (slots - 1)) / slots;
    const across = Math.round(Math.max(36, Math.min(cap, clamp(fit, phone ? 92 : 104, phone ? 150 : 236)) * zoom));
    const band = slots * across + (slots - 1) * gap + between;
    at = {
      phone, pad, gap, between, side, slots,
      width: across,
      height: Math.round(across / ratio),
      band,
      pitch: Math.round(across / ratio) + between,
      heads: phone ? 106 : 146,
      total: side + seen.columns.length * band + pad,
    };
  }

  function relayout() {
    measure();
    painted = new Map();
    nodes.clear();
    grid.hidden = state.view !== "grid" || !seen.order.length;
    cards.hidden = state.view !== "cards" || !seen.order.length;
    grid.replaceChildren();
    cards.replaceChildren();
    if (state.view === "cards") {
      cards.style.height = `${Math.ceil(seen.order.length / at.count) * at.pitch + 24}px`;
    } else {
      grid.style.width = `${at.total}px`;
      grid.style.height = `${at.heads + seen.rows.length * at.pitch + at.between}px`;
      grid.setAttribute("aria-rowcount", seen.rows.length + 1);
      grid.setAttribute("aria-colcount", seen.columns.length * at.slots + 1);
      const heads = el("div", { class: "heads", role: "row", "aria-rowindex": 1, style: { height: `${at.heads}px`, top: `${byId("toolbar").offsetHeight}px` } },
        el("div", { class: "corner", role: "columnheader", style: { width: `${at.side}px` } },
          el("span", { text: `${plural(seen.rows.length, "model")} × ${seen.columns.length.toLocaleString("en")}` })));
      grid.append(heads);
      painted.set("heads", { node: heads, cells: new Map() });
    }
    paint();
  }

  /* The part of a strip of equal pieces that can be seen, with one piece to spare on both sides. */
  function reach(from, length, pitch, count) {
    const first = clamp(Math.floor(from / pitch) - 1, 0, count);
    return [first, clamp(Math.ceil((from + length) / pitch) + 1, first, count)];
  }

  function paint() {
    if (!seen.order.length) return;
    if (state.view === "cards") paintCards();
    else paintGrid();
  }

  function paintGrid() {
    const down = scroller.scrollTop - grid.offsetTop - at.heads;
    const [firstRow, endRow] = reach(down, scroller.clientHeight, at.pitch, seen.rows.length);
    const [firstColumn, endColumn] = reach(scroller.scrollLeft, scroller.clientWidth, at.band, seen.columns.length);
    paintHeads(firstColumn, endColumn);
    const focus = state.focus && seen.place.get(state.focus);
    for (const [row, kept] of painted) {
      if (row === "heads") continue;
      if ((row < firstRow || row >= endRow) && !(focus && focus.row === row)) {
        kept.node.remove();
        for (const { cell } of kept.cells.values()) nodes.delete(cell);
        painted.delete(row);
      }
    }
    for (let row = firstRow; row < endRow; row++) paintRow(row, firstColumn, endColumn);
  }

  function paintHeads(first, end) {
    const heads = painted.get("heads");
    for (const [column, node] of heads.cells) {
      if (column < first || column >= end) {
        node.remove();
        heads.cells.delete(column);
      }
    }
    for (let column = first; column < end; column++) {
      if (heads.cells.has(column)) continue;
      const garment = worn[seen.columns[column]];
      const photos = garment.garments.map((one) => photo(one, "")).filter(Boolean);
      const head = el("div", {
        class: "head", role: "columnheader", title: garment.name, "aria-colindex": column * at.slots + 2, "aria-colspan": at.slots > 1 ? at.slots : null,
        style: { left: `${at.side + at.between / 2 + column * at.band}px`, width: `${at.band - at.between}px` },
      },
        photos.length && at.band - at.between > 54 ? el("span", { class: "photos" }, ...photos) : null,
        el("strong", { text: garment.name }),
        garment.type && at.band > 90 ? el("span", { text: TYPES[garment.type] || garment.type }) : null);
      heads.cells.set(column, head);
      heads.node.append(head);
    }
  }

  function paintRow(row, first, end) {
    let drawn = painted.get(row);
    if (!drawn) {
      const model = models[seen.rows[row]];
      const node = el("div", { class: "row", role: "row", "aria-rowindex": row + 2, style: { top: `${at.heads + at.between / 2 + row * at.pitch}px`, height: `${at.height}px` } },
        el("div", { class: "side", role: "rowheader", "aria-colindex": 1, title: model.id, style: { width: `${at.side}px` } },
          at.height > 84 ? photo(model, "", at.height > 240) : null,
          el("strong", { text: model.id })));
      drawn = { node, cells: new Map() };
      painted.set(row, drawn);
      // In reading order, so that what reads the page aloud does too.
      const after = [...painted.keys()].filter((other) => other !== "heads" && other > row).sort((a, b) => a - b)[0];
      grid.insertBefore(node, after === undefined ? null : painted.get(after).node);
    }
    const from = first * at.slots;
    const to = end * at.slots;
    for (const [column, { node, cell }] of drawn.cells) {
      if ((column < from || column >= to) && !(cell && cell === state.focus)) {
        node.remove();
        nodes.delete(cell);
        drawn.cells.delete(column);
      }
    }
    for (let column = from; column < to; column++) {
      if (!drawn.cells.has(column)) place(drawn, column, seen.at.get(spot({ row, column })));
    }
  }

  function place(drawn, column, cell) {
    const left = at.side + at.between / 2 + Math.floor(column / at.slots) * at.band + (column % at.slots) * (at.width + at.gap);
    const node = el("div", { role: "gridcell", class: cell ? "slot" : "slot none", "aria-colindex": column + 2, style: { left: `${left}px`, width: `${at.width}px`, height: `${at.height}px` } }, cell && button(cell, at.width));
    drawn.cells.set(column, { node, cell });
    if (cell) nodes.set(cell, node);
    drawn.node.append(node);
  }

  function paintCards() {
    const down = scroller.scrollTop - cards.offsetTop;
    const [first, end] = reach(down, scroller.clientHeight, at.pitch, Math.ceil(seen.order.length / at.count));
    const wanted = new Set(seen.order.slice(first * at.count, end * at.count));
    for (const [cell, node] of nodes) {
      if (!wanted.has(cell) && cell !== state.focus) {
        node.remove();
        nodes.delete(cell);
      }
    }
    for (const cell of wanted) {
      if (nodes.has(cell)) continue;
      const i = seen.index.get(cell);
      const card = el("div", { class: "card", role: "listitem", style: { left: `${at.pad + (i % at.count) * at.step}px`, top: `${12 + Math.floor(i / at.count) * at.pitch}px`, width: `${at.width}px` } },
        button(cell, at.width),
        el("p", {}, el("strong", { text: worn[cell.w].name }), el("span", { text: variants.length > 1 ? `${models[cell.m].id} · ${label(cell)}` : models[cell.m].id })));
      card.firstChild.style.height = `${at.height}px`;
      nodes.set(cell, card);
      cards.append(card);
    }
  }

  function refresh(cell) {
    const node = nodes.get(cell);
    if (!node) return;
    const old = node.querySelector("button");
    const hadFocus = document.activeElement === old;
    const fresh = button(cell, at.width);
    fresh.style.cssText = old.style.cssText;
    old.replaceWith(fresh);
    if (hadFocus) fresh.focus({ preventScroll: true });
  }

  /* ---- focus and keys in the grid -------------------------------------------------------------------------------- */

  function setFocus(cell) {
    if (state.focus === cell) return;
    const before = nodes.get(state.focus);
    if (before) before.querySelector("button").tabIndex = -1;
    state.focus = cell;
    const now = nodes.get(cell);
    if (now) now.querySelector("button").tabIndex = 0;
  }

  function reveal(cell) {
    const bar = byId("toolbar").offsetHeight;
    let top, left, right, above;
    if (state.view === "cards") {
      top = cards.offsetTop + 12 + Math.floor(seen.index.get(cell) / at.count) * at.pitch;
      above = bar + 12;
    } else {
      const { row, column } = seen.place.get(cell);
      top = grid.offsetTop + at.heads + at.between / 2 + row * at.pitch;
      above = bar + at.heads + at.between;
      left = at.side + at.between / 2 + Math.floor(column / at.slots) * at.band + (column % at.slots) * (at.width + at.gap);
      right = left + at.width;
      if (left < scroller.scrollLeft + at.side + 8) scroller.scrollLeft = left - at.side - 8;
      else if (right > scroller.scrollLeft + scroller.clientWidth - 8) scroller.scrollLeft = right - scroller.clientWidth + 8;
    }
    const bottom = top + at.pitch;
    if (top < scroller.scrollTop + above) scroller.scrollTop = top - above;
    else if (bottom > scroller.scrollTop + scroller.clientHeight) scroller.scrollTop = bottom - scroller.clientHeight + 8;
    paint();
  }

  function focusOn(cell) {
    if (!cell || !seen.index.has(cell)) return;
    setFocus(cell);
    reveal(cell);
    const node = nodes.get(cell);
    if (node) node.querySelector("button").focus({ preventScroll: true });
  }

  function moved(cell, key) {
    if (state.view === "cards") {
      const step = { ArrowLeft: -1, ArrowRight: 1, ArrowUp: -at.count, ArrowDown: at.count, Home: -Infinity, End: Infinity, PageUp: -4 * at.count, PageDown: 4 * at.count }[key];
      return seen.order[clamp(seen.index.get(cell) + step, 0, seen.order.length - 1)];
    }
    const { row, column } = seen.place.get(cell);
    const columns = seen.columns.length * at.slots;
    const page = Math.max(1, Math.floor((scroller.clientHeight - at.heads) / at.pitch) - 1);
    const [dr, dc] = { ArrowLeft: [0, -1], ArrowRight: [0, 1], ArrowUp: [-1, 0], ArrowDown: [1, 0], Home: [0, -1], End: [0, 1], PageUp: [-1, 0], PageDown: [1, 0] }[key];
    let r = key === "PageUp" ? Math.max(0, row - page) : key === "PageDown" ? Math.min(seen.rows.length - 1, row + page) : row + dr;
    let c = key === "Home" ? 0 : key === "End" ? columns - 1 : column + dc;
    const [sr, sc] = key === "Home" ? [0, 1] : key === "End" ? [0, -1] : key === "PageUp" ? [1, 0] : key === "PageDown" ? [-1, 0] : [dr, dc];
    for (; r >= 0 && r < seen.rows.length && c >= 0 && c < columns; r += sr, c += sc) {
      const found = seen.at.get(spot({ row: r, column: c }));
      if (found) return found;
    }
    return cell;
  }

  const MOVES = new Set(["ArrowLeft", "ArrowRight", "ArrowUp", "ArrowDown", "Home", "End", "PageUp", "PageDown"]);

  function onKey(event) {
    if (event.defaultPrevented || event.ctrlKey || event.metaKey || event.altKey) return;
    const typing = event.target.matches("input:not([type=range]):not([type=checkbox]), select, textarea");
    if (viewer.open) return onViewerKey(event);
    if (sheet.open || byId("keys").open) return;
    if (typing) {
      if (event.key === "Escape" && event.target === byId("search")) {
        clearFilters();
        focusOn(state.focus);
        event.preventDefault();
      } else if (event.key === "ArrowDown" && event.target === byId("search")) {
        focusOn(state.focus);
        event.preventDefault();
      }
      return;
    }
    const inGrid = event.target.closest(".cell") || event.target === document.body || event.target === scroller;
    if (MOVES.has(event.key) && inGrid && state.focus) focusOn(event.target.closest(".cell") ? moved(state.focus, event.key) : state.focus);
    else if (/^[0-5]$/.test(event.key) && event.target.closest(".cell") && state.focus) rate(state.focus, Number(event.key));
    else if (event.key === "v" && state.focus && pairOf(state.focus).length > 1) show(state.focus, "variants");
    else if (event.key === "/") byId("search").focus();
    else if (event.key === "+" || event.key === "=") resize(1);
    else if (event.key === "-") resize(-1);
    else if (event.key === "b") setBlind(!review.blind);
    else if (event.key === "?") byId("keys").showModal();
    else if (event.key === "Escape") clearFilters();
    else return;
    event.preventDefault();
  }

  function resize(by) {
    state.size = clamp(state.size + by, -4, 5);
    const anchor = state.focus;
    relayout();
    if (anchor && document.activeElement === document.body) reveal(anchor);
  }

  /* ---- the large view -------------------------------------------------------------------------------------------------- */

  function show(cell, mode) {
    state.open = cell;
    state.candidate = 0;
    state.zoom = false;
    if (mode) state.mode = mode;
    setFocus(cell);
    drawViewer();
    if (!viewer.open) {
      viewer.showModal();
      viewer.focus();
    }
    try {
      history.replaceState(null, "", review.blind ? location.pathname + location.search : `#${cell.id}`);
    } catch {
      // a sandboxed frame has no history; the view works all the same
    }
  }

  viewer.addEventListener("close", () => {
    const cell = state.open;
    state.open = null;
    try {
      history.replaceState(null, "", location.pathname + location.search);
    } catch {
      // as above
    }
    focusOn(cell);
  });

  const inVariants = () => state.mode === "variants" && pairOf(state.open).length > 1;

  function walk(by) {
    const list = seen.index.has(state.open) ? seen.order : cells;
    let i = list.indexOf(state.open);
    const pair = pairOf(state.open);
    do i += by; while (inVariants() && list[i] && pairOf(list[i]) === pair);
    if (list[i]) show(list[i]);
    else say(by > 0 ? "This is the last one" : "This is the first one");
  }

  function onViewerKey(event) {
    const cell = state.open;
    const range = event.target.matches("input[type=range]");
    const pair = inOrder(pairOf(cell));
    if (event.key === "ArrowRight" && !range) walk(1);
    else if (event.key === "ArrowLeft" && !range) walk(-1);
    else if (/^[0-9]$/.test(event.key) && inVariants()) {
      const number = Number(event.key);
      if (number === 0) prefer(cell, null);
      else if (pair[number - 1] && hasPicture(pair[number - 1])) prefer(cell, pair[number - 1]);
    } else if (/^[0-5]$/.test(event.key)) {
      rate(cell, Number(event.key));
      drawViewer();
    } else if (event.key === "v" && pair.length > 1) {
      state.mode = state.mode === "variants" ? "slider" : "variants";
      drawViewer();
    } else if (event.key === "c" && cell.results && cell.results.length > 1) {
      state.candidate = (state.candidate + 1) % cell.results.length;
      drawViewer();
    } else if (event.key === "z") {
      state.zoom = !state.zoom;
      drawViewer();
    } else if (event.key === "b") setBlind(!review.blind);
    else return;
    event.preventDefault();
  }

  /* What lies beside the page on a disk is sharper than what the page carries; from anywhere else it is not asked for. */
  function sharpen(image, file) {
    if (location.protocol !== "file:") return image;
    const full = new Image();
    full.addEventListener("load", () => {
      image.src = full.src;
      image.dataset.full = "";
    });
    full.src = file.split("/").map(encodeURIComponent).join("/");
    return image;
  }

  function large(cell, candidate) {
    const result = (cell.results || [])[candidate] || (cell.results || [])[0];
    const number = result && (result.large !== undefined ? result.large : result.thumb);
    if (!result || (number === undefined && location.protocol !== "file:")) return null;
    return sharpen(el("img", { src: number === undefined ? null : address(number), alt: described(cell), draggable: "false" }), result.file);
  }

  const shape = (cell) => {
    const result = (cell.results || [])[0];
    return result && result.width && result.height ? clamp(result.width / result.height, 0.3, 3) : ratio;
  };

  function drawViewer() {
    const cell = state.open;
    if (!cell) return;
    const garment = worn[cell.w];
    byId("viewer-title").textContent = `${models[cell.m].id} × ${garment.name}`;
    byId("viewer-eyebrow").textContent = [TYPES[garment.type], variants.length > 1 && !inVariants() && label(cell), !hasPicture(cell) && !inVariants() && "no picture"].filter(Boolean).join(" · ");
    byId("modes").hidden = pairOf(cell).length < 2;
    for (const button of byId("modes").children) button.setAttribute("aria-pressed", button.dataset.mode === (inVariants() ? "variants" : "slider"));
    const list = seen.index.has(cell) ? seen.order : cells;
    byId("position").textContent = inVariants()
      ? `${contests.filter((pair) => preference(pair[0])).length} of ${contests.length} judged`
      : `${(list.indexOf(cell) + 1).toLocaleString("en")} / ${list.length.toLocaleString("en")}`;
    const stage = byId("stage");
    stage.classList.toggle("wide", inVariants());
    stage.classList.toggle("words", !inVariants() && !hasPicture(cell));
    stage.replaceChildren(...(inVariants() ? variantsStage(cell) : oneStage(cell)));
    drawFacts(cell);
  }

  function oneStage(cell) {
    const image = large(cell, state.candidate);
    if (!hasPicture(cell)) return [failure(cell)];
    if (!image) return [el("div", { class: "fit" }, el("p", { class: "note", text: noPicture(cell) })), elsewhere(cell)];
    const before = photo(models[cell.m], `${models[cell.m].id} as photographed`, true);
    const style = { "--ratio": shape(cell), "--at": state.at };
    let frame;
    if (before && !state.zoom) {
      before.className = "before";
      const left = el("span", { class: "tag left", text: "before" });
      const right = el("span", { class: "tag right", text: "after" });
      const range = el("input", { type: "range", min: 0, max: 100, step: 0.5, "aria-label": "Before and after", "aria-valuetext": `${Math.round(state.at * 100)} % before`, input: () => {
        state.at = Number(range.value) / 100;
        frame.style.setProperty("--at", state.at);
        range.setAttribute("aria-valuetext", `${Math.round(state.at * 100)} % before`);
        left.classList.toggle("faint", state.at < 0.16);
        right.classList.toggle("faint", state.at > 0.84);
      } });
      range.value = state.at * 100;
      frame = el("div", { class: "slider", style }, image, before, range, el("span", { class: "bar" }), left, right);
      left.classList.toggle("faint", state.at < 0.16);
      right.classList.toggle("faint", state.at > 0.84);
    } else {
      frame = still(image, style);
    }
    const strip = cell.results.length > 1 ? el("div", { class: "strip", role: "group", "aria-label": "Candidates" },
      ...cell.results.map((one, i) => el("button", { text: `Candidate ${one.candidate || i + 1}`, "aria-pressed": i === state.candidate, click: () => {
        state.candidate = i;
        drawViewer();
      } }))) : null;
    return [el("div", { class: state.zoom ? "fit zoomed" : "fit" }, frame), strip, elsewhere(cell)].filter(Boolean);
  }

  function still(image, style) {
    const frame = el("div", { class: "still", style, pointermove: (event) => {
      if (!state.zoom) return;
      const box = frame.getBoundingClientRect();
      const stage = byId("stage");
      stage.style.setProperty("--zx", `${((event.clientX - box.left) / box.width) * 100}%`);
      stage.style.setProperty("--zy", `${((event.clientY - box.top) / box.height) * 100}%`);
    }, click: () => {
      state.zoom = !state.zoom;
      drawViewer();
    } }, image);
    return frame;
  }

  /* Where the large picture is when this page carries only a small one. */
  function elsewhere(cell) {
    const result = (cell.results || [])[state.candidate];
    if (!cell.part || !result || result.large !== undefined || location.protocol === "file:" && !pages.parts.length) return null;
    const file = pages.parts[cell.part - 1].file;
    if (signed) return el("p", { class: "note", text: `A larger picture is in ${file}, beside this page in the run’s folder.` });
    return el("p", { class: "note" }, "A larger picture is in ", el("a", { href: review.blind ? file : `${file}#${cell.id}`, text: file }), ".");
  }

  const signed = /[?&]X-Amz-Signature=/i.test(location.search);

  function failure(cell) {
    return el("div", { class: "message" },
      el("h3", { text: human(cell.error || "No result") }),
      el("code", { text: cell.error || cell.status }),
      cell.cause ? el("p", { text: review.blind ? "The cause is hidden while the review is blind: it may name the variant." : cell.cause }) : null,
      data.advice[cell.error] ? el("p", {}, el("strong", { text: "What to do: " }), data.advice[cell.error]) : null);
  }

  function variantsStage(cell) {
    const pair = inOrder(pairOf(cell));
    const chosen = preference(cell);
    const fair = judgeable(pair);
    const sides = pair.map((one, i) => {
      const image = hasPicture(one) ? large(one, one === cell ? state.candidate : 0) : null;
      const mine = fair && chosen && chosen.preferred === variants[one.v].id;
      return el("div", { class: mine ? "choice chosen" : "choice", role: "group", "aria-label": label(one) },
        image ? el("div", { class: "fit" }, still(image, { "--ratio": shape(one) })) : hasPicture(one) ? el("p", { class: "note", text: noPicture(one) }) : failure(one),
        el("button", { "aria-pressed": Boolean(mine), disabled: !fair || !hasPicture(one), click: () => prefer(cell, one), text: `${mine ? "✓ " : ""}Prefer ${review.blind ? label(one).toLowerCase() : one && variants[one.v].id}  ` }, el("kbd", { text: i + 1 })));
    });
    const says = review.blind ? [] : pair.filter((one) => variants[one.v].says).map((one) => `${variants[one.v].id}: ${variants[one.v].says}`);
    return [
      el("div", { class: state.zoom ? "sides zoomed" : "sides" }, ...sides),
      fair
        ? el("button", { class: "tie", "aria-pressed": Boolean(chosen && chosen.preferred === null), click: () => prefer(cell, null), text: "Equal  " }, el("kbd", { text: "0" }))
        : el("p", { class: "note", text: "Fewer than two variants have a picture here: there is nothing to compare." }),
      says.length ? el("p", { class: "note", text: says.join(" · ") }) : null,
    ].filter(Boolean);
  }

  function drawFacts(cell) {
    const garment = worn[cell.w];
    const model = models[cell.m];
    const input = (part, name, what) => el("figure", {}, photo(part, `${what} ${name}`, true), el("figcaption", { text: name }, el("span", { text: what })));
    const fact = (name, value) => (value === "" || value === null || value === undefined ? [] : [el("dt", { text: name }), el("dd", { text: value })]);
    const sections = [
      el("section", {}, el("h3", { text: "Made from" }), el("div", { class: "inputs" },
        input(model, model.id, "model"),
        ...garment.garments.map((one) => input(one, one.id, TYPES[one.type] || "garment")))),
    ];
    if (hasPicture(cell) && !inVariants()) {
      const mine = stars(cell);
      sections.push(el("section", {}, el("h3", { text: "Your rating" }), el("div", { class: "stars", role: "group", "aria-label": "Rating" },
        ...[1, 2, 3, 4, 5].map((n) => el("button", { class: n <= mine ? "on" : "", "aria-label": `${n} of 5`, "aria-pressed": n === mine, text: "★", click: () => {
          rate(cell, n === mine ? 0 : n);
          drawViewer();
          byId("facts").querySelectorAll(".stars button")[n - 1].focus();
        } })))));
    }
    if (cell.lost && !inVariants()) {
      sections.push(el("section", { class: "lost" }, el("h3", { text: "Could not be had" }), el("dl", {},
        ...cell.lost.flatMap((one) => fact(`Candidate ${one.candidate}`, review.blind ? human(one.error) : `${human(one.error)}: ${one.cause}`)))));
    }
    if (!inVariants() && !review.blind) {
      const result = (cell.results || [])[state.candidate];
      sections.push(el("section", {}, el("h3", { text: "How it went" }), el("dl", {},
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
        ...fact("Picture", result && result.width ? `${result.width} × ${result.height}` : ""),
        ...fact("File", result ? size(result.bytes) : ""))));
      if (result && !signed) {
        sections.push(el("a", { class: "open", href: result.file.split("/").map(encodeURIComponent).join("/"), target: "_blank", rel: "noopener", text: "Open the full-size file" }));
      }
    }
    byId("facts").replaceChildren(...sections);
  }

  /* ---- the head of the page ------------------------------------------------------------------------------------------------ */

  function showHead() {
    document.title = pages.shown ? `${run.name}, part ${pages.shown}` : run.name;
    byId("name").textContent = run.name;
    const status = byId("status");
    status.textContent = STATUS[run.status] || run.status;
    status.className = `pill ${run.status}`;
    const when = run.started_at ? new Date(run.started_at * 1000).toLocaleString("en", { dateStyle: "medium", timeStyle: "short" }) : "";
    byId("when").textContent = [when, pages.shown && `part ${pages.shown} of ${pages.parts.length}`, run.retry_of && `retry of ${run.retry_of}`, (run.repaired_by || []).length && `repaired by ${run.repaired_by.join(", ")}`].filter(Boolean).join(" · ");
    const shape = `${plural(models.length, "model")} × ${plural(worn.length, "garment")}${variants.length > 1 ? ` × ${plural(variants.length, "variant")}` : ""}`;
    const cost = run.cost && run.tasks ? `${plural(run.tasks, "task")}, ${run.cost.service.toLocaleString("en", { minimumFractionDigits: 2 })} ${run.cost.currency}` : "";
    byId("tagline").replaceChildren(
      el("b", { text: `${run.succeeded.toLocaleString("en")} of ${plural(run.total, "combination")}` }),
      [" have a picture", overview ? "" : shape, run.seconds ? `took ${duration(run.seconds)}` : "", cost, size(run.bytes)].filter(Boolean).join(" · "));
    if (run.error && run.error !== "AllFailedError") {
      byId("stopped").hidden = false;
      byId("stopped").textContent = `The run was stopped: ${human(run.error)}. ${run.cause || ""}`;
    }
    const reasons = run.reasons || [];
    byId("reasons").hidden = !reasons.length;
    byId("reasons").replaceChildren(...reasons.slice(0, 6).map((reason) => el("button", {
      "data-status": `error:${reason.error}`, "aria-pressed": false, click: () => {
        const value = `error:${reason.error}`;
        setFilter("status", state.filters.status === value ? "" : value);
      },
    }, el("b", { text: reason.count.toLocaleString("en") }), human(reason.error))));
    byId("plots").replaceChildren(...data.plots.filter(Boolean).map(plot));
    byId("foot").textContent = [`Run ${run.run_id}.`, run.retry_manifest ? `${run.failed === 1 ? "One combination has" : `${run.failed.toLocaleString("en")} combinations have`} no picture; “tryon retry ${run.run_id}” runs only what failed.` : ""].join(" ");
    showParts();
    showLegend();
    byId("compare").hidden = !contests.length;
  }

  /* What names a variant goes while the review is blind; a cause may. */
  function showLegend() {
    for (const [i, button] of [...byId("reasons").children].entries()) button.title = review.blind ? "" : run.reasons[i].cause;
    byId("compare").title = review.blind ? "" : variants.map((variant) => `${variant.id}: ${variant.says}`).join("\n");
  }

  function plot(figures) {
    const { name, unit, counts, from, step } = figures;
    const numbers = { Latency: run.latency, Polls: run.polls, "Seen after": run.delay }[name] || {};
    const main = name === "Polls" ? numbers.mean : numbers.p50;
    const most = Math.max(...counts);
    const width = 100 / counts.length;
    const bars = counts.map((count, i) => {
      const bar = svg("rect", { x: i * width + width * 0.08, width: width * 0.84, y: 40 - (38 * count) / most, height: (38 * count) / most, rx: 0.6 });
      bar.append(svg("title", {}, document.createTextNode(`${from + i * step}–${from + (i + 1) * step} ${unit}: ${count}`)));
      return bar;
    });
    const figure = main === undefined ? "" : `${rounded(main)}${unit ? ` ${unit}` : ""}`;
    const middle = name === "Polls" ? "on average" : "median";
    const tail = numbers.p95 === undefined ? "" : `95 % up to ${rounded(numbers.p95)}${unit ? ` ${unit}` : ""}`;
    return el("div", { class: "plot", role: "img", "aria-label": `${name}: ${figure} ${middle}, ${tail}` },
      el("h2", { text: { Latency: "Latency of a task", Polls: "Polls a task", "Seen after": "Ready to seen" }[name] || name }),
      el("p", { class: "figure", text: figure }, el("small", { text: middle })),
      svg("svg", { viewBox: "0 0 100 40", preserveAspectRatio: "none", "aria-hidden": "true" }, ...bars, svg("line", { x1: 0, x2: 100, y1: 40, y2: 40, "stroke-width": 0.6 })),
      el("div", { class: "ends" }, el("span", { text: `${from}` }), el("span", { text: tail }), el("span", { text: `${from + counts.length * step}` })));
  }

  function showParts() {
    const nav = byId("parts");
    nav.hidden = !pages.parts.length;
    if (nav.hidden) return;
    const name = (part) => (part.first === part.last ? part.first : `${part.first} – ${part.last}`);
    const link = (file, text, here) => (here || signed ? el("span", { class: here ? "here" : "", "aria-current": here ? "page" : null, text }) : el("a", { href: file, text }));
    const count = plural(pages.parts.length, "part");
    nav.querySelector("summary").textContent = pages.shown
      ? `One part of a large run: ${count}`
      : `${overview ? "The combinations are" : "All combinations, with small pictures. The large ones are"} in ${count}${signed ? " beside this page in the run’s folder" : ""}`;
    nav.querySelector("details").open = overview || pages.parts.length <= 8;
    nav.querySelector(".links").append(
      link(pages.index, "All combinations", !pages.shown),
      ...pages.parts.map((part, i) => link(part.file, `${i + 1} · ${name(part)}`, pages.shown === i + 1)));
  }

  /* ---- what is pressed -------------------------------------------------------------------------------------------------------- */

  for (const name of ["model", "garment", "type", "variant", "status"]) {
    byId(`by-${name}`).addEventListener("change", (event) => setFilter(name, event.target.value));
  }
  let typingTimer;
  byId("search").addEventListener("input", (event) => {
    clearTimeout(typingTimer);
    typingTimer = setTimeout(() => setFilter("text", event.target.value.trim()), cells.length > 2000 ? 120 : 0);
  });
  byId("clear").addEventListener("click", clearFilters);
  byId("clear-too").addEventListener("click", clearFilters);
  byId("filters-open").addEventListener("click", (event) => {
    const open = byId("filters").classList.toggle("open");
    event.target.setAttribute("aria-expanded", open);
  });
  for (const choice of document.querySelectorAll("[data-view]")) {
    choice.addEventListener("click", () => {
      state.view = choice.dataset.view;
      for (const other of document.querySelectorAll("[data-view]")) other.setAttribute("aria-pressed", other === choice);
      relayout();
    });
  }
  byId("smaller").addEventListener("click", () => resize(-1));
  byId("larger").addEventListener("click", () => resize(1));
  byId("compare").addEventListener("click", () => {
    const first = contests.find((pair) => !preference(pair[0])) || contests[0];
    show(inOrder(first)[0], "variants");
  });
  byId("review-open").addEventListener("click", () => {
    showReview();
    sheet.showModal();
  });
  byId("keys-open").addEventListener("click", () => byId("keys").showModal());
  for (const close of document.querySelectorAll("[data-close]")) close.addEventListener("click", () => close.closest("dialog").close());
  for (const dialog of document.querySelectorAll("dialog.sheet")) {
    dialog.addEventListener("click", (event) => event.target === dialog && dialog.close());
  }
  byId("reviewer").addEventListener("input", (event) => {
    review.reviewer = event.target.value.trim();
    try {
      localStorage.setItem(storeName, JSON.stringify(review));
    } catch {
      kept = false;
    }
  });
  byId("blind").addEventListener("change", (event) => setBlind(event.target.checked));
  byId("reveal").addEventListener("click", () => setBlind(false));
  byId("export-json").addEventListener("click", () => download(`${run.run_id}-review.json`, "application/json", JSON.stringify(exported(), null, 1) + "\n"));
  byId("export-csv").addEventListener("click", () => download(`${run.run_id}-review.csv`, "text/csv", table(exported())));
  byId("forget").addEventListener("click", () => {
    if (!confirm("Forget all your ratings and preferences for this run?")) return;
    review = { ...blank(), reviewer: review.reviewer, blind: review.blind };
    keep();
    refilter();
  });
  for (const choice of byId("modes").children) {
    choice.addEventListener("click", () => {
      state.mode = choice.dataset.mode;
      state.zoom = false;
      drawViewer();
    });
  }
  byId("previous").addEventListener("click", () => walk(-1));
  byId("next").addEventListener("click", () => walk(1));
  byId("viewer-close").addEventListener("click", () => viewer.close());
  document.addEventListener("keydown", onKey);
  addEventListener("storage", (event) => {
    if (event.key !== storeName) return;
    review = recalled();
    showReview();
    relayout();
  });

  let waiting = false;
  scroller.addEventListener("scroll", () => {
    if (waiting) return;
    waiting = true;
    requestAnimationFrame(() => {
      waiting = false;
      paint();
    });
  }, { passive: true });
  let lastWidth = 0;
  new ResizeObserver(() => {
    if (scroller.clientWidth === lastWidth) return paint();
    lastWidth = scroller.clientWidth;
    relayout();
  }).observe(scroller);

  showHead();
  fillFilters();
  showReview();
  refilter();
  const linked = cells.find((cell) => `#${cell.id}` === location.hash);
  if (linked && !review.blind) show(linked);
})();
