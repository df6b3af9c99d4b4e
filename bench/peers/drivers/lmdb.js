// lmdb as its README recommends: MessagePack with shared structures for objects, its string and binary encodings for the
// rest. In class D with its default `overlappingSync`, a put counts when its `flushed` has resolved (`separateFlushed` gives
// each commit its own: cheaper than asking `db.flushed` once a put); without, when the put itself has.

import path from 'node:path';
import { open as openEnvironment } from 'lmdb';

const ENCODINGS = {
  objects: { encoding: 'msgpack', sharedStructuresKey: Symbol.for('structures') },
  strings: { encoding: 'string' },
  binaries: { encoding: 'binary' },
};

export async function open(directory, options) {
  const { values, durability, overlappingSync = true, hasTransactions = false } = options;
  const db = openEnvironment({
    path: path.join(directory, 'data.mdb'),
    noSubdir: true,
    overlappingSync,
    separateFlushed: overlappingSync,
    ...ENCODINGS[values],
  });
  const isFlushAwaited = overlappingSync && durability === 'D';
  const acknowledged = isFlushAwaited ? (commit) => commit.flushed : (commit) => commit;
  function batchOnWriteThread(operations) {
    const commit = db.batch(() => {
      for (const { key, value } of operations) db.put(key, value);
    });
    return acknowledged(commit);
  }
  async function batchInTransaction(operations) {
    await db.transaction(() => {
      for (const { key, value } of operations) db.put(key, value);
    });
    if (isFlushAwaited) await db.flushed;
  }
  return {
    put: (key, value) => acknowledged(db.put(key, value)),
    batch: hasTransactions ? batchInTransaction : batchOnWriteThread,
    get: (key) => db.get(key),
    keys(gte, limit, visit) {
      for (const key of db.getKeys({ start: gte, limit })) visit(key);
    },
    entries(gte, limit, visit) {
      for (const { key, value } of db.getRange({ start: gte, limit })) visit(key, value);
    },
    settle: () => db.flushed,
    close: () => db.close(),
  };
}
