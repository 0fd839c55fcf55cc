// What Python reads again from a review, what a blind review rests on, and what is said of a picture.

import assert from "node:assert/strict";
import { test } from "node:test";
import { suspects } from "../../layers/tryon/tryon/reporting/gallery/page/causes.mjs";
import { chance, following, tour, turned, turns } from "../../layers/tryon/tryon/reporting/gallery/page/judging.mjs";
import {
  best,
  differ,
  newer,
  pictureName,
  pictureParts,
  REASONS,
  standing,
  vote,
} from "../../layers/tryon/tryon/reporting/gallery/page/marks.mjs";
import { fromTable, table } from "../../layers/tryon/tryon/reporting/gallery/page/spreadsheet.mjs";
import { reach } from "../../layers/tryon/tryon/reporting/gallery/page/strip.mjs";

const PLACE = { model: "anna", worn: "01-linen-shirt", type: "upper" };
const AT = "2026-01-02T03:04:05.000Z";
const WHOLE = { run_id: "run-1", review: "r0a", reviewer: "Zoe", preferences: [], ratings: [], marks: [] };
const rows = (text) => text.slice(1).split("\r\n").slice(1, -1);

test("a table begins with a mark of its encoding and the names of its columns", () => {
  assert.equal(
    table(WHOLE),
    "\ufeffrun_id,review,reviewer,model,worn,type,preferred,shown,variant,stars,blind,at,take,candidate,mark,reason,note,repeat\r\n",
  );
});

test("a preference and a rating are a line each, quoted", () => {
  const preference = { ...PLACE, preferred: "b", shown: ["b", "a"], blind: true, at: AT };
  const rating = { ...PLACE, variant: "a", stars: 4, take: 1, candidate: 2, blind: false, at: AT };
  assert.deepEqual(rows(table({ ...WHOLE, preferences: [preference], ratings: [rating] })), [
    `"'run-1","'r0a","Zoe","anna","01-linen-shirt","upper","b","b a","","","true","'${AT}","","","","","",""`,
    `"'run-1","'r0a","Zoe","anna","01-linen-shirt","upper","","","a","4","false","'${AT}","1","2","","","",""`,
  ]);
});

test("equal variants are marked, so that a spreadsheet sees no formula", () => {
  const preference = { ...PLACE, preferred: null, shown: ["a", "b"], blind: true, at: AT };
  assert.match(rows(table({ ...WHOLE, preferences: [preference] }))[0], /,"'=","a b",/);
  assert.match(rows(table({ ...WHOLE, preferences: [{ ...preference, both_bad: true }] }))[0], /,"!","a b",/);
});

test("quotes are doubled, and a name that is a formula is marked", () => {
  const text = table({
    ...WHOLE,
    reviewer: '=HYPERLINK("x")',
    ratings: [{ ...PLACE, variant: "a", stars: 1, blind: true, at: AT }],
  });
  assert.match(text, /,"'=HYPERLINK\(""x""\)",/);
});

test("a table is read again as the review that it was made of, with another delimiter too", () => {
  const common = { ...PLACE, blind: true, at: AT };
  const picture = { variant: "a", take: 1, candidate: 1 };
  const whole = {
    ...WHOLE,
    preferences: [
      { ...common, shown: ["b", "a"], preferred: null, both_bad: true, repeat: false },
      { ...common, shown: ["a", "b"], preferred: "a", both_bad: false, repeat: true },
    ],
    ratings: [{ ...common, ...picture, stars: 4 }],
    marks: [{ ...common, ...picture, mark: "reject", reason: "colour", note: 'a "green", one\nsix' }],
  };
  const text = table(whole);
  assert.deepEqual(fromTable(text), { format: "tryon-review", version: 2, ...whole });
  const head = text.slice(1, text.indexOf("\r\n"));
  assert.equal(fromTable(`${head.replaceAll(",", ";")}\n`).marks.length, 0);
  assert.throws(() => fromTable("a,b\n1,2\n"), /no column “run_id”/);
});

test("chance is a known number of a text, the same on every machine", () => {
  assert.deepEqual(["", "a", "run|anna|b"].map(chance), [2872998923, 444641715, 3353930388]);
});

const NAMES = Array.from({ length: 101 }, (_, i) => `pair-${i}`);

test("left and right are balanced to one, and half of the reviewers see them mirrored", () => {
  const first = (reviewer) => NAMES.filter((name) => turns(NAMES, "run-1", reviewer).get(name) % 2 === 0);
  const kinds = new Map();
  for (let i = 0; i < 200; i++) {
    const left = first(`r${i}`);
    assert.ok(Math.abs(2 * left.length - NAMES.length) === 1, `${left.length} of ${NAMES.length}`);
    kinds.set(left.join(), (kinds.get(left.join()) || 0) + 1);
  }
  assert.equal(kinds.size, 2, "one order and its mirror");
  // Five standard deviations of 200 fair throws.
  for (const count of kinds.values()) assert.ok(Math.abs(count - 100) < 36, String(count));
});

