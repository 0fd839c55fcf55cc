// Numbers, times and errors in words: both pages use them.

import assert from "node:assert/strict";
import { test } from "node:test";
import { amounts, clamp, duration, human, money, plural, size } from "../../layers/tryon/tryon/web/formats.mjs";

test("seconds are given in the unit that fits", () => {
  const words = [null, undefined, 0, 4.25, 59, 60, 3599, 3600, 7325].map(duration);
  assert.deepEqual(words, ["", "", "0 s", "4.3 s", "59 s", "1 min 0 s", "59 min 59 s", "1 h 0 min", "2 h 2 min"]);
});

test("bytes are given in the unit that fits", () => {
  const words = [0, undefined, 12, 4200, 1_500_000, 2_000_000_000].map(size);
  assert.deepEqual(words, ["", "", "1 kB", "4 kB", "1.5 MB", "2 GB"]);
});

test("amounts in different currencies are never added", () => {
  const services = [
    { currency: "CNY", cost: 4 },
    { currency: "USD", cost: 0.075 },
    { currency: "USD", cost: 0.175 },
  ];
  assert.equal(money({ currency: "CNY", service: 4, services }), "4.00 CNY and 0.25 USD");
  assert.equal(money({ currency: "CNY", service: 1234.5 }), "1,234.50 CNY");
  assert.equal(amounts({ USD: 0.1 }), "0.10 USD");
});

test("an error's name is read as words", () => {
  const words = ["InputRefusedError", "States.Timeout", "botocore.ClientException"].map(human);
  assert.deepEqual(words, ["Input refused", "Timeout", "Client"]);
});

test("one is one, and many are many", () => {
  assert.equal(plural(1, "pair"), "1 pair");
  assert.equal(plural(1200, "pair"), "1,200 pairs");
  assert.equal(plural(2, "copy", "copies"), "2 copies");
});

test("a value is kept between its bounds", () => {
  assert.deepEqual(
    [-1, 0.5, 7].map((value) => clamp(value, 0, 1)),
    [0, 0.5, 1],
  );
});
