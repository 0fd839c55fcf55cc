/* Which variant reviewers preferred: the same numbers as `tryon compare`, which counts in comparison.py. */

const SIGNIFICANT = 0.05;
const Z95 = 1.959964;

/* Wilson's score interval of a share, 95 %. */
function interval(wins, decided) {
  if (!decided) return null;
  const rate = wins / decided;
  const square = Z95 * Z95;
  const middle = (rate + square / (2 * decided)) / (1 + square / decided);
  const root = Math.sqrt((rate * (1 - rate)) / decided + square / (4 * decided * decided));
  const half = (Z95 / (1 + square / decided)) * root;
  return [Math.max(0, middle - half), Math.min(1, middle + half)];
}

/* The exact two-sided sign test; in logarithms, since 2 to the power of 1,100 is no number here. */
function signTest(wins, losses) {
  const n = wins + losses;
  const half = n * Math.log(2);
  let term = 0;
  let sum = Math.exp(-half);
  for (let i = 0; i < Math.min(wins, losses); i++) {
    term += Math.log((n - i) / (i + 1));
    sum += Math.exp(term - half);
  }
  return Math.min(1, 2 * sum);
}

export function tallied(wins, losses, ties) {
  const decided = wins + losses;
  return {
    wins,
    losses,
    ties,
    rate: decided ? wins / decided : null,
    interval: interval(wins, decided),
    p: signTest(wins, losses),
  };
}

const who = (review) => review.reviewer.trim().toLowerCase() || `#${review.review}`;

/* Each person's newest word on each pair; a repeated pair is no vote. */
function votesOf(reviews) {
  const votes = new Map();
  for (const review of reviews) {
    for (const one of review.preferences.filter((line) => !line.repeat)) {
      const key = JSON.stringify([review.run_id, one.model, one.worn, who(review)]);
      const kept = votes.get(key);
      if (!kept || (kept.at || "") <= (one.at || ""))
        votes.set(key, { ...one, pair: `${review.run_id}|${one.model}|${one.worn}` });
    }
  }
  return votes;
}

const side = (one, first, second) => {
  if (!one.shown.includes(first) || !one.shown.includes(second)) return null;
  return one.preferred === first ? 1 : one.preferred === second ? -1 : one.preferred === null ? 0 : null;
};

function duel(first, second, pairs) {
  const counts = { all: [0, 0, 0], votes: [0, 0, 0] };
  const types = new Map();
  const add = (to, vote) => {
    to[vote === 1 ? 0 : vote === -1 ? 1 : 2] += 1;
  };
  for (const judged of pairs) {
    const own = judged.map((one) => side(one, first, second)).filter((vote) => vote !== null);
    if (!own.length) continue;
    for (const vote of own) add(counts.votes, vote);
    const balance = Math.sign(own.reduce((sum, vote) => sum + vote, 0));
    add(counts.all, balance);
    const type = judged[0].type || "";
    if (!types.has(type)) types.set(type, [0, 0, 0]);
    add(types.get(type), balance);
  }
  if (!types.size) return null;
  const tally = tallied(...counts.all);
  return {
    first,
    second,
    ...tally,
    votes: tallied(...counts.votes),
    types: Object.fromEntries([...types].sort().map(([type, three]) => [type, tallied(...three)])),
  };
}

/* Holm's correction, as comparison.py has it. */
function adjusted(duels) {
  const order = duels.map((_, i) => i).sort((a, b) => duels[a].p - duels[b].p);
  let least = 0;
  const found = [...duels];
  for (const [rank, i] of order.entries()) {
    least = Math.max(least, Math.min(1, (duels.length - rank) * duels[i].p));
    found[i] = { ...duels[i], adjusted: least };
  }
  return found;
}

const leader = (one) => (one.wins === one.losses ? null : one.wins > one.losses ? one.first : one.second);
const winner = (one) => (one.adjusted < SIGNIFICANT ? leader(one) : null);

/**
 * What all reviews say together, each in the form of an export.
 * @param {any[]} reviews
 * @returns {any}
 */
export function verdictOf(reviews) {
  const votes = [...votesOf(reviews).values()];
  const pairs = new Map();
  for (const one of votes) pairs.set(one.pair, [...(pairs.get(one.pair) || []), one]);
  const shown = [...new Set(votes.flatMap((one) => one.shown))].sort();
  const duels = [];
  for (const [i, first] of shown.entries()) {
    for (const second of shown.slice(i + 1)) {
      const found = duel(first, second, [...pairs.values()]);
      if (found) duels.push(found);
    }
  }
  const decided = adjusted(duels);
  const whole = shown.find((variant) => {
    const own = decided.filter((one) => [one.first, one.second].includes(variant));
    return own.length && own.length === shown.length - 1 && own.every((one) => winner(one) === variant);
  });
  const firstShown = [0, 0, 0];
  for (const one of votes.filter((line) => line.blind && line.shown.length === 2)) {
    const vote = side(one, ...one.shown);
    firstShown[vote === 1 ? 0 : vote === -1 ? 1 : 2] += 1;
  }
  return {
    variants: shown,
    reviewers: new Set(
      reviews.filter((one) => one.preferences.length || one.ratings.length || one.marks?.length).map(who),
    ).size,
    combinations: pairs.size,
    duels: decided.map((one) => ({ ...one, leader: leader(one), winner: winner(one) })),
    winner: whole || null,
    bothBad: votes.filter((one) => one.both_bad).length,
    firstShown,
    agreement: agreement([...pairs.values()]),
    steady: steady(reviews),
  };
}

function agreement(pairs) {
  const alike = pairs.flatMap((judged) =>
    judged.flatMap((a, i) => judged.slice(i + 1).map((b) => Number(a.preferred === b.preferred))),
  );
  return alike.length ? alike.reduce((sum, one) => sum + one, 0) / alike.length : null;
}

function steady(reviews) {
  const votes = votesOf(reviews);
  const alike = reviews.flatMap((review) =>
    review.preferences
      .filter((one) => one.repeat)
      .map((one) => [one, votes.get(JSON.stringify([review.run_id, one.model, one.worn, who(review)]))])
      .filter(([, first]) => first)
      .map(([one, first]) => one.preferred === first.preferred && Boolean(one.both_bad) === Boolean(first.both_bad)),
  );
  return [alike.filter(Boolean).length, alike.length];
}
