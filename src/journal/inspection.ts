// A look at a journal from outside: no lock, nothing made or changed. For refusing early what is not ours to open.

import { isKeelsonError, KeelsonError } from '../errors.js';
import { FRAME_OVERHEAD_BYTES, type Storage } from '../storage/index.js';
import { COMMIT_HEADER_BYTES, decodeCommitHeader } from './commit-format.js';
import { checkFrame } from './frame.js';
import { listSegments, segmentPath } from './segment-files.js';
import { BLOCK_BYTES_MAX, decodeSegmentHeader, type SegmentHeader, segmentSeed } from './segment-format.js';

/** What can be seen of a journal without its lock. */
export interface JournalInspection {
  /** The record at the very start of the log, where that is held and can be read. */
  readonly firstRecord: Uint8Array | null;
}

/**
 * Looks at the segments' headers before anything is made or changed. Null when there are no segments. Throws
 * KEELSON_FOREIGN and KEELSON_FORMAT_VERSION; damage is recovery's to judge.
 */
export async function inspectJournal(storage: Storage, directory: string): Promise<JournalInspection | null> {
  const sequences = await listSegments(storage, directory);
  if (sequences.length === 0) return null;
  let firstRecord: Uint8Array | null = null;
  for (const sequence of sequences) {
    const path = segmentPath(directory, sequence);
    try {
      // Every segment is looked at, also those behind the one that has the first record.
      const record = await inspectSegment(storage, path);
      firstRecord ??= record;
    } catch (error) {
      // An owner may be retiring what we look at.
      if (!isKeelsonError(error, 'KEELSON_NOT_FOUND')) throw error;
    }
  }
  return { firstRecord };
}

/** The record at LSN 0 if this segment has it. */
async function inspectSegment(storage: Storage, path: string): Promise<Uint8Array | null> {
  const file = await storage.openFile(path, false);
  try {
    const bytes = new Uint8Array(BLOCK_BYTES_MAX * 2);
    const length = await file.read(bytes, 0);
    const verdict = decodeSegmentHeader(bytes.subarray(0, length));
    if (verdict.ok) return recordAtStart(bytes.subarray(0, length), verdict.header);
    if (verdict.code === 'KEELSON_CORRUPT') return null;
    throw new KeelsonError(verdict.code, `${path}: ${verdict.why}`, { path, offset: 0 });
  } finally {
    await file.close();
  }
}

function recordAtStart(bytes: Uint8Array, header: SegmentHeader): Uint8Array | null {
  const seed = segmentSeed(header);
  const { blockBytes } = header;
  const commit = decodeCommitHeader(bytes, blockBytes, blockBytes, seed);
  if (commit === null || commit.startLsn !== 0 || commit.recordCount === 0) return null;
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const at = blockBytes + COMMIT_HEADER_BYTES;
  const length = checkFrame(bytes, view, at, bytes.length, 0, seed);
  return length < 0 ? null : bytes.slice(at + FRAME_OVERHEAD_BYTES, at + FRAME_OVERHEAD_BYTES + length);
}
