// What better-sqlite3 and node:sqlite have in common: the tables and the statements. One table without row ids, WAL as SQLite
// recommends it. Class D needs `synchronous = FULL`; at NORMAL a commit is not flushed. Objects are JSON text. A lifetime is a
// column with an index, an index is one over a field of the JSON text, and a feed is a table that triggers fill.

const SYNCHRONOUS = { D: 'FULL', P: 'NORMAL' };
const asIs = (value) => value;
const CODECS = {
  objects: { type: 'TEXT', encode: JSON.stringify, decode: JSON.parse },
  strings: { type: 'TEXT', encode: asIs, decode: asIs },
  binaries: { type: 'BLOB', encode: asIs, decode: asIs },
};

/** The statements that give the table a feature. */
const FEATURES = {
  ttl: () => [
    'ALTER TABLE entries ADD COLUMN expiresAt INTEGER',
    'CREATE INDEX byExpiry ON entries (expiresAt)',
  ],
  index: () => ["CREATE INDEX IF NOT EXISTS byEmail ON entries (value ->> '$.email')"],
  feed: (type) => [
    `CREATE TABLE changes (sequence INTEGER PRIMARY KEY, key TEXT NOT NULL, value ${type} NOT NULL) STRICT`,
    ...['INSERT', 'UPDATE'].map(
      (event) =>
        `CREATE TRIGGER on${event} AFTER ${event} ON entries BEGIN INSERT INTO changes (key, value) VALUES (new.key, new.value); END`,
    ),
  ],
};

/** A reader of the table of changes. It reads when it is asked for what it has been told. */
function readerOf(db, decode) {
  const since = db.rows('SELECT sequence, key, value FROM changes WHERE sequence > ? ORDER BY sequence');
  let last = 0;
  let told = 0;
  return () => {
    for (const [sequence, , value] of since.all(last)) {
      decode(value);
      last = sequence;
      told++;
    }
    return told;
  };
}

/**
 * `db` is the database as its driver wraps it: `exec` and `close`, statements with `run`, with rows that are arrays, with one
 * column, and `transaction`, which makes a function one.
 */
export function sqliteHandle(db, { kind, durability, feature, ttlMs }) {
  const { type, encode, decode } = CODECS[kind];
  db.exec('PRAGMA journal_mode = WAL');
  db.exec(`PRAGMA synchronous = ${SYNCHRONOUS[durability]}`);
  db.exec(
    `CREATE TABLE IF NOT EXISTS entries (key TEXT PRIMARY KEY, value ${type} NOT NULL) STRICT, WITHOUT ROWID`,
  );
  for (const statement of FEATURES[feature]?.(type) ?? []) db.exec(statement);
  const insert = db.statement(
    'INSERT INTO entries (key, value) VALUES (?, ?) ON CONFLICT (key) DO UPDATE SET value = excluded.value',
  );
  const get = db.column('SELECT value FROM entries WHERE key = ?');
  const keys = db.column('SELECT key FROM entries WHERE key >= ? ORDER BY key LIMIT ?');
  const entries = db.rows('SELECT key, value FROM entries WHERE key >= ? ORDER BY key LIMIT ?');
  const byEmail = feature === 'index' && db.column("SELECT value FROM entries WHERE value ->> '$.email' = ?");
  const expiring =
    feature === 'ttl' &&
    db.statement(
      'INSERT INTO entries VALUES (?, ?, ?) ON CONFLICT (key) DO UPDATE SET value = excluded.value, expiresAt = excluded.expiresAt',
    );
  const put = expiring
    ? (key, value) => expiring.run(key, encode(value), Date.now() + ttlMs)
    : (key, value) => insert.run(key, encode(value));
  const read = (key) => decode(get.get(key));
  return {
    put,
    putsSynchronously: true,
    batch: db.transaction((operations) => {
      for (const { key, value } of operations) put(key, value);
    }),
    get(key) {
      const value = get.get(key);
      return value === undefined ? undefined : decode(value);
    },
    getByEmail: (email) => byEmail.all(email).map(decode),
    transact: db.transaction((a, b, change) => {
      const [first, second] = [read(a), read(b)];
      change(first);
      change(second);
      put(a, first);
      put(b, second);
    }),
    transactsSynchronously: true,
    told: feature === 'feed' ? readerOf(db, decode) : undefined,
    keys(gte, limit, visit) {
      for (const key of keys.all(gte, limit)) visit(key);
    },
    entries(gte, limit, visit) {
      for (const [key, value] of entries.all(gte, limit)) visit(key, decode(value));
    },
    settle: () => db.exec('PRAGMA wal_checkpoint(TRUNCATE)'),
    close: () => db.close(),
  };
}
