// Writes an image from a view of the store. A worker thread builds the blocks of a large image; this thread builds those
// of a small one, in slices.

import { isKeelsonError } from '../../errors.js';
import { nextTurn } from '../../schedulers.js';
import {
  backgroundStep,
  publishFile,
  runSteps,
  type Storage,
  type StorageFile,
} from '../../storage/index.js';
import { Scratch } from '../encoding/scratch.js';
import type { Schema } from '../entries/schema.js';
import { isSlabMemoryShared } from '../entries/slab.js';
import type { WholeView } from '../entries/store-view.js';
import { ImageBuild } from './image-build.js';
import { encodeImageHeader, IMAGE_HEADER_BYTES } from './image-header.js';
import { imagePath } from './image-names.js';
import { bundlesOf, type ImageOutline, outlineOf, partsOf, workOf } from './image-parts.js';
import { ImageWorker } from './image-worker.js';

/** The bytes after which an image is flushed. One flush of a large image would keep commits from the disk for long. */
const UNFLUSHED_BYTES_MAX = 1024 * 1024;

/** The fewest bytes of entries for which a worker is started: a thread takes tens of milliseconds to start. */
const WORKER_BYTES_MIN = 8 * 1024 * 1024;

/** The entries after which the event loop has a turn, when this thread builds the image. That takes about 0.5 ms. */
const SLICE_ENTRIES = 1024;

/** The entries of the parts that are sent to a worker in one message. The walk over them takes about 0.5 ms. */
const SENT_ENTRIES = 4096;

/**
 * Blocks of fewer bytes are gathered before they are written, because a store may have many small spaces. Larger ones
 * are written as they are.
 */
const SMALL_BLOCK_BYTES = 16 * 1024;
/** Gathered blocks are written when they have this many bytes. */
const GATHERED_BYTES_MAX = 256 * 1024;

/**
 * The time for which a worker rests after each piece while the store is written to, over the time that the piece took.
 * With rests, a checkpoint takes longer, and puts keep more of their rate in it (`npm run bench:store -- --only stall`).
 */
const REST_RATIO = 1;

/** The longest rest, because a piece may have waited for the disk, or with the whole process. */
const REST_MS_MAX = 100;

/** The most bundles of parts that a worker has been sent and has not taken. */
const BUNDLES_UNTAKEN_MAX = 3;

/** The input of publishImage() and writeImage(). */
export interface ImagePlan {
  readonly journalId: Uint8Array;
  /** The content of the image. The LSN of the view is the LSN of the image. */
  readonly view: WholeView;
  readonly schema: Schema;
  /** Called after every block or piece of blocks. An error that it throws aborts the writing. */
  readonly onBlock: (entriesDone: number, bytesWritten: number) => void;
  /**
   * Returns true when the store was written to since the last call. Then a worker rests between two pieces, because its
   * work takes memory and disk from the writes.
   */
  readonly isStoreBusy?: () => boolean;
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
 * Writes an image to the new file `path`, and flushes it. Returns the size of the image in bytes. After a
 * failure, the caller removes the file. `startWorker` starts a worker, or resolves to null.
 */
export async function writeImage(
  storage: Storage,
  path: string,
  plan: ImagePlan,
  startWorker = workerStarterFor(storage, plan.view),
): Promise<number> {
  const file = await storage.createFile(path);
  try {
    return await new ImageWriting(storage, file, plan).run(startWorker);
  } finally {
    await file.close();
  }
}

/** True after a worker could not be started, or has died or hung. Then this process starts no more. */
let isWithoutWorkers = false;

type StartWorker = (outline: ImageOutline) => Promise<ImageWorker | null>;

const noWorker: StartWorker = async () => null;

/** Returns what starts the worker for an image of this view. Starts none when this thread is to build the image. */
function workerStarterFor(storage: Storage, view: WholeView): StartWorker {
  // A simulated disk replays every run, and threads would not.
  const isSimulated = storage.report.engine === 'simulated';
  if (isSimulated || isWithoutWorkers || !isSlabMemoryShared || view.bytes < WORKER_BYTES_MIN)
    return noWorker;
  return async (outline) => {
    const worker = await ImageWorker.start(outline);
    isWithoutWorkers ||= worker === null;
    return worker;
  };
}

/** Blocks of an image, and the number of entries in all blocks so far. */
interface Blocks {
  readonly blocks: Uint8Array;
  readonly entriesDone: number;
}

/** The writing of one image. */
class ImageWriting {
  readonly #storage: Storage;
  readonly #file: StorageFile;
  readonly #plan: ImagePlan;
  readonly #outline: ImageOutline;
  #offset = IMAGE_HEADER_BYTES;
  #flushedTo = 0;

