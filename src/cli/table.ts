// Tables. A file of its own, because its package takes 10 ms to import.

import Table from 'cli-table3';
import { grouped } from './output.js';

/** Returns a table without colours. Numbers stand on the right. */
export function table(
  head: readonly string[],
  rows: readonly (readonly (string | number | null)[])[],
): string {
  const isNumeric = (column: number) => rows.some((row) => typeof row[column] === 'number');
  const made = new Table({
    head: [...head],
    colAligns: head.map((_, column) => (isNumeric(column) ? 'right' : 'left')),
    style: { head: [], border: [] },
  });
  for (const row of rows)
    made.push(row.map((cell) => (typeof cell === 'number' ? grouped(cell) : (cell ?? '?'))));
  return made.toString();
}
