// What console.log() shows of a store, a namespace, an index, a snapshot and a transaction.

import { inspect } from 'node:util';
import { describe, expect, test } from 'vitest';
import { msgpack, type Store } from '../../src/kv/index.js';
import { World } from './transaction-tools.js';

function usersOf(db: Store<string, unknown>) {
  return db.namespace('users', {
    valueEncoding: msgpack<string>(),
    indexes: (index) => ({ byName: index((name) => name), byMail: index.unique((name) => `${name}@`) }),
  });
}

async function threeEntries() {
  const { db } = await World.open();
  const users = usersOf(db);
  await db.batch([
    { type: 'put', key: 'a', value: 1 },
    { type: 'put', key: 'b', value: 2 },
    { type: 'put', namespace: users, key: 'ada', value: 'Ada' },
  ]);
  return { db, users, lsn: db.lastLsn };
}

describe('console.log()', () => {
  test('shows a store, a namespace and an index in one line', async () => {
    const { db, users, lsn } = await threeEntries();
    expect(inspect(db)).toBe(`Keelson { directory: '${db.directory}', entries: 2, lastLsn: ${lsn} }`);
    expect(inspect(users)).toBe("Namespace { name: 'users', entries: 1, indexes: [ 'byName', 'byMail' ] }");
    expect(inspect(db.namespace('plain'))).toBe("Namespace { name: 'plain', entries: 0 }");
    expect(inspect(users.indexes.byName)).toBe("Index { name: 'byName' }");
    expect(inspect({ index: users.indexes.byMail })).toBe("{ index: UniqueIndex { name: 'byMail' } }");
    await db.close();
  });

  test('shows a snapshot as of its LSN', async () => {
    const { db, users, lsn } = await threeEntries();
    const snapshot = db.snapshot();
    const before = snapshot.in(users);
    await Promise.all([db.clear(), users.clear()]);
    expect(inspect(snapshot)).toBe(`Snapshot { directory: '${db.directory}', lsn: ${lsn}, entries: 2 }`);
    expect(inspect(before)).toBe(`SnapshotNamespace { name: 'users', lsn: ${lsn}, entries: 1 }`);
    snapshot.close();
    expect(inspect(snapshot)).toContain('entries: KEELSON_CLOSED }');
    expect(inspect(before)).toContain('entries: KEELSON_CLOSED }');
    await db.close();
  });

  test('shows a transaction, which reads nothing by that', async () => {
    const { db, users } = await threeEntries();
    const shown: string[] = [];
    const last = await db.transaction(async (tx) => {
      await Promise.resolve();
      shown.push(inspect(tx), inspect(tx.in(users)), inspect(tx.in(users).indexes.byName));
      // A transaction that had read these would conflict.
      await Promise.all([db.put('c', 3), users.put('bob', 'Bob')]);
      tx.put('d', 4);
      return tx;
    });
    expect(shown).toEqual([
      "Transaction { attempt: 1, phase: 'view', lsn: null }",
      "TransactionNamespace { name: 'users' }",
      "Index { name: 'byName' }",
    ]);
    expect(inspect(last)).toBe(`Transaction { attempt: 1, phase: 'ended', lsn: ${db.lastLsn} }`);
    await db.close();
  });

  test('throws for nothing that is closed or dropped, and for no object that inherits', async () => {
    const { db, users } = await threeEntries();
    await db.drop(users);
    expect(inspect(users)).toMatch(/^Namespace { name: 'users', entries: KEELSON_DROPPED, /);
    await db.close();
    expect(inspect(db)).toContain('entries: KEELSON_CLOSED, lastLsn: ');
    expect(inspect(db.namespace)).toBe('[Function: namespace]');
    for (const handle of [db, users, users.indexes.byName]) {
      expect(inspect(Object.create(handle))).toMatch(/: unknown/);
      expect(Object.getOwnPropertySymbols(handle)).toEqual([]);
    }
  });

  test('shows the entries of a poisoned store, and that it is poisoned', async () => {
    const { db, disk } = await World.open();
    await db.put('a', 1);
    disk.faults = ({ name }) => (name === 'submit' ? { errno: 'EIO' } : undefined);
    await expect(db.put('b', 2)).rejects.toThrow();
    expect(inspect(db)).toMatch(/entries: 2, lastLsn: \d+, poisoned: 'KEELSON_POISONED' }$/);
    await db.close();
  });
});
