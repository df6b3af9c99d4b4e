// Segments are scanned and read in windows, so that memory is bounded; where a window ends must not matter.

import fs from 'node:fs';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { KeelsonError } from '../../src/errors.js';
import { encodeCommitHeader } from '../../src/journal/format/commit-format.js';
import { FrameCursor } from '../../src/journal/format/frame-cursor.js';
import { encodeSegmentHeader } from '../../src/journal/format/segment-format.js';
import { HeldSegments } from '../../src/journal/read/held-segments.js';
import { replayRecords } from '../../src/journal/read/journal-reader.js';
import { recoverJournalReadOnly } from '../../src/journal/recovery/recovery.js';
import { createFsStorage, type Storage, type StorageFile } from '../../src/storage/index.js';
import { readAhead, WINDOW_BYTES } from '../../src/storage/read-ahead.js';
import { FaultyStorage } from './faulty-storage.js';
import {
  bytesOf,
  copyAsKilled,
  keelsonError,
  numbered,
  open,
  openDescriptors,
  readAll,
  rejectionOf,
  SegmentBuilder,
  scanSegment,
  segmentHeader,
  TINY,
  textOf,
  useDirectory,
} from './helpers.js';
import { scanAtOnce } from './scan-oracle.js';

const BLOCK_BYTES = 512;
const here = useDirectory();

/** A record of so many bytes, each different from its neighbours. */
function recordOf(length: number, first = 1): Uint8Array {
  return Uint8Array.from({ length }, (_, index) => first + index * 7);
}

