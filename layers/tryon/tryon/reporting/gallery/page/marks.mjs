/* Picks and rejects of pictures, free of the page. */

/* Why a picture is rejected, the key that says so, and the words. */
export const REASONS = [
  { id: "garment", key: "g", text: "garment changed" },
  { id: "colour", key: "c", text: "colour" },
  { id: "print", key: "l", text: "print or logo" },
  { id: "fit", key: "f", text: "length or fit" },
  { id: "hands", key: "h", text: "hands" },
  { id: "face", key: "a", text: "face" },
  { id: "background", key: "k", text: "background" },
  { id: "crop", key: "r", text: "crop" },
];
export const reasonText = (id) => REASONS.find((one) => one.id === id)?.text || "";

/* A picture's name in a review: its combination's alone for the first candidate of the first take. */
export function pictureName(combination, take, candidate) {
  return (take || 1) === 1 && (candidate || 1) === 1 ? combination : `${combination}#${take || 1}.${candidate || 1}`;
}

/* The combination, the take and the candidate of such a name. */
export function pictureParts(name) {
  const [combination, rest] = name.split("#");
  const [take, candidate] = rest ? rest.split(".").map(Number) : [1, 1];
  return { combination, take, candidate };
}

/* What is said of a combination: picked with one picture, rejected with all of them, undecided otherwise. */
export function standing(names, marks) {
  const said = names.map((name) => marks[name]?.mark);
  if (said.includes("pick")) return "pick";
  return said.length && said.every((one) => one === "reject") ? "reject" : "";
}

/* The picture to show of several: the picked one, else the first that is not rejected, else the first. */
export function best(names, marks) {
  const picked = names.findIndex((name) => marks[name]?.mark === "pick");
  if (picked >= 0) return picked;
  return Math.max(
    0,
    names.findIndex((name) => marks[name]?.mark !== "reject"),
  );
}

/* What a reviewer says of a picture: approved with a pick or four stars, rejected, or nothing. As in review.py. */
export function vote(mark, stars) {
  if (mark) return mark.mark === "pick" ? 1 : -1;
  return stars >= 4 ? 1 : 0;
}

/* Whether people differ about a picture: votes are 1, -1 and 0 for nothing said. */
export const differ = (votes) => votes.includes(1) && votes.includes(-1);

/* Judgements of the same thing from two files: the newer one stays. ISO 8601 in UTC sorts as text. */
export function newer(kept, given) {
  const merged = { ...kept };
  for (const [name, one] of Object.entries(given)) {
    if (!merged[name] || (merged[name].at || "") <= (one.at || "")) merged[name] = one;
  }
  return merged;
}
