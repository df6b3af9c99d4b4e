// What a log file of the node:fs engine does when the thread pool is late, cut short, or fails.
// Pool calls are held back, changed or failed here one by one, so that every order of events is a chosen one.

import fs from 'node:fs';
import { tmpdir } from 'node:os';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { createFsStorage, type LogFile } from '../../src/storage/index.js';
import {
  BLOCK_BYTES,
  expectSameBytes,
  patternBytes,
  readBack,
  rejectionOf,
  submitted,
} from './contract-tools.js';

type PoolCall = (...args: unknown[]) => void;
type Callback = (error: Error | null, count?: number) => void;

const storage = createFsStorage();
const original = { write: fs.write as PoolCall, fdatasync: fs.fdatasync as PoolCall };
let directory: string;
let file: LogFile;

beforeEach(async () => {
  directory = fs.mkdtempSync(`${tmpdir()}/keelson-log-`);
  file = await storage.createLogFile(`${directory}/log`);
});

afterEach(async () => {
  vi.restoreAllMocks();
  await file.close();
  fs.rmSync(directory, { recursive: true });
});

const block = (salt: number): Uint8Array => patternBytes(storage, BLOCK_BYTES, salt);
const withErrno = (errno: string): Error => Object.assign(new Error(errno), { code: errno });
const callbackOf = (args: readonly unknown[]): Callback => args.at(-1) as Callback;

/** Replaces the next pool call of that name. */
function nextCall(name: 'write' | 'fdatasync', replacement: PoolCall): void {
  vi.spyOn(fs, name).mockImplementationOnce(replacement as never);
}

function failNext(name: 'write' | 'fdatasync', errno: string): void {
  nextCall(name, (...args) => setImmediate(() => callbackOf(args)(withErrno(errno))));
}

interface Held {
  /** Lets the call happen now, and resolves after it has been reported. */
  release(): Promise<void>;
  /** Reports an error in the place of the call. */
  fail(errno: string): void;
}

/** Holds the next call back, as a busy thread pool would. */
function holdNext(name: 'write' | 'fdatasync'): Held {
  let held: unknown[] = [];
  nextCall(name, (...args) => {
    held = args;
  });
  return {
    release: () =>
      new Promise((resolve) => {
        original[name](...held.slice(0, -1), ((error, count) => {
          callbackOf(held)(error, count);
          resolve();
        }) satisfies Callback);
      }),
    fail: (errno) => callbackOf(held)(withErrno(errno)),
  };
}

describe('a write the pool has not reported back', () => {
  test('is written again by drainSync, which says that the memory is not free', async () => {
    const held = holdNext('write');
    const write = submitted(file, block(1), 0);
    file.drainSync();
    expect(write.outcomes).toEqual([{ error: null, memoryIsFree: false }]);
    expectSameBytes(await readBack(file, BLOCK_BYTES, 0), block(1));
    await held.release();
    expect(write.outcomes).toHaveLength(1);
    expectSameBytes(await readBack(file, BLOCK_BYTES, 0), block(1));
  });

  test('is not taken for the write that was submitted after it', async () => {
    const [heldFirst, first] = [holdNext('write'), submitted(file, block(1), 0)];
    file.drainSync();
    const [heldSecond, second] = [holdNext('write'), submitted(file, block(2), BLOCK_BYTES)];
    await heldFirst.release();
    expect(second.outcomes).toEqual([]);
    await heldSecond.release();
    expect(await second.first).toEqual({ error: null, memoryIsFree: true });
    expect(first.outcomes).toHaveLength(1);
    expectSameBytes(await readBack(file, BLOCK_BYTES, 0), block(1));
    expectSameBytes(await readBack(file, BLOCK_BYTES, BLOCK_BYTES), block(2));
  });

  test('is waited for by close, for its descriptor may be another file by then', async () => {
    const held = holdNext('write');
    submitted(file, block(1), 0);
    file.drainSync();
    const closeCalls = vi.spyOn(fs, 'close');
    const closing = file.close();
    await new Promise(setImmediate);
    expect(closeCalls).not.toHaveBeenCalled();
    await held.release();
    await closing;
    expect(closeCalls).toHaveBeenCalledTimes(2);
  });

  test('is not continued when it comes back short, for all of it was written', async () => {
    const held = holdNext('write');
    submitted(file, block(1), 0);
    file.drainSync();
    const writeCalls = vi.spyOn(fs, 'write');
    writeCalls.mockClear();
    held.fail('EINTR');
    expect(writeCalls).not.toHaveBeenCalled();
    expect((await submitted(file, block(2), BLOCK_BYTES).first).error).toBeNull();
  });

  test('takes the file with it when it fails: the next write is refused', async () => {
    const held = holdNext('write');
    const write = submitted(file, block(1), 0);
    file.drainSync();
    held.fail('EIO');
    expect(write.outcomes).toEqual([{ error: null, memoryIsFree: false }]);
    const next = submitted(file, block(2), BLOCK_BYTES);
    expect(next.outcomes).toEqual([]);
    expect(await next.first).toMatchObject({
      error: { code: 'KEELSON_IO', facts: { errno: 'EIO', syscall: 'write' } },
      memoryIsFree: true,
    });
    expect(await file.size()).toBe(BLOCK_BYTES);
  });
});

