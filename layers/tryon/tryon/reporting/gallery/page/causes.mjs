/* Which input a failure is likely to be of, free of the page. */

/**
 * The input that is suspect of each failed combination: a garment with which every model failed, or a model with whom
 * every garment did, for the same reason and at least two of them, while others with that reason or none went well.
 * @param {{m: number, w: number, status: string, error?: string}[]} cells
 * @returns {Map<any, {kind: "garment" | "model", at: number, count: number, error: string}>}
 */
export function suspects(cells) {
  const found = new Map();
  const went = cells.some((cell) => cell.status === "SUCCEEDED");
  for (const [kind, own, other] of /** @type {const} */ ([
    ["garment", "w", "m"],
    ["model", "m", "w"],
  ])) {
    const groups = new Map();
    for (const cell of cells) groups.set(cell[own], [...(groups.get(cell[own]) || []), cell]);
    if (groups.size < 2 && !went) continue;
    for (const [at, group] of groups) {
      const error = group[0].error;
      const alike = error && group.every((cell) => cell.error === error);
      const count = new Set(group.map((cell) => cell[other])).size;
      // Where all groups look like that, nothing sets this one apart.
      const everywhere = [...groups.values()].every((each) => each.every((cell) => cell.error === error));
      if (!alike || count < 2 || everywhere) continue;
      for (const cell of group) if (!found.has(cell)) found.set(cell, { kind, at, count, error });
    }
  }
  return found;
}
