// @ts-check
// Formats a table of two columns, and the numbers in it.

/**
 * Returns a table of labels and values.
 *
 * @param {string} title
 * @param {readonly (readonly [label: string, value: string])[]} rows
 */
export function table(title, rows) {
  const labelWidth = Math.max(...rows.map(([label]) => label.length));
  const valueWidth = Math.max(...rows.map(([, value]) => value.length), title.length - labelWidth - 2);
  const rule = '─'.repeat(labelWidth + valueWidth + 4);
  const lines = rows.map(([label, value]) => ` ${label.padEnd(labelWidth)}  ${value.padStart(valueWidth)}`);
  return [rule, ` ${title}`, rule, ...lines, rule].join('\n');
}

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