describe('a flush the pool has not reported back', () => {
  /** Submits, and waits until the write has returned and its flush is held back. */
  async function untilFlush(salt: number): Promise<{ write: ReturnType<typeof submitted>; held: Held }> {
    let flushing: () => void = () => undefined;
    const started = new Promise<void>((resolve) => {
      flushing = resolve;
    });
    let report: Callback = () => undefined;
    nextCall('fdatasync', (...args) => {
      report = callbackOf(args);
      flushing();
    });
    const write = submitted(file, block(salt), 0);
    await started;
    const held: Held = {
      release: async () => report(null),
      fail: (errno) => report(withErrno(errno)),
    };
    return { write, held };
  }

  test('is done again by drainSync, which writes nothing and says that the memory is free', async () => {
    const { write, held } = await untilFlush(1);
    const writeCalls = vi.spyOn(fs, 'writeSync');
    file.drainSync();
    expect(write.outcomes).toEqual([{ error: null, memoryIsFree: true }]);
    expect(writeCalls).not.toHaveBeenCalled();
    await held.release();
    expect(write.outcomes).toHaveLength(1);
  });

  test('is done again on the other descriptor, which no pool call has flushed', async () => {
    const { held } = await untilFlush(1);
    const blocking = vi.spyOn(fs, 'fdatasyncSync');
    file.drainSync();
    const pooled = vi.mocked(fs.fdatasync).mock.lastCall![0];
    expect(blocking).toHaveBeenCalledOnce();
    expect(blocking.mock.lastCall![0]).not.toBe(pooled);
    await held.release();
  });

  test('takes the file with it when it fails: no later write or flush succeeds', async () => {
    const { held } = await untilFlush(1);
    file.drainSync();
    held.fail('EIO');
    const failure = { code: 'KEELSON_IO', facts: { errno: 'EIO', syscall: 'fdatasync' } };
    const next = submitted(file, block(2), BLOCK_BYTES);
    file.drainSync();
    expect(next.outcomes).toMatchObject([{ error: failure, memoryIsFree: true }]);
    expect(await rejectionOf(file.flush())).toMatchObject(failure);
    await new Promise(setImmediate);
    expect(next.outcomes).toHaveLength(1);
  });

  test('that succeeds acknowledges nothing when a blocking one has failed meanwhile', async () => {
    const { write, held } = await untilFlush(1);
    vi.spyOn(fs, 'fdatasyncSync').mockImplementationOnce(() => {
      throw withErrno('EIO');
    });
    expect(() => file.flushSync()).toThrow(expect.objectContaining({ code: 'KEELSON_IO' }));
    await held.release();
    expect(write.outcomes).toMatchObject([{ error: { code: 'KEELSON_IO' }, memoryIsFree: true }]);
  });
});

describe('a failed flush', () => {
  test('of a durable write is reported once and never tried again', async () => {
    failNext('fdatasync', 'EIO');
    const flushes = vi.mocked(fs.fdatasync);
    const write = submitted(file, block(1), 0);
    expect(await write.first).toMatchObject({
      error: { code: 'KEELSON_IO', facts: { errno: 'EIO', syscall: 'fdatasync', path: `${directory}/log` } },
      memoryIsFree: true,
    });
    const blocking = vi.spyOn(fs, 'fdatasyncSync');
    expect((await submitted(file, block(2), 0).first).error).toBe(write.outcomes[0]!.error);
    expect(await rejectionOf(file.flush())).toBe(write.outcomes[0]!.error);
    expect(() => file.flushSync()).toThrow(write.outcomes[0]!.error!);
    expect(write.outcomes).toHaveLength(1);
    expect(flushes).toHaveBeenCalledOnce();
    expect(blocking).not.toHaveBeenCalled();
  });

  test('in drainSync goes to done, and drainSync itself returns', async () => {
    const held = holdNext('write');
    vi.spyOn(fs, 'fdatasyncSync').mockImplementationOnce(() => {
      throw withErrno('EIO');
    });
    const write = submitted(file, block(1), 0);
    expect(file.drainSync()).toBeUndefined();
    expect(write.outcomes).toMatchObject([{ error: { code: 'KEELSON_IO' }, memoryIsFree: false }]);
    await held.release();
    expect(write.outcomes).toHaveLength(1);
  });

  test('of a plain file fails every later flush of it', async () => {
    const plain = await storage.createFile(`${directory}/plain`);
    failNext('fdatasync', 'EIO');
    const first = await rejectionOf(plain.flush());
    expect(first).toMatchObject({ code: 'KEELSON_IO' });
    expect(await rejectionOf(plain.flush())).toBe(first);
    await plain.close();
  });
});

