// The io_uring engine: the contract, and what it says of itself, looked at from outside.

import { execFileSync } from 'node:child_process';
import { pbkdf2 } from 'node:crypto';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { crc32cUpdate } from '../../src/crc32c.js';
import { openJournalOn } from '../../src/journal/open-journal.js';
import { resolveJournalOptions } from '../../src/journal/options.js';
import {
  checksumFrames,
  createFsStorage,
  createIoUringStorage,
  FRAME_OVERHEAD_BYTES,
  type LogFile,
  type Storage,
} from '../../src/storage/index.js';
import { IoUringLogFile } from '../../src/storage/io-uring-log-file.js';
import { ringOfThisThread } from '../../src/storage/io-uring-ring.js';
import { loadNativeAddon, type NativeAddon } from '../../src/storage/native-addon.js';
import {
  descriptorTargets,
  hasTool,
  jsonOf,
  linesOf,
  mountSmall,
  runProgram,
  useDirectory,
  whyNoIoUring,
  works,
} from '../native/native-tools.js';
import { storageContract } from './contract.js';
import {
  BLOCK_BYTES,
  expectSameBytes,
  patternBytes,
  readBack,
  rejectionOf,
  submitted,
} from './contract-tools.js';

const why = whyNoIoUring();
const O_DIRECT = 0o40000;
const SMALL_COMMIT_BYTES = 512;
const SEED = 20_261_123;

/** Whether a descriptor of this process on that file does direct I/O, as the kernel says. */
function hasDirectDescriptor(file: string): boolean {
  return fs.readdirSync('/proc/self/fd').some((fd) => {
    try {
      if (fs.readlinkSync(`/proc/self/fd/${fd}`) !== file) return false;
      const flags = /^flags:\s+([0-7]+)$/m.exec(fs.readFileSync(`/proc/self/fdinfo/${fd}`, 'utf8'));
      return (Number.parseInt(flags![1]!, 8) & O_DIRECT) !== 0;
    } catch {
      return false;
    }
  });
}

