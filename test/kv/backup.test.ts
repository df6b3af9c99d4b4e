// db.backup(): a store of its own as of the call, while writes go on; and what is refused.

import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { open, salvage, verify } from '../../src/index.js';
import { openJournal } from '../../src/journal/index.js';
import { SimulatedDisk } from '../../src/testing/index.js';
import { fingerprint, openTiny, stateOf } from './damage-tools.js';

let folder: string;
let source: string;
let target: string;

beforeEach(() => {
  folder = fs.mkdtempSync(path.join(os.tmpdir(), 'keelson-backup-'));
  source = path.join(folder, 'source');
  target = path.join(folder, 'target');
});

afterEach(() => fs.rmSync(folder, { recursive: true }));

describe('a backup', () => {
  it('has the entries, versions and LSN of its call, however much is written meanwhile', async () => {
    const db = await open<number>(source);
    for (let at = 0; at < 20_000; at++) db.put(`k${at}`, at);
    const before = stateOf(db as never);
    const { lastLsn } = db;
    const backup = db.backup(target);
    let isDone = false;
    backup.finally(() => {
      isDone = true;
    });
    let written = 0;
    while (!isDone) {
      db.put(`k${written % 100}`, -1);
      db.delete(`k${written + 100}`);
      written++;
      await new Promise((resolve) => setImmediate(resolve));
    }
    expect(written).toBeGreaterThan(3);
    const result = await backup;
    expect(result).toMatchObject({ directory: target, lsn: lastLsn, entries: 20_000 });
    const image = fs.readdirSync(target).find((name) => name.endsWith('.image'))!;
    expect(fs.statSync(path.join(target, image)).size).toBe(result.bytesWritten);
    await db.close();
    const copy = await open<number>(target);
    expect(copy.recovery).toMatchObject({ kind: 'clean', lastLsn, imageLsn: lastLsn, tornBytes: 0 });
    expect(stateOf(copy as never)).toEqual(before);
    await copy.close();
    expect((await verify(target)).ok).toBe(true);
  });

  it('is a store that goes on: it writes, makes checkpoints, and is backed up in turn', async () => {
    const db = await openTiny(source);
    await db.put('a', 1);
    await db.backup(target);
    await db.close();
    const copy = await openTiny(target);
    expect(await copy.put('b', 2)).toBeGreaterThan(copy.recovery.lastLsn);
    await copy.checkpoint();
    await copy.put('c', 3);
    await copy.backup(path.join(folder, 'second'));
    await copy.close();
    for (const directory of [target, path.join(folder, 'second')]) {
      await using again = await openTiny(directory);
      expect([...again.entries()]).toEqual([
        ['a', 1],
        ['b', 2],
        ['c', 3],
      ]);
    }
  });

  it('of a store in which nothing was ever written is an empty store that knows its encodings', async () => {
    const db = await open(source, { valueEncoding: 'json' });
    expect(await db.backup(target)).toMatchObject({ lsn: db.lastLsn, entries: 0 });
    await db.close();
    await expect(open(target)).rejects.toMatchObject({ code: 'KEELSON_ENCODING_MISMATCH' });
    const copy = await open(target, { valueEncoding: 'json', create: false });
    await copy.put('a', 1);
    await copy.close();
    const again = await open(target, { valueEncoding: 'json' });
    expect(again.get('a')).toBe(1);
    await again.checkpoint();
    await again.close();
    expect((await verify(target)).ok).toBe(true);
  });

  it('with another journal than its source: their segments are never mixed', async () => {
    const db = await openTiny(source);
    await db.put('a', 1);
    await db.backup(target);
    await db.put('b', 1);
    await db.close();
    const name = '000000000001.journal';
    fs.copyFileSync(path.join(source, name), path.join(target, name));
    await expect(openTiny(target)).rejects.toMatchObject({ code: 'KEELSON_FOREIGN' });
  });

  it('can be made of a store that was opened read-only, and of one with bytes for keys', async () => {
    const key = new Uint8Array([0, 255]);
    const db = await open(source, { keyEncoding: 'bytes', valueEncoding: 'bytes' });
    await db.put(key, key);
    await db.close();
    const reader = await open(source, { keyEncoding: 'bytes', valueEncoding: 'bytes', readOnly: true });
    const before = fingerprint(source);
    await reader.backup(target);
    await reader.close();
    expect(fingerprint(source)).toEqual(before);
    await using copy = await open(target, { keyEncoding: 'bytes', valueEncoding: 'bytes' });
    expect([...copy.entries()]).toEqual([[key, key]]);
  });

  it('goes on beside others, and beside a checkpoint', async () => {
    const db = await openTiny(source);
    for (let at = 0; at < 100; at++) db.put(`k${at}`, 'x'.repeat(1000));
    const targets = ['one', 'two', 'three'].map((name) => path.join(folder, name));
    await Promise.all([db.checkpoint(), ...targets.map((directory) => db.backup(directory))]);
    const state = stateOf(db);
    await db.close();
    for (const directory of targets) {
      await using copy = await openTiny(directory);
      expect(stateOf(copy)).toEqual(state);
    }
  });

  it('is aborted when its store is closed, and leaves nothing; close() waits for that', async () => {
    const db = await open<string>(source);
    for (let at = 0; at < 2000; at++) db.put(`k${at}`, 'x'.repeat(1000));
    const backup = db.backup(target);
    let isSettled = false;
    const settled = expect(backup).rejects.toMatchObject({ code: 'KEELSON_ABORTED' });
    backup.catch(() => {
      isSettled = true;
    });
    await db.close();
    expect(isSettled).toBe(true);
    await settled;
    expect(fs.existsSync(target) ? fs.readdirSync(target) : []).toEqual([]);
    const again = await open<string>(source);
    expect(again.size).toBe(2000);
    await again.backup(target);
    await again.close();
    expect((await verify(target)).entries).toBe(2000);
  });
});

