/* What a shared page can do besides: the chosen full-size files, and the review on its way to whoever runs tryon. */

import { byId, el } from "../../../web/elements.mjs";
import { plural } from "../../../web/formats.mjs";
import { models, share, worn } from "./content.mjs";
import { fullAddress, resultOf } from "./panes.mjs";
import { rename, review, saved } from "./review.mjs";
import { asJson, chosen, showReview } from "./sheet.mjs";
import { say } from "./words.mjs";

/* Between two downloads: a browser that is given several at once keeps the last. */
const PAUSE = 400;

export function showSharing() {
  const picked = chosen();
  byId("take-away").hidden = !share?.full && location.protocol !== "file:";
  byId("take-away").disabled = !picked.length;
  byId("take-away").textContent = `Download chosen (${picked.length})`;
  byId("send").hidden = !share?.send;
  byId("until").hidden = !share;
  byId("until").textContent = share ? `This link ${share.until}.` : "";
}

/* A readable name: the garment, the model, what sets it apart. */
function fileName(cell, i) {
  const result = resultOf(cell, i);
  const garment = worn[cell.w];
  const parts = [garment.name, models[cell.m].name || models[cell.m].id];
  if ((cell.results || []).length > 1) parts.push(`take ${result.take || 1}-${result.candidate || 1}`);
  return `${parts.join(" - ").replace(/[\\/:*?"<>|]/g, "_")}.${result.file.split(".").at(-1)}`;
}

export async function takeAway() {
  const picked = chosen();
  for (const [cell, i] of picked) {
    const link = el("a", { href: fullAddress(resultOf(cell, i)), download: fileName(cell, i) });
    document.body.append(link);
    link.click();
    link.remove();
    await new Promise((resolve) => setTimeout(resolve, PAUSE));
  }
  say(`${plural(picked.length, "file")} on the way`);
}

/* One upload that was signed with the page, as large and of the kind that the signature allows. */
export async function send() {
  const name = byId("reviewer").value.trim();
  if (!name) {
    byId("reviewer").focus();
    return say("Your name first: whoever gets it wants to know whose it is");
  }
  rename(name);
  const body = new FormData();
  const { fields, url, prefix, most } = share.send;
  for (const [field, value] of Object.entries(fields)) body.append(field, value);
  body.append("key", `${prefix}${review.review}.json`);
  const file = new Blob([asJson()], { type: "application/json" });
  if (file.size > most) return say("It is too large to be sent: export it, and send the file");
  body.append("Content-Type", "application/json");
  body.append("file", file);
  byId("send").disabled = true;
  try {
    const answer = await fetch(url, { method: "POST", body });
    if (!answer.ok) throw new Error(String(answer.status));
    saved();
    showReview();
    byId("imported").textContent = "Sent. Whoever runs tryon is told; send it again when you have gone on.";
    say("Sent");
  } catch (error) {
    byId("imported").textContent =
      `It could not be sent (${error.message}): the link may have ended. Export it, and send the file.`;
    say("It could not be sent");
  }
  byId("send").disabled = false;
}
