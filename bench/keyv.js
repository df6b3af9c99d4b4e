// Keyv over Keelson, over SQLite and over a file, in turns: sets and gets a second through Keyv, as its users see them.
// Medians of ROUNDS, and how much faster Keelson is at the same durability.
//
//   npm run build && node bench/install.js && node bench/keyv.js [--rounds N]
//
// A set of @keyv/sqlite, in SQLite's default mode, would survive a power cut, so Keelson with durability 'disk' is compared
// with it. keyv-file does not flush: it writes the whole file, `writeDelay` after a set, and resolves then. It gets no delay
// here, and is compared with durability 'memory'. A Map, which keeps nothing, shows what Keyv itself takes.

import fs from 'node:fs';
import path from 'node:path';
import { parseArgs } from 'node:util';
import { openKeyv } from './peers/drivers/keyv.js';

const { values: options } = parseArgs({ options: { rounds: { type: 'string', default: '3' } } });
const ROUNDS = Number(options.rounds);
const ENTRIES = 1000;
const IN_FLIGHT = 100;
const GETS = 20_000;
const VALUE = { name: 'Ada Lovelace', tags: ['a', 'b', 'c'] };

const STORES = {
  "Keelson, 'disk'": (directory) => openKeyv('keelson', directory),
  "Keelson, 'memory'": (directory) => openKeyv('keelson', directory, { durability: 'memory' }),
  '@keyv/sqlite': (directory) => openKeyv('sqlite', directory),
  'keyv-file': (directory) => openKeyv('file', directory),
  'a Map': (directory) => openKeyv('map', directory),
};

/** The store that a rival is compared with. */
const EQUALS = {
  '@keyv/sqlite': "Keelson, 'disk'",
  'keyv-file': "Keelson, 'memory'",
  'a Map': "Keelson, 'memory'",
};

/** Runs `work` for each number below `count`, so many at a time, and returns how many a second. */
async function perSecond(count, inFlight, work) {
  const start = process.hrtime.bigint();
  let next = 0;
  const run = async () => {
    while (next < count) await work(next++);
  };
  await Promise.all(Array.from({ length: inFlight }, run));
  return count / (Number(process.hrtime.bigint() - start) / 1e9);
}

/** Measures one store in a directory of its own. */
async function measure(open) {
  const directory = fs.mkdtempSync(
    path.join(process.env.KEELSON_BENCH_DIR ?? process.cwd(), '.keelson-bench-'),
  );
  const keyv = await open(directory);
  let logins = 0;
  // SQLite writes nothing for a value that is there already, so each value is a new one.
  const set = (n) => keyv.set(`key:${n % ENTRIES}`, { ...VALUE, logins: ++logins });
  const get = async (n) => {
    if ((await keyv.get(`key:${n % ENTRIES}`))?.name !== VALUE.name) throw new Error('a value is missing');
  };
  try {
    return {
      'set, one at a time': await perSecond(ENTRIES, 1, set),
      [`set, ${IN_FLIGHT} in flight`]: await perSecond(ENTRIES, IN_FLIGHT, set),
      'get, one at a time': await perSecond(GETS, 1, get),
    };
  } finally {
    await keyv.disconnect();
    fs.rmSync(directory, { recursive: true, force: true });
  }
}

function median(values) {
  return values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)];
}

const rounds = [];
for (let round = 0; round < ROUNDS; round++) {
  const measured = {};
  for (const [name, open] of Object.entries(STORES)) measured[name] = await measure(open);
  rounds.push(measured);
}

console.log(`| operation | store | a second | Keelson is faster by |\n| --- | --- | --- | --- |`);
for (const operation of Object.keys(rounds[0]['a Map'])) {
  for (const name of Object.keys(STORES)) {
    const rate = median(rounds.map((measured) => measured[name][operation]));
    const ratios = rounds.map(
      (measured) => measured[EQUALS[name] ?? name][operation] / measured[name][operation],
    );
    console.log(`| ${operation} | ${name} | ${Math.round(rate)} | ${median(ratios).toFixed(2)} |`);
  }
}
