// Who may read and write a store: whoever may do so with its directory. Files were readable by everybody, whatever the
// umask had made of the directory, and a backup of a private store was a public one.

import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { open, salvage } from '../../src/index.js';
import { createFsStorage } from '../../src/storage/index.js';
import { giveSocketAccess } from '../../src/storage/permissions.js';
import { whyNoIoUring } from '../native/native-tools.js';

let folder: string;
let umask: number;

beforeEach(() => {
  folder = fs.mkdtempSync(path.join(os.tmpdir(), 'keelson-permissions-'));
  umask = process.umask(0o022);
});

afterEach(() => {
  process.umask(umask);
  fs.rmSync(folder, { recursive: true });
});

function directoryWith(name: string, mode: number): string {
  const directory = path.join(folder, name);
  fs.mkdirSync(directory);
  fs.chmodSync(directory, mode);
  return directory;
}

const modeOf = (at: string) => fs.statSync(at).mode & 0o777;

/** The mode of every file in a directory, by name without numbers. */
function modesIn(directory: string): Record<string, string> {
  const modes = fs
    .readdirSync(directory)
    .map((name) => [name.replace(/[0-9a-f]{8,}|\d+/, 'N'), modeOf(path.join(directory, name)).toString(8)]);
  return Object.fromEntries(modes);
}

const ENGINES = ['fs', ...(whyNoIoUring() === null ? ['io_uring' as const] : [])] as const;

describe.each(ENGINES)('a store on the engine %s', (engine) => {
  test.each([
    [0o700, '600'],
    [0o750, '640'],
    [0o755, '644'],
    [0o770, '660'],
    [0o711, '600'],
    [0o777, '666'],
    [0o1777, '644'],
  ])('in a directory of mode %o has files of mode %s, and so has its socket', async (mode, expected) => {
    for (const restrictive of [0o000, 0o022, 0o077]) {
      process.umask(restrictive);
      const directory = directoryWith(`store-${restrictive}`, mode);
      const db = await open<number>(directory, { engine });
      await db.put('a', 1);
      await db.checkpoint();
      expect(modesIn(directory)).toEqual({
        'LOCK.N': expected,
        'LIVE.N': expected,
        'N.image': expected,
        'N.journal': expected,
      });
      await db.close();
    }
  });

  test('in a directory that it makes is as private as the umask says', async () => {
    for (const [restrictive, expected] of [
      [0o022, '644'],
      [0o027, '640'],
      [0o077, '600'],
    ] as const) {
      process.umask(restrictive);
      const directory = path.join(folder, `made-${restrictive}`, 'store');
      const db = await open<number>(directory, { engine });
      await db.put('a', 1);
      expect([modeOf(path.dirname(directory)), modeOf(directory)]).toEqual([
        0o777 & ~restrictive,
        0o777 & ~restrictive,
      ]);
      expect(Object.values(modesIn(directory))).toEqual([expected, expected, expected]);
      await db.close();
    }
  });
});

describe('a backup', () => {
  async function backedUp(mode: number, target: string): Promise<void> {
    const db = await open<number>(directoryWith('store', mode));
    await db.put('a', 1);
    await db.backup(target);
    await db.close();
  }

  test.each([
    [0o700, '600'],
    [0o750, '640'],
    [0o770, '660'],
    [0o755, '644'],
  ])('of a store in a directory of mode %o is in one of that mode', async (mode, expected) => {
    const target = path.join(folder, 'above', 'backup');
    await backedUp(mode, target);
    expect(modeOf(target)).toBe(mode);
    expect(modesIn(target)).toEqual({ BACKUP: expected, 'N.image': expected, 'N.journal': expected });
  });

  test('into a directory that is there gives nobody more than the store did', async () => {
    const target = directoryWith('backup', 0o755);
    await backedUp(0o700, target);
    expect(modesIn(target)).toEqual({ BACKUP: '600', 'N.image': '600', 'N.journal': '600' });
    expect(modeOf(target)).toBe(0o755);
  });

  test('into a directory that is more private than the store is as private as that', async () => {
    const target = directoryWith('backup', 0o700);
    await backedUp(0o755, target);
    expect(modesIn(target)).toEqual({ BACKUP: '600', 'N.image': '600', 'N.journal': '600' });
  });

  test('keeps the group that a directory hands down', async () => {
    const target = path.join(directoryWith('above', 0o2755), 'backup');
    await backedUp(0o700, target);
    expect(fs.statSync(target).mode & 0o7777).toBe(0o2700);
  });
});

