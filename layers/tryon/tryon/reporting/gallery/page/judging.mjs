/* What a blind review and its count rest on, free of the page. */

/* FNV-1a with a last mix: the same order for everybody who looks at the same run, a different one in each pair. */
export function chance(text) {
  let hash = 0x811c9dc5;
  for (let i = 0; i < text.length; i++) hash = Math.imul(hash ^ text.charCodeAt(i), 0x01000193);
  hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b);
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35);
  return (hash ^ (hash >>> 16)) >>> 0;
}

/* The variants of a pair in the order of a blind review; `seed` gives a variant's text. */
export function shuffled(pair, seed) {
  const keys = new Map(pair.map((one) => [one, chance(seed(one))]));
  return [...pair].sort((a, b) => keys.get(a) - keys.get(b));
}

/* The next contest after this one that is not judged, round the end; itself when all are. */
export function following(contests, pair, judged) {
  const at = contests.indexOf(pair);
  const round = [...contests.slice(at + 1), ...contests.slice(0, at + 1)];
  return round.find((other) => !judged(other)) || pair;
}

/* How often each variant was preferred, and its mean rating, null without one; and how often they were equal. */
export function tally(variants, preferences, ratings) {
  const rows = variants.map((id) => {
    const given = ratings.filter((line) => line.variant === id).map((line) => line.stars);
    return {
      id,
      preferred: preferences.filter((line) => line.preferred === id).length,
      rated: given.length,
      mean: given.length ? given.reduce((sum, n) => sum + n, 0) / given.length : null,
    };
  });
  return { rows, ties: preferences.filter((line) => line.preferred === null).length };
}
