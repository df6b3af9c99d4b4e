// An open file of the node:fs engine: one descriptor, and a count of the calls under way on it.
//
// The descriptor is a number and not a FileHandle, because the garbage collector closes a FileHandle at a moment that
// nobody chose. Neither keeps the event loop alive.

import fs from 'node:fs';
import { invariant, type KeelsonError } from '../errors.js';
import { poolCall } from './fs-call.js';
import type { StorageFile } from './storage.js';
import { storageError } from './storage-errors.js';
import { readAll, writeAll } from './transfer.js';

/** A file of the node:fs engine that is read, written and flushed, but takes no durable writes. */
export class FsFile implements StorageFile {
  readonly path: string;
  protected readonly fd: number;
  /**
   * Error of the first flush that failed. The kernel reports a failed write-back once, drops the pages, and lets the
   * next flush succeed. So every later flush of this file fails with this error.
   */
  protected failure: KeelsonError | null = null;
  protected underWayCount = 0;
  #whenIdle: (() => void) | null = null;
  #closing: Promise<void> | null = null;

  constructor(path: string, fd: number) {
    this.path = path;
    this.fd = fd;
  }

  async size(): Promise<number> {
    return (await this.#stats()).size;
  }

  async modifiedMs(): Promise<number> {
    return Math.floor((await this.#stats()).mtimeMs);
  }

  read(into: Uint8Array, position: number): Promise<number> {
    return this.underWay(
      () =>
        new Promise((resolve, reject) => {
          readAll(
            into.length,
            (offset, length, callback) => fs.read(this.fd, into, offset, length, position + offset, callback),
            (error, readBytes) => {
              if (error) reject(storageError(error, 'read', this.path));
              else resolve(readBytes);
            },
          );
        }),
    );
  }

  write(bytes: Uint8Array, position: number): Promise<void> {
    return this.underWay(() => this.writePooled(bytes, position));
  }

  /**
   * Flushes with fdatasync. Unlike fsync it skips timestamps, but it flushes the contents and all metadata that
   * reading them needs: the size and the block map of a file that grew. On macOS and Windows, Node calls F_FULLFSYNC
   * and FlushFileBuffers, which reach the disk.
   */
  flush(): Promise<void> {
    return this.underWay(async () => {
      if (this.failure) throw this.failure;
      try {
        await poolCall('fdatasync', this.path, (callback) => fs.fdatasync(this.fd, callback));
      } catch (error) {
        this.failure ??= error as KeelsonError;
        throw error;
      }
    });
  }

  /** Closes the file. Only the first call rejects with an error; later calls wait for the same end. */
  close(): Promise<void> {
    if (this.#closing !== null) return this.#closing.catch(() => undefined);
    this.#closing = this.#closeWhenIdle();
    return this.#closing;
  }

  /** Writes like write(), for a caller that has called begin() itself. */
  protected writePooled(bytes: Uint8Array, position: number): Promise<void> {
    return new Promise((resolve, reject) => {
      writeAll(
        bytes.length,
        (offset, length, callback) => fs.write(this.fd, bytes, offset, length, position + offset, callback),
        (error) => {
          if (error) reject(storageError(error, 'write', this.path));
          else resolve();
        },
      );
    });
  }

  /** Returns every descriptor that close() closes. */
  protected descriptors(): number[] {
    return [this.fd];
  }

  protected assertOpen(): void {
    invariant(this.#closing === null, 'a file was used after it was closed', { path: this.path });
  }

  /** Counts one more call under way. close() waits until end() was called for each begin(). */
  protected begin(): void {
    this.assertOpen();
    this.underWayCount++;
  }

  protected end(): void {
    this.underWayCount--;
    if (this.underWayCount === 0) this.#whenIdle?.();
  }

  protected async underWay<T>(operation: () => Promise<T>): Promise<T> {
    this.begin();
    try {
      return await operation();
    } finally {
      this.end();
    }
  }

  #stats(): Promise<fs.Stats> {
    return this.underWay(() => poolCall('fstat', this.path, (callback) => fs.fstat(this.fd, callback)));
  }

  async #closeWhenIdle(): Promise<void> {
    // The system gives a closed descriptor's number to the next file that is opened. A call still queued on the
    // thread pool would then use that other file, so the close waits for the last call.
    if (this.underWayCount > 0) {
      await new Promise<void>((resolve) => {
        this.#whenIdle = resolve;
      });
    }
    const closed = this.descriptors().map((fd) =>
      poolCall('close', this.path, (callback) => fs.close(fd, callback)),
    );
    for (const outcome of await Promise.allSettled(closed)) {
      if (outcome.status === 'rejected') throw outcome.reason;
    }
  }
}