test('what salvage writes is as private as the store that it reads', async () => {
  const source = directoryWith('store', 0o700);
  const db = await open<number>(source);
  await db.put('a', 1);
  await db.close();
  const target = path.join(folder, 'rescued');
  await salvage(source, target);
  expect(modeOf(target)).toBe(0o700);
  expect(modesIn(target)).toEqual({ 'N.image': '600', 'N.journal': '600' });
});

test.skipIf(process.getuid?.() !== 0)(
  'a 0700 store, and its backup, cannot be read by another user',
  async () => {
    fs.chmodSync(folder, 0o755);
    const source = directoryWith('store', 0o700);
    const target = path.join(folder, 'backup');
    const db = await open<number>(source);
    await db.put('a', 1);
    await db.backup(target);
    process.seteuid!(65_534);
    try {
      await expect(open(source, { readOnly: true })).rejects.toMatchObject({ code: 'KEELSON_ACCESS' });
      await expect(open(target, { readOnly: true })).rejects.toMatchObject({ code: 'KEELSON_ACCESS' });
    } finally {
      process.seteuid!(0);
    }
    await db.close();
  },
);

describe('a copy', () => {
  // Nobody could make anything in it, not even who made it, so the last resort failed.
  test.each([0o555, 0o500])('of a store whose directory has mode %o can be made, and read', async (mode) => {
    const source = directoryWith('store', 0o700);
    const db = await open<number>(source);
    await db.put('a', 1);
    await db.close();
    fs.chmodSync(source, mode);
    const target = path.join(folder, 'rescued');
    await salvage(source, target);
    expect(modeOf(target)).toBe(mode | 0o700);
    fs.chmodSync(source, 0o700);
  });

  test('of a store in a sticky directory is not written by everybody', async () => {
    const source = directoryWith('store', 0o1777);
    const db = await open<number>(source);
    await db.put('a', 1);
    const target = path.join(folder, 'backup');
    await db.backup(target);
    await db.close();
    expect(modeOf(target)).toBe(0o755);
    expect(modesIn(target)).toEqual({ BACKUP: '644', 'N.image': '644', 'N.journal': '644' });
  });
});

const asRoot = test.skipIf(process.getuid?.() !== 0);

// Root had looked at an application's store once, and the application could not open it any more.
asRoot.each([0o700, 0o750])('what root makes in a directory of mode %o is its owner’s', async (mode) => {
  fs.chmodSync(folder, 0o755);
  const directory = directoryWith('store', mode);
  fs.chownSync(directory, 1001, 1001);
  const db = await open<number>(directory);
  await db.put('a', 1);
  const owners = fs.readdirSync(directory).map((name) => {
    const { uid, gid } = fs.lstatSync(path.join(directory, name));
    return [uid, gid];
  });
  expect(new Set(owners.map(String))).toEqual(new Set(['1001,1001']));
  await db.close();
});

// Whoever could write in the directory got any file of the owner's the mode of the socket.
asRoot('a link in the place of a socket gives nothing to what it leads to', () => {
  const victim = path.join(folder, 'victim');
  fs.writeFileSync(victim, '', { mode: 0o600 });
  const link = path.join(folder, 'LIVE.0000000000000000.tmp');
  fs.symlinkSync(victim, link);
  giveSocketAccess(link, { mode: 0o666, uid: 1001, gid: 1001, othersEnter: true });
  const { mode, uid } = fs.statSync(victim);
  expect([mode & 0o777, uid]).toEqual([0o600, 0]);
});

test('a segment that is made while the caller waits has the mode of its directory, whatever the umask', async () => {
  const directory = directoryWith('store', 0o755);
  process.umask(0o077);
  const file = createFsStorage().createLogFileSync(path.join(directory, 'segment'));
  await file.close();
  expect(modesIn(directory)).toEqual({ segment: '644' });
});

// In a directory that others may enter, but not list, files whose group could not be set were readable by everybody.
asRoot.each([
  [0o750, '644'],
  [0o751, '640'],
])(
  'files in a directory of mode %o, of a group that their maker is not in, have mode %s',
  async (mode, expected) => {
    fs.chmodSync(folder, 0o755);
    const directory = directoryWith('store', mode);
    fs.chownSync(directory, 65_534, 1001);
    process.seteuid!(65_534);
    try {
      const db = await open<number>(directory, { engine: 'fs' });
      await db.put('a', 1);
      await db.close();
    } finally {
      process.seteuid!(0);
    }
    expect(new Set(Object.values(modesIn(directory)))).toEqual(new Set([expected]));
  },
);
