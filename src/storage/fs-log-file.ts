// A file of the node:fs engine that takes durable writes. A durable write is a positional write and then an
// fdatasync, both on the thread pool. Blocking calls use blocking forms.
//
// The file has two descriptors from the moment it is opened. The kernel reports a failed write-back once per
// descriptor. Pool calls use the first descriptor and blocking calls the second. So a blocking flush still sees a
// failure that a pool call has consumed and not yet reported.

import fs from 'node:fs';
import { invariant, type KeelsonError } from '../errors.js';
import { nextTick } from '../schedulers.js';
import { checksumFrames } from './frame-checksums.js';
import { poolCall, syncCall } from './fs-call.js';
import { FsFile } from './fs-file.js';
import type { DurableWrite, DurableWriteDone, LogFile } from './storage.js';
import { storageError } from './storage-errors.js';
import { writeAll, writeAllSync } from './transfer.js';

const ZERO_FILL_BYTES = 2 ** 20;
let zeros: Uint8Array | undefined;

/** State of one submit. Each submit has its own, so that a late pool call cannot act on the next submit. */
interface Submission {
  readonly bytes: Uint8Array;
  readonly position: number;
  readonly done: DurableWriteDone;
  /** True when no pool call reads `bytes` any more. */
  memoryIsFree: boolean;
  /** True when `done` was called. An error that a pool call reports later only marks the file as failed. */
  settled: boolean;
}

export class FsLogFile extends FsFile implements LogFile {
  readonly #blockingFd: number;
  #submission: Submission | null = null;

  constructor(path: string, fd: number, blockingFd: number) {
    super(path, fd);
    this.#blockingFd = blockingFd;
  }

  writeSync(bytes: Uint8Array, position: number): void {
    this.assertOpen();
    this.#writeBlocking(bytes, position);
  }

  flushSync(): void {
    this.assertOpen();
    this.#flushBlocking();
  }

  zeroFill(from: number, to: number): Promise<void> {
    return this.underWay(async () => {
      for (const [position, length] of zeroFillChunks(from, to)) {
        await this.writePooled(zeroBytes(length), position);
      }
    });
  }

  zeroFillSync(from: number, to: number): void {
    for (const [position, length] of zeroFillChunks(from, to)) this.writeSync(zeroBytes(length), position);
  }

  /** Returns false: node:fs has no call that reserves room. */
  reserve(): boolean {
    this.assertOpen();
    return false;
  }

  truncate(sizeBytes: number): Promise<void> {
    return this.underWay(() =>
      poolCall('ftruncate', this.path, (callback) => fs.ftruncate(this.fd, sizeBytes, callback)),
    );
  }

