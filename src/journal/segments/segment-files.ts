// Makes segment files: of a new file, or of a draft.

import { isKeelsonError, KeelsonError, whatHappened } from '../../errors.js';
import {
  type BackgroundCloses,
  discard,
  flushStep,
  isFailedFlush,
  type LogFile,
  publishFile,
  type Steps,
  type Storage,
  step,
} from '../../storage/index.js';
import {
  encodeSegmentHeader,
  JOURNAL_ID_BYTES,
  SALT_BYTES,
  type SegmentHeader,
  segmentSeed,
  unusedSalt,
} from '../format/segment-format.js';
import { SEQUENCE_MAX, segmentPath, segmentSequences, temporaryPath } from '../format/segment-names.js';
import type { SegmentDraft } from './segment-drafts.js';

/** Returns the sequences of the segments in a directory, oldest first. */
export async function listSegments(storage: Storage, directory: string): Promise<number[]> {
  return segmentSequences(await storage.list(directory));
}

/** A segment of this session that takes commits. */
export interface WritableSegment {
  readonly path: string;
  readonly sequence: number;
  readonly header: SegmentHeader;
  readonly seed: number;
  /** The seeds of the earlier uses of the file, oldest first, and the seed of this use. */
  readonly usedSeeds: readonly number[];
  readonly file: LogFile;
  /**
   * Null until the rotated mark is durable and the file is being closed. The promise resolves when no operation
   * is under way on the file: to true if the close succeeded.
   */
  closed: Promise<boolean> | null;
  /** The offset of the next commit. Only CommitLayout changes it. */
  nextOffset: number;
}

/** The plan of a segment that is to be made. */
export interface SegmentPlan {
  readonly directory: string;
  readonly sequence: number;
  readonly journalId: Uint8Array;
  readonly sizeBytes: number;
  readonly blockBytes: number;
  /** Null for a segment to which a session appends: see SegmentHeader. */
  readonly lineageStart: number | null;
  readonly durableLsn: number;
}

/** Returns the commits that a segment starts with. Their checksums start from `seed`. */
export type SegmentContents = (seed: number) => Uint8Array;

/** Reserves the room of a new file: see LogFile.reserve(). Returns false if the file must be filled with zeros. */
export type ReserveRoom = (file: LogFile, sizeBytes: number) => boolean;

/**
 * Makes a segment of a new file. Header, zeros and `contents` are durable before the file has its name, and the
 * name is durable when this returns. So a file with the name of a segment and without a valid header is damaged
 * or foreign, never half-made.
 *
 * The file is not filled with zeros if `reserve` returns true.
 *
 * A failure leaves at worst the file, if it cannot be removed. The next open removes a temporary name, and
 * recovery skips a segment without commits.
 *
 * @throws KEELSON_POISONED if the flush of the directory fails, or if another process has made the name. Any
 * other error has harmed nothing, and the caller may try another segment.
 */
export function* prepareSegment(
  storage: Storage,
  plan: SegmentPlan,
  contents: SegmentContents | null,
  closes: BackgroundCloses,
  reserve: ReserveRoom = () => false,
): Steps<WritableSegment> {
  const path = pathOf(plan);
  const temporary = temporaryPath(path);
  const header = { ...headerOf(storage, plan), salt: storage.randomBytes(SALT_BYTES), isRecycled: false };
  const seed = segmentSeed(header);
  const head = encodeSegmentHeader(header);
  const body = contents?.(seed);
  const zerosFrom = head.length + (body?.length ?? 0);
  const file = yield* step(
    () => storage.createLogFile(temporary),
    () => storage.createLogFileSync(temporary),
  );
  function* fill(): Steps<void> {
    const hasRoom = reserve(file, plan.sizeBytes);
    yield* write(file, head, 0);
    if (body !== undefined) yield* write(file, body, head.length);
    if (hasRoom) return;
    yield* flushStep(
      () => file.zeroFill(zerosFrom, plan.sizeBytes),
      () => file.zeroFillSync(zerosFrom, plan.sizeBytes),
    );
  }
  yield* finish(storage, { directory: plan.directory, path, temporary, file }, fill(), closes);
  const { sequence } = plan;
  return { path, sequence, header, seed, usedSeeds: [seed], file, closed: null, nextOffset: zerosFrom };
}

