// A store that runs for years: how long it stalls, what it writes, how large it becomes, how fast it opens, what memory
// it takes. Every put is durable. Every step runs in a fresh process, on the disk of KEELSON_BENCH_DIR or of the working
// directory; rounds are interleaved. Each trial is a file in store/: what it does, its rows and its goals are there.
//
//   npm run bench:store [-- --only TRIAL] [--rounds N] [--scale F] [--large]
//
// --scale multiplies the counts of entries and puts, to try the script itself. --large adds what takes gigabytes of memory.

import fs from 'node:fs';
import path from 'node:path';
import { parseArgs } from 'node:util';
import { open } from '../dist/index.js';
import { runStep } from './store/processes.js';
import { machineLine, tableOf } from './store/report.js';

const TRIALS = [
  'stall',
  'amplification',
  'directory',
  'load',
  'replay',
  'memory',
  'entry-memory',
  'empty',
  'unawaited',
  'turns',
  'lives',
  'order-statistics',
  'namespaces',
  'tuple-keys',
  'old-view',
  'ttl',
  'deadlines',
  'watch',
  'indexes',
  'feed',
  'history',
  'backup',
  'replica',
];

const { values: options } = parseArgs({
  options: {
    only: { type: 'string' },
    rounds: { type: 'string', default: '5' },
    scale: { type: 'string', default: '1' },
    large: { type: 'boolean', default: false },
  },
});
const rounds = Number(options.rounds);
const scale = Number(options.scale);
if (!Number.isSafeInteger(rounds) || rounds < 1) throw new TypeError('--rounds: expected a count');
if (!(scale > 0)) throw new TypeError('--scale: expected a number above 0');
if (options.only !== undefined && !TRIALS.includes(options.only))
  throw new TypeError(`--only: expected one of ${TRIALS.join(', ')}`);

const root = fs.mkdtempSync(path.join(process.env.KEELSON_BENCH_DIR ?? process.cwd(), '.keelson-bench-'));
process.on('exit', () => fs.rmSync(root, { recursive: true, force: true }));
for (const signal of ['SIGINT', 'SIGTERM']) process.once(signal, () => process.exit(1));

/** What a trial's prepare() and round() are given, besides where they may write. */
const contextOf = (name) => ({
  run: (step, stepOptions) => runStep(name, step, stepOptions),
  scaled: (count) => Math.ceil(count * scale),
  isLarge: options.large,
  prepared: path.join(root, `${name}-prepared`),
});

async function runRound({ name, trial, results }) {
  // A trial may have directories beside its own, whose names begin with it. The next round finds none of them.
  const parent = path.join(root, name);
  const directory = path.join(parent, 'store');
  fs.mkdirSync(parent);
  try {
    results.rounds.push(await trial.round({ ...contextOf(name), directory }));
  } catch (error) {
    results.failures.push(error.message);
  } finally {
    fs.rmSync(parent, { recursive: true, force: true });
  }
}

async function engineLine() {
  const db = await open(path.join(root, 'engine'));
  const { engine, engineReason } = db.stats().engine;
  await db.close();
  return `engine ${engine}: ${engineReason}`;
}

const progress = (text) => process.stderr.write(`${text}\x1b[K\r`);
const trials = [];
for (const name of TRIALS) {
  const trial = await import(`./store/${name}.js`);
  const isChosen = options.only === undefined ? options.large || !trial.isLarge : name === options.only;
  if (!isChosen) continue;
  trials.push({ name, trial, results: { title: trial.title, rounds: [], failures: [] } });
}
for (const { name, trial, results } of trials) {
  progress(`preparing ${name}`);
  const context = contextOf(name);
  try {
    await trial.prepare?.({ ...context, directory: context.prepared });
  } catch (error) {
    results.failures.push(error.message);
  }
}
for (let round = 1; round <= rounds; round++) {
  for (const entry of trials) {
    progress(`round ${round} of ${rounds}: ${entry.name}`);
    await runRound(entry);
  }
}
progress('');

console.log(`${machineLine()}\n${await engineLine()}\nmedians of ${rounds} rounds, interleaved`);
if (scale !== 1) console.log(`\n**Scaled by ${scale}: these are no figures.**`);
for (const { results } of trials) console.log(`\n${tableOf(results)}`);
if (trials.some(({ results }) => results.failures.length > 0)) process.exitCode = 1;
