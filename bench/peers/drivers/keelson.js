// Keelson at its defaults, or on the engine that is given. It has one class of durability, D.

import { open as openStore } from '../../../dist/index.js';

const VALUE_ENCODINGS = { objects: 'msgpack', strings: 'utf8', binaries: 'bytes' };

export async function open(directory, { kind, engine }) {
  const db = await openStore(directory, { valueEncoding: VALUE_ENCODINGS[kind], engine });
  return {
    put: (key, value) => db.put(key, value),
    batch: (operations) => db.batch(operations),
    get: (key) => db.get(key),
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
