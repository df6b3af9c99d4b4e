// Tests that mutants asked for: each fault in the names here once survived all other tests.

import fs from 'node:fs';
import { describe, expect, test, vi } from 'vitest';
import { CRC32C_START } from '../../src/crc32c.js';
import { writeFrame } from '../../src/journal/frame.js';
import { FrameCursor } from '../../src/journal/frame-cursor.js';
import { prepareSegment, recycleSegment, temporaryPath } from '../../src/journal/segment-files.js';
import {
  BackgroundCloses,
  createFsStorage,
  type DurableWrite,
  type DurableWriteDone,
  FRAME_OVERHEAD_BYTES,
  type LogFile,
  RECORD_BYTES_MAX,
  runStepsSync,
  type Storage,
  sealFrames,
} from '../../src/storage/index.js';
import { FaultyStorage } from '../journal/faulty-storage.js';
import {
  bytesOf,
  copyAsKilled,
  JOURNAL_ID,
  open,
  segmentNames,
  TINY,
  textsOf,
  useDirectory,
} from '../journal/helpers.js';

/** CRC-32C as the books have it, bit by bit: nothing of ours. */
function bookCrc32c(bytes: Uint8Array): number {
  let register = 0xffff_ffff;
  for (const byte of bytes) {
    register ^= byte;
    for (let bit = 0; bit < 8; bit++) register = (register >>> 1) ^ (register & 1 ? 0x82f6_3b78 : 0);
  }
  return (register ^ 0xffff_ffff) >>> 0;
}

describe('a frame', () => {
  // With its length left out of the checksum it went through: the LSN beside it says the same, but FORMAT.md says more.
  test('has the checksum that FORMAT.md describes, computed by another hand', () => {
    const record = bytesOf('hello');
    const startLsn = 2 ** 40 + 7;
    const lsn = startLsn + FRAME_OVERHEAD_BYTES + record.length;
    const frame = new Uint8Array(FRAME_OVERHEAD_BYTES + record.length);
    const view = new DataView(frame.buffer);
    writeFrame(frame, view, 0, record, lsn);
    // With the register of no bytes, what is under the checksum is the LSN and the frame alone.
    sealFrames(frame, { seed: CRC32C_START, startLsn, bodyOffset: 0, bodyLength: frame.length });
    const covered = new Uint8Array(8 + 8 + record.length);
    const coveredView = new DataView(covered.buffer);
    coveredView.setBigUint64(0, BigInt(lsn), true);
    coveredView.setUint32(8, record.length, true);
    coveredView.setUint32(12, lsn % 2 ** 32, true);
    covered.set(record, 16);
    expect(view.getUint32(8, true)).toBe(bookCrc32c(covered));
  });

  // Without the bound the cursor waits for 256 MiB, and takes memory for them, in a commit that has a hundred bytes.
  test('that claims more than its commit has is broken at its header', () => {
    const bytes = new Uint8Array(FRAME_OVERHEAD_BYTES);
    const view = new DataView(bytes.buffer);
    const startLsn = 35;
    const claim = (length: number) => {
      view.setUint32(0, length, true);
      view.setUint32(4, startLsn + FRAME_OVERHEAD_BYTES + length, true);
      const frames = new FrameCursor(0, true);
      frames.begin(startLsn, 100);
      frames.feed(bytes, 0);
      expect(frames.next()).toBe(false);
      return frames.isBroken;
    };
    expect(claim(100 - FRAME_OVERHEAD_BYTES)).toBe(false);
    expect(claim(100 - FRAME_OVERHEAD_BYTES + 1)).toBe(true);
    expect(claim(RECORD_BYTES_MAX)).toBe(true);
  });
});

describe('a segment file', () => {
  const directory = useDirectory();

  // The seed of the last use alone is not enough: behind the new commits are bytes of every use there was.
  test('that is used again and again never has a seed for the second time, whatever chance gives', () => {
    const storage = { ...createFsStorage(), randomBytes: (length: number) => new Uint8Array(length) };
    const closes = new BackgroundCloses();
    const plan = {
      directory: directory.path,
      journalId: JOURNAL_ID,
      sizeBytes: 4096,
      blockBytes: 512,
      lineageStart: null,
      durableLsn: 0,
    };
    let segment = runStepsSync(prepareSegment(storage, { ...plan, sequence: 1 }, null, closes));
    const seeds = [segment.seed];
    for (let sequence = 2; sequence < 6; sequence++) {
      closes.close(segment.file);
      const { path, usedSeeds } = segment;
      const recycled = { temporaryPath: temporaryPath(path), sizeBytes: plan.sizeBytes, usedSeeds };
      fs.renameSync(path, recycled.temporaryPath);
      segment = runStepsSync(recycleSegment(storage, { ...plan, sequence }, recycled, closes));
      seeds.push(segment.seed);
    }
    closes.close(segment.file);
    expect(new Set(seeds).size).toBe(5);
    return closes.whenDone();
  });
});