  submit(write: DurableWrite, done: DurableWriteDone): void {
    const { bytes, position, checksums } = write;
    const path = this.path;
    invariant(this.#submission === null, 'a durable write was submitted while one is under way', { path });
    invariant(bytes.length > 0, 'a durable write of no bytes was submitted', { path });
    invariant(Number.isSafeInteger(position) && position >= 0, 'a durable write has no position', { path });
    if (checksums !== null) checksumFrames(bytes, checksums);
    this.assertOpen();
    const submission: Submission = { bytes, position, done, memoryIsFree: false, settled: false };
    this.#submission = submission;
    if (this.failure === null) this.#startWrite(submission);
    else this.#refuse(submission, this.failure);
    // The count grows right after the system call, with no call in between, because the caller may be stopped at any
    // call (a timeout of node:vm). close() must not wait for a write that never began, nor close the descriptor under
    // one that did.
    this.underWayCount++;
  }

  writeDurableSync({ bytes, position, checksums }: DurableWrite): void {
    this.assertOpen();
    const { path } = this;
    invariant(this.#submission === null, 'a durable write was submitted while one is under way', { path });
    if (checksums !== null) checksumFrames(bytes, checksums);
    try {
      this.#writeBlocking(bytes, position);
    } catch (error) {
      this.failure ??= error as KeelsonError;
      throw error;
    }
    this.#flushBlocking();
  }

  /**
   * Finishes the write under way from this thread. A write that the pool has not reported is written again: the bytes
   * and the position are the same, so the pool's own write changes nothing whenever it runs. A flush that the pool
   * has not reported is repeated on the other descriptor. If the pool's flush fails after this one succeeded, the
   * success stays true, and the file takes no further write.
   */
  drainSync(): void {
    const submission = this.#submission;
    if (submission === null) return;
    let error = this.failure;
    if (error === null) {
      try {
        if (!submission.memoryIsFree) this.#writeBlocking(submission.bytes, submission.position);
        this.#flushBlocking();
      } catch (thrown) {
        error = thrown as KeelsonError;
      }
    }
    this.#settle(submission, error);
  }

  protected override descriptors(): number[] {
    return [this.fd, this.#blockingFd];
  }

  #startWrite(submission: Submission): void {
    const { bytes, position } = submission;
    writeAll(
      bytes.length,
      (offset, length, callback) =>
        fs.write(this.fd, bytes, offset, length, position + offset, (error, writtenBytes) => {
          // drainSync() has written all bytes, so a short or interrupted write is not continued.
          if (submission.settled) this.#lateCallReturned(error, 'write');
          else callback(error, writtenBytes);
        }),
      (error) => {
        submission.memoryIsFree = true;
        if (error === null) this.#startFlush(submission);
        else this.#callReturned(submission, storageError(error, 'write', this.path));
      },
    );
  }

  #startFlush(submission: Submission): void {
    fs.fdatasync(this.fd, (error) => {
      if (submission.settled) this.#lateCallReturned(error, 'fdatasync');
      else this.#callReturned(submission, error && storageError(error, 'fdatasync', this.path));
    });
  }

  /** Reports the file's earlier failure for a new submit, from outside submit(). */
  #refuse(submission: Submission, failure: KeelsonError): void {
    submission.memoryIsFree = true;
    nextTick(() => {
      if (submission.settled) this.end();
      else this.#callReturned(submission, failure);
    });
  }

  /** Handles the end of the pool calls of a submit. */
  #callReturned(submission: Submission, error: KeelsonError | null): void {
    try {
      this.#settle(submission, error);
    } finally {
      this.end();
    }
  }

  /** Handles the end of a pool call of a submit that drainSync() has settled. */
  #lateCallReturned(error: NodeJS.ErrnoException | null, syscall: string): void {
    const harmless = error === null || error.code === 'EINTR' || error.code === 'EAGAIN';
    if (!harmless) this.failure ??= storageError(error, syscall, this.path);
    this.end();
  }

  /** Ends a submit and reports its outcome. */
  #settle(submission: Submission, error: KeelsonError | null): void {
    submission.settled = true;
    this.#submission = null;
    this.failure ??= error;
    // A call on the other descriptor may have failed meanwhile. After a known failure, no write is reported as durable.
    submission.done(this.failure, submission.memoryIsFree);
  }

  #writeBlocking(bytes: Uint8Array, position: number): void {
    syncCall('write', this.path, () =>
      writeAllSync(bytes.length, (offset, length) =>
        fs.writeSync(this.#blockingFd, bytes, offset, length, position + offset),
      ),
    );
  }

  #flushBlocking(): void {
    if (this.failure) throw this.failure;
    try {
      syncCall('fdatasync', this.path, () => fs.fdatasyncSync(this.#blockingFd));
    } catch (error) {
      this.failure = error as KeelsonError;
      throw error;
    }
  }
}

function zeroBytes(length: number): Uint8Array {
  zeros ??= new Uint8Array(ZERO_FILL_BYTES);
  return zeros.subarray(0, length);
}

function* zeroFillChunks(from: number, to: number): Generator<[position: number, length: number]> {
  for (let position = from; position < to; position += ZERO_FILL_BYTES) {
    yield [position, Math.min(ZERO_FILL_BYTES, to - position)];
  }
}
