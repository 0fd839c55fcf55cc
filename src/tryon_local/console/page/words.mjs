/* The console's own words. */

import { el } from "../../../../layers/tryon/tryon/web/elements.mjs";
import { human } from "../../../../layers/tryon/tryon/web/formats.mjs";

export const clear = (node, ...children) => node.replaceChildren(...children.filter(Boolean));

export const clock = (seconds) => {
  const whole = Math.max(0, Math.floor(seconds));
  const two = (value) => String(value).padStart(2, "0");
  const hours = Math.floor(whole / 3600);
  const minutes = Math.floor(whole / 60);
  return hours ? `${hours}:${two(minutes % 60)}:${two(whole % 60)}` : `${minutes}:${two(whole % 60)}`;
};

/* An error's name in words, which say that they are of an error where there is but one. */
export function titled(error) {
  const text = human(error);
  return text.includes(" ") ? text : `${text} error`;
}

export const STATUS = {
  RUNNING: "Running",
  SUCCEEDED: "Complete",
  PARTIAL: "Partly complete",
  FAILED: "Failed",
  REJECTED: "Rejected",
  REPEATED: "Event came again",
  ENDS_ANOTHER: "Ends a stopped run",
  ABORTED: "Stopped",
  RECORDING: "Stopped, being recorded",
  TIMED_OUT: "Timed out",
  WAITING: "Waiting",
};
export const pill = (status, text) => el("span", { class: `pill ${status}`, text: text || STATUS[status] || status });
