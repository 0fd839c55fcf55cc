/* The runs and the head of the chosen one. */

import { byId, el } from "../../../../layers/tryon/tryon/web/elements.mjs";
import { amounts, duration, money, plural } from "../../../../layers/tryon/tryon/web/formats.mjs";
import { showActions } from "./act.mjs";
import { now } from "./asking.mjs";
import { choose } from "./choice.mjs";
import { chosen, combinations, filters, LIVE, run, runs } from "./state.mjs";
import { clear, pill, STATUS, titled } from "./words.mjs";

/* How far a run is: done, failed and under way, as parts of its whole. */
function meter(one) {
  const share = (part) => ({ width: `${(100 * part) / one.total}%` });
  return el(
    "span",
    {
      class: "meter",
      role: "img",
      "aria-label": `${one.succeeded} done, ${one.failed} failed, ${one.running} under way, of ${one.total}`,
    },
    el("i", { class: "good", style: share(one.succeeded) }),
    el("i", { class: "bad", style: share(one.failed) }),
    el("i", { class: "now", style: share(one.running) }),
  );
}

const started = (one, options) => new Date(one.started * 1000).toLocaleString([], options);

export function showRuns() {
  const nav = byId("runs");
  const buttons = new Map([...nav.children].map((button) => [button.dataset.execution, button]));
  const wanted = byId("find").value.toLowerCase().split(/\s+/).filter(Boolean);
  const fits = (one) => {
    const text = [
      one.name,
      one.run_id,
      one.retry_of && "retry",
      one.manifest,
      STATUS[one.status] || one.status,
      started(one),
    ].join(" ");
    return wanted.every((word) => text.toLowerCase().includes(word));
  };
  const live = (one) => Number(LIVE.has(one.status));
  // What goes on stands first; the rest is the newest first already.
  const found = runs.filter(fits).sort((a, b) => live(b) - live(a));
  const shown = found.map((one) => {
    const button =
      buttons.get(one.execution) ||
      el("button", { "data-execution": one.execution, click: () => choose({ execution: one.execution }) });
    const line = one.total
      ? `${one.succeeded} of ${one.total}${one.failed ? `, ${one.failed} failed` : ""}`
      : STATUS[one.status] || "";
    const cost = one.cost?.service || one.cost?.services?.some((each) => each.cost) ? ` · ${money(one.cost)}` : "";
    button.classList.toggle("repeated", ["REPEATED", "ENDS_ANOTHER"].includes(one.status));
    button.setAttribute("aria-current", String(one.execution === chosen.execution));
    button.title = `${one.run_id || one.manifest}\n${STATUS[one.status] || one.status}`;
    clear(
      button,
      el(
        "span",
        { class: "line1" },
        el("span", { class: `pill dot ${one.status}`, title: STATUS[one.status] }),
        el("strong", { text: one.name }),
        one.retry_of && el("small", { text: "retry" }),
      ),
      one.total && meter(one),
      el(
        "small",
        { class: "line2" },
        el("span", { text: line + cost }),
        el("span", {
          text: started(one, byId("top").classList.contains("open") ? {} : { hour: "2-digit", minute: "2-digit" }),
        }),
      ),
    );
    return button;
  });
  if (shown.some((button, i) => nav.children[i] !== button) || nav.children.length !== shown.length)
    nav.replaceChildren(...shown);
  byId("welcome").hidden = runs.length > 0;
  if (!runs.length) {
    document.title = "tryon, locally";
    byId("head").hidden = byId("list").hidden = byId("one").hidden = true;
  }
}

/* The pictures of a run that goes on, as they come. */
function showArrived() {
  const strip = byId("arrived");
  const list = run.arrived || [];
  strip.hidden = !list.length;
  const key = list.map((one) => one.large).join();
  if (strip.dataset.key === key) return;
  strip.dataset.key = key;
  clear(
    strip,
    ...list.map((one) => {
      const image = el("img", { src: one.small, alt: "", decoding: "async" });
      image.addEventListener("error", () => {
        if (image.getAttribute("src") !== one.large) image.src = one.large;
      });
      return el(
        "button",
        { "aria-label": `result ${one.id}`, title: one.id, click: () => choose({ n: one.n }) },
        image,
      );
    }),
  );
}

