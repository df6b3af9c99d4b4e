// better-sqlite3: sqlite.js has what it does.

import path from 'node:path';
import Database from 'better-sqlite3';
import { sqliteHandle } from './sqlite.js';

export async function open(directory, options) {
  const db = new Database(path.join(directory, 'store.sqlite'));
  const wrapped = {
    exec: (sql) => db.exec(sql),
    statement: (sql) => db.prepare(sql),
    rows: (sql) => db.prepare(sql).raw(),
    column: (sql) => db.prepare(sql).pluck(),
    transaction: (run) => db.transaction(run),
    close: () => db.close(),
  };
  return sqliteHandle(wrapped, options);
}