test("a pair is turned and stays whole", () => {
  assert.deepEqual(turned(["a", "b"], 3), ["b", "a"]);
  assert.deepEqual(turned(["a", "b", "c"], 1), ["b", "c", "a"]);
});

test("each reviewer goes his own way through all pairs, and sees some of the first ones again", () => {
  const way = tour(NAMES, "run-1", "r1");
  assert.deepEqual(
    way
      .filter((one) => !one.repeat)
      .map((one) => one.name)
      .sort(),
    [...NAMES].sort(),
  );
  assert.deepEqual(
    way.filter((one) => one.repeat).map((one) => one.name),
    way.slice(0, 6).map((one) => one.name),
  );
  assert.notDeepEqual(way, tour(NAMES, "run-1", "r2"));
  assert.deepEqual(way, tour([...NAMES].reverse(), "run-1", "r1"), "it depends on nothing but names");
  assert.equal(tour(NAMES.slice(0, 4), "run-1", "r1").length, 4, "few pairs are shown once");
});

test("the next stop is the next that is not judged, round the end", () => {
  const judged = new Set(["b", "c"]);
  const next = (at) => following(["a", "b", "c", "d"], at, (one) => judged.has(one));
  assert.equal(next(-1), 0);
  assert.equal(next(0), 3);
  assert.equal(next(3), 0);
  judged.add("d");
  assert.equal(next(0), 0, "the only one left is itself");
  judged.add("a");
  assert.equal(next(1), -1, "all are judged");
});

test("a picture has its combination's name, and more where there are several", () => {
  assert.equal(pictureName("anna__01-x__a"), "anna__01-x__a");
  assert.equal(pictureName("anna__01-x__a", 2, 1), "anna__01-x__a#2.1");
  for (const [take, candidate] of [
    [1, 1],
    [1, 3],
    [2, 1],
  ])
    assert.deepEqual(pictureParts(pictureName("a__b__c", take, candidate)), {
      combination: "a__b__c",
      take,
      candidate,
    });
});

test("a combination is picked with one picture and rejected with all", () => {
  const marks = { a: { mark: "reject" }, b: { mark: "pick" }, c: { mark: "reject" } };
  assert.equal(standing(["a", "b"], marks), "pick");
  assert.equal(standing(["a", "c"], marks), "reject");
  assert.equal(standing(["a", "d"], marks), "");
  assert.equal(standing([], marks), "");
  assert.deepEqual(
    [
      ["a", "b"],
      ["a", "d"],
      ["a", "c"],
    ].map((names) => best(names, marks)),
    [1, 1, 0],
  );
});

test("votes are of picks and of four stars, and reviewers differ where both ways were voted", () => {
  assert.equal(vote({ mark: "pick" }, 1), 1);
  assert.equal(vote({ mark: "reject" }, 5), -1);
  assert.deepEqual(
    [3, 4].map((stars) => vote(undefined, stars)),
    [0, 1],
  );
  assert.equal(differ([1, 0, -1]), true);
  assert.equal(differ([1, 0, 1]), false);
});

test("of two files the newer judgement stays", () => {
  assert.deepEqual(newer({ a: { at: "2", x: 1 }, b: { at: "1" } }, { a: { at: "1" }, b: { at: "2", y: 1 }, c: {} }), {
    a: { at: "2", x: 1 },
    b: { at: "2", y: 1 },
    c: {},
  });
});

test("no reason shares its key with another", () => {
  assert.equal(new Set(REASONS.map((one) => one.key)).size, REASONS.length);
});

test("a garment with which every model failed is suspect, one of several failures is not", () => {
  const cell = (m, w, error) => ({ m, w, status: error ? "FAILED" : "SUCCEEDED", error });
  const cells = [cell(0, 0), cell(1, 0), cell(0, 1, "InputRefusedError"), cell(1, 1, "InputRefusedError")];
  cells.push(cell(0, 2, "TaskFailedError"), cell(1, 2));
  const found = suspects(cells);
  assert.deepEqual([...found.keys()], [cells[2], cells[3]]);
  assert.deepEqual(found.get(cells[2]), { kind: "garment", at: 1, count: 2, error: "InputRefusedError" });
  assert.equal(suspects(cells.map((one) => cell(one.m, one.w, "TaskFailedError"))).size, 0, "all alike set none apart");
});

test("a model with whom every garment failed is suspect", () => {
  const cells = [0, 1].flatMap((m) =>
    [0, 1, 2].map((w) => ({ m, w, status: m ? "SUCCEEDED" : "FAILED", error: m ? undefined : "E" })),
  );
  assert.deepEqual(suspects(cells).get(cells[0]), { kind: "model", at: 0, count: 3, error: "E" });
});

test("what can be seen of a strip has one piece to spare on both sides", () => {
  assert.deepEqual(reach(250, 100, 100, 10), [1, 5]);
  assert.deepEqual(reach(-500, 100, 100, 10), [0, 0]);
  assert.deepEqual(reach(5000, 100, 100, 10), [10, 10]);
  assert.deepEqual(reach(0, 1000, 100, 3), [0, 3]);
});