describe('a backup is refused', () => {
  it('where something is: a file, a store, another backup; and nothing is touched', async () => {
    const db = await open<number>(source);
    await db.put('a', 1);
    fs.mkdirSync(target);
    fs.writeFileSync(path.join(target, 'mine'), 'mine');
    await expect(db.backup(target)).rejects.toMatchObject({
      code: 'KEELSON_EXISTS',
      facts: { path: target },
    });
    expect(fs.readdirSync(target)).toEqual(['mine']);
    await expect(db.backup(path.join(target, 'mine'))).rejects.toMatchObject({
      code: 'KEELSON_NOT_A_DIRECTORY',
    });
    await expect(db.backup(source)).rejects.toMatchObject({ code: 'KEELSON_EXISTS' });
    await db.backup(path.join(folder, 'first'));
    await expect(db.backup(path.join(folder, 'first'))).rejects.toMatchObject({ code: 'KEELSON_EXISTS' });
    const [one, other] = await Promise.allSettled([
      db.backup(path.join(folder, 'same')),
      db.backup(path.join(folder, 'same')),
    ]);
    expect([one.status, other.status].sort()).toEqual(['fulfilled', 'rejected']);
    expect((await verify(path.join(folder, 'same'))).ok).toBe(true);
    await db.close();
  });

  it('by a store that is closed or poisoned, and for what is no path', async () => {
    const db = await open<number>(source);
    expect(() => db.backup('')).toThrow(TypeError);
    expect(() => db.backup(path.join(source, 'inside'))).toThrow(/expected one outside of/);
    await db.close();
    expect(() => db.backup(target)).toThrow(expect.objectContaining({ code: 'KEELSON_CLOSED' }));

    const disk = new SimulatedDisk({ seed: 1, directories: ['/data'] });
    const poisoned = await openTiny('/data/store', {}, disk.life());
    await poisoned.put('a', 1);
    disk.faults = ({ name }) => (name === 'submit' ? { errno: 'EIO' } : undefined);
    await poisoned.put('b', 1).catch(() => {});
    expect(() => poisoned.backup('/data/copy')).toThrow(
      expect.objectContaining({ code: 'KEELSON_POISONED' }),
    );
    await poisoned.close();
  });
});