describe.skipIf(why !== null)(`the io_uring engine${why === null ? '' : ` (skipped: ${why})`}`, () => {
  storageContract('io_uring', async () => {
    const directory = fs.mkdtempSync(path.join(os.tmpdir(), 'keelson-io-uring-'));
    return {
      storage: createIoUringStorage(),
      directory,
      dispose: async () => fs.rmSync(directory, { recursive: true }),
    };
  });

  const here = useDirectory();

  describe('and the node:fs engine', () => {
    test.each([
      ['io_uring', 'fs'],
      ['fs', 'io_uring'],
    ] as const)('what %s writes durably, %s reads', async (by, from) => {
      const storages = { io_uring: createIoUringStorage(), fs: createFsStorage() };
      const log = await storages[by].createLogFile(here.at('log'));
      await log.zeroFill(0, 8 * BLOCK_BYTES);
      await log.flush();
      for (const block of [0, 3, 5]) {
        const bytes = patternBytes(storages[by], BLOCK_BYTES, block);
        expect((await submitted(log, bytes, block * BLOCK_BYTES).first).error).toBeNull();
      }
      const reader = await storages[from].openFile(here.at('log'), false);
      const expected = new Uint8Array(8 * BLOCK_BYTES);
      for (const block of [0, 3, 5]) {
        expected.set(patternBytes(storages[from], BLOCK_BYTES, block), block * BLOCK_BYTES);
      }
      expectSameBytes(await readBack(reader, expected.length, 0), expected);
      await Promise.all([log.close(), reader.close()]);
    });

    test('take turns on one journal, which ends with the records of both in order', async () => {
      const expected: string[] = [];
      for (let turn = 0; turn < 6; turn++) {
        const storage = turn % 2 === 0 ? createIoUringStorage() : createFsStorage();
        const journal = await openJournalOn(storage, here.path, resolveJournalOptions('test', {}));
        for (let index = 0; index < 10; index++) {
          expected.push(`record ${index} of turn ${turn} on ${journal.engine}`);
          journal.append(Buffer.from(expected.at(-1)!));
          if (index % 3 === 0) await journal.syncThrough();
        }
        await journal.syncThrough();
        const records: string[] = [];
        for await (const { record } of journal.read()) records.push(Buffer.from(record).toString());
        expect(records).toEqual(expected);
        await journal.close();
      }
    });

    test('give the same log positions', async () => {
      const lsns: number[][] = [];
      for (const storage of [createIoUringStorage(), createFsStorage()]) {
        const directory = here.at(storage.report.engine);
        const journal = await openJournalOn(storage, directory, resolveJournalOptions('test', {}));
        lsns.push([journal.append(Buffer.from('hello')), journal.append(Buffer.from(' world'))]);
        await journal.close();
      }
      expect(lsns).toEqual([
        [17, 35],
        [17, 35],
      ]);
    });

    test('compute the same checksums, in whatever pieces', () => {
      const addon = loadNativeAddon();
      const pieces = fc.array(fc.uint8Array({ maxLength: 300 }), { maxLength: 6 });
      fc.assert(
        fc.property(fc.integer(), pieces, fc.nat(15), (start, parts, shift) => {
          let [ours, native] = [start | 0, start | 0];
          for (const part of parts) {
            // At any alignment.
            const shifted = new Uint8Array(part.length + shift).subarray(shift);
            shifted.set(part);
            ours = crc32cUpdate(ours, shifted, 0, shifted.length);
            native = addon.crc32cUpdate(native, shifted);
          }
          expect(native).toBe(ours | 0);
        }),
        { seed: SEED, numRuns: 1000 },
      );
    });

    test('fill in the checksums of the same frames with the same bytes, at every log position up to 2^53', () => {
      const addon = loadNativeAddon();
      const lsns = fc.oneof(
        fc.maxSafeNat().map((lsn) => Math.max(0, lsn - 10_000)),
        fc.nat(5000).map((below) => 2 ** 32 - below),
        fc.nat(5000),
      );
      const records = fc.array(fc.uint8Array({ maxLength: 200 }), { maxLength: 8 });
      fc.assert(
        fc.property(records, lsns, fc.integer(), (payloads, startLsn, seed) => {
          const bodyLength = payloads.reduce((sum, { length }) => sum + FRAME_OVERHEAD_BYTES + length, 0);
          const ours = new Uint8Array(bodyLength);
          const view = new DataView(ours.buffer);
          let at = 0;
          for (const payload of payloads) {
            view.setUint32(at, payload.length, true);
            ours.set(payload, at + FRAME_OVERHEAD_BYTES);
            at += FRAME_OVERHEAD_BYTES + payload.length;
          }
          const native = ours.slice();
          checksumFrames(ours, { seed, startLsn, bodyOffset: 0, bodyLength });
          expect(addon.checksumFrames(native, startLsn, seed)).toBe(true);
          expectSameBytes(native, ours);
        }),
        { seed: SEED, numRuns: 1000 },
      );
    });
  });

  describe('tells the truth:', () => {
    async function commitOn(storage: Storage, file: string, commitBytes: number): Promise<LogFile> {
      const log = await storage.createLogFile(file);
      await log.zeroFill(0, 4 * BLOCK_BYTES);
      await log.flush();
      const bytes = patternBytes(storage, commitBytes, 1);
      expect((await submitted(log, bytes, 0).first).error).toBeNull();
      expectSameBytes(await readBack(log, commitBytes, 0), bytes);
      return log;
    }

    test('no direct I/O is claimed before a file is open', () => {
      expect(createIoUringStorage().report).toMatchObject({
        engine: 'io_uring',
        nativeIoUringActive: true,
        directIoActive: false,
        engineReason: expect.not.stringMatching('direct I/O|page cache'),
      });
    });

    test('direct I/O is claimed exactly when the descriptor has O_DIRECT', async () => {
      const storage = createIoUringStorage();
      const log = await commitOn(storage, here.at('log'), BLOCK_BYTES);
      expect(storage.report.directIoActive).toBe(hasDirectDescriptor(here.at('log')));
      await log.close();
      expect(hasDirectDescriptor(here.at('log'))).toBe(false);
    });

    test('also in memory, where the kernel decides either way', async (context) => {
      const unmount = mountSmall(here.path);
      if (unmount === null) context.skip('no file system can be mounted here');
      try {
        const storage = createIoUringStorage();
        const log = await commitOn(storage, here.at('log'), BLOCK_BYTES);
        expect(storage.report.directIoActive).toBe(hasDirectDescriptor(here.at('log')));
        await log.close();
      } finally {
        unmount!();
      }
    });

    test('the ring is a descriptor of this process', async () => {
      const storage = createIoUringStorage();
      expect(storage.report.nativeIoUringActive).toBe(true);
      expect(descriptorTargets()).toContain('anon_inode:[io_uring]');
      const { ringFd } = loadNativeAddon().state();
      expect(fs.readlinkSync(`/proc/self/fd/${ringFd}`)).toBe('anon_inode:[io_uring]');
    });

    test.each([
      ['larger sectors', { offsetAlignment: BLOCK_BYTES }],
      ['memory that is aligned to more', { memoryAlignment: 2 * BLOCK_BYTES }],
    ])(
      'where direct I/O needs %s than there is, writes go by the page cache, and it is said',
      async (_, needs) => {
        // What a disk with larger sectors answers; the real one here may have small ones.
        const { addon } = ringOfThisThread();
        const storage = createIoUringStorage();
        const inner = await createFsStorage().createLogFile(here.at('log'));
        const opened = addon.openFile(here.at('log'));
        if (typeof opened === 'number') throw new Error(`openFile: ${opened}`);
        const demanding = { ...opened, ...needs };
        let indirect = 0;
        const log = new IoUringLogFile(inner, ringOfThisThread(), demanding, () => indirect++);
        const bytes = patternBytes(storage, SMALL_COMMIT_BYTES, 1);
        expect((await submitted(log, bytes, SMALL_COMMIT_BYTES).first).error).toBeNull();
        const drained = submitted(log, patternBytes(storage, SMALL_COMMIT_BYTES, 2), 0);
        log.drainSync();
        expect(drained.outcomes).toMatchObject([{ error: null }]);
        expect(indirect).toBe(2);
        expectSameBytes(await readBack(log, SMALL_COMMIT_BYTES, SMALL_COMMIT_BYTES), bytes);
        await log.close();
      },
    );

    // A blocking write of blocks too small for direct I/O went by submit(): its pool write was still to come when the
    // memory was taken for free, and put the next commit's bytes over the one before, which had been acknowledged.
    test('blocking writes that go by the page cache leave nothing behind that reads their memory', async () => {
      const ring = ringOfThisThread();
      const storage = createIoUringStorage();
      const inner = await createFsStorage().createLogFile(here.at('log'));
      const opened = ring.addon.openFile(here.at('log'));
      if (typeof opened === 'number') throw new Error(`openFile: ${opened}`);
      const log = new IoUringLogFile(inner, ring, { ...opened, offsetAlignment: BLOCK_BYTES }, () => {});
      // Work before it on every thread of the pool: what is handed to that now comes last.
      const busy = Array.from(
        { length: 16 },
        () => new Promise((resolve) => pbkdf2('a', 'b', 20_000, 64, 'sha512', resolve)),
      );
      const bytes = storage.allocate(SMALL_COMMIT_BYTES);
      for (let round = 0; round < 10; round++) {
        bytes.fill(round + 1);
        log.writeDurableSync({ bytes, position: round * SMALL_COMMIT_BYTES, checksums: null });
      }
      await Promise.all(busy);
      for (let round = 0; round < 10; round++) {
        const found = await readBack(log, SMALL_COMMIT_BYTES, round * SMALL_COMMIT_BYTES);
        expectSameBytes(found, new Uint8Array(SMALL_COMMIT_BYTES).fill(round + 1));
      }
      await log.close();
    });

    test('small blocks where direct I/O needs larger ones are not called direct, over many segments', async (context) => {
      // Memory file systems take 4 KiB at a time.
      const unmount = mountSmall(here.path, '4m');
      if (unmount === null) context.skip('no file system can be mounted here');
      try {
        const storage = createIoUringStorage();
        const options = {
          blockBytes: 512,
          segmentBytesMin: 8192,
          segmentBytesMax: 8192,
          commitBytesMax: 1024,
        };
        const journal = await openJournalOn(storage, here.path, resolveJournalOptions('test', options));
        const claims = new Set<boolean>();
        const expected: string[] = [];
        for (let index = 0; index < 60; index++) {
          expected.push(`record ${index}`);
          await journal.commit(Buffer.from(expected.at(-1)!));
          claims.add(journal.directIoActive);
        }
        expect([...claims]).toEqual([false]);
        expect(journal.stats().segments).toBeGreaterThan(2);
        const records: string[] = [];
        for await (const { record } of journal.read()) records.push(Buffer.from(record).toString());
        expect(records).toEqual(expected);
        await journal.close();
      } finally {
        unmount!();
      }
    });

    const COMMITS = 20;
    const traced = `
      import { openJournal } from 'keelson/journal';
      const journal = await openJournal(DIRECTORY, { engine: PARAMETERS[0] });
      await journal.commit(new Uint8Array(10));
      fs.writeSync(1, 'BEGIN\\n');
      for (let i = 0; i < ${COMMITS}; i++) await journal.commit(new Uint8Array(100));
      fs.writeSync(1, 'END\\n');
      await journal.close();
    `;
    const canTrace = hasTool('strace') && works('strace', '-f', '-o', '/dev/null', 'true');

    /** The calls between the marks, by name. */
    async function tracedCalls(engine: string): Promise<Record<string, number>> {
      const log = here.at('trace');
      const calls = 'trace=io_uring_enter,pwrite64,pwritev,pwritev2,fdatasync,fsync,write';
      const under = ['strace', '-f', '-qq', '-o', log, '-e', calls];
      linesOf(await runProgram(traced, [here.at('journal'), engine], { under }));
      const text = fs.readFileSync(log, 'utf8');
      const between = text.slice(text.indexOf('"BEGIN'), text.indexOf('"END'));
      const count = (pattern: RegExp): number => (between.match(pattern) ?? []).length;
      return {
        submissions: count(/io_uring_enter\(\d+, 1,/g),
        writes: count(/pwrite(64|v2?)\(/g),
        flushes: count(/f(data)?sync\(/g),
      };
    }

    test.skipIf(!canTrace)(
      'a commit is one submission, no write and no flush, as strace sees it',
      async () => {
        expect(await tracedCalls('io_uring')).toEqual({ submissions: COMMITS, writes: 0, flushes: 0 });
      },
    );

    test.skipIf(!canTrace)('and on node:fs a write and a flush', async () => {
      expect(await tracedCalls('fs')).toEqual({ submissions: 0, writes: COMMITS, flushes: COMMITS });
    });
  });

  describe('when the kernel refuses', () => {
    test('a write that does not fit is continued, and ends in an error that is typed', async (context) => {
      const unmount = mountSmall(here.path);
      if (unmount === null) context.skip('no file system can be mounted here');
      try {
        const storage = createIoUringStorage();
        const log = await storage.createLogFile(here.at('log'));
        const full = { code: 'KEELSON_NO_SPACE', facts: { errno: 'ENOSPC', path: here.at('log') } };
        expect((await submitted(log, storage.allocate(2 ** 20), 0).first).error).toMatchObject(full);
        // It was continued to the last page there was.
        expect(fs.statfsSync(here.path).bavail).toBe(0);
        const drained = submitted(log, storage.allocate(2 ** 20), 0);
        log.drainSync();
        expect(drained.outcomes).toMatchObject([{ error: full }]);
        await log.close();
      } finally {
        unmount!();
      }
    });

    test('a journal that finds no room says so, poisons nothing, and keeps what it acknowledged', async (context) => {
      const unmount = mountSmall(here.path);
      if (unmount === null) context.skip('no file system can be mounted here');
      try {
        const options = resolveJournalOptions('test', { segmentBytesMin: 65_536, segmentBytesMax: 65_536 });
        const journal = await openJournalOn(createIoUringStorage(), here.path, options);
        let acknowledged = 0;
        const failure = await (async () => {
          for (;;) {
            await journal.commit(Buffer.from(`record ${acknowledged}`));
            acknowledged++;
          }
        })().catch((error: unknown) => error);
        expect(failure).toMatchObject({ code: 'KEELSON_NO_SPACE', facts: { errno: 'ENOSPC' } });
        expect(journal.poisoned).toBeNull();
        expect(acknowledged).toBeGreaterThan(20);
        await journal.close();
        const again = await openJournalOn(createFsStorage(), here.path, options);
        let found = 0;
        for await (const { record } of again.read()) {
          expect(Buffer.from(record).toString()).toBe(`record ${found++}`);
        }
        expect(found).toBe(acknowledged);
        await again.close();
      } finally {
        unmount!();
      }
    });

    test('room that is taken from under an accepted write poisons, and acknowledges nothing', async (context) => {
      const unmount = hasTool('fallocate') ? mountSmall(here.path) : null;
      if (unmount === null) context.skip('no file system can be mounted here, or there is no fallocate');
      try {
        const options = resolveJournalOptions('test', { segmentBytesMin: 65_536, segmentBytesMax: 65_536 });
        const journal = await openJournalOn(createIoUringStorage(), here.path, options);
        await journal.commit(Buffer.from('kept'));
        const { syncedLsn } = journal;
        const segment = here.at(fs.readdirSync(here.path).find((name) => name.endsWith('.journal'))!);
        const hole = ['--punch-hole', '--offset', '8192', '--length', '49152', segment];
        execFileSync('fallocate', hole);
        expect(() => fs.writeFileSync(here.at('filler'), new Uint8Array(2 ** 20))).toThrow(/ENOSPC/);
        expect(await rejectionOf(journal.commit(new Uint8Array(30_000)))).toMatchObject({
          code: 'KEELSON_POISONED',
          facts: { errno: 'ENOSPC' },
        });
        expect(journal.syncedLsn).toBe(syncedLsn);
        await journal.close();
        fs.rmSync(here.at('filler'));
        const again = await openJournalOn(createIoUringStorage(), here.path, options);
        expect(again.syncedLsn).toBe(syncedLsn);
        await again.close();
      } finally {
        unmount!();
      }
    });

    test('a descriptor that somebody closed is an error, and no hang', async () => {
      const storage = createIoUringStorage();
      const log = await storage.createLogFile(here.at('log'));
      const fd = fs.readdirSync('/proc/self/fd').findLast((name) => {
        try {
          return fs.readlinkSync(`/proc/self/fd/${name}`) === here.at('log');
        } catch {
          return false;
        }
      })!;
      const bytes = patternBytes(storage, BLOCK_BYTES, 1);
      fs.closeSync(Number(fd));
      const badDescriptor = { code: 'KEELSON_IO', facts: { errno: 'EBADF', syscall: 'write' } };
      expect((await submitted(log, bytes, 0).first).error).toMatchObject(badDescriptor);
      const drained = submitted(log, bytes, 0);
      log.drainSync();
      expect(drained.outcomes).toMatchObject([{ error: badDescriptor }]);
      // Given back, so that closing does not hit somebody else's.
      loadNativeAddon().closeFile(Number(fd));
      await log.close();
    });

    test.skipIf(!hasTool('prlimit'))('a file that may not grow is an error that is typed', async () => {
      const program = `
        import { openJournal } from 'keelson/journal';
        process.on('SIGXFSZ', () => {});
        const journal = await openJournal(DIRECTORY, { engine: 'io_uring' });
        await journal.commit(new Uint8Array(10));
        print('first');
        try {
          for (;;) await journal.commit(new Uint8Array(20_000));
        } catch (error) {
          print({ code: error.code, errno: error.facts.errno, poisoned: journal.poisoned !== null });
        }
        await journal.close();
      `;
      const under = ['prlimit', `--fsize=${2 ** 20 + 65_536}`];
      expect(await jsonOf(runProgram(program, [here.at('journal')], { under }))).toEqual({
        code: 'KEELSON_NO_SPACE',
        errno: 'EFBIG',
        poisoned: false,
      });
    });

    describe('to take a submission', () => {
      /** A log file whose ring takes nothing, and says ENOBUFS. */
      async function refusedFile(): Promise<LogFile> {
        const inner = await createFsStorage().createLogFile(here.at('log'));
        const { addon } = ringOfThisThread();
        const file = addon.openFile(here.at('log'));
        if (typeof file === 'number') throw new Error(`openFile: ${file}`);
        const ring = { addon, submit: () => -105, drain: () => {} };
        return new IoUringLogFile(inner, ring as never, file, () => {});
      }

      const refused = { code: 'KEELSON_IO', facts: { errno: 'ENOBUFS', syscall: 'io_uring_enter' } };

      test('done is told, once, from outside submit', async () => {
        const log = await refusedFile();
        const write = submitted(log, createIoUringStorage().allocate(BLOCK_BYTES), 0);
        expect(write.outcomes).toEqual([]);
        expect((await write.first).error).toMatchObject(refused);
        await log.close();
        expect(write.outcomes).toHaveLength(1);
      });

      test('drainSync tells it, and nothing tells it again', async () => {
        const log = await refusedFile();
        const write = submitted(log, createIoUringStorage().allocate(BLOCK_BYTES), 0);
        log.drainSync();
        expect(write.outcomes).toMatchObject([{ error: refused, memoryIsFree: true }]);
        await log.close();
        expect(write.outcomes).toHaveLength(1);
      });
    });
  });

  describe('a durable write that makes no sense', () => {
    test.each([-1, -BLOCK_BYTES, 0.5, Number.NaN, 2 ** 53])(
      'at position %d is a broken invariant, and the file goes on',
      async (position) => {
        const storage = createIoUringStorage();
        const log = await storage.createLogFile(here.at('log'));
        const bytes = patternBytes(storage, BLOCK_BYTES, 1);
        expect(() => log.submit({ bytes, position, checksums: null }, () => undefined)).toThrow(
          expect.objectContaining({ code: 'KEELSON_INVARIANT' }),
        );
        expect((await submitted(log, bytes, 0).first).error).toBeNull();
        await log.close();
      },
    );

    test.each([
      ['do not fill their body', { bodyOffset: 0, bodyLength: 20 }],
      ['do not lie in the bytes', { bodyOffset: BLOCK_BYTES - 5, bodyLength: 17 }],
    ])('of frames that %s is refused, and the file can be closed', async (_, body) => {
      const storage = createIoUringStorage();
      const log = await storage.createLogFile(here.at('log'));
      const bytes = storage.allocate(BLOCK_BYTES);
      const checksums = { seed: 1, startLsn: 0, ...body };
      expect(() => log.submit({ bytes, position: 0, checksums }, () => undefined)).toThrow(/frames/);
      expect(fs.statSync(here.at('log')).size).toBe(0);
      expect((await submitted(log, bytes, 0).first).error).toBeNull();
      await log.close();
    });
  });

  describe('in flight', () => {
    const PIPE_BYTES = 65_536;

    /** A pipe that is full: what is written to it stays under way until somebody reads. A disk that stalls. */
    function stalledPipe(): { readonly fd: number; readonly reader: number; close(): void } {
      execFileSync('mkfifo', [here.at('pipe')]);
      const reader = fs.openSync(here.at('pipe'), fs.constants.O_RDONLY | fs.constants.O_NONBLOCK);
      const fd = fs.openSync(here.at('pipe'), fs.constants.O_WRONLY);
      fs.writeSync(fd, new Uint8Array(PIPE_BYTES));
      return {
        fd,
        reader,
        close() {
          fs.closeSync(fd);
          fs.closeSync(reader);
        },
      };
    }

    function logOn(fd: number): IoUringLogFile {
      const inner = createFsStorage().createLogFileSync(here.at(`log-${fd}`));
      const file = { fd, isDirect: false, memoryAlignment: 1, offsetAlignment: 1 };
      return new IoUringLogFile(inner, ringOfThisThread(), file, () => {});
    }

    test('close waits for a disk that stalls, and no longer', async () => {
      const pipe = stalledPipe();
      const log = logOn(pipe.fd);
      const order: string[] = [];
      const write = submitted(log, createIoUringStorage().allocate(100), 0);
      void write.first.then(() => order.push('written'));
      const closing = log.close().then(() => order.push('closed'));
      // Whole turns of the event loop, in which a close that does not wait would come through.
      for (let turn = 0; turn < 50; turn++) await new Promise((resolve) => setImmediate(resolve));
      expect(order).toEqual([]);
      fs.readSync(pipe.reader, new Uint8Array(PIPE_BYTES));
      await closing;
      expect(order).toEqual(['written', 'closed']);
      expect(write.outcomes).toEqual([{ error: null, memoryIsFree: true }]);
      pipe.close();
    });

    test('a write short of its end is continued from there, with the bytes that follow', async () => {
      const pipe = stalledPipe();
      const log = logOn(pipe.fd);
      const storage = createIoUringStorage();
      const bytes = patternBytes(storage, 4 * PIPE_BYTES, 1);
      const write = submitted(log, bytes, 0);
      const read = new Uint8Array(PIPE_BYTES + bytes.length);
      for (let at = 0; at < read.length; ) {
        try {
          at += fs.readSync(pipe.reader, read, at, Math.min(10_000, read.length - at), null);
        } catch (error) {
          if ((error as NodeJS.ErrnoException).code !== 'EAGAIN') throw error;
          await new Promise((resolve) => setImmediate(resolve));
        }
      }
      expect(await write.first).toEqual({ error: null, memoryIsFree: true });
      expectSameBytes(read.subarray(PIPE_BYTES), bytes);
      await log.close();
      pipe.close();
    });

    test('more writes than the rings hold all come back to the event loop', async () => {
      const storage = createIoUringStorage();
      const logs = await Promise.all(
        Array.from({ length: 400 }, (_, index) => storage.createLogFile(here.at(`log-${index}`))),
      );
      const writes = logs.map((log, index) => submitted(log, patternBytes(storage, BLOCK_BYTES, index), 0));
      // The loop is kept from looking until the completions have overflowed.
      while (unfinishedWrites(here.path, BLOCK_BYTES) > 0);
      const outcomes = await Promise.all(writes.map((write) => write.first));
      expect(outcomes.every(({ error }) => error === null)).toBe(true);
      await Promise.all(logs.map((log) => log.close()));
      expect(writes.every((write) => write.outcomes.length === 1)).toBe(true);
    });

    // A drain called the `done` of every write that finished meanwhile. A drain can be stopped, by a timeout of node:vm
    // for one, and then another store's commit was never told of: its puts and its close() hung.
    test('a drain tells of its own file only, and the event loop of the others', async () => {
      const [first, second] = [stalledPipe(), await createIoUringStorage().createLogFile(here.at('second'))];
      const throwing = logOn(first.fd);
      const { allocate } = createIoUringStorage();
      const other = submitted(throwing, allocate(100), 0);
      fs.readSync(first.reader, new Uint8Array(PIPE_BYTES));
      const write = submitted(second, allocate(BLOCK_BYTES), 0);
      second.drainSync();
      expect(write.outcomes).toMatchObject([{ error: null }]);
      expect(other.outcomes).toEqual([]);
      expect(await other.first).toMatchObject({ error: null });
      await Promise.all([throwing.close(), second.close()]);
      first.close();
    });

    const dropped = `
      import { execFileSync } from 'node:child_process';
      const addon = createRequire(import.meta.url)(PARAMETERS[0]);
      const results = [];
      addon.openRing((slot, result) => results.push(result));
      execFileSync('mkfifo', [DIRECTORY + '/pipe']);
      const reader = fs.openSync(DIRECTORY + '/pipe', fs.constants.O_RDONLY | fs.constants.O_NONBLOCK);
      const fd = fs.openSync(DIRECTORY + '/pipe', fs.constants.O_WRONLY);
      fs.writeSync(fd, new Uint8Array(${PIPE_BYTES}));
      const BYTES = 32768;
      (() => { addon.submit(fd, new Uint8Array(BYTES).fill(7), 0, 0, 0, 0, 0); })();
      // What is freed now is handed out again at once.
      const kept = [];
      for (let round = 0; round < 200; round++) {
        gc();
        kept.push(new Uint8Array(BYTES).fill(9));
      }
      const underWay = addon.state().underWay;
      fs.readSync(reader, new Uint8Array(${PIPE_BYTES}));
      addon.drain(0);
      results.push(addon.result(0));
      addon.told(0);
      const read = new Uint8Array(BYTES);
      fs.readSync(reader, read);
      print({ underWay, results, foreign: read.filter((byte) => byte !== 7).length });
    `;

    test('memory that JavaScript has dropped and collected is still the write’s', async () => {
      const addonPath = path.resolve('native/build/Release/keelson.node');
      const run = runProgram(dropped, [here.path, addonPath], { nodeOptions: ['--expose-gc'] });
      expect(await jsonOf(run)).toEqual({ underWay: 1, results: [0], foreign: 0 });
    });

    const pressed = `
      import { createIoUringStorage } from './dist/storage/index.js';
      const storage = createIoUringStorage();
      const FILES = 8, WRITES = 500, BYTES = 16384;
      const byteOf = (file, write) => (file * 37 + write * 11 + 1) & 0xff;
      const logs = await Promise.all(
        Array.from({ length: FILES }, (_, file) => storage.createLogFile(DIRECTORY + '/log-' + file)),
      );
      let told = 0;
      await Promise.all(logs.map((log, file) => new Promise((resolve, reject) => {
        const next = (write) => {
          if (write === WRITES) return resolve();
          log.submit(
            { bytes: storage.allocate(BYTES).fill(byteOf(file, write)), position: write * BYTES, checksums: null },
            (error) => {
              if (error) return reject(error);
              told++;
              next(write + 1);
            },
          );
          if (write % 16 === file) gc({ type: write % 64 < 16 ? 'major' : 'minor' });
        };
        next(0);
      })));
      await Promise.all(logs.map((log) => log.close()));
      let foreign = 0;
      for (let file = 0; file < FILES; file++) {
        const bytes = fs.readFileSync(DIRECTORY + '/log-' + file);
        for (let write = 0; write < WRITES; write++) {
          const part = bytes.subarray(write * BYTES, (write + 1) * BYTES);
          if (!part.equals(Buffer.alloc(BYTES, byteOf(file, write)))) foreign++;
        }
      }
      print({ told, foreign });
    `;

    test('4,000 writes of memory nobody keeps, under a collector that never rests, land whole', async () => {
      const run = runProgram(pressed, [here.path], { nodeOptions: ['--expose-gc'] });
      expect(await jsonOf(run)).toEqual({ told: 4000, foreign: 0 });
    });
  });

  describe('the addon', () => {
    test('makes pages of memory without changing what is in it, however the memory lies', async () => {
      const addon = loadNativeAddon();
      for (const memory of [new ArrayBuffer(100_000), new SharedArrayBuffer(100_000)]) {
        const bytes = new Uint8Array(memory).fill(7);
        for (const start of [0, 1, 4095, 50_000, 99_999, 100_000]) addon.populate(bytes.subarray(start));
      }
      const kept = Array.from({ length: 50 }, (_, fill) => new Uint8Array(20_000).fill(fill));
      for (const bytes of kept) addon.populate(bytes);
      await new Promise((resolve) => setImmediate(resolve));
      expect(kept.map((bytes, fill) => bytes.every((byte) => byte === fill))).toEqual(kept.map(() => true));
    });

    /** Whatever it is called with, it throws or answers, and the process goes on. */
    const fuzzed = `
      const addon = createRequire(import.meta.url)(PARAMETERS[0]);
      let state = Number(PARAMETERS[1]) * 2 + 1;
      const random = (below) => {
        state ^= state << 13; state ^= state >>> 17; state ^= state << 5;
        return (state >>> 0) % below;
      };
      const detached = new Uint8Array(4096);
      structuredClone(detached.buffer, { transfer: [detached.buffer] });
      const values = [
        undefined, null, true, -1, 1e9, 0.5, NaN, Infinity, -Infinity, 2 ** 53, 10n, '', 'x\\0y', DIRECTORY,
        DIRECTORY + '/absent', Symbol('s'), {}, [], () => {}, new Uint8Array(0), new Uint8Array(100),
        new Float64Array(7), new BigInt64Array(2), new DataView(new ArrayBuffer(8)), new ArrayBuffer(64), detached,
        detached.buffer, new Uint8Array(new SharedArrayBuffer(64)), new SharedArrayBuffer(8), new Proxy({}, {}),
        new Uint8Array(new ArrayBuffer(8, { maxByteLength: 64 })),
      ];
      const names = ['openFile', 'closeFile', 'submit', 'drain', 'alignedOffset', 'lockFile', 'checksumFrames', 'checksumsVerify', 'crc32cUpdate', 'populate', 'state'];
      const round = () => {
        for (let call = 0; call < 3000; call++) {
          const name = names[random(names.length)];
          const given = Array.from({ length: random(9) }, () => values[random(values.length)]);
          try { addon[name](...given); } catch (error) { if (!(error instanceof TypeError)) throw error; }
        }
      };
      round();
      try { addon.openRing(1); } catch {}
      addon.openRing(() => {});
      round();
      print('survived');
    `;

    test.each([1, 2, 3])(
      'called with anything, before and after there is a ring, throws or answers (seed %i)',
      async (seed) => {
        const addonPath = path.resolve('native/build/Release/keelson.node');
        expect(linesOf(await runProgram(fuzzed, [here.path, addonPath, String(seed)]))).toEqual(['survived']);
      },
    );

    test('a ring is opened once for a thread', () => {
      ringOfThisThread();
      const addon: NativeAddon = loadNativeAddon();
      expect(addon.openRing(() => {})).toBe(-os.constants.errno.EALREADY);
    });
  });
});

/** How many files in the directory are still shorter than that. */
function unfinishedWrites(directory: string, bytes: number): number {
  return fs.readdirSync(directory).filter((name) => fs.statSync(path.join(directory, name)).size < bytes)
    .length;
}