describe('a scan in windows', () => {
  test('finds a commit whose frames are cut by the ends of windows, at any byte of them', () => {
    for (let shift = 0; shift < BLOCK_BYTES; shift++) {
      const segment = new SegmentBuilder();
      segment.commit([recordOf(shift), recordOf(0), recordOf(700, 3), recordOf(500, 5), recordOf(3, 7)]);
      segment.commit(['the next']);
      const found = scanSegment(segment.bytes, segment.header, BLOCK_BYTES);
      expect(
        found.commits.map(({ recordCount }) => recordCount),
        `shift ${shift}`,
      ).toEqual([5, 1]);
    }
  });

  test('misses no flipped byte of a commit that goes over many windows', () => {
    const segment = new SegmentBuilder();
    const lengths = [100, 0, 900, 300, 493, 17];
    segment.commit(lengths.map((length, index) => recordOf(length, index)));
    const end = BLOCK_BYTES + 48 + lengths.reduce((total, length) => total + 12 + length, 0);
    for (let at = BLOCK_BYTES; at < end; at++) {
      segment.bytes[at]! ^= 1 << (at % 8);
      expect(scanSegment(segment.bytes, segment.header, BLOCK_BYTES).commits, `byte ${at}`).toEqual([]);
      segment.bytes[at]! ^= 1 << (at % 8);
    }
    expect(scanSegment(segment.bytes, segment.header, BLOCK_BYTES).commits).toHaveLength(1);
  });

  test('of a file that was cut at any byte finds what a look at all of it finds', () => {
    const segment = new SegmentBuilder();
    segment.commit([recordOf(700), recordOf(50)]);
    segment.commit([recordOf(1200)]);
    for (let length = BLOCK_BYTES; length <= 4096; length++) {
      const bytes = segment.bytes.slice(0, length);
      expect(scanSegment(bytes, segment.header, BLOCK_BYTES), `${length} bytes`).toEqual(
        scanAtOnce(bytes, segment.header),
      );
    }
  });

  test('refuses a commit that claims more than the file has before it looks for it', () => {
    const segment = new SegmentBuilder();
    segment.commit(['one']);
    for (const bodyBytes of [8192, 2 ** 28, 2 ** 32 - 1]) {
      const header = { startLsn: 15, durableLsn: 15, heldFromLsn: 0, bodyBytes, recordCount: 1 };
      const { offset, seed } = segment;
      encodeCommitHeader(
        segment.bytes.subarray(offset),
        { ...header, flags: 0, nextSequence: 0 },
        offset,
        seed,
      );
      expect(scanSegment(segment.bytes, segment.header, BLOCK_BYTES)).toMatchObject({
        commits: [{ endLsn: 15 }],
        endOffset: 1024,
        endsBecause: 'cut off',
        hasBytesAfterEnd: true,
        durableLsnClaimed: 15,
      });
    }
  });

  test('takes no memory for a record that a commit has no room for', () => {
    const segment = new SegmentBuilder();
    const offset = segment.commit([recordOf(600)]);
    const frames = new FrameCursor(segment.seed, true);
    frames.begin(0, 612);
    // Only the header of the frame is in the first window; it claims one byte more than there is.
    const head = segment.bytes.slice(offset + 48, offset + 48 + 12);
    new DataView(head.buffer).setUint32(0, 601, true);
    frames.feed(head.subarray(0, 7), 0);
    expect(frames.next()).toBe(false);
    expect(frames.isBroken).toBe(false);
    frames.feed(head.subarray(7), 0);
    expect(frames.next()).toBe(false);
    expect(frames.isBroken).toBe(true);
  });

  test('waits for no further window when too few bytes for a frame are left of a commit', () => {
    const segment = new SegmentBuilder();
    const offset = segment.commit(['one']);
    const frames = new FrameCursor(segment.seed, false);
    frames.begin(0, 15 + 11);
    frames.feed(segment.bytes.slice(offset + 48, offset + 48 + 15 + 5), 0);
    expect(frames.next()).toBe(true);
    expect(frames.next()).toBe(false);
    expect(frames.isBroken).toBe(true);
  });

  test('counts what a commit header inside a record claims only when the commit around it is not whole', () => {
    // The commit is over four blocks; at the start of the third stands what verifies as a header of this segment.
    const segment = new SegmentBuilder();
    const record = new Uint8Array(1700);
    const claim = { startLsn: 4000, durableLsn: 4000, heldFromLsn: 7, bodyBytes: 0, recordCount: 0 };
    const at = 1536;
    encodeCommitHeader(
      record.subarray(at - 512 - 60),
      { ...claim, flags: 0, nextSequence: 0 },
      at,
      segment.seed,
    );
    segment.commit([record]);
    for (const windowBytes of [512, 1024, 8192]) {
      expect(scanSegment(segment.bytes, segment.header, windowBytes)).toMatchObject({
        commits: [{ endLsn: 1712 }],
        durableLsnClaimed: 0,
      });
    }
    segment.bytes[2047]! ^= 1;
    for (const windowBytes of [512, 1024, 8192]) {
      expect(scanSegment(segment.bytes, segment.header, windowBytes)).toMatchObject({
        commits: [],
        endOffset: 512,
        endsBecause: 'body',
        durableLsnClaimed: 4000,
        heldFromLsnClaimed: 7,
      });
    }
  });

  test('of any segment, however damaged, in windows of any size, is the scan of all bytes at once', () => {
    const commit = fc.record({
      lengths: fc.array(fc.integer({ min: 0, max: 1500 }), { maxLength: 4 }),
      gap: fc.constantFrom(0, 0, 0, 0, 5),
      heldFromLsn: fc.nat(10),
    });
    const damage = fc.oneof(
      fc.record({
        kind: fc.constant('flip' as const),
        at: fc.nat(16_383),
        bits: fc.integer({ min: 1, max: 255 }),
      }),
      fc.record({ kind: fc.constant('zero' as const), at: fc.nat(31), bits: fc.constant(0) }),
      fc.record({ kind: fc.constant('copy' as const), at: fc.nat(31), bits: fc.nat(31) }),
    );
    const ends = new Set<string>();
    fc.assert(
      fc.property(
        fc.array(commit, { maxLength: 6 }),
        fc.array(damage, { maxLength: 3 }),
        fc.option(fc.integer({ min: 512, max: 16_384 })),
        fc.integer({ min: 1, max: 8 }),
        fc.boolean(),
        (commits, damages, cutAt, windowBlocks, isRecycled) => {
          const segment = new SegmentBuilder(segmentHeader({ sizeBytes: 16_384, isRecycled }));
          for (const { lengths, gap, heldFromLsn } of commits) {
            const bytesNeeded = lengths.reduce((total, length) => total + 12 + length, 48);
            if (segment.offset + bytesNeeded > 16_384) break;
            const startLsn = segment.lsn + gap;
            segment.commit(lengths.map(recordOf), { startLsn, heldFromLsn: Math.min(startLsn, heldFromLsn) });
          }
          for (const { kind, at, bits } of damages) {
            if (kind === 'flip') segment.bytes[at]! ^= bits;
            else if (kind === 'zero') segment.bytes.fill(0, at * 512, at * 512 + 512);
            else segment.bytes.copyWithin(at * 512, bits * 512, bits * 512 + 512);
          }
          const bytes = segment.bytes.slice(0, cutAt ?? 16_384);
          const expected = scanAtOnce(bytes, segment.header);
          ends.add(expected.endsBecause);
          expect(scanSegment(bytes, segment.header, windowBlocks * 512)).toEqual(expected);
        },
      ),
      { seed: 11, numRuns: 2000 },
    );
    expect([...ends].sort()).toEqual(['body', 'cut off', 'full', 'gap', 'header']);
  });
});

