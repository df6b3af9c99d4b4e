// Durable commits, side by side: the C floor, plain node:fs, and the journal on both engines. One run, interleaved,
// medians of ROUNDS with their spread. Everything here is acknowledged only when it would survive a power cut.
//
//   npm run bench:commit [-- --rounds N]

import { spawnSync } from 'node:child_process';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { openJournal } from '../dist/journal/index.js';

const HERE = path.dirname(fileURLToPath(import.meta.url));
const roundsAt = process.argv.indexOf('--rounds');
const ROUNDS = roundsAt < 0 ? 5 : Number(process.argv[roundsAt + 1]);
const LONE_COMMITS = 4000;
const LONE_BYTES = 4000;
const BLOCK_BYTES = 4096;
const SMALL_RECORD_BYTES = 100;
const SMALL_RECORDS_PER_SYNC = 1000;
const SMALL_SYNCS = 300;
const LARGE_RECORD_BYTES = 64 * 1024;
const LARGE_BYTES = 256 * 1024 * 1024;
const LARGE_IN_FLIGHT = 256;
const FLOOR_LARGE_BLOCK_BYTES = 1024 * 1024;

const directory = fs.mkdtempSync(
  path.join(process.env.KEELSON_BENCH_DIR ?? process.cwd(), '.keelson-bench-'),
);
process.on('exit', () => fs.rmSync(directory, { recursive: true, force: true }));

/** Compiles the floor; null where there is no compiler. */
function buildFloor() {
  const binary = path.join(directory, 'disk-floor');
  const source = path.join(HERE, 'native/disk-floor.cc');
  const built = spawnSync('g++', ['-std=c++20', '-O2', source, '-o', binary]);
  return built.status === 0 ? binary : null;
}

const floor = buildFloor();

/** Writes per second of the C loop. */
function runFloor(blockBytes, writes) {
  if (floor === null) return { perSecond: Number.NaN };
  const file = path.join(directory, 'floor');
  const run = spawnSync(floor, [file, String(blockBytes), String(writes)], { encoding: 'utf8' });
  if (run.status !== 0) throw new Error(run.stderr);
  return { perSecond: Number(run.stdout) };
}

/** Runs `work`, which does `count` things, and says how many a second and at how much CPU each. */
async function timed(count, work) {
  const cpu = process.cpuUsage();
  const start = process.hrtime.bigint();
  await work();
  const seconds = Number(process.hrtime.bigint() - start) / 1e9;
  const { user, system } = process.cpuUsage(cpu);
  return { perSecond: count / seconds, cpuMicroseconds: (user + system) / count };
}

/** What anybody would write: a positional write and then an fdatasync, both on the thread pool. */
async function runPlainFs() {
  const file = path.join(directory, 'plain');
  const fd = fs.openSync(file, 'w+');
  const zeros = Buffer.alloc(BLOCK_BYTES * 256);
  for (let at = 0; at < LONE_COMMITS * BLOCK_BYTES; at += zeros.length)
    fs.writeSync(fd, zeros, 0, zeros.length, at);
  fs.fsyncSync(fd);
  const block = Buffer.alloc(BLOCK_BYTES, 0x5a);
  const writeOne = (at) =>
    new Promise((resolve, reject) => {
      fs.write(fd, block, 0, BLOCK_BYTES, at * BLOCK_BYTES, (error) => {
        if (error) reject(error);
        else fs.fdatasync(fd, (failed) => (failed ? reject(failed) : resolve()));
      });
    });
  const result = await timed(LONE_COMMITS, async () => {
    for (let at = 0; at < LONE_COMMITS; at++) await writeOne(at);
  });
  fs.closeSync(fd);
  fs.unlinkSync(file);
  return result;
}

/** Opens a fresh journal whose first segment takes the whole trial, so that no preparation falls into it. */
async function withJournal(engine, bytes, trial) {
  const at = path.join(directory, `journal-${engine}`);
  const segmentBytesMax = Math.max(64 * 1024 * 1024, bytes);
  const journal = await openJournal(at, { engine, segmentBytesMin: segmentBytesMax, segmentBytesMax });
  try {
    await journal.commit(new Uint8Array(1));
    return await trial(journal);
  } finally {
    await journal.close();
    fs.rmSync(at, { recursive: true });
  }
}

const runLone = (engine) =>
  withJournal(engine, LONE_COMMITS * BLOCK_BYTES * 2, (journal) => {
    const record = new Uint8Array(LONE_BYTES).fill(0x5a);
    return timed(LONE_COMMITS, async () => {
      for (let at = 0; at < LONE_COMMITS; at++) await journal.commit(record);
    });
  });

