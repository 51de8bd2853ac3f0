/** How sizes, dates, digests and platforms are written. Pure functions. */

/** Decimal units, as Docker writes them. */
export function size(bytes) {
  const units = ["B", "kB", "MB", "GB", "TB"];
  let value = bytes;
  let unit = 0;
  while (value >= 1000 && unit < units.length - 1) {
    value /= 1000;
    unit += 1;
  }
  return `${unit === 0 || value >= 100 ? Math.round(value) : value.toFixed(1)} ${units[unit]}`;
}

/** One size, or the smallest and the largest of several. */
export function sizes(list) {
  const [least, most] = [size(Math.min(...list)), size(Math.max(...list))];
  return least === most ? least : `${least} – ${most}`;
}

const relative = new Intl.RelativeTimeFormat("en", { numeric: "always" });
const steps = [["second", 60], ["minute", 60], ["hour", 24], ["day", 30], ["month", 12], ["year", Infinity]];

/** "3 days ago" for a Date. */
export function ago(date, now = Date.now()) {
  let value = (date.getTime() - now) / 1000;
  if (Math.abs(value) < 60) {
    return "just now";
  }
  for (const [unit, length] of steps) {
    if (Math.abs(value) < length) {
      return relative.format(Math.trunc(value), unit);
    }
    value /= length;
  }
  return date.toISOString();
}

/** The Date of an image, or null: reproducible builds leave it out or set it to the year 1 or 1970. */
export function created(text) {
  const date = new Date(text ?? NaN);
  return Number.isNaN(date.getTime()) || date.getUTCFullYear() <= 1980 ? null : date;
}

export const shortDigest = (digest) => digest.replace(/^(\w+:\w{12}).*$/, "$1");

export const platform = ({ os, architecture, variant }) =>
  [os, architecture, variant].filter(Boolean).join("/") || "unknown";

export const plural = (count, word, many = `${word}s`) => `${count} ${count === 1 ? word : many}`;