describe('a directory', () => {
  const directory = useDirectory();

  // Whoever made it may have died before that: only a new seed of the crash search ever found it out.
  test('that was there, and empty, has its name flushed before a segment is made in it', async () => {
    const { storage, calls } = new FaultyStorage();
    const path = directory.at('made by somebody');
    fs.mkdirSync(path);
    const journal = await open(path, TINY, storage);
    await journal.commit(bytesOf('first'));
    await journal.close();
    const flushed = calls.findIndex(
      (call) => call.operation === 'flushDirectory' && call.path === directory.path,
    );
    expect(flushed).toBeGreaterThanOrEqual(0);
    expect(flushed).toBeLessThan(calls.findIndex(({ operation }) => operation === 'createLogFile'));
  });
});

describe('recovery of a journal that was killed', () => {
  const directory = useDirectory();

  /** Two commits, the second of which nothing proves; as a killed process leaves them. */
  async function killed(): Promise<string> {
    const path = directory.at('killed');
    const journal = await open(directory.at('journal'), TINY);
    await journal.commit(bytesOf('the first record'));
    await journal.commit(bytesOf('the second record'));
    copyAsKilled(directory.at('journal'), path);
    await journal.close();
    return path;
  }

  // To flush the old file instead would be to believe pages that a failed flush has left looking clean.
  test('copies what nothing proves into a file of its own', async () => {
    const path = await killed();
    await (await open(path, TINY)).close();
    const names = segmentNames(path);
    expect(names).toHaveLength(2);
    expect(fs.readFileSync(`${path}/${names[1]}`).includes('the second record')).toBe(true);
  });

  // Else new checksums would vouch for what the disk made up between two reads.
  test('copies nothing that reads differently from when it was verified', async () => {
    const path = await killed();
    const storage = createFsStorage();
    const openFile: Storage['openFile'] = async (name, writable) => {
      const file = await storage.openFile(name, writable);
      const read = file.read.bind(file);
      file.read = async (into, position) => {
        const bytesRead = await read(into, position);
        // The second commit, which only the copying reads from its start.
        if (position === 2 * TINY.blockBytes!) into[bytesRead - 1]! ^= 1;
        return bytesRead;
      };
      return file;
    };
    await expect(open(path, TINY, { ...storage, openFile })).rejects.toMatchObject({
      code: 'KEELSON_CORRUPT',
      message: expect.stringContaining('reads differently'),
    });
    const journal = await open(path, TINY);
    expect(await textsOf(journal)).toEqual(['the first record', 'the second record']);
    await journal.close();
  });
});

describe('a blocking durable write on node:fs', () => {
  const directory = useDirectory();

  test('is flushed before it returns', async () => {
    const file = await createFsStorage().createLogFile(directory.at('log'));
    const flushed = vi.spyOn(fs, 'fdatasyncSync');
    file.writeDurableSync({ bytes: new Uint8Array(512), position: 0, seal: null });
    const { length } = flushed.mock.calls;
    flushed.mockRestore();
    await file.close();
    expect(length).toBe(1);
  });
});

describe('a commit', () => {
  const directory = useDirectory();

  /** The fs engine, with other methods for the files that take commits. */
  function withLogFiles(change: (file: LogFile) => Partial<LogFile>): Storage {
    const changed = (file: LogFile): LogFile => {
      const methods: Partial<Record<string | symbol, unknown>> = { ...change(file) };
      return new Proxy(file, {
        get: (target, name) => {
          if (name in methods) return methods[name];
          const value: unknown = Reflect.get(target, name);
          return typeof value === 'function' ? value.bind(target) : value;
        },
      });
    };
    const storage = createFsStorage();
    return {
      ...storage,
      createLogFile: async (path) => changed(await storage.createLogFile(path)),
      createLogFileSync: (path) => changed(storage.createLogFileSync(path)),
    };
  }

  // Memory is used again, and what it held before would go to the disk, where nobody deletes it.
  test('is followed by zeros to the end of its block, whatever its memory held before', async () => {
    const journal = await open(directory.path, TINY);
    await journal.commit(bytesOf('x'.repeat(400)));
    await journal.commit(bytesOf('short'));
    await journal.close();
    const [name] = segmentNames(directory.path);
    const segment = fs.readFileSync(directory.at(name!));
    const second = segment.subarray(2 * 512, 3 * 512);
    const end = second.indexOf('short') + 'short'.length;
    expect(end).toBeGreaterThan('short'.length);
    expect(second.subarray(end).every((byte) => byte === 0)).toBe(true);
  });

  // A blocking flush may end a write that the thread pool still has: whatever the pool reads late must be the same bytes.
  test('stays as it is in memory while its engine says that it may still be read', async () => {
    let submitted: { write: DurableWrite; done: DurableWriteDone } | null = null;
    let isFirst = true;
    const storage = withLogFiles((file) => ({
      submit: (write, done) => {
        if (isFirst) submitted = { write, done };
        else file.submit(write, done);
        isFirst = false;
      },
      drainSync: () => {
        if (submitted === null) return file.drainSync();
        const { write, done } = submitted;
        submitted = null;
        file.writeDurableSync(write);
        done(null, false);
      },
    }));
    const journal = await open(directory.path, TINY, storage);
    journal.append(bytesOf('in flight'));
    await new Promise(setImmediate);
    const { bytes } = submitted!.write;
    journal.syncThroughSync();
    const before = new Uint8Array(bytes);
    for (let round = 0; round < 4; round++) await journal.commit(bytesOf(`after ${round}`));
    expect(bytes).toEqual(before);
    await journal.close();
  });
});
