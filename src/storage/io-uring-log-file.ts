// A file whose durable writes are each one submission to the ring: O_DIRECT and RWF_DSYNC. All else about it,
// preparing and reading, is the node:fs engine's.

import { invariant } from '../errors.js';
import { queueMicrotask } from '../schedulers.js';
import { errnoError, type IoUringRing } from './io-uring-ring.js';
import type { NativeFile } from './native-addon.js';
import type { DurableWrite, DurableWriteDone, LogFile } from './storage.js';
import { storageError } from './storage-errors.js';

/** What every direct write on this page size accepts for its memory, and what memory is allocated at. */
export const MEMORY_ALIGNMENT_BYTES = 4096;

export class IoUringLogFile implements LogFile {
  readonly path: string;
  readonly #inner: LogFile;
  readonly #ring: IoUringRing;
  readonly #file: NativeFile;
  readonly #onIndirect: () => void;
  #slot: number | null = null;
  /** Tells of the write that the kernel did not take. */
  #refused: (() => void) | null = null;
  #isUnderWay = false;
  #whenIdle: (() => void) | null = null;
  #closing: Promise<void> | null = null;

  /** `onIndirect` is told when a write could not go past the page cache. */
  constructor(inner: LogFile, ring: IoUringRing, file: NativeFile, onIndirect: () => void) {
    this.path = inner.path;
    this.#inner = inner;
    this.#ring = ring;
    this.#file = file;
    this.#onIndirect = onIndirect;
  }

  size(): Promise<number> {
    return this.#inner.size();
  }

  read(into: Uint8Array, position: number): Promise<number> {
    return this.#inner.read(into, position);
  }

  write(bytes: Uint8Array, position: number): Promise<void> {
    return this.#inner.write(bytes, position);
  }

  writeSync(bytes: Uint8Array, position: number): void {
    this.#inner.writeSync(bytes, position);
  }

  flush(): Promise<void> {
    return this.#inner.flush();
  }

  flushSync(): void {
    this.#inner.flushSync();
  }

  zeroFill(from: number, to: number): Promise<void> {
    return this.#inner.zeroFill(from, to);
  }

  zeroFillSync(from: number, to: number): void {
    this.#inner.zeroFillSync(from, to);
  }

  truncate(sizeBytes: number): Promise<void> {
    return this.#inner.truncate(sizeBytes);
  }

  submit(write: DurableWrite, done: DurableWriteDone): void {
    const { path } = this;
    const { bytes, position, seal } = write;
    invariant(this.#closing === null, 'a file was used after it was closed', { path });
    invariant(!this.#isUnderWay, 'a durable write was submitted while one is under way', { path });
    invariant(bytes.length > 0, 'a durable write of no bytes was submitted', { path });
    invariant(Number.isSafeInteger(position) && position >= 0, 'a durable write has no position', { path });
    // Under way only once it has been taken: what refuses it by throwing will never call done.
    if (!this.#isAligned(write)) {
      // Blocks smaller than the disk's: the page cache puts them together.
      this.#inner.submit(write, (error, memoryIsFree) => this.#finish(done, error, memoryIsFree));
      this.#isUnderWay = true;
      this.#onIndirect();
      return;
    }
    const slot = this.#ring.submit(this.#file.fd, bytes, position, seal, (result) => {
      // Told of twice, when a drain was stopped in between.
      if (this.#slot !== slot) return;
      this.#slot = null;
      this.#isUnderWay = false;
      const error = result < 0 ? storageError(errnoError(result, 'write'), 'write', path) : null;
      this.#finish(done, error, true);
    });
    this.#isUnderWay = true;
    if (slot >= 0) this.#slot = slot;
    else this.#refuse(slot, done);
  }

  writeDurableSync(write: DurableWrite): void {
    const { path } = this;
    if (!this.#isAligned(write)) {
      // Not by way of submit(): its pool write would still have the memory when this returns, and whoever called takes
      // it for free.
      invariant(!this.#isUnderWay, 'a durable write was submitted while one is under way', { path });
      this.#onIndirect();
      this.#inner.writeDurableSync(write);
      return;
    }
    let failure: Error | null = null;
    this.submit(write, (error, memoryIsFree) => {
      invariant(memoryIsFree, 'a write of the ring gave its memory back early', { path });
      failure = error;
    });
    this.drainSync();
    invariant(!this.#isUnderWay, 'a drained write is still under way', { path });
    if (failure !== null) throw failure;
  }

  drainSync(): void {
    if (this.#slot !== null) this.#ring.drain(this.#slot);
    else if (this.#refused !== null) this.#refused();
    else this.#inner.drainSync();
  }

  close(): Promise<void> {
    this.#closing ??= this.#closeWhenIdle();
    return this.#closing;
  }

  #isAligned({ bytes, position }: DurableWrite): boolean {
    const { memoryAlignment, offsetAlignment } = this.#file;
    if (memoryAlignment > MEMORY_ALIGNMENT_BYTES) return false;
    return position % offsetAlignment === 0 && bytes.length % offsetAlignment === 0;
  }

  /** The kernel took nothing. `done` comes from outside submit() all the same, or from drainSync(). */
  #refuse(error: number, done: DurableWriteDone): void {
    const failure = storageError(errnoError(error, 'io_uring_enter'), 'io_uring_enter', this.path);
    const tell = () => {
      if (this.#refused !== tell) return;
      this.#refused = null;
      this.#finish(done, failure, true);
    };
    this.#refused = tell;
    queueMicrotask(tell);
  }

  #finish(done: DurableWriteDone, error: Error | null, memoryIsFree: boolean): void {
    this.#isUnderWay = false;
    try {
      done(error, memoryIsFree);
    } finally {
      if (!this.#isUnderWay) this.#whenIdle?.();
    }
  }

  async #closeWhenIdle(): Promise<void> {
    if (this.#isUnderWay) {
      await new Promise<void>((resolve) => {
        this.#whenIdle = resolve;
      });
    }
    this.#ring.addon.closeFile(this.#file.fd);
    await this.#inner.close();
  }
}
