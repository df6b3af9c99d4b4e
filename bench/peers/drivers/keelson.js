// Keelson at its defaults, or on the engine that is given. It has one class of durability, D. `transactsBy: 'batch'` reads
// and writes the same as a transaction by gets and a batch: within one turn nothing comes between.

import { open as openStore } from '../../../dist/index.js';

const VALUE_ENCODINGS = { objects: 'msgpack', strings: 'utf8', binaries: 'bytes' };

const TRANSACTIONS = {
  transaction: (db, a, b, change) =>
    db.transaction((tx) => {
      const [first, second] = [tx.get(a), tx.get(b)];
      change(first);
      change(second);
      tx.put(a, first);
      tx.put(b, second);
    }),
  batch(db, a, b, change) {
    const [first, second] = [db.get(a), db.get(b)];
    change(first);
    change(second);
    return db.batch([
      { type: 'put', key: a, value: first },
      { type: 'put', key: b, value: second },
    ]);
  },
};

export async function open(directory, { kind, engine, transactsBy = 'transaction' }) {
  const db = await openStore(directory, { valueEncoding: VALUE_ENCODINGS[kind], engine });
  return {
    put: (key, value) => db.put(key, value),
    batch: (operations) => db.batch(operations),
    get: (key) => db.get(key),
    transact: (a, b, change) => TRANSACTIONS[transactsBy](db, a, b, change),
    transactAsync: (a, b, change) =>
      db.transaction(async (tx) => {
        const [first, second] = [tx.get(a), tx.get(b)];
        await null;
        change(first);
        change(second);
        tx.put(a, first);
        tx.put(b, second);
      }),
    keys(gte, limit, visit) {
      for (const key of db.keys({ gte, limit })) visit(key);
    },
    entries(gte, limit, visit) {
      for (const [key, value] of db.entries({ gte, limit })) visit(key, value);
    },
    settle: () => db.checkpoint(),
    close: () => db.close(),
  };
}
