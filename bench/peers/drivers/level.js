// What classic-level and memory-level have in common: abstract-level. Reads go through its synchronous get, scans through
// nextv() with room for the whole range, which its documentation names as the fastest.

const VALUE_ENCODINGS = { objects: 'json', strings: 'utf8', binaries: 'view' };
const ENTRY_BYTES_MAX = 256;

export const levelOptions = (kind) => ({ keyEncoding: 'utf8', valueEncoding: VALUE_ENCODINGS[kind] });

export function levelHandle(db, writeOptions) {
  async function scan(iterator, limit, visit) {
    for (;;) {
      const items = await iterator.nextv(limit);
      if (items.length === 0) break;
      for (const item of items) visit(item);
    }
    await iterator.close();
  }
  const rangeOf = (gte, limit) => ({ gte, limit, highWaterMarkBytes: limit * ENTRY_BYTES_MAX });
  return {
    put: (key, value) => db.put(key, value, writeOptions),
    batch: (operations) => db.batch(operations, writeOptions),
    get: (key) => db.getSync(key),
    keys: (gte, limit, visit) => scan(db.keys(rangeOf(gte, limit)), limit, visit),
    entries: (gte, limit, visit) =>
      scan(db.iterator(rangeOf(gte, limit)), limit, ([key, value]) => visit(key, value)),
    settle: () => db.compactRange?.('', '~'),
    close: () => db.close(),
  };
}