describe('replay in windows', () => {
  const OPTIONS = { ...TINY, commitBytesMax: 4096, segmentBytesMin: 16_384, segmentBytesMax: 16_384 };

  /** Commits of one record and of many, records of no byte and of many windows, in several segments and two lives. */
  async function makeJournal(): Promise<void> {
    for (let life = 0; life < 2; life++) {
      const journal = await open(here.at('journal'), OPTIONS);
      for (let round = 0; round < 12; round++) {
        await journal.commit(bytesOf(`alone ${life}.${round}`));
        const lengths = [0, 3, 100, 440, round * 41, 500, 1, 700 + round, 30_000 * Number(round === 5)];
        journal.appendBatch(lengths.map((length) => recordOf(length, round)));
        await journal.syncThrough();
      }
      await journal.close();
    }
  }

  async function heldSegments(storage: Storage): Promise<{ held: HeldSegments; endLsn: number }> {
    const { live, recovery } = await recoverJournalReadOnly(storage, here.at('journal'), null);
    return { held: new HeldSegments({ live, retained: [], stale: [] }, () => 0), endLsn: recovery.endLsn };
  }

  async function replayed(
    storage: Storage,
    held: HeldSegments,
    from: number,
    to: number,
    windowBytes: number,
  ): Promise<{ lsn: number; text: string }[]> {
    const records: { lsn: number; text: string }[] = [];
    await replayRecords(
      storage,
      held,
      { lsn: from, sequence: 0, offset: 0 },
      to,
      (lsn, bytes, start, end) => records.push({ lsn, text: textOf(bytes.subarray(start, end)) }),
      windowBytes,
    );
    return records;
  }

  test('gives the records that read() gives, between any two of them', async () => {
    await makeJournal();
    const journal = await open(here.at('journal'), OPTIONS);
    const all = await readAll(journal);
    await journal.close();
    expect(all).toHaveLength(2 * 12 * 10);
    const storage = createFsStorage();
    const { held, endLsn } = await heldSegments(storage);
    expect(held.count).toBeGreaterThan(4);
    for (const windowBytes of [512, 1024, 4096, WINDOW_BYTES]) {
      expect(await replayed(storage, held, 0, endLsn, windowBytes)).toEqual(all);
      for (let index = 0; index < all.length; index += 7) {
        const from = all[index]!.lsn;
        const to = all[Math.min(all.length - 1, index + 23)]!.lsn;
        const expected = all.filter(({ lsn }) => lsn > from && lsn <= to);
        expect(await replayed(storage, held, from, to, windowBytes), `from ${from}`).toEqual(expected);
      }
    }
    expect(held.readerFiles.size).toBe(0);
  });

  test('refuses a start and an end inside a record, in whatever window it lies', async () => {
    await makeJournal();
    const storage = createFsStorage();
    const { held, endLsn } = await heldSegments(storage);
    const all = await replayed(storage, held, 0, endLsn, 512);
    for (let index = 1; index < all.length; index += 5) {
      const lsn = all[index]!.lsn;
      expect(await rejectionOf(replayed(storage, held, lsn - 1, endLsn, 512))).toBeInstanceOf(RangeError);
      expect(await rejectionOf(replayed(storage, held, 0, lsn - 1, 512))).toBeInstanceOf(RangeError);
    }
  });

  test('notices what has changed on the disk since the scan, and a file that has become shorter', async () => {
    await makeJournal();
    const storage = createFsStorage();
    const { held, endLsn } = await heldSegments(storage);
    const segment = held.find(0)!;
    const bytes = new Uint8Array(fs.readFileSync(segment.path));
    const at = 512 + 48 + 12;
    bytes[at]! ^= 1;
    fs.writeFileSync(segment.path, bytes);
    expect(await rejectionOf(replayed(storage, held, 0, endLsn, 512))).toMatchObject({
      code: 'KEELSON_CORRUPT',
      message: expect.stringContaining('the checksum of a record fails'),
      facts: { segment: segment.sequence, offset: 512, lsn: 0 },
    });
    bytes[at]! ^= 1;
    const claim = { startLsn: 0, durableLsn: 0, heldFromLsn: 0, bodyBytes: 2 ** 28, recordCount: 1 };
    const huge = bytes.slice();
    encodeCommitHeader(huge.subarray(512), { ...claim, flags: 0, nextSequence: 0 }, 512, segment.seed);
    fs.writeFileSync(segment.path, huge);
    expect(await rejectionOf(replayed(storage, held, 0, endLsn, 512))).toMatchObject({
      message: expect.stringContaining('claims more than the segment has'),
    });
    for (const length of [0, 512, 600, 1024, 1100, segment.endOffset - 1024]) {
      fs.writeFileSync(segment.path, bytes.subarray(0, length));
      expect(await rejectionOf(replayed(storage, held, 0, endLsn, 512)), `${length} bytes`).toEqual(
        keelsonError('KEELSON_CORRUPT'),
      );
    }
    expect(held.readerFiles.size).toBe(0);
  });
});

