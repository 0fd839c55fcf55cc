/* The page's own words, its embedded pictures and its short messages. */

import { byId } from "../../../web/elements.mjs";
import { embedded } from "./content.mjs";

export const TYPES = { upper: "upper body", lower: "lower body", full: "full body", outfit: "outfit" };
export const STATUS = { SUCCEEDED: "Complete", PARTIAL: "Partly complete", FAILED: "Failed" };
export const STEPS = {
  ReserveSlot: "waiting for a slot",
  Submit: "submitting",
  Poll: "waiting for the service",
  Download: "storing the picture",
};
export const hasPicture = (cell) => cell.status === "SUCCEEDED";

export const address = (number) => {
  const text = embedded[number];
  return `data:image/${text.startsWith("UklG") ? "webp" : "jpeg"};base64,${text}`;
};

let toastTimer;
export function say(text) {
  const toast = byId("toast");
  toast.textContent = text;
  toast.classList.add("up");
  clearTimeout(toastTimer);
  toastTimer = setTimeout(() => toast.classList.remove("up"), 2600);
}
