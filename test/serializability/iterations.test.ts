// Iterations of a transaction that go on when what they show is over.

import { expect, it } from 'vitest';
import type { Store } from '../../src/kv/store-interface.js';
import { newDisk, openOn } from './stores.js';

async function openWithKeys(): Promise<Store<string, number>> {
  const db = await openOn<number>(newDisk(1).life());
  await db.batch(['a', 'b'].map((key, value) => ({ type: 'put', key, value })));
  return db;
}

const CLOSED = expect.objectContaining({ code: 'KEELSON_CLOSED' });

it('an iteration does not go on at the commit, where its old view is not checked any more', async () => {
  const db = await openWithKeys();
  await db.transaction(async (tx) => {
    const keys = tx.keys();
    expect(keys.next().value).toBe('a');
    await null;
    db.put('c', 3);
    tx.atCommit((last) => {
      expect(() => keys.next()).toThrow(CLOSED);
      expect([...last.keys()]).toEqual(['a', 'b', 'c']);
      last.put('d', 4);
    });
  });
  expect(db.get('d')).toBe(4);
  await db.close();
});

it('an iteration of a nested part ends when a part around it is undone', async () => {
  const db = await openWithKeys();
  await db.transaction((tx) => {
    let values: Iterator<number> | null = null;
    const outer = () =>
      tx.nested((part) => {
        part.nested((inner) => {
          inner.put('c', 3);
          values = inner.values({ gte: 'b' });
        });
        throw new Error('to be undone');
      });
    expect(outer).toThrow('to be undone');
    tx.put('d', 4);
    expect(() => values!.next()).toThrow(CLOSED);
  });
  expect([...db.keys()]).toEqual(['a', 'b', 'd']);
  await db.close();
});
