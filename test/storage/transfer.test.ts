// Every outcome a call that moves bytes can have, in the two forms of the loop that makes them whole.

import { describe, expect, test } from 'vitest';
import { readAll, TRANSFER_RETRY_COUNT_MAX, writeAll, writeAllSync } from '../../src/storage/transfer.js';

/** What one call does: move so many bytes, or fail with that errno. */
type Scripted = number | string;

interface Run {
  readonly error: unknown;
  /** Every call made: where, and for how many bytes. */
  readonly calls: readonly (readonly [offset: number, length: number])[];
}

const failure = (errno: string): Error => Object.assign(new Error(errno), { code: errno });
const repeated = (what: Scripted, count: number): Scripted[] => Array.from({ length: count }, () => what);

function runWriteAll(totalBytes: number, script: readonly Scripted[]): Promise<Run> {
  const calls: [number, number][] = [];
  return new Promise((resolve) => {
    writeAll(
      totalBytes,
      (offset, length, callback) => {
        const outcome = script[calls.push([offset, length]) - 1]!;
        queueMicrotask(() => {
          if (typeof outcome === 'string') callback(failure(outcome), 0);
          else callback(null, outcome);
        });
      },
      (error) => resolve({ error, calls }),
    );
  });
}

async function runWriteAllSync(totalBytes: number, script: readonly Scripted[]): Promise<Run> {
  const calls: [number, number][] = [];
  try {
    writeAllSync(totalBytes, (offset, length) => {
      const outcome = script[calls.push([offset, length]) - 1]!;
      if (typeof outcome === 'string') throw failure(outcome);
      return outcome;
    });
    return { error: null, calls };
  } catch (error) {
    return { error, calls };
  }
}

describe.each([
  ['writing on the pool', runWriteAll],
  ['writing and blocking', runWriteAllSync],
])('%s', (_, run) => {
  test('takes one call where the system takes it all', async () => {
    expect(await run(100, [100])).toEqual({ error: null, calls: [[0, 100]] });
  });

  test('of nothing makes no call', async () => {
    expect(await run(0, [])).toEqual({ error: null, calls: [] });
  });

  test('continues a short write where it ended', async () => {
    const calls = [
      [0, 100],
      [30, 70],
      [31, 69],
    ];
    expect(await run(100, [30, 1, 69])).toEqual({ error: null, calls });
  });

  test.each(['EINTR', 'EAGAIN', 0])('repeats a call that came to nothing with %s', async (outcome) => {
    const calls = [
      [0, 100],
      [0, 100],
      [40, 60],
      [40, 60],
    ];
    expect(await run(100, [outcome, 40, outcome, 60])).toEqual({ error: null, calls });
  });

  test.each(['EINTR', 'EAGAIN'])('gives up on %s after so many in a row, with that error', async (errno) => {
    const patient = await run(1, [...repeated(errno, TRANSFER_RETRY_COUNT_MAX), 1]);
    expect(patient.error).toBeNull();
    const { error, calls } = await run(1, repeated(errno, TRANSFER_RETRY_COUNT_MAX + 1));
    expect(error).toMatchObject({ code: errno });
    expect(calls).toHaveLength(TRANSFER_RETRY_COUNT_MAX + 1);
  });

  test('gives up when the system takes no byte time after time', async () => {
    const { error, calls } = await run(1, repeated(0, TRANSFER_RETRY_COUNT_MAX + 1));
    expect(error).toBeInstanceOf(Error);
    expect(calls).toHaveLength(TRANSFER_RETRY_COUNT_MAX + 1);
  });

  test('counts afresh after every byte that was taken', async () => {
    const interrupted = repeated('EINTR', TRANSFER_RETRY_COUNT_MAX);
    expect((await run(3, [...interrupted, 1, ...interrupted, 1, ...interrupted, 1])).error).toBeNull();
  });

  test('ends at the first other error, however much was written', async () => {
    const { error, calls } = await run(100, [99, 'ENOSPC', 1]);
    expect(error).toMatchObject({ code: 'ENOSPC' });
    expect(calls).toHaveLength(2);
  });
});

describe('reading', () => {
  function runReadAll(totalBytes: number, script: readonly Scripted[]): Promise<unknown> {
    let callCount = 0;
    return new Promise((resolve) => {
      readAll(
        totalBytes,
        (_offset, _length, callback) => {
          const outcome = script[callCount++]!;
          if (typeof outcome === 'string') callback(failure(outcome), 0);
          else callback(null, outcome);
        },
        (error, readBytes) => resolve(error ?? [readBytes, callCount]),
      );
    });
  }

  test('continues a short read, and ends when all is read', async () => {
    expect(await runReadAll(100, [30, 70])).toEqual([100, 2]);
  });

  test('ends where a call reads nothing, which is the end of the file', async () => {
    expect(await runReadAll(100, [30, 0])).toEqual([30, 2]);
  });

  test('repeats a call that was interrupted', async () => {
    expect(await runReadAll(100, ['EINTR', 100])).toEqual([100, 2]);
  });

  test('ends at the first other error', async () => {
    expect(await runReadAll(100, [30, 'EIO'])).toMatchObject({ code: 'EIO' });
  });
});
