// The checkpoint: writes an image of the store as of one LSN, and retires the images and segments that it replaces. The
// order of steps is fixed: the image is written under a temporary name and flushed; the log becomes durable through the
// LSN; the image gets its name; the name becomes durable; older images and segments are retired.

import { isKeelsonError } from '../../errors.js';
import type { LocalLog, Retention, StoreLog } from '../../journal/internal.js';
import { isFailedFlush, type Storage } from '../../storage/index.js';
import type { Schema } from '../entries/schema.js';
import type { WholeView } from '../entries/store-view.js';
import { imagePath, listImages } from './image-names.js';
import { publishImage } from './image-writer.js';

/**
 * The result of a checkpoint. Its image is durable.
 *
 * @example
 * const { lsn, bytesWritten, durationMs } = await db.checkpoint();
 */
export interface CheckpointResult {
  /** The LSN of the last write in the image. */
  readonly lsn: number;
  /** The number of entries in the image. */
  readonly entries: number;
  /** The size of the image in bytes, or 0 when the last image was still current and none was written. */
  readonly bytesWritten: number;
  /** The duration of the checkpoint, in milliseconds. */
  readonly durationMs: number;
}

/** The result of writeCheckpoint(). */
export type WrittenImage = Omit<CheckpointResult, 'durationMs'>;

/** The input of writeCheckpoint(). */
export interface CheckpointPlan {
  readonly storage: Storage;
  readonly directory: string;
  readonly log: StoreLog;
  readonly schema: Schema;
  /** The content of the image. */
  readonly view: WholeView;
  /** Called after every block of the image. An error that it throws aborts the checkpoint. */
  readonly onBlock: (entriesDone: number, bytesWritten: number) => void;
}

/**
 * Writes the image of a checkpoint. When this resolves, the image is durable, and retireReplaced() may be called.
 *
 * A failure before the image has its name harms nothing. It leaves no file, unless the file cannot be removed. But
 * KEELSON_INVARIANT poisons the log: memory contradicts itself. A failed flush of the directory poisons the log, too,
 * because nobody knows then which names are durable.
 */
export async function writeCheckpoint(plan: CheckpointPlan): Promise<WrittenImage> {
  const { storage, directory, log, schema, view, onBlock } = plan;
  let { nextLsn } = log;
  const isStoreBusy = () => {
    const isBusy = log.nextLsn !== nextLsn;
    nextLsn = log.nextLsn;
    return isBusy;
  };
  const image = { journalId: log.journalId, view, schema, onBlock, isStoreBusy };
  const bytesWritten = await publishImage(storage, directory, image, async () => {
    // An image must never be ahead of the durable log. It could bring back writes that were never acknowledged.
    await log.syncThrough(view.lsn);
    assertSound(log);
  }).catch((error) => {
    // Memory contradicts itself, so nothing that is made from it can be trusted.
    if (isKeelsonError(error, 'KEELSON_INVARIANT')) log.poison(error);
    throw error;
  });
  try {
    await storage.flushDirectory(directory);
  } catch (error) {
    // An error before the flush, such as one of opening the directory, is harmless: no name can have been lost.
    if (isFailedFlush(error)) log.poison(error);
    throw error;
  }
  // The log may have failed to flush the directory meanwhile. Then the success of a later flush proves nothing.
  assertSound(log);
  return { lsn: view.lsn, entries: view.size, bytesWritten };
}

/**
 * Retires the files that the image at `lsn` replaces: older images, oldest first, and then segments, except for what is
 * retained. The name of the image must be durable. The image at `olderLsn` and the log after it stay. With `olderLsn` equal
 * to `lsn`, no older image stays. With 0, no older image stays, and the whole log does.
 */
export async function retireReplaced(
  storage: Storage,
  directory: string,
  log: LocalLog,
  lsn: number,
  olderLsn: number,
  retention: Retention,
): Promise<void> {
  assertSound(log);
  const retired = (await listImages(storage, directory)).filter((other) => other < lsn && other !== olderLsn);
  for (const other of retired.reverse()) await storage.remove(imagePath(directory, other));
  await log.retireBehindImage(olderLsn, retention);
}

function assertSound(log: StoreLog): void {
  if (log.poisoned !== null) throw log.poisoned;
}
