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
export const CHECKS = {
  flagged: "flagged",
  clear: "nothing stands out",
  unchecked: "unchecked",
  not_comparable: "not comparable",
};

export const address = (number) => {
  const text = embedded[number];
  return `data:image/${text.startsWith("UklG") ? "webp" : "jpeg"};base64,${text}`;
};

/* A short message: seen above everything, and spoken by the dialog that is open, since all else is inert then. */
let toastTimer;
export function say(text) {
  const toast = byId("toast");
  const dialogs = [...document.querySelectorAll("dialog[open]")];
  const spoken = (dialogs.at(-1) || document.body).querySelector("[data-spoken]");
  // The same words twice are spoken twice only where they change in between.
  spoken.textContent = spoken.textContent === text ? `${text}\u00a0` : text;
  toast.textContent = text;
  if (toast.matches(":popover-open")) toast.hidePopover();
  toast.showPopover();
  clearTimeout(toastTimer);
  toastTimer = setTimeout(() => toast.matches(":popover-open") && toast.hidePopover(), 2600);
}
