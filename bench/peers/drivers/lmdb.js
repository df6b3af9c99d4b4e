// lmdb with `overlappingSync: false`: a commit is flushed before the promise of `put` or `batch` resolves, so the classes D
// and P are the same. MessagePack with shared structures for objects, as the README of lmdb recommends, and its string and
// binary encodings for the other values.

import path from 'node:path';
import { open as openEnvironment } from 'lmdb';

const ENCODINGS = {
  objects: { encoding: 'msgpack', sharedStructuresKey: Symbol.for('structures') },
  strings: { encoding: 'string' },
  binaries: { encoding: 'binary' },
};

export async function open(directory, { kind }) {
  const db = openEnvironment({
    path: path.join(directory, 'data.mdb'),
    noSubdir: true,
    overlappingSync: false,
    ...ENCODINGS[kind],
  });
  return {
    put: (key, value) => db.put(key, value),
    batch: (operations) =>
      db.batch(() => {
        for (const { key, value } of operations) db.put(key, value);
      }),
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
