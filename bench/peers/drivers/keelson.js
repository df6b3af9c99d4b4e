// Keelson at its defaults, or on the engine that is given. It has one class of durability, D. `transactsBy: 'batch'` reads
// and writes the same as a transaction by gets and a batch: within one turn nothing comes between. A lifetime, an index of a
// namespace and a reader of the change feed are there where a trial asks for the feature.

import { setImmediate as nextTurn } from 'node:timers/promises';
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

/** Opens a namespace with an index by the field `email`. */
const indexed = (store) =>
  store.namespace('users', {
    valueEncoding: 'msgpack',
    indexes: (index) => ({ byEmail: index((user) => user.email) }),
  }).ready;

/** Reads all changes. Returns a function that counts them when the reader has been told all. */
function reading(store) {
  let told = 0;
  let toldLsn = store.lastLsn;
  const read = async () => {
    for await (const { lsn, changes } of store.changes()) {
      told += changes.length;
      toldLsn = lsn;
    }
  };
  const ended = read();
  return async () => {
    while (toldLsn < store.lastLsn) await Promise.race([nextTurn(), ended]);
    return told;
  };
}

export async function open(directory, { kind, engine, feature, ttlMs, transactsBy = 'transaction' }) {
  const store = await openStore(directory, { valueEncoding: VALUE_ENCODINGS[kind], engine });
  const db = feature === 'index' ? await indexed(store) : store;
  return {
    put:
      feature === 'ttl'
        ? (key, value) => db.put(key, value, { ttl: ttlMs })
        : (key, value) => db.put(key, value),
    batch: (operations) => db.batch(operations),
    get: (key) => db.get(key),
    getByEmail: (email) => [...db.indexes.byEmail.values({ gte: email, lte: email })],
    told: feature === 'feed' ? reading(store) : undefined,
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
    settle: () => store.checkpoint(),
    close: () => store.close(),
  };
}