export function count(...statuses) {
  let found = 0;
  for (const combination of combinations.values()) if (statuses.includes(combination.status)) found += 1;
  return found;
}

/* Why combinations failed, grouped; a cause that is chosen lists its own and says what can be done. */
function showCauses() {
  const shown = byId("causes");
  shown.hidden = !run.causes.length;
  const chosenOne = run.causes.find((one) => one.error === filters.text);
  const key = JSON.stringify([run.causes, chosenOne]);
  if (shown.dataset.key === key) return;
  shown.dataset.key = key;
  const focused = shown.contains(document.activeElement) ? document.activeElement.getAttribute("data-error") : "";
  clear(
    shown,
    ...run.causes.map((one) =>
      el("button", {
        "data-error": one.error,
        "aria-pressed": String(one === chosenOne),
        text: `${one.count} × ${STATUS[one.error] || titled(one.error)}`,
        click: () => {
          filters.text = one === chosenOne ? "" : one.error;
          byId("search").value = filters.text;
          choose({ n: null });
        },
      }),
    ),
    chosenOne?.advice && el("span", { text: chosenOne.advice }),
  );
  for (const one of shown.querySelectorAll("button")) if (focused && one.dataset.error === focused) one.focus();
}

export function showHead() {
  byId("head").hidden = !run;
  if (!run) return;
  clear(byId("status"), pill(run.status));
  const again = run.retry_of && `retry of ${run.retry_of}`;
  byId("when").textContent = [`${new Date(run.started * 1000).toLocaleString()}, stack time`, run.run_id, again]
    .filter(Boolean)
    .join(" · ");
  byId("name").textContent = run.name;
  const live = run.live;
  const left = live?.seconds_left ? `about ${duration(live.seconds_left)} of workflow left` : "";
  byId("copy-id").hidden = !run.run_id;
  byId("copy-id").onclick = () => navigator.clipboard.writeText(run.run_id);
  byId("copy-arn").onclick = () => navigator.clipboard.writeText(run.arn);
  const far = run.total && run.ended === null ? `${run.succeeded} / ${run.total} · ` : "";
  document.title = `${far}${left && `${duration(live.seconds_left)} left · `}${run.name} · tryon`;
  const numbers = [];
  const number = (name, value, small) =>
    numbers.push(
      el("div", {}, el("dt", { text: name }), el("dd", { text: value }, small && el("small", { text: ` ${small}` }))),
    );
  number(
    run.ended === null ? "running for" : "took",
    duration(Math.max(0, (run.ended === null ? now() : run.ended) - run.started)),
  );
  if (run.total) {
    numbers.push(
      el(
        "div",
        { class: "wide" },
        el("dt", {
          text: [
            `${run.succeeded} of ${plural(run.total, "combination")} done`,
            run.failed && `${run.failed} failed`,
            run.running && `${run.running} under way`,
          ]
            .filter(Boolean)
            .join(", "),
        }),
        el("dd", {}, meter(run)),
      ),
    );
  }
  if (live) {
    if (left) number("left, of workflow", duration(live.seconds_left));
    number("paid so far", amounts(live.paid));
    number("slots in use", `${live.at_service} of ${live.slots}`);
    number("pictures a minute", String(live.a_minute));
  }
  if (run.cost) {
    number("paid to the service", money(run.cost));
    number("on AWS about", `$${run.cost.aws.usd}`);
  }
  if (run.checks) {
    const [, what, more] = /^(.*?)(?:[:;] (.*))?$/.exec(run.checks);
    numbers.push(
      el(
        "div",
        { class: "checks" },
        el("dt", { text: "checks" }),
        el("dd", { text: what }, more && el("small", { text: more })),
      ),
    );
  }
  clear(byId("numbers"), ...numbers);
  byId("files").hidden = !run.files.length || chosen.n !== null;
  clear(
    byId("files"),
    ...run.files.map((file) => el("a", { href: file.href, target: "_blank", rel: "noopener", text: file.name })),
  );
  showArrived();
  showActions();
  showCauses();
  let trouble = byId("trouble");
  const why = run.error ? `${run.error}: ${run.cause || ""}` : "";
  if (!why) {
    if (trouble) trouble.remove();
  } else {
    if (!trouble) {
      trouble = el("p", { id: "trouble" });
      byId("head").append(trouble);
    }
    trouble.textContent = why;
  }
}