describe('closing the journal', () => {
  // A reader that starts in the middle of a segment reads windows without a record for it. It used to go on with a file
  // that was closed under it, and told its caller that an invariant was broken.
  test.each(['read', 'follow'] as const)(
    'while %s() is on its way to its first record says so',
    async (kind) => {
      const faulty = new FaultyStorage();
      const journal = await open(here.at('journal'), { segmentBytesMin: 4 * WINDOW_BYTES }, faulty.storage);
      const record = recordOf(WINDOW_BYTES / 2);
      for (let count = 0; count < 6; count++) await journal.commit(record);
      const from = journal.syncedLsn - record.length - 12;
      const readsBefore = faulty.count('read');
      const release = faulty.hold(({ operation }) => operation === 'read');
      const records = kind === 'read' ? journal.read({ from }) : journal.follow({ from });
      const first = records.next().then(
        ({ done }) => (done ? 'the end' : 'a record'),
        (error: KeelsonError) => error.code,
      );
      while (faulty.count('read') === readsBefore) await new Promise(setImmediate);
      const closed = journal.close();
      // Until the journal comes to its readers: by then everything else is closed.
      while (faulty.count('close') < 2) await new Promise(setImmediate);
      release();
      await closed;
      expect(await first).toBe(kind === 'read' ? 'KEELSON_CLOSED' : 'the end');
      expect(openDescriptors(here.path) ?? 0).toBe(0);
    },
  );
});

/** A storage that tells every read: how much was asked for, into which memory, and how many were under way. */
function watchReads(inner: Storage): {
  readonly storage: Storage;
  readonly reads: { length: number; memory: ArrayBufferLike }[];
  mostAtOnce(): number;
} {
  const reads: { length: number; memory: ArrayBufferLike }[] = [];
  let underWay = 0;
  let most = 0;
  const watched = (file: StorageFile): StorageFile => ({
    path: file.path,
    size: () => file.size(),
    modifiedMs: () => file.modifiedMs(),
    read: async (into, position) => {
      reads.push({ length: into.length, memory: into.buffer });
      most = Math.max(most, ++underWay);
      return file.read(into, position).finally(() => underWay--);
    },
    write: (bytes, position) => file.write(bytes, position),
    flush: () => file.flush(),
    close: () => file.close(),
  });
  const openFile: Storage['openFile'] = async (path, writable) =>
    watched(await inner.openFile(path, writable));
  return { storage: { ...inner, openFile }, reads, mostAtOnce: () => most };
}

