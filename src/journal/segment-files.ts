// Segment files: their names, and how one is made ready for its first commit.

import { KeelsonError } from '../errors.js';
import {
  type BackgroundCloses,
  isFailedFlush,
  type LogFile,
  type Steps,
  type Storage,
  step,
} from '../storage/index.js';
import {
  encodeSegmentHeader,
  JOURNAL_ID_BYTES,
  SALT_BYTES,
  type SegmentHeader,
  segmentSeed,
} from './segment-format.js';

const NAME_PATTERN = /^(\d{12})\.journal$/;
const TEMPORARY_PATTERN = /^\d{12}\.journal\.tmp$/;
const SEQUENCE_DIGITS = 12;
export const SEQUENCE_MAX = 10 ** SEQUENCE_DIGITS - 1;

export function segmentPath(directory: string, sequence: number): string {
  return `${directory}/${String(sequence).padStart(SEQUENCE_DIGITS, '0')}.journal`;
}

/** The sequence in a segment's name, or null when the name is not one. */
export function segmentSequence(name: string): number | null {
  const match = NAME_PATTERN.exec(name);
  return match === null ? null : Number(match[1]);
}

/** The sequences of the segments in a directory, oldest first. */
export async function listSegments(storage: Storage, directory: string): Promise<number[]> {
  const sequences = (await storage.list(directory))
    .map(segmentSequence)
    .filter((sequence) => sequence !== null);
  return sequences.sort((a, b) => a - b);
}

/** True for the name of a segment that was never finished. */
export function isTemporarySegment(name: string): boolean {
  return TEMPORARY_PATTERN.test(name);
}

/** A segment of this life, ready for commits. */
export interface WritableSegment {
  readonly path: string;
  readonly sequence: number;
  readonly header: SegmentHeader;
  readonly seed: number;
  readonly file: LogFile;
  /** Where the next commit goes. Only the layout of the commit pipeline moves it. */
  nextOffset: number;
}

export interface SegmentPlan {
  readonly directory: string;
  readonly sequence: number;
  readonly journalId: Uint8Array;
  readonly sizeBytes: number;
  readonly blockBytes: number;
  /** Set by recovery only. */
  readonly lineageStart: number | null;
  readonly durableLsn: number;
}

/** What recovery writes into a segment before it gets its name: from the seed of the new segment to its bytes. */
export type SegmentContents = (seed: number) => Uint8Array;

/**
 * Makes a segment: header, zeros and `contents` are durable before the file has its name, and the name is durable
 * before this returns. So a file with a segment's name and no valid header is damaged or not ours, never half-made.
 * On failure nothing is left behind but, at worst, a temporary name, which the next open removes. A failed flush of
 * the directory is KEELSON_POISONED; any other failure has harmed nothing, and another segment may be tried.
 */
export function* prepareSegment(
  storage: Storage,
  plan: SegmentPlan,
  contents: SegmentContents | null,
  closes: BackgroundCloses,
): Steps<WritableSegment> {
  if (plan.sequence > SEQUENCE_MAX) {
    throw new KeelsonError(
      'KEELSON_EXHAUSTED',
      `Segment ${plan.sequence} has no name: sequences end at ${SEQUENCE_MAX}`,
    );
  }
  const { directory, ...inHeader } = plan;
  const header: SegmentHeader = { ...inHeader, salt: storage.randomBytes(SALT_BYTES) };
  const seed = segmentSeed(header);
  const path = segmentPath(directory, plan.sequence);
  const temporary = `${path}.tmp`;
  const head = encodeSegmentHeader(header);
  const body = contents?.(seed);
  const zerosFrom = head.length + (body?.length ?? 0);
  const file = yield* step(
    () => storage.createLogFile(temporary),
    () => storage.createLogFileSync(temporary),
  );
  try {
    yield* step(
      () => file.write(head, 0),
      () => file.writeSync(head, 0),
    );
    if (body !== undefined) {
      yield* step(
        () => file.write(body, head.length),
        () => file.writeSync(body, head.length),
      );
    }
    yield* step(
      () => file.zeroFill(zerosFrom, plan.sizeBytes),
      () => file.zeroFillSync(zerosFrom, plan.sizeBytes),
    );
    yield* step(
      () => file.flush(),
      () => file.flushSync(),
    );
    yield* step(
      () => storage.rename(temporary, path),
      () => storage.renameSync(temporary, path),
    );
  } catch (error) {
    closes.close(file);
    yield* discard(storage, temporary);
    throw error;
  }
  try {
    yield* step(
      () => storage.flushDirectory(directory),
      () => storage.flushDirectorySync(directory),
    );
  } catch (error) {
    closes.close(file);
    yield* discard(storage, path);
    if (!isFailedFlush(error)) throw error;
    // Which names in this directory are durable can no longer be known, and asking again would be answered with a lie.
    throw new KeelsonError(
      'KEELSON_POISONED',
      `The flush of ${directory} failed`,
      { path: directory },
      error,
    );
  }
  return { path, sequence: plan.sequence, header, seed, file, nextOffset: zerosFrom };
}

/** Best effort: the error that brought us here is the one to report, and the next open removes what stays. */
function* discard(storage: Storage, path: string): Steps<void> {
  try {
    yield* step(
      () => storage.remove(path),
      () => storage.removeSync(path),
    );
  } catch {}
}

export function newJournalId(storage: Storage): Uint8Array {
  return storage.randomBytes(JOURNAL_ID_BYTES);
}
