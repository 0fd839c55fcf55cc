/* A review as CSV, in the form that `tryon compare` reads again. */

const COLUMNS = [
  "run_id",
  "review",
  "reviewer",
  "model",
  "worn",
  "type",
  "preferred",
  "shown",
  "variant",
  "stars",
  "blind",
  "at",
];

// As in tryon/spreadsheet.py: what a spreadsheet would read as a formula, a number, a date or a truth value carries an
// apostrophe.
const FORMULA = /^(?:[\s\ufeff]*[=+\-@＝＋－＠']|[\t\r\n])/u;
const VALUES = [
  "adevarat dogru epatosi fals falsch false falsk falskt falso falsz faux hamis igaz inf infinity n/a na nan",
  "nepravda nil none null onwaar pravda prawda sand sant tosi true usann verdadeiro verdadero vero vrai waar wahr",
  "yanlis",
].flatMap((line) => line.split(" "));

export function marked(text) {
  const words = text.match(/\p{L}{2,}/gu) || [];
  const doubtful =
    FORMULA.test(text) || (/\p{Nd}/u.test(text) && words.length <= 1) || VALUES.includes(text.trim().toLowerCase());
  return doubtful ? `'${text}` : text;
}

export function table(whole) {
  const lines = [
    ...whole.preferences.map((line) => ({
      ...line,
      preferred: line.preferred === null ? "=" : line.preferred,
      shown: line.shown.join(" "),
    })),
    ...whole.ratings,
  ].map((line) => ({ ...line, run_id: whole.run_id, review: whole.review, reviewer: whole.reviewer }));
  const cell = (value) =>
    `"${(typeof value === "string" ? marked(value) : String(value ?? "")).replaceAll('"', '""')}"`;
  const rows = [COLUMNS.join(","), ...lines.map((line) => COLUMNS.map((name) => cell(line[name])).join(","))];
  return `\ufeff${rows.join("\r\n")}\r\n`;
}
