/* Numbers, times and errors in words. */

export const clamp = (value, low, high) => Math.min(high, Math.max(low, value));
/** @type {(count: number, one: string, many?: string) => string} */
export const plural = (count, one, many) => `${count.toLocaleString("en")} ${count === 1 ? one : many || `${one}s`}`;
export const rounded = (value) => (value >= 100 ? value.toFixed(0) : value.toFixed(1).replace(/\.0$/, ""));

/* Seconds in words; nothing for none. */
export function duration(seconds) {
  if (seconds === null || seconds === undefined) return "";
  if (seconds < 60) return `${rounded(seconds)} s`;
  const whole = Math.round(seconds);
  if (whole < 3600) return `${Math.floor(whole / 60)} min ${whole % 60} s`;
  return `${Math.floor(whole / 3600)} h ${Math.floor((whole % 3600) / 60)} min`;
}

/* Bytes in words; nothing for none. */
export function size(bytes) {
  if (!bytes) return "";
  if (bytes >= 1e9) return `${rounded(bytes / 1e9)} GB`;
  return bytes < 1e6 ? `${Math.max(1, Math.round(bytes / 1e3))} kB` : `${rounded(bytes / 1e6)} MB`;
}

/* InputRefusedError -> Input refused */
export function human(error) {
  const words = error
    .replace(/^.*\./, "")
    .replace(/(Error|Exception)$/, "")
    .replace(/([a-z0-9])([A-Z])/g, "$1 $2");
  return words.charAt(0).toUpperCase() + words.slice(1).toLowerCase();
}

/* What is to be paid of a run's cost, in words: amounts in different currencies stand side by side. */
export function money(cost) {
  const totals = { [cost.currency]: cost.service };
  for (const one of cost.services || [])
    if (one.currency !== cost.currency) totals[one.currency] = (totals[one.currency] || 0) + one.cost;
  return amounts(totals);
}

/* Amounts by currency in words. */
export const amounts = (totals) =>
  Object.entries(totals)
    .map(([currency, amount]) => {
      const shown = amount.toLocaleString("en", { minimumFractionDigits: 2, maximumFractionDigits: 2 });
      return `${shown} ${currency}`;
    })
    .join(" and ");
