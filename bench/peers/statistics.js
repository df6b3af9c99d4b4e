// What is made of rounds: medians, how far they spread, and ratios that are taken round by round.

const sorted = (values) => Float64Array.from(values).sort();

/** Of an even number of values, the mean of the two in the middle. */
export function median(values) {
  if (values.length === 0) return Number.NaN;
  const inOrder = sorted(values);
  const middle = inOrder.length >> 1;
  return inOrder.length % 2 === 1 ? inOrder[middle] : (inOrder[middle - 1] + inOrder[middle]) / 2;
}

/** The value that `percent` of all are at or below (nearest rank). */
export function percentile(values, percent) {
  if (values.length === 0) return Number.NaN;
  return sorted(values)[Math.max(0, Math.ceil((percent / 100) * values.length) - 1)];
}

/** The median and the ends of what was measured; rounds without a value are null and left out. */
export function spread(rounds) {
  const values = rounds.filter((value) => value !== null);
  if (values.length === 0) return null;
  return { median: median(values), lowest: Math.min(...values), highest: Math.max(...values) };
}

/** `ours` over `theirs`, round by round: a machine is not the same from one round to the next. */
export const ratios = (ours, theirs) =>
  ours.map((value, round) => (value === null || theirs[round] === null ? null : value / theirs[round]));