describe('recovery', () => {
  test('scans 256 MiB of zeros behind a small commit in two windows of memory', async () => {
    const sizeBytes = 256 * 1024 * 1024;
    const small = new SegmentBuilder(segmentHeader({ sizeBytes: 8192 }));
    small.bytes.set(encodeSegmentHeader(segmentHeader({ sizeBytes })));
    small.commit(['one']);
    const path = here.at('000000000001.journal');
    fs.writeFileSync(path, small.bytes);
    fs.truncateSync(path, sizeBytes);
    const { storage, reads, mostAtOnce } = watchReads(createFsStorage());
    const told: number[] = [];
    const { recovery } = await recoverJournalReadOnly(storage, here.path, null, (done, total) => {
      expect(total).toBe(sizeBytes);
      told.push(done);
    });
    expect(recovery).toMatchObject({ endLsn: 15, tornBytes: 0, tornWhy: null });
    expect(Math.max(...reads.map(({ length }) => length))).toBe(WINDOW_BYTES);
    // The header is read by itself.
    expect(new Set(reads.map(({ memory }) => memory)).size).toBe(3);
    expect(mostAtOnce()).toBe(1);
    expect(told).toHaveLength(sizeBytes / WINDOW_BYTES);
    expect(told).toEqual([...told].sort((a, b) => a - b));
    expect(told.at(-1)).toBe(sizeBytes);
  });

  test('finds a commit of one record that is longer than two windows', async () => {
    const record = recordOf(2 * WINDOW_BYTES + 12_345);
    const journal = await open(here.at('journal'));
    await journal.commit(bytesOf('before'));
    await journal.commit(record);
    await journal.commit(bytesOf('behind'));
    copyAsKilled(here.at('journal'), here.at('killed'));
    await journal.close();
    const again = await open(here.at('killed'));
    const lengths: number[] = [];
    for await (const { record: read } of again.read()) {
      lengths.push(read.length);
      if (read.length === record.length) expect(Buffer.compare(read, record)).toBe(0);
    }
    expect(lengths).toEqual([6, record.length, 6]);
    await again.close();
  });

  test.each([
    ['its header does not verify', (bytes: Buffer) => bytes.fill(1, 2048, 2060)],
    ['its records do not verify', (bytes: Buffer) => bytes.fill(1, 2048 + 60, 2048 + 62)],
    ['its records do not verify', (bytes: Buffer) => bytes.fill(0, 2048 + 512, 4096)],
  ])('says where and why it cut the tail: %s', async (why, damage) => {
    const journal = await open(here.at('journal'), TINY);
    for (const text of numbered(3)) await journal.commit(bytesOf(text));
    await journal.commit(recordOf(700));
    copyAsKilled(here.at('journal'), here.at('killed'));
    await journal.close();
    const path = here.at('killed', '000000000001.journal');
    const bytes = fs.readFileSync(path);
    damage(bytes);
    fs.writeFileSync(path, bytes);
    const again = await open(here.at('killed'), TINY);
    expect(again.recovery).toMatchObject({
      kind: 'repaired',
      tornBytes: 2048,
      tornWhy: `The commit at offset 2048 of segment 1 was not finished: ${why}`,
    });
    await again.close();
    const clean = await open(here.at('killed'), TINY);
    expect(clean.recovery).toMatchObject({ kind: 'clean', tornBytes: 0, tornWhy: null });
    await clean.close();
  });
});

describe('reading ahead', () => {
  async function fileOf(length: number, storage: Storage): Promise<StorageFile> {
    fs.writeFileSync(here.at('file'), recordOf(length));
    return storage.openFile(here.at('file'), false);
  }

  test('gives every byte of a range once, in order, and fewer where the file ends earlier', async () => {
    const file = await fileOf(2000, createFsStorage());
    const ranges = [
      [0, 2000],
      [100, 100],
      [0, 1],
      [500, 1524],
      [500, 1525],
      [512, 4096],
      [2000, 3000],
      [0, 9999],
    ];
    for (const [from, to] of ranges as [number, number][]) {
      const windows: number[] = [];
      const bytes: number[] = [];
      for await (const window of readAhead(file, from, to, 512)) {
        windows.push(window.length);
        bytes.push(...window);
      }
      expect(bytes, `${from} to ${to}`).toEqual([...recordOf(2000)].slice(from, to));
      expect(windows.slice(0, -1).every((length) => length === 512)).toBe(true);
    }
    await file.close();
  });

  test('reports a read that failed when its window is asked for, and to nobody who has stopped before', async () => {
    const faulty = new FaultyStorage();
    const file = await fileOf(2000, faulty.storage);
    const failure = new Error('the second read fails');
    faulty.failNth(1, ({ operation }) => operation === 'read', failure);
    const windows = readAhead(file, 0, 2000, 512);
    expect((await windows.next()).done).toBe(false);
    expect(await rejectionOf(windows.next())).toBe(failure);

    faulty.failNth(1, ({ operation }) => operation === 'read', failure);
    for await (const window of readAhead(file, 0, 2000, 512)) {
      expect(window).toHaveLength(512);
      break;
    }
    // A rejection that nobody takes would fail the test run after this turn.
    await new Promise(setImmediate);
    await file.close();
  });
});
