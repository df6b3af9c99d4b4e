// Backpressure that is a promise. A loop that does not await its writes met `maxUndurableBytes` as a blocking wait.

import { describe, expect, test } from 'vitest';
import { openJournalOn } from '../../src/journal/open-journal.js';
import { resolveJournalOptions } from '../../src/journal/options.js';
import type { Store } from '../../src/kv/index.js';
import { inMemory, SimulatedDisk } from '../../src/testing/index.js';

const LIMIT_BYTES = 4096;
const VALUE = 'x'.repeat(500);

function undurableBytes(db: Store<string, unknown>): number {
  return db.lastLsn - db.durableLsn;
}

async function openStore() {
  const { open, disk } = inMemory();
  const db = await open<unknown>('/store', { maxUndurableBytes: LIMIT_BYTES });
  return { db, disk };
}

describe('db.drained()', () => {
  test('resolves at once while less than half of the limit is not durable', async () => {
    const { db } = await openStore();
    db.put('a', VALUE);
    const { durableLsn } = db;
    await db.drained();
    expect(db.durableLsn).toBe(durableLsn);
    await db.close();
  });

  test('waits until less than half of the limit is not durable', async () => {
    const { db } = await openStore();
    while (undurableBytes(db) < LIMIT_BYTES / 2) db.put('a', VALUE);
    await db.drained();
    expect(undurableBytes(db)).toBeLessThan(LIMIT_BYTES / 2);
    await db.close();
  });

  test('waits for more than one commit where half of the limit is in the next one', async () => {
    const { db } = await openStore();
    const first = db.put('a', VALUE);
    // The commit goes out at the end of the turn, and takes none of what follows.
    await new Promise(process.nextTick);
    await Promise.resolve();
    for (let at = 0; at < 6; at++) db.put(`key ${at}`, VALUE);
    const undurable = db.drained().then(() => undurableBytes(db));
    await first;
    const left = undurableBytes(db);
    expect([left >= LIMIT_BYTES / 2, (await undurable) < LIMIT_BYTES / 2]).toEqual([true, true]);
    await db.close();
  });

  test('keeps a loop that awaits nothing else from every blocking wait', async () => {
    const { db } = await openStore();
    for (let at = 0; at < 200; at++) {
      db.put(`key ${at}`, VALUE, { durability: 'memory' });
      await db.drained();
    }
    const blocked = db.stats().journal!.blockingDrains;
    for (let at = 0; at < 200; at++) db.put(`key ${at}`, VALUE, { durability: 'memory' });
    expect([blocked, db.stats().journal!.blockingDrains > 0]).toEqual([0, true]);
    await db.close();
  });

  test('resolves when a blocking wait has made everything durable', async () => {
    const { db } = await openStore();
    while (undurableBytes(db) < LIMIT_BYTES / 2) db.put('a', VALUE);
    const waiting = db.drained();
    db.flushSync();
    await waiting;
    await db.close();
  });

  test('resolves when the store is closed meanwhile, and throws KEELSON_CLOSED afterwards', async () => {
    const { db } = await openStore();
    while (undurableBytes(db) < LIMIT_BYTES / 2) db.put('a', VALUE);
    const waiting = db.drained();
    await Promise.all([db.close(), waiting]);
    expect(() => db.drained()).toThrow(expect.objectContaining({ code: 'KEELSON_CLOSED' }));
  });

  test('rejects with KEELSON_POISONED when the disk fails, and throws it afterwards', async () => {
    const { db, disk } = await openStore();
    await db.put('a', VALUE);
    disk.faults = ({ name }) => (name === 'submit' ? { errno: 'EIO' } : undefined);
    while (undurableBytes(db) < LIMIT_BYTES / 2) db.put('a', VALUE).catch(() => {});
    await expect(db.drained()).rejects.toMatchObject({ code: 'KEELSON_POISONED' });
    expect(() => db.drained()).toThrow(expect.objectContaining({ code: 'KEELSON_POISONED' }));
    await db.close();
  });

  test('is refused by a store that was opened read-only', async () => {
    const { open } = inMemory();
    const db = await open('/store');
    await db.put('a', 1);
    await db.close();
    const readOnly = await open('/store', { readOnly: true });
    expect(() => readOnly.drained()).toThrow(expect.objectContaining({ code: 'KEELSON_READ_ONLY' }));
    await readOnly.close();
  });
});

describe('journal.drained()', () => {
  test('waits until less than half of the limit is not durable', async () => {
    const journal = await openJournalOn(
      new SimulatedDisk({ seed: 1 }).life(),
      '/log',
      resolveJournalOptions('openJournal', { maxUndurableBytes: LIMIT_BYTES }),
    );
    while (journal.nextLsn - journal.syncedLsn < LIMIT_BYTES / 2) journal.append(new Uint8Array(500));
    await journal.drained();
    expect(journal.nextLsn - journal.syncedLsn).toBeLessThan(LIMIT_BYTES / 2);
    await journal.close();
    expect(() => journal.drained()).toThrow(expect.objectContaining({ code: 'KEELSON_CLOSED' }));
  });
});
