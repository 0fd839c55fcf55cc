/* Where pieces of a strip are, free of the page. */

import { clamp } from "../../../web/formats.mjs";

/* The part of a strip of equal pieces that can be seen, with one piece to spare on both sides. */
export function reach(from, length, pitch, count) {
  const first = clamp(Math.floor(from / pitch) - 1, 0, count);
  return [first, clamp(Math.ceil((from + length) / pitch) + 1, first, count)];
}
