// This checkout beside an earlier commit of itself: puts, batches, reads, checkpoints and replay, in turns, in one run. Every
// put is durable. Each measurement has a fresh process and a fresh directory. Ratios are this checkout's over the other's.
//
//   npm run bench:paired [-- --commit C] [--rounds N] [--seconds S] [--only put]
//
// Without --commit it is the baseline of the round: the last commit before "one owner, whole writes".

import { spawnSync } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';

const BASELINE = '4eea610';
const ENTRIES = 300_000;
const WINDOW = 1000;

const value = (n) => ({ id: n, name: `user ${n}`, active: (n & 1) === 0, score: n * 1.5, tags: ['a', 'b'] });
const keyAt = (n) => `user:${String(n).padStart(9, '0')}`;
/** A permutation of the numbers below ENTRIES, which has no factor in common with the multiplier. */
const scattered = (n) => (n * 7_654_321) % ENTRIES;

/** Units a second. Each is given an empty store, and leaves it as it likes. */
const MEASUREMENTS = {
  'put, one at a time': async (db, seconds) => {
    let n = 0;
    return perSecond(seconds, async () => {
      await db.put(keyAt(scattered(n % ENTRIES)), value(n++));
      return 1;
    });
  },
  'put, 1,000 in flight': async (db, seconds) => {
    let n = 0;
    return perSecond(seconds, async () => {
      const puts = [];
      for (let at = 0; at < WINDOW; at++) puts.push(db.put(keyAt(scattered(n % ENTRIES)), value(n++)));
      await Promise.all(puts);
      return WINDOW;
    });
  },
  'put, ascending new keys': async (db, seconds) => {
    let n = 0;
    return perSecond(seconds, async () => {
      const puts = [];
      for (let at = 0; at < WINDOW; at++) puts.push(db.put(keyAt(n), value(n++)));
      await Promise.all(puts);
      return WINDOW;
    });
  },
  'put, program time': async (db, seconds) => {
    let n = 0;
    const start = process.cpuUsage();
    const put = (key, v) => {
      n++;
      return db.put(key, v);
    };
    await MEASUREMENTS['put, 1,000 in flight']({ put }, seconds);
    const { user, system } = process.cpuUsage(start);
    return n / ((user + system) / 1e6);
  },
  'batch of 1,000': async (db, seconds) => {
    let n = 0;
    return perSecond(seconds, async () => {
      const operations = [];
      for (let at = 0; at < WINDOW; at++)
        operations.push({ type: 'put', key: keyAt(n % ENTRIES), value: value(n++) });
      await db.batch(operations);
      return WINDOW;
    });
  },
  get: async (db, seconds) => {
    await fill(db);
    let n = 0;
    return perSecond(seconds, () => {
      for (let at = 0; at < WINDOW; at++) db.get(keyAt(scattered(n++ % ENTRIES)));
      return WINDOW;
    });
  },
  scan: async (db, seconds) => {
    await fill(db);
    return perSecond(seconds, async () => {
      let units = 0;
      for await (const _ of db.entries()) units++;
      return units;
    });
  },
  checkpoint: async (db, seconds) => {
    await fill(db);
    let n = 0;
    return perSecond(seconds, async () => {
      await db.put(keyAt(n), value(n++));
      await db.checkpoint();
      return ENTRIES;
    });
  },
  replay: async (db, _, open) => {
    await fill(db);
    const { directory } = db;
    await db.close();
    const start = performance.now();
    const again = await open(directory, { autoCheckpoint: false });
    const rate = ENTRIES / ((performance.now() - start) / 1000);
    await again.close();
    return rate;
  },
};

/** What decides itself when an image is written. */
const MANUAL = new Set(['checkpoint', 'replay']);

async function fill(db) {
  for (let n = 0; n < ENTRIES; n += WINDOW) {
    const puts = [];
    for (let at = n; at < n + WINDOW; at++) puts.push(db.put(keyAt(scattered(at)), value(at)));
    await Promise.all(puts);
  }
}