  constructor(storage: Storage, file: StorageFile, plan: ImagePlan) {
    this.#storage = storage;
    this.#file = file;
    this.#plan = plan;
    this.#outline = outlineOf(plan.journalId, plan.view, plan.schema);
  }

  async run(startWorker: StartWorker): Promise<number> {
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
    const worker = await startWorker(this.#outline);
    if (worker === null) await this.#writeAll(this.#built());
    else await this.#writeAll(this.#builtBy(worker));
    await this.#file.flush();
    return this.#offset;
  }

  async #writeAll(source: AsyncIterable<Blocks>): Promise<void> {
    for await (const { blocks, entriesDone } of source) {
      await this.#file.write(blocks, this.#offset);
      this.#offset += blocks.length;
      if (this.#offset - this.#flushedTo >= UNFLUSHED_BYTES_MAX) {
        await this.#file.flush();
        this.#flushedTo = this.#offset;
      }
      this.#plan.onBlock(entriesDone, this.#offset);
    }
  }

  /** Yields the blocks, which this thread builds. Small blocks of entries come many at once. */
  async *#built(): AsyncGenerator<Blocks, void, undefined> {
    const build = new ImageBuild(this.#outline);
    yield { blocks: build.first(), entriesDone: 0 };
    const gathered = new Scratch(GATHERED_BYTES_MAX + SMALL_BLOCK_BYTES);
    let entriesDone = 0;
    let sinceTurn = 0;
    for (const part of partsOf(this.#plan.view, SLICE_ENTRIES)) {
      for (const blocks of build.blocksOf(part)) {
        const isGathered = part.kind !== 'end' && blocks.length < SMALL_BLOCK_BYTES;
        if (gathered.at > 0 && (!isGathered || gathered.at >= GATHERED_BYTES_MAX)) {
          yield { blocks: gathered.bytes.subarray(0, gathered.at), entriesDone };
          gathered.reset();
        }
        entriesDone = build.entriesDone;
        if (isGathered) gathered.append(blocks);
        else yield { blocks, entriesDone };
      }
      sinceTurn += workOf(part);
      if (sinceTurn < SLICE_ENTRIES) continue;
      sinceTurn = 0;
      await nextTurn();
    }
  }

  /** Yields the blocks that a worker builds, in pieces. */
  async *#builtBy(worker: ImageWorker): AsyncGenerator<Blocks, void, undefined> {
    try {
      const bundles = bundlesOf(this.#plan.view, SENT_ENTRIES);
      let untaken = 0;
      const nowMs = () => this.#storage.nowMs();
      let startedMs = nowMs();
      for (;;) {
        for (; untaken < BUNDLES_UNTAKEN_MAX; untaken++) {
          const { value: bundle } = bundles.next();
          if (bundle === undefined) break;
          worker.send(bundle);
          // The walk over a bundle takes its time, and the event loop has a turn after each.
          await nextTurn();
        }
        const message = await worker.receive();
        if (message.kind === 'done') return;
        if (message.kind === 'taken') untaken--;
        if (message.kind !== 'piece') continue;
        yield message;
        worker.written();
        if (this.#plan.isStoreBusy?.())
          await this.#storage.pause(Math.min(REST_MS_MAX, REST_RATIO * (nowMs() - startedMs)));
        startedMs = nowMs();
      }
    } catch (error) {
      isWithoutWorkers ||= isKeelsonError(error, 'KEELSON_WORKER_FAILED');
      throw error;
    } finally {
      await worker.end();
    }
  }
}
