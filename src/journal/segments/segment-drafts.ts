// Drafts: files of their full size that become segments when they get a header and a name.
//
// Segments are used in the order of their sequences. A draft has no sequence yet, so it never comes too late: it takes
// the next one when it gets its name.

import {
  type BackgroundCloses,
  backgroundStep,
  discard,
  type LogFile,
  type Steps,
  type Storage,
} from '../../storage/index.js';

/** Limit of the bytes that are filled between two flushes. A commit that comes meanwhile waits for no more. */
const FILL_BYTES_MAX = 512 * 1024;

/** The pause between two such flushes, in milliseconds. The disk has this time for commits. */
const FILL_PAUSE_MS = 1;

/** Limit of the bytes that are filled between two flushes while no segment is ready. There are no pauses then. */
const HASTY_FILL_BYTES_MAX = 4 * 1024 * 1024;

/** A closed file that can become a segment: a new one, full of zeros, or that of a retired segment. */
export interface SegmentDraft {
  /** The temporary path of the file. If this session leaves the file there, the next open removes it. */
  readonly temporaryPath: string;
  readonly sizeBytes: number;
  /** The seeds of all uses so far; none for a new file. Bytes of each use may still be in the file. */
  readonly usedSeeds: readonly number[];
}

/** The plan of a new draft. */
export interface DraftPlan {
  readonly temporaryPath: string;
  readonly sizeBytes: number;
  /** Returns false when the draft is to be given up. */
  readonly isWanted: () => boolean;
  /** Returns true while nothing waits for the draft, so that there is time for pauses. */
  readonly isPaced: () => boolean;
}

/**
 * Makes a draft of a new file. Its zeros are durable when this returns; its temporary name need not be. Returns null if
 * the draft was given up. Runs in the background only.
 *
 * @throws The error of the step that failed. Then the file has been removed, unless that failed as well.
 */
export function* makeDraft(
  storage: Storage,
  plan: DraftPlan,
  closes: BackgroundCloses,
): Steps<SegmentDraft | null> {
  const { temporaryPath, sizeBytes } = plan;
  const file = yield* backgroundStep(() => storage.createLogFile(temporaryPath));
  let isFilled: boolean;
  try {
    isFilled = yield* fill(storage, file, plan);
    // An open file would take its room even after its removal.
    yield* backgroundStep(() => file.close());
  } catch (error) {
    closes.close(file);
    yield* discard(storage, temporaryPath);
    throw error;
  }
  if (isFilled) return { temporaryPath, sizeBytes, usedSeeds: [] };
  yield* discard(storage, temporaryPath);
  return null;
}

/** Fills the file with zeros, a part at a time, and flushes each part. Returns false if it was given up. */
function* fill(storage: Storage, file: LogFile, { sizeBytes, isWanted, isPaced }: DraftPlan): Steps<boolean> {
  let from = 0;
  while (from < sizeBytes) {
    if (from > 0 && isPaced()) yield* backgroundStep(() => storage.pause(FILL_PAUSE_MS));
    if (!isWanted()) return false;
    const start = from;
    const end = Math.min(start + (isPaced() ? FILL_BYTES_MAX : HASTY_FILL_BYTES_MAX), sizeBytes);
    yield* backgroundStep(() => file.zeroFill(start, end));
    yield* backgroundStep(() => file.flush());
    from = end;
  }
  return true;
}
