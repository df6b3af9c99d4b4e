// A name that nobody knows is a TypeError, at every door: a misspelt option would be silently nothing.

import { describe, expect, test } from 'vitest';
import { openJournal } from '../src/journal/index.js';
import { openJournalOn } from '../src/journal/open-journal.js';
import { resolveJournalOptions } from '../src/journal/options.js';
import { open, type Store, salvage, verify } from '../src/kv/index.js';
import { exploreCrashes } from '../src/testing/crash-explorer.js';
import { inMemory } from '../src/testing/in-memory.js';
import { simulateCrashes } from '../src/testing/simulate-crashes.js';
import { SimulatedDisk } from '../src/testing/simulated-disk.js';

const odd = { odd: 1 } as object;
const run = { workload: async () => {}, check: async () => {} };

async function withStore(use: (db: Store<string, unknown>) => unknown): Promise<void> {
  const db = await inMemory().open('/s');
  try {
    await db.put('a', 1);
    await use(db);
  } finally {
    await db.close();
  }
}

async function withJournal(
  use: (journal: Awaited<ReturnType<typeof openJournalOn>>) => unknown,
): Promise<void> {
  const storage = new SimulatedDisk({ seed: 1 }).life();
  const journal = await openJournalOn(storage, '/j', resolveJournalOptions('openJournal', {}));
  try {
    await use(journal);
  } finally {
    await journal.close();
  }
}

describe('an unknown name is a TypeError that lists the known ones', () => {
  const cases: readonly (readonly [string, () => unknown])[] = [
    ['open', () => open('/nowhere', odd)],
    ['openJournal', () => openJournal('/nowhere', odd)],
    ['verify', () => verify('/nowhere', odd)],
    ['salvage', () => salvage('/nowhere', '/out', odd)],
    ['put', () => withStore((db) => db.put('k', 1, odd))],
    ['delete', () => withStore((db) => db.delete('k', odd))],
    ['batch', () => withStore((db) => db.batch([], odd))],
    ['an operation of a batch', () => withStore((db) => db.batch([{ type: 'delete', key: 'k', ...odd }]))],
    ['clear', () => withStore((db) => db.clear(odd))],
    ['the options of clear', () => withStore((db) => db.clear({}, odd))],
    ['entries', () => withStore((db) => db.entries(odd))],
    ['keys', () => withStore((db) => db.keys(odd))],
    ['values', () => withStore((db) => db.values(odd))],
    ['count', () => withStore((db) => db.count(odd))],
    ['namespace', () => withStore((db) => db.namespace('n', odd))],
    ['drop', () => withStore((db) => db.drop('n', odd))],
    ['transaction', () => withStore((db) => db.transaction(() => {}, odd))],
    ['clear of a transaction', () => withStore((db) => db.transaction((tx) => tx.clear(odd)))],
    ['count of a snapshot', () => withStore((db) => db.snapshot().count(odd))],
    ['read', () => withJournal((journal) => journal.read(odd))],
    ['follow', () => withJournal((journal) => journal.follow({ from: 0, ...odd }))],
    ['inMemory', () => inMemory(odd)],
    ['simulateCrashes', () => simulateCrashes({ ...run, ...odd })],
    ['exploreCrashes', () => exploreCrashes({ seed: 1, ...run, ...odd })],
    ['the disk of exploreCrashes', () => exploreCrashes({ seed: 1, ...run, disk: odd })],
    ['SimulatedDisk', () => new SimulatedDisk({ seed: 1, ...odd })],
  ];

  test.each(cases)('%s', async (_, call) => {
    await expect(async () => call()).rejects.toThrow(
      expect.objectContaining({
        name: 'TypeError',
        message: expect.stringMatching(/unknown (option|field) 'odd'.*; known (are|is) \w/),
      }),
    );
  });

  test('of the writes of a transaction, of which put takes a deadline and the others nothing', async () => {
    await withStore((db) =>
      db.transaction((tx) => {
        const message =
          /^options: expected none, .*, got an object\. In place of ifVersion, compare the version/;
        const given = [{ ifVersion: 0 }] as unknown as [];
        expect(() => tx.put('k', 1, ...given)).toThrow(
          /^options: unknown option 'ifVersion'.*ttl, expiresAt/,
        );
        expect(() => tx.delete('a', ...given)).toThrow(message);
        expect([...tx.keys()]).toEqual(['a']);
      }),
    );
  });

  test('of an event', async () => {
    await withStore((db) => {
      const listener = (): void => {};
      for (const method of ['on', 'off'] as const) {
        for (const name of ['checkpoints', 'error', '', Symbol('x')]) {
          expect(() => db[method](name as 'close', listener)).toThrow(
            /^event: expected one of 'checkpoint', 'poisoned', 'close', got /,
          );
        }
        expect(() => db[method]('close', undefined as never)).toThrow(
          'listener: expected a function, got undefined',
        );
        expect(db[method]('close', listener)).toBe(db);
      }
    });
  });
});
