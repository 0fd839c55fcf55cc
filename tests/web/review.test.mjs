// What Python reads again from a review, and what a blind review rests on.

import assert from "node:assert/strict";
import { test } from "node:test";
import { chance, following, shuffled, tally } from "../../layers/tryon/tryon/reporting/gallery/page/judging.mjs";
import { table } from "../../layers/tryon/tryon/reporting/gallery/page/spreadsheet.mjs";
import { reach } from "../../layers/tryon/tryon/reporting/gallery/page/strip.mjs";

const PLACE = { model: "anna", worn: "01-linen-shirt", type: "upper" };
const AT = "2026-01-02T03:04:05.000Z";
const WHOLE = { run_id: "run-1", review: "r0a", reviewer: "Zoe", preferences: [], ratings: [] };
const rows = (text) => text.slice(1).split("\r\n").slice(1, -1);

test("a table begins with a mark of its encoding and the names of its columns", () => {
  const text = table(WHOLE);
  assert.equal(text, "\ufeffrun_id,review,reviewer,model,worn,type,preferred,shown,variant,stars,blind,at\r\n");
});

test("a preference and a rating are a line each, quoted", () => {
  const preference = { ...PLACE, preferred: "b", shown: ["b", "a"], blind: true, at: AT };
  const rating = { ...PLACE, variant: "a", stars: 4, blind: false, at: AT };
  assert.deepEqual(rows(table({ ...WHOLE, preferences: [preference], ratings: [rating] })), [
    `"'run-1","'r0a","Zoe","anna","01-linen-shirt","upper","b","b a","","","true","'${AT}"`,
    `"'run-1","'r0a","Zoe","anna","01-linen-shirt","upper","","","a","4","false","'${AT}"`,
  ]);
});

test("equal variants are marked, so that a spreadsheet sees no formula", () => {
  const preference = { ...PLACE, preferred: null, shown: ["a", "b"], blind: true, at: AT };
  assert.match(rows(table({ ...WHOLE, preferences: [preference] }))[0], /,"'=","a b",/);
});

test("quotes are doubled, and a name that is a formula is marked", () => {
  const text = table({
    ...WHOLE,
    reviewer: '=HYPERLINK("x")',
    ratings: [{ ...PLACE, variant: "a", stars: 1, blind: true, at: AT }],
  });
  assert.match(text, /,"'=HYPERLINK\(""x""\)",/);
});

test("chance is a known number of a text, the same on every machine", () => {
  assert.deepEqual(["", "a", "run|anna|b"].map(chance), [2872998923, 444641715, 3353930388]);
});

test("a pair's order depends on nothing but its texts", () => {
  const pair = ["a", "b", "c", "d"];
  const order = shuffled(pair, (one) => `run-1|x|${one}`);
  assert.deepEqual([...order].sort(), pair);
  assert.deepEqual(
    shuffled([...pair].reverse(), (one) => `run-1|x|${one}`),
    order,
  );
  assert.deepEqual(pair, ["a", "b", "c", "d"], "the pair itself stays as it is");
});

test("over many pairs every variant is first about as often", () => {
  const first = { a: 0, b: 0, c: 0 };
  for (let i = 0; i < 3000; i++) first[shuffled(["a", "b", "c"], (one) => `run-1|pair-${i}|${one}`)[0]] += 1;
  // Five standard deviations of 3000 fair throws.
  for (const count of Object.values(first)) assert.ok(Math.abs(count - 1000) < 130, JSON.stringify(first));
});

test("the next contest is the next that is not judged, round the end", () => {
  const judged = new Set(["b", "c"]);
  const next = (pair) => following(["a", "b", "c", "d"], pair, (other) => judged.has(other));
  assert.equal(next("a"), "d");
  assert.equal(next("d"), "a");
  judged.add("d");
  assert.equal(next("a"), "a", "the only one left is itself");
  judged.add("a");
  assert.equal(next("b"), "b", "all are judged");
});

test("a verdict counts preferences, ties and mean ratings", () => {
  const preferences = [{ preferred: "a" }, { preferred: "a" }, { preferred: null }, { preferred: "b" }];
  const ratings = [
    { variant: "a", stars: 5 },
    { variant: "a", stars: 2 },
  ];
  assert.deepEqual(tally(["a", "b"], preferences, ratings), {
    rows: [
      { id: "a", preferred: 2, rated: 2, mean: 3.5 },
      { id: "b", preferred: 1, rated: 0, mean: null },
    ],
    ties: 1,
  });
});

test("what can be seen of a strip has one piece to spare on both sides", () => {
  assert.deepEqual(reach(250, 100, 100, 10), [1, 5]);
  assert.deepEqual(reach(-500, 100, 100, 10), [0, 0]);
  assert.deepEqual(reach(5000, 100, 100, 10), [10, 10]);
  assert.deepEqual(reach(0, 1000, 100, 3), [0, 3]);
});
