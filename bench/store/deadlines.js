// A million entries with deadlines: what memory the deadlines take, how fast all of them are removed once they are due, and
// how long the event loop waits meanwhile. The clock is that of the trial, and jumps.

import { longestDelays } from './turns.js';
import { keyAt, ORDERS, openStore, putInGroups, valueAt } from './workload.js';

const ENTRIES = 1_000_000;
const MIB = 2 ** 20;

export const title = 'deadlines: 1 M entries that expire';

async function fill(db, entries, ttlOf) {
  const numberOf = ORDERS.random(entries);
  for (let turn = 0; turn < entries; ) {
    const end = Math.min(entries, turn + 1000);
    let last;
    for (; turn < end; turn++) last = db.put(keyAt(numberOf(turn)), valueAt(turn), ttlOf(turn));
    await last;
  }
}

const bytesOf = ({ slabBytes, hashIndexBytes, handleBytes, deadlineBytes }) =>
  slabBytes + hashIndexBytes + handleBytes + deadlineBytes;

export const steps = {
  async memory({ directory, entries }) {
    const plain = await openStore(`${directory}-plain`, { autoCheckpoint: false });
    await putInGroups(plain, entries, ORDERS.random(entries));
    const without = plain.stats().memory;
    await plain.close();
    const db = await openStore(directory, { autoCheckpoint: false, clock: () => 1 });
    await fill(db, entries, (at) => ({ ttl: 1000 + ((at * 7919) % entries) }));
    const memory = db.stats().memory;
    await db.close();
    return {
      heapBytes: memory.deadlineBytes,
      entryBytes: memory.valueBytes - without.valueBytes,
      allBytes: bytesOf(memory) - bytesOf(without),
    };
  },

  async removal({ directory, entries }) {
    let now = 1;
    const db = await openStore(directory, { autoCheckpoint: false, clock: () => now });
    await fill(db, entries, (at) => ({ ttl: 1000 + ((at * 7919) % entries) }));
    now = 1e9;
    let removed = 0;
    const start = performance.now();
    const { longestMs, withoutMs } = await longestDelays(async () => {
      removed = await db.expireNow();
    });
    const seconds = (performance.now() - start) / 1000;
    await db.close();
    return { perSecond: removed / seconds, longestMs, withoutMs };
  },

  async count({ directory, entries }) {
    let now = 1;
    const db = await openStore(directory, { autoCheckpoint: false, clock: () => now });
    await fill(db, entries, (at) => ({ ttl: 1000 + ((at * 7919) % entries) }));
    now = 1e9;
    const start = performance.now();
    db.get(keyAt(7));
    const getMs = performance.now() - start;
    db.count();
    const countMs = performance.now() - start - getMs;
    await db.close();
    return { getMs, countMs };
  },
};

export async function round({ run, directory, scaled }) {
  const entries = scaled(ENTRIES);
  const memory = await run('memory', { directory: `${directory}-memory`, entries });
  const removal = await run('removal', { directory: `${directory}-removal`, entries });
  const count = await run('count', { directory: `${directory}-count`, entries });
  return [
    { name: 'MB of the heap of deadlines', value: memory.heapBytes / 1e6 },
    { name: 'MB that the entries are longer', value: memory.entryBytes / 1e6 },
    { name: 'MB of both', value: (memory.heapBytes + memory.entryBytes) / 1e6, goal: '≤ 16' },
    { name: 'MiB of all memory outside the JavaScript heap', value: memory.allBytes / MIB },
    { name: 'removed a second', value: removal.perSecond, goal: '≥ 200,000' },
    { name: 'ms without a turn of the event loop, at most', value: removal.longestMs, goal: '≤ 2' },
    { name: 'the same without garbage collections', value: removal.withoutMs },
    { name: 'ms of the first `get()` once all are due', value: count.getMs },
    { name: 'ms of the first `count()` once all are due', value: count.countMs },
  ];
}
