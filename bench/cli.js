// The command on a store of a million small objects: dump, load and stat as whole processes, with their peak memory.
//
//   npm run build && node bench/cli.js [--entries N] [--rounds N] [--keep DIR]
//
// --keep makes the store in a directory that stays, and uses it again.

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import fs from 'node:fs';
import path from 'node:path';
import { parseArgs } from 'node:util';
import { open } from '../dist/index.js';
import { machineLine, tableOf } from './store/report.js';

const { values: options } = parseArgs({
  options: {
    entries: { type: 'string', default: '1000000' },
    rounds: { type: 'string', default: '1' },
    keep: { type: 'string' },
  },
});
const [entries, rounds] = [options.entries, options.rounds].map(Number);
if (!Number.isSafeInteger(entries) || entries < 1) throw new TypeError('--entries: expected a count');
if (!Number.isSafeInteger(rounds) || rounds < 1) throw new TypeError('--rounds: expected a count');

const root =
  options.keep ??
  fs.mkdtempSync(path.join(process.env.KEELSON_BENCH_DIR ?? process.cwd(), '.keelson-bench-'));
if (options.keep === undefined) process.on('exit', () => fs.rmSync(root, { recursive: true, force: true }));
const [store, file, copy] = ['store', 'dump.ndjson', 'copy'].map((name) => path.join(root, name));

const MAIN = new URL('../dist/cli/main.js', import.meta.url).pathname;
const PEAK = `data:text/javascript,import fs from 'node:fs';
process.on('exit', () => fs.writeSync(3, String(process.resourceUsage().maxRSS)));`;

/** Runs the command. Resolves with the seconds it took and its peak memory in MiB. */
async function run(...parameters) {
  const start = performance.now();
  const child = spawn(process.execPath, ['--import', PEAK, MAIN, ...parameters], {
    stdio: ['ignore', 'ignore', 'inherit', 'pipe'],
  });
  let peak = '';
  child.stdio[3].on('data', (text) => {
    peak += text;
  });
  const [code] = await once(child, 'close');
  if (code !== 0) throw new Error(`keelson ${parameters.join(' ')} ended with ${code}`);
  return { seconds: (performance.now() - start) / 1000, mebibytes: Number(peak) / 1024 };
}

async function makeStore() {
  const db = await open(store);
  for (let n = 0; n < entries; ) {
    const operations = [];
    for (const end = Math.min(entries, n + 1000); n < end; n++) {
      const value = {
        id: n,
        name: `Name ${n}`,
        email: `name-${n}@example.com`,
        active: n % 3 === 0,
        score: n / 8,
      };
      operations.push({ type: 'put', key: `user:${String(n).padStart(9, '0')}`, value });
    }
    await db.batch(operations, { durability: 'memory' });
  }
  await db.checkpoint();
  await db.close();
}

if (!fs.existsSync(store)) await makeStore();
const rows = [];
for (let round = 0; round < rounds; round++) {
  fs.rmSync(copy, { recursive: true, force: true });
  const help = await run('help');
  const stat = await run('stat', store);
  const dump = await run('dump', store, '-o', file);
  const load = await run('load', copy, file);
  rows.push([
    { name: 'help, s', value: help.seconds },
    { name: 'stat, s', value: stat.seconds, goal: '≤ 0.3' },
    { name: 'dump, entries/s', value: entries / dump.seconds, goal: '≥ 300,000' },
    { name: 'dump, peak MiB', value: dump.mebibytes },
    { name: 'load, entries/s', value: entries / load.seconds, goal: '≥ 300,000' },
    { name: 'load, peak MiB', value: load.mebibytes },
  ]);
}
console.log(`${machineLine()}\n`);
console.log(
  tableOf({ title: `The command on ${entries.toLocaleString('en')} entries`, rounds: rows, failures: [] }),
);