/**
 * Makes a segment of a draft, with the size of its file. The new header is durable before the file has its new name,
 * and the name is durable when this returns. Old bytes behind the header cannot verify: see unusedSalt().
 *
 * @param plan The plan of the segment, except for its size, which is that of the file.
 * @throws What prepareSegment() throws. The draft cannot be used after that.
 */
export function* nameSegment(
  storage: Storage,
  plan: Omit<SegmentPlan, 'sizeBytes'>,
  draft: SegmentDraft,
  closes: BackgroundCloses,
): Steps<WritableSegment> {
  const path = pathOf(plan);
  const { temporaryPath: temporary, sizeBytes, usedSeeds } = draft;
  const salt = unusedSalt(storage.randomBytes(SALT_BYTES), plan.journalId, usedSeeds);
  const header = { ...headerOf(storage, { ...plan, sizeBytes }), salt, isRecycled: usedSeeds.length > 0 };
  const seed = segmentSeed(header);
  const head = encodeSegmentHeader(header);
  const file = yield* reopen(storage, temporary);
  yield* finish(storage, { directory: plan.directory, path, temporary, file }, write(file, head, 0), closes);
  return {
    path,
    sequence: plan.sequence,
    header,
    seed,
    usedSeeds: [...usedSeeds, seed],
    file,
    closed: null,
    nextOffset: head.length,
  };
}

/** Opens a draft. Removes the file if it cannot be opened. */
function* reopen(storage: Storage, temporary: string): Steps<LogFile> {
  try {
    return yield* step(
      () => storage.openLogFile(temporary),
      () => storage.openLogFileSync(temporary),
    );
  } catch (error) {
    yield* discard(storage, temporary);
    throw error;
  }
}

function pathOf({ directory, sequence }: Pick<SegmentPlan, 'directory' | 'sequence'>): string {
  if (sequence <= SEQUENCE_MAX) return segmentPath(directory, sequence);
  throw new KeelsonError(
    'KEELSON_EXHAUSTED',
    `Segment ${sequence} has no name: sequences end at ${SEQUENCE_MAX}`,
  );
}

function headerOf(
  storage: Storage,
  { directory: _, ...inHeader }: SegmentPlan,
): Omit<SegmentHeader, 'salt' | 'isRecycled'> {
  return { ...inHeader, wallMs: Math.max(0, storage.wallMs()) };
}

/** A file that is about to get the name of a segment. */
interface Nameless {
  readonly directory: string;
  readonly path: string;
  readonly temporary: string;
  readonly file: LogFile;
}

/** Fills and flushes the file, gives it its name, and flushes the directory. */
function* finish(
  storage: Storage,
  nameless: Nameless,
  fill: Steps<void>,
  closes: BackgroundCloses,
): Steps<void> {
  const { directory, path, temporary, file } = nameless;
  try {
    const contents = flushedAfter(fill, file);
    yield* publishFile(storage, { temporary, path, replaces: false, contents });
  } catch (error) {
    closes.close(file);
    throw isKeelsonError(error, 'KEELSON_EXISTS') ? nameTaken(path, error) : error;
  }
  try {
    yield* flushStep(
      () => storage.flushDirectory(directory),
      () => storage.flushDirectorySync(directory),
    );
  } catch (error) {
    closes.close(file);
    yield* discard(storage, path);
    if (!isFailedFlush(error)) throw error;
    // Now nobody knows which names in this directory are durable. A second flush would report success and prove
    // nothing.
    throw new KeelsonError(
      'KEELSON_POISONED',
      `The flush of the directory ${directory} failed: ${whatHappened(error)}`,
      { path: directory },
      error,
    );
  }
}

function* flushedAfter(fill: Steps<void>, file: LogFile): Steps<void> {
  yield* fill;
  yield* flushStep(
    () => file.flush(),
    () => file.flushSync(),
  );
}

function nameTaken(path: string, error: KeelsonError): KeelsonError {
  const text = {
    what: `${path} is there already: somebody else writes in this directory`,
    next: 'Close this store, find out who writes there, and open it again',
  };
  const taken = new KeelsonError('KEELSON_EXISTS', text, { ...error.facts, path }, error);
  return new KeelsonError('KEELSON_POISONED', text, taken.facts, taken);
}

function* write(file: LogFile, bytes: Uint8Array, position: number): Steps<void> {
  yield* step(
    () => file.write(bytes, position),
    () => file.writeSync(bytes, position),
  );
}

/** Returns a random id for a new journal. */
export function newJournalId(storage: Storage): Uint8Array {
  return storage.randomBytes(JOURNAL_ID_BYTES);
}
