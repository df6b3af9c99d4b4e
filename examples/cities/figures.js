// @ts-check
// Formats numbers, and finds their median.

const WHOLE = new Intl.NumberFormat('en-US', { maximumFractionDigits: 0 });
const BYTES_PER_MIB = 1024 * 1024;

/** @param {number} number */
export const whole = (number) => WHOLE.format(number);

/** @param {number} ms */
export const milliseconds = (ms) => `${WHOLE.format(ms)} ms`;

/** @param {number} bytes */
export const mebibytes = (bytes) => `${(bytes / BYTES_PER_MIB).toFixed(1)} MiB`;

/**
 * Returns the median.
 *
 * @param {readonly number[]} numbers
 */
export function median(numbers) {
  const sorted = [...numbers].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  return sorted.length % 2 === 1 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2;
}