describe('the source of a backup', () => {
  // A symbolic link to the store led a backup into the store's own directory: only the texts of the paths were compared.
  it('is never its target, or around it, by whatever way', async () => {
    const link = path.join(folder, 'link');
    const db = await open<number>(source);
    await db.put('a', 1);
    fs.symlinkSync(source, link);
    await expect(db.backup(path.join(link, 'sub'))).rejects.toThrow(/expected one outside of/);
    await expect(db.backup(link)).rejects.toMatchObject({ code: 'KEELSON_EXISTS' });
    await db.close();
    const before = fingerprint(source);
    await expect(salvage(source, path.join(link, 'deep', 'sub'))).rejects.toThrow(/expected one outside of/);
    await expect(salvage(link, path.join(source, 'sub'))).rejects.toThrow(/expected one outside of/);
    await expect(salvage('/', target)).rejects.toThrow(/expected one outside of/);
    expect(fingerprint(source)).toEqual(before);
    // Elsewhere a link is as good as what it leads to.
    fs.mkdirSync(path.join(folder, 'elsewhere'));
    fs.symlinkSync(path.join(folder, 'elsewhere'), target);
    await salvage(link, path.join(target, 'copy'));
    expect((await verify(path.join(folder, 'elsewhere', 'copy'))).entries).toBe(1);
  });
});

describe('a directory that holds an unfinished backup', () => {
  it('is refused by everybody, and left as it is', async () => {
    const db = await open<number>(source);
    await db.put('a', 1);
    await db.backup(target);
    await db.close();
    const segment = fs.readFileSync(path.join(target, '000000000001.journal'));
    const id = segment.subarray(16, 32).toString('hex');
    fs.writeFileSync(path.join(target, 'INCOMPLETE'), `journal ${id}\n`);
    const before = fingerprint(target);
    const incomplete = { code: 'KEELSON_INCOMPLETE', facts: { path: path.join(target, 'INCOMPLETE') } };
    await expect(open(target)).rejects.toMatchObject(incomplete);
    await expect(open(target, { readOnly: true })).rejects.toMatchObject(incomplete);
    await expect(open(target, { errorIfExists: true })).rejects.toMatchObject(incomplete);
    await expect(openJournal(target)).rejects.toMatchObject(incomplete);
    await expect(verify(target)).rejects.toMatchObject(incomplete);
    expect(fingerprint(target)).toEqual(before);
  });

  it('is not opened by who looked before the marker was there', async () => {
    const disk = new SimulatedDisk({ seed: 3, directories: ['/data/target'] });
    const storage = disk.life();
    // The marker comes when the opener makes its lock: after it has looked.
    disk.onBoundary = ({ operation, phase }) => {
      if (operation !== 'link' || phase !== 'submit') return;
      disk.onBoundary = undefined;
      void storage.createLogFileSync('/data/target/INCOMPLETE').close();
    };
    await expect(openTiny('/data/target', {}, storage)).rejects.toMatchObject({ code: 'KEELSON_INCOMPLETE' });
    expect((await storage.list('/data/target')).toSorted()).toEqual(['INCOMPLETE', 'LOCK.1']);
  });
});

describe('a marker that a refused backup left in a store', () => {
  it.each([
    ['empty', () => ''],
    ['cut off', () => 'journal 0123'],
    ['of what it was about to make', () => `journal ${'ab'.repeat(16)}\nA backup …\n`],
  ])('says nothing: %s', async (_, text) => {
    const db = await open<number>(source);
    await db.put('a', 1);
    await db.close();
    const marker = path.join(source, 'INCOMPLETE');
    fs.writeFileSync(marker, text());
    const reader = await open<number>(source, { readOnly: true });
    expect(reader.get('a')).toBe(1);
    await reader.close();
    expect(await verify(source)).toMatchObject({ ok: true, otherNames: ['INCOMPLETE'] });
    await (await open(source)).close();
    expect(fs.existsSync(marker)).toBe(false);
  });

  // The store that a backup makes goes on with the journal that the marker names.
  it('says nothing either where the store that was made has been written to', async () => {
    const db = await open<number>(source);
    await db.backup(target);
    await db.close();
    const copy = await open<number>(target);
    await copy.put('a', 1);
    await copy.close();
    const segment = fs.readFileSync(path.join(target, '000000000002.journal'));
    fs.writeFileSync(path.join(target, 'INCOMPLETE'), `journal ${segment.toString('hex', 16, 32)}\n`);
    await using again = await open<number>(target);
    expect(again.get('a')).toBe(1);
  });
});
