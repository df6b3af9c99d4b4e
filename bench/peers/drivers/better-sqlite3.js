// better-sqlite3: one table without row ids, prepared statements, WAL as its documentation recommends. Class D needs
// `synchronous = FULL`; at NORMAL, its default in WAL mode, a commit is not flushed. Objects are JSON text.

import path from 'node:path';
import Database from 'better-sqlite3';

const SYNCHRONOUS = { D: 'FULL', P: 'NORMAL' };
const asIs = (value) => value;
const CODECS = {
  objects: { type: 'TEXT', encode: JSON.stringify, decode: JSON.parse },
  strings: { type: 'TEXT', encode: asIs, decode: asIs },
  binaries: { type: 'BLOB', encode: asIs, decode: asIs },
};

export async function open(directory, { kind, durability }) {
  const { type, encode, decode } = CODECS[kind];
  const db = new Database(path.join(directory, 'store.sqlite'));
  db.pragma('journal_mode = WAL');
  db.pragma(`synchronous = ${SYNCHRONOUS[durability]}`);
  db.exec(
    `CREATE TABLE IF NOT EXISTS entries (key TEXT PRIMARY KEY, value ${type} NOT NULL) STRICT, WITHOUT ROWID`,
  );
  const put = db.prepare(
    'INSERT INTO entries VALUES (?, ?) ON CONFLICT (key) DO UPDATE SET value = excluded.value',
  );
  const get = db.prepare('SELECT value FROM entries WHERE key = ?').pluck();
  const keys = db.prepare('SELECT key FROM entries WHERE key >= ? ORDER BY key LIMIT ?').pluck();
  const entries = db.prepare('SELECT key, value FROM entries WHERE key >= ? ORDER BY key LIMIT ?').raw();
  const putAll = db.transaction((operations) => {
    for (const { key, value } of operations) put.run(key, encode(value));
  });
  const read = (key) => decode(get.get(key));
  const transact = db.transaction((a, b, change) => {
    const [first, second] = [read(a), read(b)];
    change(first);
    change(second);
    put.run(a, encode(first));
    put.run(b, encode(second));
  });
  return {
    put: (key, value) => put.run(key, encode(value)),
    batch: (operations) => putAll(operations),
    get(key) {
      const value = get.get(key);
      return value === undefined ? undefined : decode(value);
    },
    transact,
    transactsSynchronously: true,
    keys(gte, limit, visit) {
      for (const key of keys.all(gte, limit)) visit(key);
    },
    entries(gte, limit, visit) {
      for (const [key, value] of entries.all(gte, limit)) visit(key, decode(value));
    },
    settle: () => db.pragma('wal_checkpoint(TRUNCATE)'),
    close: () => db.close(),
  };
}
