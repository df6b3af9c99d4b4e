// FORMAT.md's worked example, parsed from the page: the code reads it, and writes it, byte for byte.

import fs from 'node:fs';
import path from 'node:path';
import vm from 'node:vm';
import { beforeAll, describe, expect, it } from 'vitest';
import { COMMIT_FLAGS, decodeCommitHeader } from '../../src/journal/format/commit-format.js';
import {
  decodeSegmentHeader,
  type SegmentHeader,
  segmentSeed,
} from '../../src/journal/format/segment-format.js';
import { openJournalOn } from '../../src/journal/open-journal.js';
import { resolveJournalOptions } from '../../src/journal/options.js';
import { tupleKeyCodec } from '../../src/kv/encoding/key-encoding.js';
import { SimulatedDisk } from '../../src/testing/index.js';
import { scanSegment } from '../journal/helpers.js';

const PAGE = fs.readFileSync(path.resolve(import.meta.dirname, '../../docs/FORMAT.md'), 'utf8');
const SEGMENT_BYTES = 4096;
const BLOCK_BYTES = 512;

/** The `hex` block of the page: an offset and sixteen bytes a line; what is not shown is zero. */
function exampleOf(page: string): Uint8Array {
  const block = /```hex\n([\s\S]*?)```/.exec(page)![1]!;
  const bytes = new Uint8Array(SEGMENT_BYTES);
  for (const line of block.trim().split('\n')) {
    const [offset, ...values] = line.trim().split(/\s+/);
    bytes.set(
      values.map((value) => Number.parseInt(value, 16)),
      Number.parseInt(offset!, 16),
    );
  }
  return bytes;
}

/** The start of 2026. */
const MADE_MS = Date.UTC(2026, 0, 1);

describe('the worked example of FORMAT.md', () => {
  const bytes = exampleOf(PAGE);
  let header: SegmentHeader;

  beforeAll(() => {
    const verdict = decodeSegmentHeader(bytes);
    if (!verdict.ok) throw new Error(verdict.why);
    header = verdict.header;
  });

  it('has the header that the text says', () => {
    expect(header).toEqual({
      journalId: Uint8Array.from({ length: 16 }, (_, i) => i),
      salt: Uint8Array.from({ length: 8 }, (_, i) => 0xa0 + i),
      sequence: 1,
      sizeBytes: SEGMENT_BYTES,
      blockBytes: BLOCK_BYTES,
      lineageStart: null,
      isRecycled: false,
      durableLsn: 0,
      wallMs: MADE_MS,
    });
  });

  it('holds a commit of hello, to LSN 17, and world, to LSN 35, and the closing seal', () => {
    const { commits, heldFromLsnClaimed, durableLsnClaimed } = scanSegment(bytes, header);
    expect(commits).toMatchObject([
      { offset: 0x200, startLsn: 0, endLsn: 35, recordCount: 2, flags: 0 },
      { offset: 0x400, startLsn: 35, endLsn: 35, recordCount: 0, flags: COMMIT_FLAGS.closed },
    ]);
    expect([heldFromLsnClaimed, durableLsnClaimed]).toEqual([0, 35]);
    expect(Buffer.from(bytes.subarray(0x23c, 0x241)).toString()).toBe('hello');
    expect(Buffer.from(bytes.subarray(0x24d, 0x253)).toString()).toBe(' world');
    expect(decodeCommitHeader(bytes, 0x200, 0x200, segmentSeed(header))).toMatchObject({ bodyBytes: 35 });
  });

  it('is what the journal writes', async () => {
    const disk = new SimulatedDisk({ seed: 1, directories: ['/data'] });
    const storage = disk.life();
    // The journal asks for its id first, then for the lock's instance and the salt of its first segment.
    storage.randomBytes = (length) => Uint8Array.from({ length }, (_, i) => (length === 16 ? i : 0xa0 + i));
    storage.wallMs = () => MADE_MS;
    const options = {
      blockBytes: BLOCK_BYTES,
      segmentBytesMin: SEGMENT_BYTES,
      segmentBytesMax: SEGMENT_BYTES,
    };
    const journal = await openJournalOn(storage, '/data/j', resolveJournalOptions('test', options));
    expect([journal.append(Buffer.from('hello')), journal.append(Buffer.from(' world'))]).toEqual([17, 35]);
    await journal.close();
    const file = await storage.openFile('/data/j/000000000001.journal', false);
    const written = new Uint8Array(SEGMENT_BYTES);
    await file.read(written, 0);
    expect(Buffer.compare(written, bytes)).toBe(0);
  });
});

describe('the example of a tuple key in FORMAT.md', () => {
  const [, text] = /The key `(\[.*?\])`:/.exec(PAGE)!;
  const lines = [...PAGE.matchAll(/^\d {2}((?:[0-9a-f]{2} ?)+)$/gm)].map(([, hex]) =>
    hex!.replaceAll(' ', ''),
  );

  it('is what the store writes, part by part, and reads', () => {
    const tuple = vm.runInThisContext(text!);
    const key = tupleKeyCodec.toIndexKey('key', tuple);
    expect(lines.map((line) => tupleKeyCodec.fromIndexKey(fromHex(line)))).toEqual(
      tuple.map((part: unknown) => [part]),
    );
    expect(key).toBe(fromHex(lines.join('')));
  });
});

function fromHex(hex: string): string {
  return Buffer.from(hex, 'hex').toString('latin1');
}
