/* What a blind review rests on, free of the page. */

/* FNV-1a with a last mix: a number of a text, the same on every machine. */
export function chance(text) {
  let hash = 0x811c9dc5;
  for (let i = 0; i < text.length; i++) hash = Math.imul(hash ^ text.charCodeAt(i), 0x01000193);
  hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b);
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35);
  return (hash ^ (hash >>> 16)) >>> 0;
}

const byChance = (items, seed) => {
  const keys = new Map(items.map((one) => [one, chance(seed(one))]));
  return [...items].sort((a, b) => keys.get(a) - keys.get(b));
};

/**
 * How many places each pair's pictures are turned by: pairs in an order of chance take turns, so that over a run every
 * variant is first equally often, but for a rest; half of the reviewers see all of it mirrored.
 * @param {string[]} names the pairs' names
 * @param {string} run
 * @param {string} reviewer the review's own id
 * @returns {Map<string, number>}
 */
export function turns(names, run, reviewer) {
  const mirror = chance(`${run}|${reviewer}|mirror`) % 2;
  return new Map(byChance(names, (name) => `${run}|${name}`).map((name, i) => [name, i + mirror]));
}

/* The pictures of a pair, turned by that many places. */
export function turned(pair, by) {
  const at = by % pair.length;
  return [...pair.slice(at), ...pair.slice(0, at)];
}

/* Share of pairs that are shown a second time, at most. */
const REPEATED = 0.1;
const MOST_REPEATED = 6;

/**
 * The way of one reviewer through the pairs: all of them in an order of chance of his own, then some again.
 * @param {string[]} names
 * @param {string} run
 * @param {string} reviewer
 * @returns {{name: string, repeat: boolean}[]}
 */
export function tour(names, run, reviewer) {
  const order = byChance(names, (name) => `${run}|${reviewer}|${name}`);
  const again = names.length < 5 ? 0 : Math.min(MOST_REPEATED, Math.max(1, Math.round(names.length * REPEATED)));
  return [
    ...order.map((name) => ({ name, repeat: false })),
    // Those judged longest ago: of the last ones a reviewer remembers the answer.
    ...order.slice(0, again).map((name) => ({ name, repeat: true })),
  ];
}

/* The place of the next stop after this one that is not judged, round the end; -1 when all are. */
export function following(stops, at, judged) {
  for (let i = 1; i <= stops.length; i++) {
    const next = (at + i) % stops.length;
    if (!judged(stops[next])) return next;
  }
  return -1;
}