async function perSecond(seconds, work) {
  const end = performance.now() + seconds * 1000;
  const start = performance.now();
  let units = 0;
  let now = start;
  while (now < end) {
    units += await work();
    now = performance.now();
  }
  return units / ((now - start) / 1000);
}

async function measure(checkout, name, seconds) {
  const { open } = await import(path.join(checkout, 'dist/index.js'));
  const directory = fs.mkdtempSync(
    path.join(process.env.KEELSON_BENCH_DIR ?? process.cwd(), '.keelson-paired-'),
  );
  try {
    const db = await open(path.join(directory, 'db'), { autoCheckpoint: !MANUAL.has(name) });
    console.log(JSON.stringify(await MEASUREMENTS[name](db, seconds, open)));
    await db.close();
  } finally {
    fs.rmSync(directory, { recursive: true, force: true });
  }
}

function run(command, parameters, cwd) {
  const { status, stdout, stderr } = spawnSync(command, parameters, { cwd, encoding: 'utf8' });
  if (status !== 0) throw new Error(`${command} ${parameters.join(' ')}: ${stderr || stdout}`);
  return stdout;
}

/** A built checkout of the commit, made once. */
function checkoutOf(commit) {
  const directory = path.resolve('build', 'paired', commit);
  if (!fs.existsSync(path.join(directory, 'dist', 'index.js'))) {
    fs.rmSync(directory, { recursive: true, force: true });
    run('git', ['clone', '--quiet', process.cwd(), directory], process.cwd());
    run('git', ['checkout', '--quiet', commit], directory);
    run('npm', ['ci', '--no-audit', '--no-fund'], directory);
    run('npm', ['run', 'build'], directory);
  }
  return directory;
}

const median = (numbers) => numbers.toSorted((a, b) => a - b)[numbers.length >> 1];

function compare({ commit, rounds, seconds, only }) {
  const checkouts = [checkoutOf(commit), process.cwd()];
  console.log(
    `This checkout over ${commit}, ${rounds} rounds of ${seconds} s, Node ${process.versions.node}`,
  );
  console.log('| what | before, /s | now, /s | ratio: median (lowest to highest) |');
  console.log('| --- | --- | --- | --- |');
  for (const name of Object.keys(MEASUREMENTS).filter((known) => known.includes(only))) {
    const results = [[], []];
    for (let round = 0; round < rounds; round++) {
      // Whoever goes first goes second in the next round.
      for (const which of round % 2 === 0 ? [0, 1] : [1, 0]) {
        const parameters = [
          fileURLToPath(import.meta.url),
          '--measure',
          name,
          '--checkout',
          checkouts[which],
        ];
        const output = run(process.execPath, [...parameters, '--seconds', String(seconds)], process.cwd());
        results[which].push(JSON.parse(output));
      }
    }
    const ratios = results[1].map((now, at) => now / results[0][at]).toSorted((a, b) => a - b);
    const ratio = `${median(ratios).toFixed(3)} (${ratios[0].toFixed(2)} to ${ratios.at(-1).toFixed(2)})`;
    const [before, now] = results.map((numbers) => Math.round(median(numbers)).toLocaleString('en'));
    console.log(`| ${name} | ${before} | ${now} | ${ratio} |`);
  }
}

const { values: options } = parseArgs({
  options: {
    commit: { type: 'string', default: BASELINE },
    rounds: { type: 'string', default: '5' },
    seconds: { type: 'string', default: '4' },
    only: { type: 'string', default: '' },
    measure: { type: 'string' },
    checkout: { type: 'string' },
  },
});
if (options.measure === undefined)
  compare({ ...options, rounds: Number(options.rounds), seconds: Number(options.seconds) });
else await measure(options.checkout, options.measure, Number(options.seconds));
