// Rows of all rounds to Markdown tables: the median of each, and how far it spreads.

import os from 'node:os';

const sorted = (values) => [...values].sort((a, b) => a - b);
const median = (values) => sorted(values)[Math.floor(values.length / 2)];

function shown(value) {
  if (Number.isInteger(value)) return value.toLocaleString('en');
  if (Math.abs(value) >= 100) return Math.round(value).toLocaleString('en');
  return value.toFixed(Math.abs(value) >= 10 ? 1 : 2);
}

export const machineLine = () =>
  `${os.cpus()[0]?.model ?? 'unknown CPU'}, ${os.cpus().length} cores, Linux ${os.release()}, Node ${process.version}`;

/** One trial: `rounds` are its rows, round by round; `failures` says what went wrong in others. */
export function tableOf({ title, rounds, failures }) {
  const lines = [`### ${title}`];
  if (rounds.length > 0) {
    lines.push('', '| | median | lowest | highest | goal |', '|---|---|---|---|---|');
    rounds[0].forEach(({ name, goal }, at) => {
      const values = sorted(rounds.map((rows) => rows[at].value));
      const cells = [median(values), values[0], values.at(-1)].map(shown);
      lines.push(`| ${[name, ...cells, goal ?? ''].join(' | ')} |`);
    });
  }
  for (const failure of failures) lines.push('', `Failed: ${failure}`);
  return lines.join('\n');
}
