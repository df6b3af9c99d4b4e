// The node:fs engine: the contract, and what only an engine on a real file system can be asked.

import { execFileSync } from 'node:child_process';
import fs from 'node:fs';
import { tmpdir } from 'node:os';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { createFsStorage, type Storage } from '../../src/storage/index.js';
import { storageContract } from './contract.js';
import {
  BLOCK_BYTES,
  expectCode,
  expectSameBytes,
  patternBytes,
  readBack,
  rejectionOf,
  type StorageEnvironment,
  submitted,
} from './contract-tools.js';

const UNPRIVILEGED_UID = 65534;
const HAS_PROC = fs.existsSync('/proc/self/fd');

async function makeEnvironment(): Promise<StorageEnvironment> {
  const directory = fs.mkdtempSync(`${tmpdir()}/keelson-fs-`);
  return {
    storage: createFsStorage(),
    directory,
    dispose: async () => fs.rmSync(directory, { recursive: true }),
  };
}

storageContract('fs', makeEnvironment);

describe('fs only', () => {
  let environment: StorageEnvironment;
  let storage: Storage;
  let directory: string;

  beforeEach(async () => {
    environment = await makeEnvironment();
    ({ storage, directory } = environment);
  });

  afterEach(async () => {
    vi.restoreAllMocks();
    await environment.dispose();
  });

  test('the report names the engine, claims nothing native, and counts no retries', () => {
    expect(storage.report).toMatchObject({
      engine: 'fs',
      nativeIoUringActive: false,
      directIoActive: false,
      retries: 0,
      retryPausesMs: 0,
    });
  });

  test('a link is of the kind of what it leads to, and one to nowhere is absent', async () => {
    fs.symlinkSync(directory, `${directory}/to-directory`);
    fs.symlinkSync(`${directory}/nowhere`, `${directory}/to-nowhere`);
    expect(await storage.kind(`${directory}/to-directory`)).toBe('directory');
    expect(await storage.kind(`${directory}/to-nowhere`)).toBe('absent');
    expect(await storage.makeDirectory(`${directory}/to-directory`)).toBe(false);
    await expectCode(storage.makeDirectory(`${directory}/to-nowhere`), 'KEELSON_EXISTS');
  });

  test('what is neither file nor directory is other', async () => {
    expect(await storage.kind('/dev/null')).toBe('other');
  });

  test('flushing a file in the place of a directory is refused', async () => {
    fs.writeFileSync(`${directory}/file`, '');
    await expectCode(storage.flushDirectory(`${directory}/file`), 'KEELSON_NOT_A_DIRECTORY');
    expect(() => storage.flushDirectorySync(`${directory}/file`)).toThrow(
      expect.objectContaining({ code: 'KEELSON_NOT_A_DIRECTORY' }),
    );
  });

  test('a path that no system accepts is an error like any other', async () => {
    await expectCode(storage.createFile(`${directory}/nul\0`), 'KEELSON_IO');
    await expectCode(storage.kind(`${directory}/nul\0`), 'KEELSON_IO');
  });

  describe.runIf(HAS_PROC)('descriptors', () => {
    const openDescriptorCount = (): number => fs.readdirSync('/proc/self/fd').length;

    test('200 files of each kind, written and closed, leave none behind', async () => {
      const before = openDescriptorCount();
      for (let index = 0; index < 200; index++) {
        const file = await storage.createFile(`${directory}/file-${index}`);
        const log = await storage.createLogFile(`${directory}/log-${index}`);
        const syncLog = storage.createLogFileSync(`${directory}/sync-log-${index}`);
        const opened = await storage.openFile(`${directory}/file-${index}`, true);
        syncLog.submit({ bytes: storage.allocate(1), position: 0, checksums: null }, () => undefined);
        syncLog.drainSync();
        await Promise.all([file.close(), log.close(), syncLog.close(), opened.close()]);
      }
      expect(openDescriptorCount()).toBe(before);
    });

    test('flushed directories and refused creations leave none behind', async () => {
      fs.writeFileSync(`${directory}/taken`, '');
      const before = openDescriptorCount();
      for (let index = 0; index < 50; index++) {
        await storage.flushDirectory(directory);
        storage.flushDirectorySync(directory);
        await rejectionOf(storage.createLogFile(`${directory}/taken`));
        expect(() => storage.createLogFileSync(`${directory}/taken`)).toThrow();
      }
      expect(openDescriptorCount()).toBe(before);
    });

    test('a log file whose second descriptor is refused leaves neither a descriptor nor a name', async () => {
      const refused = Object.assign(new Error('EMFILE'), { code: 'EMFILE' });
      const { open, openSync } = fs;
      const before = openDescriptorCount();
      vi.spyOn(fs, 'open').mockImplementation(((path: string, flags: string, mode: number, done: never) =>
        flags === 'r+' ? (done as (error: Error) => void)(refused) : open(path, flags, mode, done)) as never);
      vi.spyOn(fs, 'openSync').mockImplementation((path, flags, mode) => {
        if (flags === 'r+') throw refused;
        return openSync(path, flags, mode);
      });
      await expectCode(storage.createLogFile(`${directory}/log`), 'KEELSON_NO_SPACE');
      expect(() => storage.createLogFileSync(`${directory}/log`)).toThrow(
        expect.objectContaining({ code: 'KEELSON_NO_SPACE' }),
      );
      vi.restoreAllMocks();
      expect(await storage.list(directory)).toEqual([]);
      expect(openDescriptorCount()).toBe(before);
    });

    test('opening a log file whose second descriptor is refused leaves no descriptor, and the file as it was', async () => {
      fs.writeFileSync(`${directory}/log`, 'kept');
      const refused = Object.assign(new Error('EMFILE'), { code: 'EMFILE' });
      const { open, openSync } = fs;
      const before = openDescriptorCount();
      let opens = 0;
      vi.spyOn(fs, 'open').mockImplementation(((path: string, flags: string, mode: number, done: never) =>
        opens++ % 2 === 1
          ? (done as (error: Error) => void)(refused)
          : open(path, flags, mode, done)) as never);
      vi.spyOn(fs, 'openSync').mockImplementation((path, flags, mode) => {
        if (opens++ % 2 === 1) throw refused;
        return openSync(path, flags, mode);
      });
      await expectCode(storage.openLogFile(`${directory}/log`), 'KEELSON_NO_SPACE');
      expect(() => storage.openLogFileSync(`${directory}/log`)).toThrow(
        expect.objectContaining({ code: 'KEELSON_NO_SPACE' }),
      );
      vi.restoreAllMocks();
      expect(opens).toBe(4);
      expect(fs.readFileSync(`${directory}/log`, 'utf8')).toBe('kept');
      expect(openDescriptorCount()).toBe(before);
    });

    test('both descriptors are given back when closing one of them reports an error', async () => {
      const before = openDescriptorCount();
      const log = await storage.createLogFile(`${directory}/log`);
      const { close } = fs;
      vi.spyOn(fs, 'close').mockImplementationOnce((fd, callback) =>
        close(fd, () => callback?.(Object.assign(new Error('EIO'), { code: 'EIO' }))),
      );
      await expectCode(log.close(), 'KEELSON_IO');
      expect(openDescriptorCount()).toBe(before);
      await expect(log.close()).resolves.toBeUndefined();
    });
  });

  test('what an unprivileged user may not do is KEELSON_ACCESS', async (context) => {
    context.skip(process.getuid?.() !== 0, 'only root can become another user');
    fs.chmodSync(directory, 0o755);
    fs.mkdirSync(`${directory}/closed`, { mode: 0o700 });
    fs.writeFileSync(`${directory}/file`, '', { mode: 0o644 });
    const attempts = [
      () => storage.kind(`${directory}/closed/file`),
      () => storage.list(`${directory}/closed`),
      () => storage.makeDirectory(`${directory}/made`),
      () => storage.createFile(`${directory}/made`),
      () => storage.createLogFile(`${directory}/made`),
      () => storage.openFile(`${directory}/file`, true),
      () => storage.rename(`${directory}/file`, `${directory}/moved`),
      () => storage.remove(`${directory}/file`),
      () => storage.flushDirectory(`${directory}/closed`),
    ];
    process.seteuid!(UNPRIVILEGED_UID);
    try {
      for (const attempt of attempts) await expectCode(attempt(), 'KEELSON_ACCESS');
    } finally {
      process.seteuid!(0);
    }
    expect((await storage.list(directory)).sort()).toEqual(['closed', 'file']);
  });

  test('a full disk is KEELSON_NO_SPACE, in every form of writing, and spares what is there', async (context) => {
    const mounted = mountSmallDisk(directory);
    context.skip(!mounted, 'no small file system can be mounted here');
    try {
      const log = await storage.createLogFile(`${directory}/log`);
      const kept = patternBytes(storage, BLOCK_BYTES, 1);
      expect((await submitted(log, kept, 0).first).error).toBeNull();
      const tooMuch = storage.allocate(2 ** 20);
      const full = { code: 'KEELSON_NO_SPACE', facts: { errno: 'ENOSPC', syscall: 'write' } };
      expect(await rejectionOf(log.write(tooMuch, BLOCK_BYTES))).toMatchObject(full);
      expect(await rejectionOf(log.zeroFill(BLOCK_BYTES, 2 ** 20))).toMatchObject(full);
      expect(() => log.writeSync(tooMuch, BLOCK_BYTES)).toThrow(expect.objectContaining({ code: full.code }));
      expect((await submitted(log, tooMuch, BLOCK_BYTES).first).error).toMatchObject(full);
      expectSameBytes(await readBack(log, BLOCK_BYTES, 0), kept);
      await log.close();
    } finally {
      // Detached at once even while a failed test has left a file open on it.
      execFileSync('umount', ['--lazy', directory]);
    }
  });
});

function mountSmallDisk(directory: string): boolean {
  try {
    execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=256k', 'tmpfs', directory], { stdio: 'ignore' });
    return true;
  } catch {
    return false;
  }
}
