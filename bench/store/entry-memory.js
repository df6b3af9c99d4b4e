// What one entry takes in memory, on the JavaScript heap and outside of it, and what secondary indexes, deadlines and
// namespaces add. Each kind is filled in a fresh process, and looked at after
// full collections of garbage.

import { readFileSync, writeFileSync } from 'node:fs';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { open } from '../../dist/index.js';

const ENTRIES = 300_000;
const GROUP_PUTS = 1000;

export const title = 'memory of one entry: bytes on the JavaScript heap, and outside of it';

setFlagsFromString('--expose-gc');
const collect = runInNewContext('gc');

function look() {
  for (let time = 0; time < 3; time++) collect();
  const { heapUsed, rss } = process.memoryUsage();
  return { heapUsed, rss };
}

/** The kinds of entries: bytes of keys and values, and what else the namespace has. */
const KINDS = [
  { name: 'key of 16, value of 20', keyBytes: 16, valueBytes: 20 },
  { name: 'key of 16, value of 100', keyBytes: 16, valueBytes: 100 },
  { name: 'key of 64, value of 100', keyBytes: 64, valueBytes: 100 },
  { name: 'key of 16, value of 1,000', keyBytes: 16, valueBytes: 1000 },
  { name: 'key of 16, value of 100, with a deadline', keyBytes: 16, valueBytes: 100, ttl: 1e9 },
  { name: 'key of 16, value of 100, with an index', keyBytes: 16, valueBytes: 100, isIndexed: true },
];

/** Resolves with the growth of the peak of RSS that `work` adds to what was there before. */
async function peakOf(work) {
  const before = look().rss;
  writeFileSync('/proc/self/clear_refs', '5');
  await work();
  const peak = /VmHWM:\s*(\d+)/.exec(readFileSync('/proc/self/status', 'utf8'));
  return Number(peak[1]) * 1024 - before;
}

const keyAt = (number, bytes) => String(number).padStart(bytes, '0');

/** Puts entries in groups that are durable one after the other. */
async function putAll(space, entries, keyBytes, valueBytes, options) {
  for (let from = 0; from < entries; from += GROUP_PUTS) {
    let last;
    for (let at = from; at < from + GROUP_PUTS; at++) {
      const value = new Uint8Array(valueBytes).fill(7);
      value.set([at >>> 16, at >>> 8, at]);
      last = space.put(keyAt(at, keyBytes), value, options);
    }
    await last;
  }
}

export const steps = {
  async fill({ directory, entries, kind }) {
    const { keyBytes, valueBytes, ttl, isIndexed } = KINDS[kind];
    const db = await open(directory);
    const space = isIndexed
      ? db.namespace('entries', {
          valueEncoding: 'bytes',
          indexes: (index) => ({ by: index((value) => (value[0] << 16) | (value[1] << 8) | value[2]) }),
        })
      : db.namespace('entries', { valueEncoding: 'bytes' });
    const before = look();
    await putAll(space, entries, keyBytes, valueBytes, ttl === undefined ? {} : { ttl });
    await db.checkpoint();
    const after = look();
    const { memory } = db.stats();
    const { slabBytes, hashIndexBytes, handleBytes, deadlineBytes } = memory;
    await db.close();
    return {
      heap: (after.heapUsed - before.heapUsed) / entries,
      outside: (slabBytes + hashIndexBytes + handleBytes + deadlineBytes) / entries,
      rss: (after.rss - before.rss) / entries,
    };
  },

  /** What opening, a checkpoint, and a snapshot that is held while all entries are overwritten take beside the entries. */
  async peaks({ directory, entries }) {
    let db;
    const opening = await peakOf(async () => {
      db = await open(directory);
    });
    const space = db.namespace('entries', { valueEncoding: 'bytes' });
    await space.put(keyAt(0, 16), new Uint8Array(100));
    const checkpoint = await peakOf(() => db.checkpoint());
    const before = look();
    const snapshot = db.snapshot();
    await putAll(space, entries, 16, 100, {});
    const after = look();
    const held = after.rss - before.rss;
    snapshot.close();
    await db.close();
    return { opening: opening / entries, checkpoint: checkpoint / entries, held: held / entries };
  },
};

export async function round({ run, directory, scaled }) {
  const rows = [];
  const entries = Math.ceil(scaled(ENTRIES) / GROUP_PUTS) * GROUP_PUTS;
  for (const [kind, { name }] of KINDS.entries()) {
    const { heap, outside, rss } = await run('fill', { directory: `${directory}/${kind}`, entries, kind });
    rows.push(
      { name: `${name}: heap, bytes`, value: heap },
      { name: `${name}: outside, bytes`, value: outside },
      { name: `${name}: growth of RSS, bytes`, value: rss },
    );
  }
  const { opening, checkpoint, held } = await run('peaks', { directory: `${directory}/1`, entries });
  rows.push(
    { name: 'key of 16, value of 100: peak of opening, bytes an entry', value: opening },
    { name: 'key of 16, value of 100: peak of a checkpoint above rest, bytes an entry', value: checkpoint },
    { name: 'all overwritten under a snapshot: growth of RSS, bytes an entry', value: held },
  );
  return rows;
}
