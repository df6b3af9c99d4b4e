// node:sqlite, the SQLite in Node.js since version 22: sqlite.js has what it does.

import path from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { sqliteHandle } from './sqlite.js';

export async function open(directory, options) {
  const db = new DatabaseSync(path.join(directory, 'store.sqlite'));
  const rows = (sql) => {
    const statement = db.prepare(sql);
    statement.setReturnArrays(true);
    return statement;
  };
  const wrapped = {
    exec: (sql) => db.exec(sql),
    statement: (sql) => db.prepare(sql),
    rows,
    column(sql) {
      const statement = rows(sql);
      return {
        get: (...values) => statement.get(...values)?.[0],
        all: (...values) => statement.all(...values).map(([value]) => value),
      };
    },
    transaction(run) {
      const [begin, commit] = ['BEGIN', 'COMMIT'].map((sql) => db.prepare(sql));
      return (...values) => {
        begin.run();
        try {
          run(...values);
          commit.run();
        } catch (error) {
          db.exec('ROLLBACK');
          throw error;
        }
      };
    },
    close: () => db.close(),
  };
  return sqliteHandle(wrapped, options);
}
