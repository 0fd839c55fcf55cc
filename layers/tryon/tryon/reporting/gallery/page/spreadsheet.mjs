/* A review as CSV, in the form that `tryon compare` reads, and read again. */

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
  "take",
  "candidate",
  "mark",
  "reason",
  "note",
  "repeat",
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

const preferredCell = (line) => (line.both_bad ? "!" : line.preferred === null ? "=" : line.preferred);

export function table(whole) {
  const lines = [
    ...whole.preferences.map((line) => ({ ...line, preferred: preferredCell(line), shown: line.shown.join(" ") })),
    ...whole.ratings,
    ...whole.marks,
  ].map((line) => ({ ...line, run_id: whole.run_id, review: whole.review, reviewer: whole.reviewer }));
  const cell = (value) =>
    `"${(typeof value === "string" ? marked(value) : String(value ?? "")).replaceAll('"', '""')}"`;
  const rows = [COLUMNS.join(","), ...lines.map((line) => COLUMNS.map((name) => cell(line[name])).join(","))];
  return `\ufeff${rows.join("\r\n")}\r\n`;
}

/* The rows of a table; a spreadsheet may have chosen its own delimiter. */
function cut(text) {
  const head = text.slice(0, text.search(/\r?\n|$/));
  const delimiter = [",", ";", "\t"].reduce((a, b) => (head.split(b).length > head.split(a).length ? b : a));
  const rows = [[""]];
  let quoted = false;
  for (let i = 0; i < text.length; i++) {
    const row = rows.at(-1);
    const char = text[i];
    if (quoted && char === '"' && text[i + 1] === '"') row[row.length - 1] += text[++i];
    else if (char === '"') quoted = !quoted;
    else if (!quoted && char === delimiter) row.push("");
    else if (!quoted && char === "\n") rows.push([""]);
    else if (quoted || char !== "\r") row[row.length - 1] += char;
  }
  return rows.filter((row) => row.some(Boolean));
}

const plain = (text) => (text.startsWith("'") ? text.slice(1) : text);

/* A table as the review that it was made of. Throws an error in words for what is none. */
export function fromTable(text) {
  const [head, ...rows] = cut(text.replace(/^\ufeff/, ""));
  const names = (head || []).map((name) => name.trim().toLowerCase());
  for (const name of COLUMNS.slice(0, 12)) {
    if (!names.includes(name)) throw new Error(`it has no column “${name}”`);
  }
  const whole = { format: "tryon-review", version: 2, preferences: [], ratings: [], marks: [] };
  for (const row of rows) {
    const line = Object.fromEntries(names.map((name, i) => [name, plain((row[i] || "").trim())]));
    Object.assign(whole, { run_id: line.run_id, review: line.review, reviewer: line.reviewer });
    const place = { model: line.model, worn: line.worn, type: line.type, at: line.at };
    const blind = /^(true|1|wahr|vrai)$/i.test(line.blind);
    const picture = { variant: line.variant, take: Number(line.take || 1), candidate: Number(line.candidate || 1) };
    if (line.stars) whole.ratings.push({ ...place, ...picture, stars: Number(line.stars), blind });
    else if (line.mark)
      whole.marks.push({ ...place, ...picture, mark: line.mark, reason: line.reason || null, note: line.note, blind });
    else
      whole.preferences.push({
        ...place,
        shown: line.shown.split(/\s+/),
        preferred: ["=", "!"].includes(line.preferred) ? null : line.preferred,
        both_bad: line.preferred === "!",
        repeat: /^(true|1|wahr|vrai)$/i.test(line.repeat || ""),
        blind,
      });
  }
  return whole;
}
