// The part of the storage contract about log files: durable writes, and the blocking forms that exit paths need.

import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { CRC32C_START, crc32cUpdateUint64 } from '../../src/crc32c.js';
import {
  FRAME_CHECKSUM_AT,
  FRAME_LENGTH_AT,
  FRAME_LSN_LOW_AT,
  FRAME_OVERHEAD_BYTES,
  type FrameChecksums,
  frameChecksum,
  type LogFile,
  type Storage,
} from '../../src/storage/index.js';
import {
  BIG_BYTES,
  BLOCK_BYTES,
  expectCode,
  expectSameBytes,
  type MakeEnvironment,
  type Outcome,
  patternBytes,
  readBack,
  submitted,
  useEnvironment,
} from './contract-tools.js';

export function logFilesContract(name: string, makeEnvironment: MakeEnvironment): void {
  describe(`${name}: log files`, () => {
    const here = useEnvironment(makeEnvironment);

    let file: LogFile;

    beforeEach(async () => {
      file = await here.storage.createLogFile(here.at('log'));
    });

    afterEach(() => file.close());

    test('a log file created by the blocking form is a log file', async () => {
      const other = here.storage.createLogFileSync(here.at('other'));
      const bytes = patternBytes(here.storage, BLOCK_BYTES, 1);
      expect(await submitted(other, bytes, 0).first).toEqual({ error: null, memoryIsFree: true });
      expectSameBytes(await readBack(other, BLOCK_BYTES, 0), bytes);
      await other.close();
    });

    test('truncate cuts off what is behind, and gives it back as zeros where the file grows again', async () => {
      const bytes = patternBytes(here.storage, 4 * BLOCK_BYTES, 3);
      expect((await submitted(file, bytes, 0).first).error).toBeNull();
      await file.truncate(2 * BLOCK_BYTES);
      expect(await file.size()).toBe(2 * BLOCK_BYTES);
      expectSameBytes(await readBack(file, 2 * BLOCK_BYTES, 0), bytes.subarray(0, 2 * BLOCK_BYTES));
      const last = patternBytes(here.storage, BLOCK_BYTES, 4);
      expect((await submitted(file, last, 3 * BLOCK_BYTES).first).error).toBeNull();
      expectSameBytes(await readBack(file, BLOCK_BYTES, 2 * BLOCK_BYTES), new Uint8Array(BLOCK_BYTES));
      expectSameBytes(await readBack(file, BLOCK_BYTES, 3 * BLOCK_BYTES), last);
    });

    test.each(['openLogFile', 'openLogFileSync'] as const)(
      '%s gives a log file on what is there, contents and size as they were',
      async (openForm) => {
        const bytes = patternBytes(here.storage, 3 * BLOCK_BYTES, 2);
        expect((await submitted(file, bytes, 0).first).error).toBeNull();
        await file.close();
        const again = await here.storage[openForm](here.at('log'));
        expect([again.path, await again.size()]).toEqual([here.at('log'), 3 * BLOCK_BYTES]);
        const [late, early] = [4, 5].map((salt) => patternBytes(here.storage, BLOCK_BYTES, salt));
        expect(await submitted(again, late!, BLOCK_BYTES).first).toEqual({ error: null, memoryIsFree: true });
        again.writeDurableSync({ bytes: early!, position: 0, checksums: null });
        await again.close();
        const reopened = await here.storage.openFile(here.at('log'), false);
        expectSameBytes(await readBack(reopened, BLOCK_BYTES, 0), early!);
        expectSameBytes(await readBack(reopened, BLOCK_BYTES, BLOCK_BYTES), late!);
        expectSameBytes(
          await readBack(reopened, BLOCK_BYTES, 2 * BLOCK_BYTES),
          bytes.subarray(2 * BLOCK_BYTES),
        );
        await reopened.close();
      },
    );

    test('a log file that is opened is written by the buffered forms too, then durably, and follows its new name', async () => {
      file.writeSync(patternBytes(here.storage, 2 * BLOCK_BYTES, 6), 0);
      file.flushSync();
      await file.close();
      const again = await here.storage.openLogFile(here.at('log'));
      const [head, commit] = [7, 8].map((salt) => patternBytes(here.storage, BLOCK_BYTES, salt));
      await again.write(head!, 0);
      await again.flush();
      await here.storage.rename(here.at('log'), here.at('renamed'));
      expect((await submitted(again, commit!, BLOCK_BYTES).first).error).toBeNull();
      await again.close();
      const reopened = await here.storage.openFile(here.at('renamed'), false);
      expectSameBytes(await readBack(reopened, BLOCK_BYTES, 0), head!);
      expectSameBytes(await readBack(reopened, BLOCK_BYTES, BLOCK_BYTES), commit!);
      await reopened.close();
    });

    test('a blocking write and flush do what the others do', async () => {
      const bytes = patternBytes(here.storage, BIG_BYTES, 3);
      file.writeSync(bytes, 7);
      file.flushSync();
      await file.flush();
      expect(await file.size()).toBe(BIG_BYTES + 7);
      expectSameBytes(await readBack(file, BIG_BYTES, 7), bytes);
    });

    test.each(['zeroFill', 'zeroFillSync'] as const)(
      '%s zeroes its range and nothing beside it',
      async (fill) => {
        const length = 3 * 2 ** 20;
        await file.write(new Uint8Array(length).fill(0xff), 0);
        await file[fill](100, length - 100);
        const expected = new Uint8Array(length).fill(0xff).fill(0, 100, length - 100);
        expectSameBytes(await readBack(file, length, 0), expected);
        expect(await file.size()).toBe(length);
      },
    );

    test.each(['zeroFill', 'zeroFillSync'] as const)('%s extends a file that is shorter', async (fill) => {
      const length = 2 * 2 ** 20 + 5;
      await file[fill](0, length);
      expect(await file.size()).toBe(length);
      expectSameBytes(await readBack(file, length, 0), new Uint8Array(length));
    });

    test.each(['zeroFill', 'zeroFillSync'] as const)('%s of an empty range does nothing', async (fill) => {
      await file[fill](BLOCK_BYTES, BLOCK_BYTES);
      expect(await file.size()).toBe(0);
    });

    test('reserving room gives the file its size, full of zeros that are written over, or changes nothing', async () => {
      const length = 64 * BLOCK_BYTES;
      const isReserved = file.reserve(length);
      expect(await file.size()).toBe(isReserved ? length : 0);
      if (!isReserved) return;
      await file.flush();
      const bytes = patternBytes(here.storage, BLOCK_BYTES, 9);
      await submitted(file, bytes, BLOCK_BYTES).first;
      const expected = new Uint8Array(length);
      expected.set(bytes, BLOCK_BYTES);
      expectSameBytes(await readBack(file, length, 0), expected);
    });

    test('a durable write calls done once, from outside submit, with its memory free', async () => {
      const bytes = patternBytes(here.storage, BLOCK_BYTES, 4);
      const write = submitted(file, bytes, BLOCK_BYTES);
      expect(write.outcomes).toEqual([]);
      await write.first;
      await file.close();
      expect(write.outcomes).toEqual([{ error: null, memoryIsFree: true }]);
      const reopened = await here.storage.openFile(here.at('log'), false);
      expectSameBytes(await readBack(reopened, BLOCK_BYTES, BLOCK_BYTES), bytes);
      await reopened.close();
    });

    test('a durable write of several MiB lands whole', async () => {
      const bytes = patternBytes(here.storage, BIG_BYTES, 5);
      expect(await submitted(file, bytes, 0).first).toEqual({ error: null, memoryIsFree: true });
      expectSameBytes(await readBack(file, BIG_BYTES, 0), bytes);
    });

    test('a part of an allocation is written without the rest', async () => {
      const bytes = patternBytes(here.storage, 2 * BLOCK_BYTES, 6);
      expect((await submitted(file, bytes.subarray(0, BLOCK_BYTES), 0).first).error).toBeNull();
      expect(await file.size()).toBe(BLOCK_BYTES);
    });

    test('the next write may be submitted from inside done', async () => {
      const positions = await new Promise<number[]>((resolve, reject) => {
        const written: number[] = [];
        const next = (): void => {
          const index = written.length;
          if (index === 20) {
            resolve(written);
            return;
          }
          const bytes = patternBytes(here.storage, BLOCK_BYTES, index);
          file.submit({ bytes, position: index * BLOCK_BYTES, checksums: null }, (error) => {
            if (error) {
              reject(error);
              return;
            }
            written.push(index);
            next();
          });
        };
        next();
      });
      for (const index of positions) {
        const expected = patternBytes(here.storage, BLOCK_BYTES, index);
        expectSameBytes(await readBack(file, BLOCK_BYTES, index * BLOCK_BYTES), expected);
      }
    });

    test('every frame has a checksum of its own log position, and nothing else is touched', async () => {
      const { bytes, checksums, unfilled } = framedCommit(here.storage, [0, 5, 300, 1]);
      expect((await submitted(file, bytes, 0, checksums).first).error).toBeNull();
      const stored = await readBack(file, BLOCK_BYTES, 0);
      const view = new DataView(stored.buffer);
      let [offset, lsn] = [checksums.bodyOffset, checksums.startLsn];
      while (offset < checksums.bodyOffset + checksums.bodyLength) {
        const length = view.getUint32(offset + FRAME_LENGTH_AT, true);
        lsn += FRAME_OVERHEAD_BYTES + length;
        const checksum = view.getUint32(offset + FRAME_CHECKSUM_AT, true);
        expect(checksum).toBe(frameChecksum(stored, offset, length, lsn, checksums.seed));
        view.setUint32(offset + FRAME_CHECKSUM_AT, 0, true);
        offset += FRAME_OVERHEAD_BYTES + length;
      }
      expectSameBytes(stored, unfilled);
    });

    test('a second durable write while one is under way is a broken invariant, and harms neither', async () => {
      const bytes = patternBytes(here.storage, BLOCK_BYTES, 7);
      const write = submitted(file, bytes, 0);
      const intruder = { bytes: patternBytes(here.storage, BLOCK_BYTES, 8), position: 0, checksums: null };
      const refused = (): void => file.submit(intruder, () => expect.fail('done of a refused write'));
      expect(refused).toThrow(expect.objectContaining({ code: 'KEELSON_INVARIANT' }));
      expect((await write.first).error).toBeNull();
      expectSameBytes(await readBack(file, BLOCK_BYTES, 0), bytes);
    });

    test('drainSync with nothing under way returns', async () => {
      file.drainSync();
      await submitted(file, patternBytes(here.storage, BLOCK_BYTES, 9), 0).first;
      file.drainSync();
      expect(await file.size()).toBe(BLOCK_BYTES);
    });

    test('drainSync calls done before it returns, and nothing calls it again', async () => {
      const bytes = patternBytes(here.storage, BIG_BYTES, 10);
      const write = submitted(file, bytes, 0);
      file.drainSync();
      expect(write.outcomes).toEqual([{ error: null, memoryIsFree: expect.any(Boolean) }]);
      expectSameBytes(await readBack(file, BIG_BYTES, 0), bytes);
      await file.close();
      expect(write.outcomes).toHaveLength(1);
    });

    test('a write submitted from inside the done of drainSync is under way when it returns, or done', async () => {
      const later = patternBytes(here.storage, BLOCK_BYTES, 11);
      const outcomes: (Error | null)[] = [];
      const first = patternBytes(here.storage, BLOCK_BYTES, 12);
      file.submit({ bytes: first, position: 0, checksums: null }, (error) => {
        outcomes.push(error);
        file.submit({ bytes: later, position: BLOCK_BYTES, checksums: null }, (next) => outcomes.push(next));
      });
      file.drainSync();
      file.drainSync();
      expect(outcomes).toEqual([null, null]);
      await file.close();
      expect(outcomes).toEqual([null, null]);
    });

    test('writes drained and not drained, many times over, never mix', async () => {
      const roundCount = 300;
      const drained: Outcome[][] = [];
      for (let round = 0; round < roundCount; round++) {
        const bytes = patternBytes(here.storage, BLOCK_BYTES * (1 + (round % 3)), round);
        const write = submitted(file, bytes, round * 3 * BLOCK_BYTES);
        if (round % 4 === 3) await write.first;
        else file.drainSync();
        drained.push(write.outcomes);
      }
      await file.close();
      expect(drained.every((outcomes) => outcomes.length === 1 && outcomes[0]!.error === null)).toBe(true);
      const reopened = await here.storage.openFile(here.at('log'), false);
      for (let round = 0; round < roundCount; round++) {
        const expected = patternBytes(here.storage, BLOCK_BYTES * (1 + (round % 3)), round);
        expectSameBytes(await readBack(reopened, expected.length, round * 3 * BLOCK_BYTES), expected);
      }
      await reopened.close();
    });

    test('the memory of a blocking durable write may be used again at once', async () => {
      const count = 40;
      const bytes = here.storage.allocate(BLOCK_BYTES);
      for (let round = 0; round < count; round++) {
        bytes.fill(round + 1);
        file.writeDurableSync({ bytes, position: round * BLOCK_BYTES, checksums: null });
      }
      await file.close();
      const reopened = await here.storage.openFile(here.at('log'), false);
      for (let round = 0; round < count; round++) {
        const found = await readBack(reopened, BLOCK_BYTES, round * BLOCK_BYTES);
        expectSameBytes(found, new Uint8Array(BLOCK_BYTES).fill(round + 1));
      }
      await reopened.close();
    });

    test('close waits for the durable write under way', async () => {
      const write = submitted(file, patternBytes(here.storage, BIG_BYTES, 13), 0);
      const closing = file.close();
      expect(write.outcomes).toEqual([]);
      await closing;
      expect(write.outcomes).toEqual([{ error: null, memoryIsFree: true }]);
    });

    test('a closed log file refuses every write', async () => {
      await file.close();
      const block = patternBytes(here.storage, BLOCK_BYTES, 14);
      const broken = expect.objectContaining({ code: 'KEELSON_INVARIANT' });
      const submit = (): void => file.submit({ bytes: block, position: 0, checksums: null }, () => undefined);
      expect(submit).toThrow(broken);
      expect(() => file.writeSync(block, 0)).toThrow(broken);
      expect(() => file.flushSync()).toThrow(broken);
      expect(() => file.zeroFillSync(0, 1)).toThrow(broken);
      await expectCode(file.zeroFill(0, 1), 'KEELSON_INVARIANT');
      expect(file.drainSync()).toBeUndefined();
    });
  });
}

/** One block that holds frames of those payload lengths, behind a start that is not theirs. */
function framedCommit(
  storage: Storage,
  payloadLengths: readonly number[],
): { bytes: Uint8Array; checksums: FrameChecksums; unfilled: Uint8Array } {
  const bytes = patternBytes(storage, BLOCK_BYTES, 99);
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const bodyOffset = 64;
  // Past 2^32, so that a log position cut to its low half would not verify.
  const startLsn = 2 ** 32 + 12345;
  let [offset, lsn] = [bodyOffset, startLsn];
  for (const length of payloadLengths) {
    lsn += FRAME_OVERHEAD_BYTES + length;
    view.setUint32(offset + FRAME_LENGTH_AT, length, true);
    view.setUint32(offset + FRAME_LSN_LOW_AT, lsn % 2 ** 32, true);
    view.setUint32(offset + FRAME_CHECKSUM_AT, 0, true);
    offset += FRAME_OVERHEAD_BYTES + length;
  }
  const seed = crc32cUpdateUint64(CRC32C_START, 0x1234_5678_9abc);
  return {
    bytes,
    checksums: { seed, startLsn, bodyOffset, bodyLength: offset - bodyOffset },
    unfilled: bytes.slice(),
  };
}
