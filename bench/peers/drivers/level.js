// What the databases of abstract-level have in common. Reads go through its synchronous get, or through its usual one where a
// trial says so, and scans through nextv() with room for the whole range, which its documentation names as the fastest. An
// index is a sublevel that each write keeps by hand, in one batch; what a feed comes nearest to is the event `write`.

const VALUE_ENCODINGS = { objects: 'json', strings: 'utf8', binaries: 'view' };
const ENTRY_BYTES_MAX = 256;

export const levelOptions = (kind) => ({ keyEncoding: 'utf8', valueEncoding: VALUE_ENCODINGS[kind] });

/** The writes and the read of a database with an index by the field `email`, from its e-mail address and its key to its key. */
function indexed(db, writeOptions) {
  const index = db.sublevel('byEmail', { keyEncoding: 'utf8', valueEncoding: 'utf8' });
  const placeOf = ({ email }, key) => `${email}\0${key}`;
  const operationsOf = (key, value) => [
    { type: 'put', key, value },
    { type: 'put', sublevel: index, key: placeOf(value, key), value: key, valueEncoding: 'utf8' },
  ];
  return {
    put(key, value) {
      const operations = operationsOf(key, value);
      const old = db.getSync(key);
      if (old !== undefined && old.email !== value.email)
        operations.unshift({ type: 'del', sublevel: index, key: placeOf(old, key) });
      return db.batch(operations, writeOptions);
    },
    /** Of new keys. */
    batch: (operations) =>
      db.batch(
        operations.flatMap(({ key, value }) => operationsOf(key, value)),
        writeOptions,
      ),
    async getByEmail(email) {
      const keys = await index.values({ gt: `${email}\0`, lt: `${email}\x01` }).all();
      return db.getMany(keys);
    },
  };
}

/** Listens to what is written. Returns a function that counts it. */
function listening(db) {
  let told = 0;
  db.on('write', (operations) => {
    told += operations.length;
  });
  return () => told;
}

export function levelHandle(db, writeOptions, feature) {
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
    getAsync: (key) => db.get(key),
    keys: (gte, limit, visit) => scan(db.keys(rangeOf(gte, limit)), limit, visit),
    entries: (gte, limit, visit) =>
      scan(db.iterator(rangeOf(gte, limit)), limit, ([key, value]) => visit(key, value)),
    settle: () => db.compactRange?.('', '~'),
    close: () => db.close(),
    told: feature === 'feed' ? listening(db) : undefined,
    ...(feature === 'index' && indexed(db, writeOptions)),
  };
}
