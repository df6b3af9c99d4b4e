// Writes an image from a view of the store. The event loop has a turn after every block.

import { invariant } from '../../errors.js';
import { nextTurn } from '../../schedulers.js';
import {
  backgroundStep,
  publishFile,
  runSteps,
  type Storage,
  type StorageFile,
} from '../../storage/index.js';
import { ALL_KEYS } from '../encoding/key-bounds.js';
import type { IndexKey } from '../encoding/key-encoding.js';
import type { EntryId } from '../entries/entry-handles.js';
import type { EntryHandle } from '../entries/entry-slabs.js';
import type { FrozenEntries } from '../entries/frozen-entries.js';
import type { IndexWalk } from '../entries/ordered-index.js';
import type { Schema } from '../entries/schema.js';
import type { SpaceView, StoreView } from '../entries/store-view.js';
import { ImageBlockWriter } from './image-block-writer.js';
import { encodeImageHeader, IMAGE_HEADER_BYTES } from './image-header.js';
import { imagePath } from './image-names.js';

/** The bytes after which an image is flushed. One flush of a large image would keep commits from the disk for long. */
const UNFLUSHED_BYTES_MAX = 4 * 1024 * 1024;

/** The most entries that are looked up before the first of them is copied, so that their cache misses overlap. */
const GATHERED_ENTRIES_MAX = 1024;

/** The input of publishImage() and writeImage(). */
export interface ImagePlan {
  readonly journalId: Uint8Array;
  /** The content of the image. The LSN of the view is the LSN of the image. */
  readonly view: StoreView;
  readonly schema: Schema;
  /** Called after every block. An error that it throws aborts the writing. */
  readonly onBlock: (entriesDone: number, bytesWritten: number) => void;
}

/**
 * Writes an image into `directory`. The image gets its name when its contents are durable and `whenAllowed` has resolved.
 * The name is durable when the caller has flushed the directory. Returns the size of the image in bytes. A failure leaves
 * no file, unless the file cannot be removed.
 */
export async function publishImage(
  storage: Storage,
  directory: string,
  plan: ImagePlan,
  whenAllowed: () => Promise<void>,
): Promise<number> {
  const path = imagePath(directory, plan.view.lsn);
  const temporary = `${path}.tmp`;
  // A failed checkpoint at this LSN may have left a file that could not be removed.
  await storage.remove(temporary).catch(() => {});
  const contents = backgroundStep(async () => {
    const bytesWritten = await writeImage(storage, temporary, plan);
    await whenAllowed();
    return bytesWritten;
  });
  return runSteps(publishFile(storage, { temporary, path, replaces: true, contents }));
}

/**
 * Writes an image to the new file `path`, and flushes it. Returns the size of the image in bytes. The event loop has a
 * turn after every block, and after GATHERED_ENTRIES_MAX entries that fill no block. After a failure, the caller removes
 * the file.
 */
export async function writeImage(storage: Storage, path: string, plan: ImagePlan): Promise<number> {
  const file = await storage.createFile(path);
  try {
    return await new ImageWriting(file, plan).run();
  } finally {
    await file.close();
  }
}

/** The writing of one image. */
class ImageWriting {
  readonly #file: StorageFile;
  readonly #plan: ImagePlan;
  readonly #blocks: ImageBlockWriter;
  #offset = IMAGE_HEADER_BYTES;
  #flushedTo = 0;
  #entriesDone = 0;

  constructor(file: StorageFile, plan: ImagePlan) {
    this.#file = file;
    this.#plan = plan;
    this.#blocks = new ImageBlockWriter({ journalId: plan.journalId, lsn: plan.view.lsn }, plan.schema);
  }

  async run(): Promise<number> {
    const { view, journalId, schema } = this.#plan;
    const { keyCodec, valueEncodingName } = schema.root;
    const header = {
      journalId,
      lsn: view.lsn,
      entryCount: view.size,
      keyEncodingName: keyCodec.name,
      valueEncodingName,
    };
    await this.#file.write(encodeImageHeader(header), 0);
    await this.#write(this.#blocks.table(view));
    for (const space of view.spaces) await this.#writeSpace(space);
    await this.#write(this.#blocks.table(view));
    await this.#write(this.#blocks.end());
    await this.#file.flush();
    return this.#offset;
  }

  async #writeSpace({ space, entries }: SpaceView): Promise<void> {
    const blocks = this.#blocks;
    const { size } = entries;
    let done = 0;
    let key = '';
    let version = 0;
    const add = (bytes: Uint8Array, start: number, end: number) =>
      blocks.add(space, key, version, bytes, start, end);
    const walk = entries.walk(ALL_KEYS);
    const gathered: GatheredEntries = { keys: [], handles: [] };
    for (let count = gather(entries, walk, gathered); count > 0; count = gather(entries, walk, gathered)) {
      const offsetBefore = this.#offset;
      for (let at = 0; at < count; at++) {
        const lastKey = key;
        key = gathered.keys[at]!;
        const handle = gathered.handles[at]!;
        // Memory is not trusted here, because the image replaces the log before it.
        invariant(
          (key > lastKey || done === 0) && entries.isKeyOf(handle, key),
          'the indexes in memory disagree about the entries',
        );
        version = entries.versionOf(handle);
        entries.read(handle, add);
        done++;
        this.#entriesDone++;
        if (blocks.isFull) await this.#write(blocks.finish(space));
      }
      // These small entries filled no block, so the event loop has not had a turn.
      if (this.#offset === offsetBefore && count === GATHERED_ENTRIES_MAX) await nextTurn();
    }
    invariant(done === size, 'the index in memory miscounts the entries');
    if (!blocks.isEmpty) await this.#write(blocks.finish(space));
  }

  async #write(block: Uint8Array): Promise<void> {
    await this.#file.write(block, this.#offset);
    this.#offset += block.length;
    if (this.#offset - this.#flushedTo >= UNFLUSHED_BYTES_MAX) {
      await this.#file.flush();
      this.#flushedTo = this.#offset;
    }
    this.#plan.onBlock(this.#entriesDone, this.#offset);
  }
}

/** The next entries of a walk. The arrays are overwritten and never emptied, so that they keep their memory. */
interface GatheredEntries {
  readonly keys: IndexKey[];
  readonly handles: EntryHandle[];
}

/** Takes the next entries of the walk, and loads their memory into the cache. Returns their number. */
function gather(
  entries: FrozenEntries,
  walk: IndexWalk<EntryId>,
  { keys, handles }: GatheredEntries,
): number {
  let count = 0;
  for (; count < GATHERED_ENTRIES_MAX && walk.advance(); count++) {
    keys[count] = walk.key;
    handles[count] = entries.handleOf(walk.value);
  }
  for (let at = 0; at < count; at++) entries.prefetch(handles[at]!);
  return count;
}
