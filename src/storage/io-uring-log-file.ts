// A file of the io_uring engine that takes durable writes. Each durable write is one submission to the ring, with
// O_DIRECT and RWF_DSYNC. The addon reserves room. Everything else on the file uses node:fs.

import { invariant } from '../errors.js';
import { queueMicrotask } from '../schedulers.js';
import { errnoError, type IoUringRing } from './io-uring-ring.js';
import type { NativeFile } from './native-addon.js';
import type { DurableWrite, DurableWriteDone, LogFile } from './storage.js';
import { storageError } from './storage-errors.js';

/** Alignment of allocated memory in bytes. Every direct write accepts it on systems with pages of this size. */
export const MEMORY_ALIGNMENT_BYTES = 4096;

export class IoUringLogFile implements LogFile {
  readonly path: string;
  readonly #inner: LogFile;
  readonly #ring: IoUringRing;
  readonly #file: NativeFile;
  readonly #onIndirect: () => void;
  #slot: number | null = null;
  /** Reports a write that the kernel refused; null if there is none. */
  #refused: (() => void) | null = null;
  #isUnderWay = false;
  #whenIdle: (() => void) | null = null;
  #closing: Promise<void> | null = null;

  /** `onIndirect` is called when a write has to go through the page cache. */
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

  modifiedMs(): Promise<number> {
    return this.#inner.modifiedMs();
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

  reserve(sizeBytes: number): boolean {
    invariant(this.#closing === null, 'a file was used after it was closed', { path: this.path });
    const result = this.#ring.addon.reserve(this.#file.fd, sizeBytes);
    if (result === 0) return true;
    const error = storageError(errnoError(result, 'fallocate'), 'fallocate', this.path);
    if (error.code === 'KEELSON_NO_SPACE') throw error;
    return false;
  }

  truncate(sizeBytes: number): Promise<void> {
    return this.#inner.truncate(sizeBytes);
  }

  submit(write: DurableWrite, done: DurableWriteDone): void {
    const { path } = this;
    const { bytes, position, checksums } = write;
    invariant(this.#closing === null, 'a file was used after it was closed', { path });
    invariant(!this.#isUnderWay, 'a durable write was submitted while one is under way', { path });
    invariant(bytes.length > 0, 'a durable write of no bytes was submitted', { path });
    invariant(Number.isSafeInteger(position) && position >= 0, 'a durable write has no position', { path });
    // #isUnderWay is set after the write was taken, because a submission that throws never calls `done`.
    if (!this.#isAligned(write)) {
      // The kernel refuses a direct write that is not aligned, so this one goes through the page cache.
      this.#inner.submit(write, (error, memoryIsFree) => this.#finish(done, error, memoryIsFree));
      this.#isUnderWay = true;
      this.#onIndirect();
      return;
    }
    const slot = this.#ring.submit(this.#file.fd, bytes, position, checksums, (result) => {
      // A drain that was stopped half-way reports its result a second time.
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
      // submit() does not fit here: its pool write would still use the memory when this call returns, and the caller
      // reuses the memory at once.
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

  /** Reports that the kernel refused the write: from a microtask, or from drainSync() if that comes first. */
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
