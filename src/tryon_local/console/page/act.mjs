/* To stop a run, and to run again what failed: never without the price before it. */

import { byId, el } from "../../../../layers/tryon/tryon/web/elements.mjs";
import { amounts, duration, plural } from "../../../../layers/tryon/tryon/web/formats.mjs";
import { choose } from "./choice.mjs";
import { LIVE, run } from "./state.mjs";
import { clear } from "./words.mjs";

const token = document.querySelector('meta[name="tryon-token"]').getAttribute("content");
const MONEY = "to the stand-in, not real";

const WORDS = {
  stop: {
    title: "Stop this run?",
    told: (offer) => [
      `${plural(offer.combinations, "combination")} will not start.`,
      offer.tasks
        ? `${plural(offer.tasks, "task")} at the service ${offer.tasks === 1 ? "is" : "are"} paid for all the same: ` +
          `${amounts(offer.costs)} ${MONEY}. A retry fetches their pictures.`
        : "No task is at the service.",
    ],
    yes: () => "Stop the run",
  },
  retry: {
    title: "Retry what failed?",
    told: (offer) => [
      `${plural(offer.combinations, "combination")}: ${amounts(offer.costs)} ${MONEY}, for ` +
        `${plural(offer.tasks, "task")}, about ${duration(offer.seconds)} of workflow.`,
    ],
    yes: (offer) => `Retry for ${amounts(offer.costs)}`,
  },
};

/* Which buttons there are: a run that goes on can be stopped, one that has ended repeats what it left. */
export function showActions() {
  const may = token && run.run_id && run.total !== null;
  byId("stop").hidden = !may || run.ended !== null;
  byId("retry").hidden = !may || LIVE.has(run.status) || run.succeeded === run.total;
}

async function answered(answer) {
  const told = await answer.json();
  if (!answer.ok) throw new Error(told.error);
  return told;
}

let asked = 0; // what an offer that was closed meanwhile answers is not shown in the next one

async function offer(action) {
  asked += 1;
  const mine = asked;
  const words = WORDS[action];
  const address = `/api/runs/${encodeURIComponent(run.run_id)}/${action}`;
  byId("act-title").textContent = words.title;
  byId("act-yes").hidden = true;
  const say = (...texts) => {
    if (mine === asked) clear(byId("act-told"), ...texts.map((text) => el("p", { text })));
  };
  const fail = (error) => {
    if (mine === asked) byId("act-yes").hidden = true;
    say(error.message);
  };
  say("Asking for the price …");
  byId("act").showModal();
  try {
    const told = await answered(await fetch(address, { cache: "no-store" }));
    if (!told.mark || mine !== asked) return say(...told.notes);
    say(...words.told(told), ...told.notes);
    const yes = byId("act-yes");
    yes.textContent = words.yes(told);
    yes.hidden = false;
    yes.disabled = false;
    yes.onclick = () => {
      yes.disabled = true;
      act(address, told.mark).catch(fail);
    };
  } catch (error) {
    fail(error);
  }
}

async function act(address, mark) {
  const headers = { "Content-Type": "application/json", "Tryon-Token": token };
  const answer = await fetch(address, { method: "POST", headers, body: JSON.stringify({ mark }) });
  const { execution } = await answered(answer);
  byId("act").close();
  choose({ execution });
}

export function beginActions() {
  byId("stop").addEventListener("click", () => offer("stop"));
  byId("retry").addEventListener("click", () => offer("retry"));
  byId("act-no").addEventListener("click", () => byId("act").close());
}
