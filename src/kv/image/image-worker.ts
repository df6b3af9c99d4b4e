// The worker thread of an image, as the thread of the store sees it: starts it, sends it parts, receives pieces of the
// image, and ends it. One thread builds one image, so that no idle thread keeps the slabs of an old view.
//
// With a worker, the thread of the store walks over the keys, and builds nothing: `node bench/image-turns.js` measures
// what that takes.

import { Worker } from 'node:worker_threads';
import { KeelsonError, type KeelsonErrorCode } from '../../errors.js';
import { repeat } from '../../schedulers.js';
import type { ImageOutline, ImagePart } from './image-parts.js';

/** The most pieces that a worker sends before one of them is written. */
export const PIECES_UNWRITTEN_MAX = 2;

/** The most memory that the heap of a worker takes, in MiB. It holds no entries, and needs about 10. */
const HEAP_MB_MAX = 256;

/** A worker that sends nothing for so long, in seconds in which this thread ran, has hung. */
const SILENCE_SECONDS_MAX = 30;

/** A message to the worker: parts, or the news that one more piece is written. */
export type ToWorker = readonly ImagePart[] | 'written';

/** A message of the worker. */
export type FromWorker =
  | { readonly kind: 'ready' }
  /** The worker has taken the parts of one message. */
  | { readonly kind: 'taken' }
  | PieceOfImage
  /** All pieces have been sent. */
  | { readonly kind: 'done' }
  | {
      readonly kind: 'failed';
      /** The code of the error if it is a KeelsonError. */
      readonly code: KeelsonErrorCode | null;
      readonly what: string;
    };

/** Consecutive blocks of the image. */
export interface PieceOfImage {
  readonly kind: 'piece';
  readonly blocks: Uint8Array;
  /** The number of entries in all pieces so far. */
  readonly entriesDone: number;
}

/** Returns the file of the worker thread. Throws in a bundle that does not know where it is. */
function fileOfThread(): URL {
  return new URL('./keelson-image-thread.js', import.meta.url);
}

/** A worker thread that builds one image. */
export class ImageWorker {
  readonly #worker: Worker;
  readonly #received: FromWorker[] = [];
  #failure: Error | null = null;
  #wake = () => {};

  /**
   * Starts a worker. Resolves to null where none can be had: in a bundle that lacks the file of the thread, and where the
   * system gives no thread. Tests give another `file`.
   */
  static async start(outline: ImageOutline, file?: URL): Promise<ImageWorker | null> {
    let worker: ImageWorker | null = null;
    try {
      worker = new ImageWorker(outline, file ?? fileOfThread());
      await worker.receive();
      return worker;
    } catch {
      await worker?.end();
      return null;
    }
  }

  private constructor(outline: ImageOutline, file: URL) {
    // Options and environment of the process may load other code first, such as a debugger.
    const options = { name: 'keelson image', workerData: outline, execArgv: [], env: {} };
    this.#worker = new Worker(file, { ...options, resourceLimits: { maxOldGenerationSizeMb: HEAP_MB_MAX } });
    this.#worker.on('message', (message: FromWorker) => {
      this.#received.push(message);
      this.#wake();
    });
    this.#worker.on('error', (error) => this.#failed(`failed: ${String(error)}`, error));
    this.#worker.on('exit', (code) => this.#failed(`ended with exit code ${code}`));
  }

  /** Sends parts. Their arrays of ids and handles, which are not copied, must not be used any more. */
  send(parts: readonly ImagePart[]): void {
    const transferred = parts.flatMap((part) =>
      part.kind === 'entries' ? [part.ids.buffer, part.handles.buffer] : [],
    );
    this.#worker.postMessage(parts satisfies ToWorker, transferred);
  }

  /** Tells the worker that one more piece is written. */
  written(): void {
    this.#worker.postMessage('written' satisfies ToWorker);
  }

  /**
   * Resolves to the next message. Rejects with the error of the worker, or with KEELSON_WORKER_FAILED when the worker has
   * died or hung. Must not be called again before it has settled.
   */
  async receive(): Promise<FromWorker> {
    let silentSeconds = 0;
    const stopWatch = repeat(1000, () => {
      // Time in which this thread was stopped counts once, because the worker was stopped, too.
      if (++silentSeconds === SILENCE_SECONDS_MAX)
        this.#failed(`sent nothing for ${SILENCE_SECONDS_MAX} seconds`);
    });
    try {
      while (this.#received.length === 0 && this.#failure === null) {
        await new Promise<void>((resolve) => {
          this.#wake = resolve;
        });
      }
    } finally {
      stopWatch();
    }
    const message = this.#received.shift();
    if (message === undefined) throw this.#failure;
    if (message.kind !== 'failed') return message;
    const { code, what } = message;
    throw code === null ? workerFailed(`failed: ${what}`) : new KeelsonError(code, what);
  }

  /** Ends the worker, whatever it does. Resolves when it sees no memory of the store any more. Never rejects. */
  async end(): Promise<void> {
    await this.#worker.terminate().catch(() => {});
  }

  #failed(what: string, cause?: unknown): void {
    this.#failure ??= workerFailed(what, cause);
    this.#wake();
  }
}

function workerFailed(what: string, cause?: unknown): KeelsonError {
  return new KeelsonError(
    'KEELSON_WORKER_FAILED',
    `The worker thread of a checkpoint or a backup ${what}`,
    {},
    cause,
  );
}