describe('a failed or short write', () => {
  test('of a durable write is never flushed', async () => {
    failNext('write', 'EIO');
    const flushes = vi.spyOn(fs, 'fdatasync');
    const { error } = await submitted(file, block(1), 0).first;
    expect(error).toMatchObject({ code: 'KEELSON_IO', facts: { syscall: 'write' } });
    expect(flushes).not.toHaveBeenCalled();
  });

  test('in drainSync goes to done', async () => {
    const held = holdNext('write');
    vi.spyOn(fs, 'writeSync').mockImplementationOnce(() => {
      throw withErrno('ENOSPC');
    });
    const write = submitted(file, block(1), 0);
    file.drainSync();
    expect(write.outcomes).toMatchObject([{ error: { code: 'KEELSON_NO_SPACE' }, memoryIsFree: false }]);
    await held.release();
  });

  test('is continued where it ended, then flushed, when it was only short', async () => {
    nextCall('write', (fd, bytes, offset, _length, position, callback) =>
      original.write(fd, bytes, offset, 1000, position, callback),
    );
    const flushes = vi.spyOn(fs, 'fdatasync');
    expect((await submitted(file, block(1), BLOCK_BYTES).first).error).toBeNull();
    expect(fs.write).toHaveBeenCalledTimes(2);
    expect(flushes).toHaveBeenCalledOnce();
    expectSameBytes(await readBack(file, BLOCK_BYTES, BLOCK_BYTES), block(1));
  });

  test('is repeated when it was only interrupted', async () => {
    failNext('write', 'EINTR');
    expect((await submitted(file, block(1), 0).first).error).toBeNull();
    expectSameBytes(await readBack(file, BLOCK_BYTES, 0), block(1));
  });
});

describe('a durable write that makes no sense', () => {
  test.each([-1, 0.5, Number.NaN, 2 ** 53])('at position %d is a broken invariant', async (position) => {
    const submit = (): void => file.submit({ bytes: block(1), position, checksums: null }, () => undefined);
    expect(submit).toThrow(expect.objectContaining({ code: 'KEELSON_INVARIANT' }));
    expect((await submitted(file, block(1), 0).first).error).toBeNull();
  });

  test('of no bytes is a broken invariant', () => {
    const submit = (): void =>
      file.submit({ bytes: new Uint8Array(0), position: 0, checksums: null }, () => undefined);
    expect(submit).toThrow(expect.objectContaining({ code: 'KEELSON_INVARIANT' }));
  });
});

describe('a blocking durable write', () => {
  test('is flushed before it returns', async () => {
    const file = await storage.createLogFile(`${directory}/flushed`);
    const flushed = vi.spyOn(fs, 'fdatasyncSync');
    file.writeDurableSync({ bytes: new Uint8Array(512), position: 0, checksums: null });
    const { length } = flushed.mock.calls;
    flushed.mockRestore();
    await file.close();
    expect(length).toBe(1);
  });

  test.each([['writeSync', 'write'] as const, ['fdatasyncSync', 'fdatasync'] as const])(
    'whose %s fails takes the file with it: no later write or flush succeeds',
    async (name, syscall) => {
      vi.spyOn(fs, name).mockImplementationOnce(() => {
        throw withErrno('EIO');
      });
      const write = { bytes: block(1), position: 0, checksums: null };
      const attempt = (run: () => void): unknown => {
        try {
          run();
        } catch (error) {
          return error;
        }
        return null;
      };
      const failure = attempt(() => file.writeDurableSync(write));
      expect(failure).toMatchObject({ code: 'KEELSON_IO', facts: { errno: 'EIO', syscall } });
      expect(attempt(() => file.writeDurableSync(write))).toBe(failure);
      expect(attempt(() => file.flushSync())).toBe(failure);
      expect((await submitted(file, block(2), 0).first).error).toBe(failure);
      expect(await rejectionOf(file.flush())).toBe(failure);
    },
  );
});