const runSmall = (engine) =>
  withJournal(engine, SMALL_SYNCS * SMALL_RECORDS_PER_SYNC * 160, (journal) => {
    const record = new Uint8Array(SMALL_RECORD_BYTES).fill(0x5a);
    return timed(SMALL_SYNCS * SMALL_RECORDS_PER_SYNC, async () => {
      for (let sync = 0; sync < SMALL_SYNCS; sync++) {
        for (let at = 0; at < SMALL_RECORDS_PER_SYNC; at++) journal.append(record);
        await journal.syncThrough();
      }
    });
  });

const runLarge = (engine) =>
  withJournal(engine, LARGE_BYTES * 2, async (journal) => {
    const record = new Uint8Array(LARGE_RECORD_BYTES).fill(0x5a);
    const perWriter = LARGE_BYTES / LARGE_RECORD_BYTES / LARGE_IN_FLIGHT;
    const writer = async () => {
      for (let at = 0; at < perWriter; at++) await journal.commit(record);
    };
    const { perSecond, ...rest } = await timed(LARGE_BYTES, () =>
      Promise.all(Array.from({ length: LARGE_IN_FLIGHT }, writer)),
    );
    return { perSecond: perSecond / 1e6, ...rest };
  });

const TRIALS = [
  ['lone commits', 'floor (C, pwritev2 DSYNC)', () => runFloor(BLOCK_BYTES, LONE_COMMITS)],
  ['lone commits', 'plain fs.write + fdatasync', runPlainFs],
  ['lone commits', 'journal, fs', () => runLone('fs')],
  ['lone commits', 'journal, io_uring', () => runLone('io_uring')],
  ['100-byte records, 1,000 a sync', 'journal, fs', () => runSmall('fs')],
  ['100-byte records, 1,000 a sync', 'journal, io_uring', () => runSmall('io_uring')],
  [
    '64 KiB records, MB/s',
    'floor (C, 1 MiB writes)',
    async () => {
      const { perSecond } = runFloor(FLOOR_LARGE_BLOCK_BYTES, LARGE_BYTES / FLOOR_LARGE_BLOCK_BYTES);
      return { perSecond: (perSecond * FLOOR_LARGE_BLOCK_BYTES) / 1e6 };
    },
  ],
  ['64 KiB records, MB/s', 'journal, fs', () => runLarge('fs')],
  ['64 KiB records, MB/s', 'journal, io_uring', () => runLarge('io_uring')],
];

const results = new Map(TRIALS.map((trial) => [trial, []]));
for (let round = 0; round < ROUNDS; round++) {
  for (const trial of TRIALS) {
    process.stderr.write(`round ${round + 1} of ${ROUNDS}: ${trial[0]}, ${trial[1]}\x1b[K\r`);
    results.get(trial).push(await trial[2]());
  }
}
process.stderr.write('\x1b[K');

const sorted = (values) => [...values].sort((a, b) => a - b);
const median = (values) => sorted(values)[Math.floor(values.length / 2)];
const shown = (value) => (value >= 100 ? Math.round(value).toLocaleString('en') : value.toFixed(1));
const perSecondOf = (group, name) => {
  const trial = TRIALS.find(([g, n]) => g === group && n.startsWith(name));
  return results.get(trial).map(({ perSecond }) => perSecond);
};

/** Round by round, because the disk is not the same from one to the next. */
function ratio(group, name, over) {
  const others = perSecondOf(group, over);
  return median(perSecondOf(group, name).map((value, round) => value / others[round]));
}

console.log(
  `${os.cpus()[0]?.model ?? 'unknown CPU'}, ${os.cpus().length} cores, Linux ${os.release()}, Node ${process.version}`,
);
console.log(`medians of ${ROUNDS} rounds, interleaved\n`);
console.log('| trial | | per second | lowest | highest | CPU µs each |');
console.log('|---|---|---|---|---|---|');
for (const [trial, rounds] of results) {
  const rates = sorted(rounds.map(({ perSecond }) => perSecond));
  const cpu =
    rounds[0].cpuMicroseconds === undefined ? '' : shown(median(rounds.map((r) => r.cpuMicroseconds)));
  console.log(
    `| ${trial[0]} | ${trial[1]} | ${shown(median(rates))} | ${shown(rates[0])} | ${shown(rates.at(-1))} | ${cpu} |`,
  );
}
console.log('\n| ratio, round by round | median | goal |');
console.log('|---|---|---|');
const ratios = [
  ['lone commit, io_uring over the floor', ratio('lone commits', 'journal, io_uring', 'floor'), '≥ 0.75'],
  ['lone commit, io_uring over plain fs', ratio('lone commits', 'journal, io_uring', 'plain'), '≥ 1.6'],
  ['lone commit, our fs engine over plain fs', ratio('lone commits', 'journal, fs', 'plain'), '≥ 1'],
  [
    '64 KiB records, io_uring over the floor',
    ratio('64 KiB records, MB/s', 'journal, io_uring', 'floor'),
    '≥ 0.8',
  ],
];
for (const [name, value, goal] of ratios) console.log(`| ${name} | ${value.toFixed(2)} | ${goal} |`);
