// lmdb with `overlappingSync: false`: a commit is flushed before the promise of `put` or `batch` resolves, so the classes D
// and P are the same. MessagePack with shared structures for objects, as the README of lmdb recommends, and its string and
// binary encodings for the other values. `transactionSync` flushes before it returns, whatever `overlappingSync` is; the
// asynchronous `transaction` puts the functions of a turn into one commit. An index is a database with sorted duplicates, which
// such a transaction keeps with each put.

import path from 'node:path';
import { open as openEnvironment } from 'lmdb';

const ENCODINGS = {
  objects: { encoding: 'msgpack', sharedStructuresKey: Symbol.for('structures') },
  strings: { encoding: 'string' },
  binaries: { encoding: 'binary' },
};

/** The writes and the read of a database with an index by the field `email`. */
function indexed(db) {
  const index = db.openDB({ name: 'byEmail', dupSort: true, encoding: 'ordered-binary' });
  function putBoth(key, value) {
    const old = db.get(key);
    if (old !== undefined) index.remove(old.email, key);
    db.put(key, value);
    index.put(value.email, key);
  }
  return {
    put: (key, value) => db.transaction(() => putBoth(key, value)),
    batch: (operations) =>
      db.transaction(() => {
        for (const { key, value } of operations) putBoth(key, value);
      }),
    getByEmail: (email) => [...index.getValues(email).map((key) => db.get(key))],
  };
}

export async function open(directory, { kind, feature, transactsBy = 'transactionSync' }) {
  const db = openEnvironment({
    path: path.join(directory, 'data.mdb'),
    noSubdir: true,
    overlappingSync: false,
    ...ENCODINGS[kind],
  });
  function readAndWrite(a, b, change) {
    const [first, second] = [db.get(a), db.get(b)];
    change(first);
    change(second);
    db.put(a, first);
    db.put(b, second);
  }
  return {
    put: (key, value) => db.put(key, value),
    batch: (operations) =>
      db.batch(() => {
        for (const { key, value } of operations) db.put(key, value);
      }),
    get: (key) => db.get(key),
    transact: (a, b, change) => db[transactsBy](() => readAndWrite(a, b, change)),
    transactsSynchronously: transactsBy === 'transactionSync',
    keys(gte, limit, visit) {
      for (const key of db.getKeys({ start: gte, limit })) visit(key);
    },
    entries(gte, limit, visit) {
      for (const { key, value } of db.getRange({ start: gte, limit })) visit(key, value);
    },
    settle: () => db.flushed,
    close: () => db.close(),
    ...(feature === 'index' && indexed(db)),
  };
}
