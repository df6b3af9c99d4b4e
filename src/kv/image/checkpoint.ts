// The checkpoint: the state at one LSN becomes an image, and what the image replaces is retired. In this order: the image is
// written under a temporary name and flushed; the log is durable through its LSN; the image gets its name; the name is
// durable; only then do older images and segments go.

import { isKeelsonError } from '../../errors.js';
import type { LocalLog, StoreLog } from '../../journal/internal.js';
import { isFailedFlush, type Storage } from '../../storage/index.js';
import type { Schema } from '../entries/schema.js';
import type { StoreView } from '../entries/space.js';
import { imagePath, listImages } from './image-names.js';
import { publishImage } from './image-writer.js';

/** What a checkpoint has written. */
export interface CheckpointResult {
  /** The LSN of the last write in the image. */
  readonly lsn: number;
  readonly entries: number;
  /** Bytes of the image; 0 when the image that was there was still current. */
  readonly bytesWritten: number;
  readonly durationMs: number;
}

export type WrittenImage = Omit<CheckpointResult, 'durationMs'>;

export interface CheckpointPlan {
  readonly storage: Storage;
  readonly directory: string;
  readonly log: StoreLog;
  readonly schema: Schema;
  /** What the image will hold. */
  readonly view: StoreView;
  /** Called after every block. An error that it throws ends the checkpoint. */
  readonly onBlock: (entriesDone: number, bytesWritten: number) => void;
}

/**
 * Writes a checkpoint. When it has succeeded, what the image replaces may be retired. A failure before the image has its
 * name harms nothing and leaves nothing. A failed flush of the directory poisons the log, because then nobody knows which
 * names are durable.
 */
export async function writeCheckpoint(plan: CheckpointPlan): Promise<WrittenImage> {
  const { storage, directory, log, schema, view, onBlock } = plan;
  const image = { journalId: log.journalId, view, schema, onBlock };
  const bytesWritten = await publishImage(storage, directory, image, async () => {
    // An image must never be ahead of its log: reopened, it would bring back what was never acknowledged.
    await log.syncThrough(view.lsn);
    assertSound(log);
  }).catch((error) => {
    // The memory contradicts itself, so nothing that comes of it can be believed.
    if (isKeelsonError(error, 'KEELSON_INVARIANT')) log.poison(error);
    throw error;
  });
  try {
    await storage.flushDirectory(directory);
  } catch (error) {
    // A directory that could not even be opened has harmed nothing, and nothing has been retired.
    if (isFailedFlush(error)) log.poison(error);
    throw error;
  }
  // The flush of a segment's name may have failed meanwhile: then the success of this flush says nothing.
  assertSound(log);
  return { lsn: view.lsn, entries: view.size, bytesWritten };
}

/**
 * Retires what the image at `lsn`, whose name is durable, replaces: older images, oldest first, then segments. The image at
 * `olderLsn` and the log behind it stay; `olderLsn` is `lsn` to keep no older image, and 0 to keep the whole log.
 */
export async function retireReplaced(
  storage: Storage,
  directory: string,
  log: LocalLog,
  lsn: number,
  olderLsn: number,
): Promise<void> {
  assertSound(log);
  const retired = (await listImages(storage, directory)).filter((other) => other < lsn && other !== olderLsn);
  for (const other of retired.reverse()) await storage.remove(imagePath(directory, other));
  await log.retireBehindImage(olderLsn);
}

function assertSound(log: StoreLog): void {
  if (log.poisoned !== null) throw log.poisoned;
}
