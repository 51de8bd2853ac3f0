/** The order of tags, as TAGLIST_ORDER describes it. Pure functions. */

/** Splits "1.10-rc" into its runs of digits and of other characters: ["1", ".", "10", "-rc"]. */
const runs = (tag) => tag.match(/\d+|\D+/g) ?? [];

/**
 * A comparison of two tags. `order` is such as "alpha-asc;num-desc": numbers are compared as numbers, descending,
 * other text as text, ascending; where a number stands beside text, the kind named first comes first.
 */
export function tagOrder(order) {
  const parts = order.split(";").map((part) => part.split("-"));
  const first = parts[0][0];
  const sign = Object.fromEntries(parts.map(([kind, direction]) => [kind, direction === "desc" ? -1 : 1]));
  return (left, right) => {
    const [a, b] = [runs(left), runs(right)];
    for (let i = 0; i < Math.min(a.length, b.length); i += 1) {
      const [numberA, numberB] = [/^\d/.test(a[i]), /^\d/.test(b[i])];
      if (numberA !== numberB) {
        return numberA === (first === "num") ? -1 : 1;
      }
      const difference = numberA ? compareNumbers(a[i], b[i]) : a[i].localeCompare(b[i]);
      if (difference !== 0) {
        return difference * sign[numberA ? "num" : "alpha"];
      }
    }
    return a.length - b.length;
  };
}

/** Digits of any length, beyond what a Number holds exactly. */
function compareNumbers(a, b) {
  const difference = BigInt(a) - BigInt(b);
  return difference < 0n ? -1 : Number(difference > 0n);
}
