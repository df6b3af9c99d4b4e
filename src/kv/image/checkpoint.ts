// The checkpoint: the state at one LSN becomes an image, and what the image replaces is retired. In this order:
// the image is written under a temporary name and flushed; the journal is durable through its LSN; it gets its
// name; the name is durable; only then do older images and segments go.

import { isKeelsonError } from '../../errors.js';
import type { LocalLog, StoreLog } from '../../journal/internal.js';
import { isFailedFlush, type Storage } from '../../storage/index.js';
import { type ImagePlan, imagePath, listImages, publishImage } from './image-files.js';

export interface CheckpointResult {
  /** The image holds every write up to here. */
  readonly lsn: number;
  readonly entries: number;
  /** Bytes of the image; 0 when the one that was there already was still good. */
  readonly bytesWritten: number;
  readonly durationMs: number;
}

export type WrittenImage = Omit<CheckpointResult, 'durationMs'>;

export interface CheckpointPlan extends ImagePlan {
  readonly storage: Storage;
  readonly directory: string;
  readonly journal: StoreLog;
}

/**
 * Carries out a checkpoint. A failure before the image has its name harms nothing and leaves nothing; a failed
 * flush of the directory poisons the journal, because then nobody knows which names are durable. When it has
 * succeeded, what the image replaces may be retired.
 */
export async function writeCheckpoint(plan: CheckpointPlan): Promise<WrittenImage> {
  const { storage, directory, journal, header } = plan;
  const bytesWritten = await publishImage(storage, directory, plan, async () => {
    // An image must never be ahead of its journal: reopened, it would bring back what was never acknowledged.
    await journal.syncThrough(header.lsn);
    assertSound(journal);
  }).catch((error) => {
    // What is in memory contradicts itself: neither it nor what comes of it can be believed.
    if (isKeelsonError(error, 'KEELSON_INVARIANT')) journal.poison(error);
    throw error;
  });
  try {
    await storage.flushDirectory(directory);
  } catch (error) {
    // That the directory could not even be opened for it has harmed nothing, and nothing has been retired.
    if (isFailedFlush(error)) journal.poison(error);
    throw error;
  }
  // Another flush of the directory may have failed meanwhile, a segment's: then the success of this one says nothing.
  assertSound(journal);
  return { lsn: header.lsn, entries: header.entryCount, bytesWritten };
}

/**
 * Retires what the image at `lsn`, whose name is durable, replaces: older images, oldest first, then segments. The image
 * at `olderLsn` and the journal behind it stay; without one of its own, it is `lsn`, or 0 to keep the whole journal.
 */
export async function retireReplaced(
  storage: Storage,
  directory: string,
  journal: LocalLog,
  lsn: number,
  olderLsn: number,
): Promise<void> {
  assertSound(journal);
  const retired = (await listImages(storage, directory)).filter((other) => other < lsn && other !== olderLsn);
  for (const other of retired.reverse()) await storage.remove(imagePath(directory, other));
  await journal.retireBehindImage(olderLsn);
}

function assertSound(journal: StoreLog): void {
  if (journal.poisoned !== null) throw journal.poisoned;
}
