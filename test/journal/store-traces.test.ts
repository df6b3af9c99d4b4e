// A store's journal is the store's alone: openJournal() refuses it, whatever state it is in.

import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { lockDirectory } from '../../src/journal/directory/directory-lock.js';
import { isBirth } from '../../src/journal/directory/store-traces.js';
import { openJournal } from '../../src/journal/index.js';
import { openJournalOn } from '../../src/journal/open-journal.js';
import { resolveJournalOptions } from '../../src/journal/options.js';
import { ENCODING_NAME_BYTES_MAX } from '../../src/kv/encoding/value-encoding.js';
import { open } from '../../src/kv/index.js';
import { RecordWriter } from '../../src/kv/write/record-writer.js';
import { openStorage } from '../../src/storage/index.js';
import { newSchema } from '../kv/schema-tools.js';

let base = '';
let directory = '';
beforeEach(() => {
  base = fs.mkdtempSync(path.join(os.tmpdir(), 'keelson-traces-'));
  directory = path.join(base, 'store');
});
afterEach(() => fs.rmSync(base, { recursive: true, force: true }));

const birthOf = (key: string, value: string): Uint8Array =>
  new RecordWriter(1000, newSchema()).birth(key, value).slice();

async function expectRefused(): Promise<void> {
  const names = fs.readdirSync(directory);
  await expect(openJournal(directory)).rejects.toMatchObject({
    code: 'KEELSON_FOREIGN',
    facts: { path: directory },
    message: expect.stringMatching(/holds a store.*Open it with open\(\) from 'keelson'$/),
  });
  expect(fs.readdirSync(directory)).toEqual(names);
}

describe('openJournal() on the directory of a store is KEELSON_FOREIGN', () => {
  // Its records could be appended to, and cut off, by whoever took it for a journal.
  test('that was written and closed', async () => {
    const db = await open(directory);
    await db.put('a', 1);
    await db.close();
    await expectRefused();
  });

  test('whose first commit is large', async () => {
    const db = await open(directory);
    await db.put('a', 'x'.repeat(500_000));
    await db.close();
    await expectRefused();
  });

  test('that has an image, and whose first segment is gone', async () => {
    const db = await open(directory);
    await db.put('a', 1);
    await db.checkpoint();
    await db.put('b', 1);
    await db.close();
    for (const name of fs.readdirSync(directory)) {
      if (name === '000000000001.journal') fs.rmSync(path.join(directory, name));
    }
    await expectRefused();
  });

  test('that is a backup', async () => {
    const db = await open(path.join(base, 'source'));
    await db.put('a', 1);
    await db.backup(directory);
    await db.close();
    await expectRefused();
  });

  test('whose owner was killed, and that was recovered', async () => {
    const db = await open(directory, { valueEncoding: 'json' });
    await db.put('a', 1);
    const copy = path.join(base, 'copy');
    fs.cpSync(directory, copy, { recursive: true, filter: (from) => !/LOCK|LIVE/.test(from) });
    await db.close();
    directory = copy;
    await expectRefused();
    await (await open(directory, { valueEncoding: 'json' })).close();
    await expectRefused();
  });
});

test('a journal of its own is opened, whatever its first record holds', async () => {
  const records = [
    Uint8Array.of(1, 1),
    Uint8Array.of(1),
    new Uint8Array(),
    birthOf('utf8', 'json').slice(0, -1),
  ];
  for (const [at, record] of records.entries()) {
    directory = path.join(base, `log ${at}`);
    for (let life = 0; life < 2; life++) {
      const journal = await openJournal(directory);
      await journal.commit(record);
      await journal.close();
    }
  }
});

test('what is a birth record of a store is told exactly', () => {
  const longest = 'x'.repeat(ENCODING_NAME_BYTES_MAX);
  for (const name of ['msgpack', 'j', 'x'.repeat(127), longest]) {
    for (const key of ['utf8', 'bytes']) {
      const birth = birthOf(key, name);
      expect(isBirth(birth)).toBe(true);
      for (let end = 0; end < birth.length; end++) expect(isBirth(birth.subarray(0, end))).toBe(false);
      expect(isBirth(Uint8Array.of(...birth, 0))).toBe(false);
      // No store has a format version of 0; one of the future is a store's.
      expect(isBirth(birth.with(1, 0))).toBe(false);
      expect(isBirth(birth.with(1, 2))).toBe(true);
    }
  }
  expect(isBirth(birthOf('latin1', 'json'))).toBe(false);
});

test('the journal of a store can be opened by what is not the public door', async () => {
  const db = await open(directory);
  await db.put('a', 1);
  await db.close();
  const options = resolveJournalOptions('openJournal', {});
  const journal = await openJournalOn(openStorage('fs'), directory, options);
  expect(journal.syncedLsn).toBeGreaterThan(0);
  await journal.close();
});

// It had looked while nothing was there, and looked no more when it had the lock: its first record made the store one that
// could never be opened again.
test('a journal that waits for the lock of a store that is being made is refused', async () => {
  const made = path.join(base, 'made');
  const db = await open(made);
  await db.put('a', 1);
  await db.close();
  fs.mkdirSync(directory);
  const lock = await lockDirectory(openStorage('fs'), directory);
  const waiting = openJournal(directory, { waitForLockMs: 10_000 });
  waiting.catch(() => {});
  // It has looked by then, and found nothing: its calls and these take turns in the thread pool.
  for (let call = 0; call < 200; call++) await fs.promises.readdir(directory);
  fs.copyFileSync(path.join(made, '000000000001.journal'), path.join(directory, '000000000001.journal'));
  await lock.release();
  await expect(waiting).rejects.toMatchObject({ code: 'KEELSON_FOREIGN' });
  const again = await open(directory);
  expect(again.get('a')).toBe(1);
  await again.close();
});
