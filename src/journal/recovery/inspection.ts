// The inspection of a journal before it is opened: without a lock, and without making or changing anything. It
// refuses foreign and unfinished files early.

import { isKeelsonError, KeelsonError } from '../../errors.js';
import type { Storage, StorageFile } from '../../storage/index.js';
import { refuseIncomplete } from '../directory/incomplete.js';
import { COMMIT_HEADER_BYTES, decodeCommitHeader } from '../format/commit-format.js';
import { checkBody, FrameCursor } from '../format/frame-cursor.js';
import {
  BLOCK_BYTES_MAX,
  decodeSegmentHeader,
  type SegmentHeader,
  segmentSeed,
} from '../format/segment-format.js';
import { segmentPath, segmentSequences } from '../format/segment-names.js';

/** Bytes that tell of most segments that they do not start the log: a header block of the usual size, and a commit header. */
const PEEK_BYTES = 4096 + COMMIT_HEADER_BYTES;

/** The result of an inspection. */
export interface JournalInspection {
  /**
   * The record at the start of the log, if the journal holds it, its commit is whole, and the commit certainly
   * counts; otherwise null.
   */
  readonly firstRecord: Uint8Array | null;
  /**
   * The record at the start of the log if the record itself is whole, otherwise null. Its commit may be torn or
   * dead.
   */
  readonly anyFirstRecord: Uint8Array | null;
}

/** The start of a segment: its header, and the record at LSN 0 if it has that. */
interface SegmentStart {
  readonly header: SegmentHeader | null;
  readonly firstRecord: Uint8Array | null;
  readonly anyFirstRecord: Uint8Array | null;
}

/**
 * Reads the headers of all segments before anything is made or changed. Returns null if there are no segments.
 * Damage is left to recovery.
 *
 * @param journalId If given, only segments of this journal give a first record.
 * @throws KEELSON_INCOMPLETE, KEELSON_FORMAT_VERSION, and KEELSON_FOREIGN if not one file is a segment.
 */
export async function inspectJournal(
  storage: Storage,
  directory: string,
  journalId: Uint8Array | null = null,
): Promise<JournalInspection | null> {
  const names = await storage.list(directory);
  await refuseIncomplete(storage, directory, names);
  const sequences = segmentSequences(names);
  if (sequences.length === 0) return null;
  const starts: SegmentStart[] = [];
  let foreign: KeelsonError | null = null;
  for (const sequence of sequences) {
    const path = segmentPath(directory, sequence);
    try {
      starts.push(await inspectSegment(storage, path));
    } catch (error) {
      if (isKeelsonError(error, 'KEELSON_FOREIGN')) foreign ??= error;
      // An owner may be retiring the file right now.
      else if (!isKeelsonError(error, 'KEELSON_NOT_FOUND')) throw error;
    }
  }
  if (foreign !== null && !starts.some(({ header }) => header !== null)) throw foreign;
  const ours = starts.filter(({ header }) => header !== null && isOf(header, journalId));
  // A lineage segment may have replaced the first commit. Recovery decides which one counts.
  const mayBeDead = ours.some(({ header }) => header!.lineageStart !== null);
  const firstRecord = ours.find((start) => start.firstRecord !== null)?.firstRecord ?? null;
  const anyFirstRecord = ours.find((start) => start.anyFirstRecord !== null)?.anyFirstRecord ?? null;
  return { firstRecord: mayBeDead ? null : firstRecord, anyFirstRecord };
}

function isOf(header: SegmentHeader, journalId: Uint8Array | null): boolean {
  return journalId === null || Buffer.compare(header.journalId, journalId) === 0;
}

async function inspectSegment(storage: Storage, path: string): Promise<SegmentStart> {
  const file = await storage.openFile(path, false);
  try {
    const peeked = await readStart(file, PEEK_BYTES);
    const verdict = decodeSegmentHeader(peeked);
    if (verdict.ok) {
      const { header } = verdict;
      if (!mayStartLog(peeked, header)) return { header, ...NO_RECORDS };
      return { header, ...recordsAtStart(await readStart(file, BLOCK_BYTES_MAX * 2), header) };
    }
    if (verdict.code === 'KEELSON_CORRUPT') return { header: null, ...NO_RECORDS };
    throw new KeelsonError(verdict.code, `${path}: ${verdict.why}`, { path, offset: 0 });
  } finally {
    await file.close();
  }
}

/** Returns the first bytes of a file, at most `bytesMax`. */
async function readStart(file: StorageFile, bytesMax: number): Promise<Uint8Array> {
  const bytes = new Uint8Array(bytesMax);
  return bytes.subarray(0, await file.read(bytes, 0));
}

/** Returns false if the first commit of a segment is not at LSN 0. */
function mayStartLog(bytes: Uint8Array, header: SegmentHeader): boolean {
  const { blockBytes } = header;
  if (blockBytes + COMMIT_HEADER_BYTES > bytes.length) return true;
  return decodeCommitHeader(bytes, blockBytes, blockBytes, segmentSeed(header))?.startLsn === 0;
}

const NO_RECORDS: Omit<SegmentStart, 'header'> = { firstRecord: null, anyFirstRecord: null };

/**
 * Returns the record at LSN 0 if this segment has it. `firstRecord` is null if its commit is not whole, or too
 * long to be in `bytes`.
 */
function recordsAtStart(bytes: Uint8Array, header: SegmentHeader): Omit<SegmentStart, 'header'> {
  const seed = segmentSeed(header);
  const { blockBytes } = header;
  const commit = decodeCommitHeader(bytes, blockBytes, blockBytes, seed);
  if (commit === null || commit.startLsn !== 0 || commit.recordCount === 0) return NO_RECORDS;
  const at = blockBytes + COMMIT_HEADER_BYTES;
  const frames = new FrameCursor(seed, false);
  frames.begin(0, commit.bodyBytes);
  frames.feed(bytes, at);
  if (!frames.next()) return NO_RECORDS;
  const record = bytes.slice(frames.recordStart, frames.recordEnd);
  const isWhole = checkBody(bytes, at, commit.bodyBytes, commit.recordCount, 0, seed);
  return { firstRecord: isWhole ? record : null, anyFirstRecord: record };
}
