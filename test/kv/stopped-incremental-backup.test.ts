// db.backup(directory, { incremental: true }) that does not come to its end: the backup opens, and goes on later.

import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { open, type Store, verify } from '../../src/index.js';

const INCREMENTAL = { incremental: true };

let folder: string;
let source: string;
let target: string;

beforeEach(() => {
  folder = fs.mkdtempSync(path.join(os.tmpdir(), 'keelson-stopped-'));
  source = path.join(folder, 'source');
  target = path.join(folder, 'target');
});
afterEach(() => fs.rmSync(folder, { recursive: true }));

const openSource = () => open<unknown>(source, { retain: { bytes: 1e9 } });

/** Returns true when the first segment of the increment is there. */
const isBegun = () => fs.readdirSync(target).includes('000000000002.journal');

/** Checks that a backup is sound, and has what the store has. */
async function expectSame(db: Store<string, unknown>, directory: string) {
  expect(await verify(directory)).toMatchObject({ ok: true, lastLsn: db.lastLsn });
  await using copy = await open<unknown>(directory, { readOnly: true });
  expect([...copy.entries()]).toEqual([...db.entries()]);
}

describe('an incremental backup that is stopped', () => {
  it('by a move of its directory says so, and goes on where the directory is', async () => {
    await using db = await openSource();
    await db.put('a', 1);
    await db.backup(target);
    for (let at = 0; at < 30; at++) db.put(`k${at}`, 'x'.repeat(1_000_000));
    await db.flush();
    const backup = db.backup(target, INCREMENTAL);
    const settled = expect(backup).rejects.toMatchObject({ code: 'KEELSON_NOT_FOUND' });
    while (!isBegun()) await new Promise(setImmediate);
    const moved = path.join(folder, 'moved');
    fs.renameSync(target, moved);
    await settled;
    expect(await db.backup(moved, INCREMENTAL)).toMatchObject({ lsn: db.lastLsn });
    await expectSame(db, moved);
  });

  it('by the close of the store opens as it was or with some of the writes, and goes on later', async () => {
    const db = await openSource();
    await db.put('a', 1);
    await db.backup(target);
    const { lastLsn } = db;
    for (let at = 0; at < 30; at++) await db.put(`k${at}`, 'x'.repeat(1_000_000));
    const backup = db.backup(target, INCREMENTAL);
    const settled = expect(backup).rejects.toMatchObject({ code: 'KEELSON_ABORTED' });
    while (!isBegun()) await new Promise(setImmediate);
    await db.close();
    await settled;
    const copy = await open<unknown>(target, { readOnly: true });
    expect(copy.lastLsn).toBeGreaterThanOrEqual(lastLsn);
    expect(copy.size).toBeLessThan(31);
    await copy.close();
    await using again = await openSource();
    await again.backup(target, INCREMENTAL);
    await expectSame(again, target);
  });
});
