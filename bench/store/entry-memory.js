// What one entry takes in memory, on the JavaScript heap and outside of it, and what secondary indexes, deadlines and
// namespaces add. Each kind is filled in a fresh process, and looked at after
// full collections of garbage.

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

const keyAt = (number, bytes) => String(number).padStart(bytes, '0');

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
    for (let from = 0; from < entries; from += GROUP_PUTS) {
      let last;
      for (let at = from; at < from + GROUP_PUTS; at++) {
        const value = new Uint8Array(valueBytes).fill(7);
        value.set([at >>> 16, at >>> 8, at]);
        last = space.put(keyAt(at, keyBytes), value, ttl === undefined ? {} : { ttl });
      }
      await last;
    }
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
  return rows;
}
