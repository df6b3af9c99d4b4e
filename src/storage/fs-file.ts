// An open file of the node:fs engine: one raw descriptor, and the count of what is under way on it.
//
// Raw descriptors, not FileHandles: a FileHandle that is garbage-collected closes its descriptor by itself,
// at a moment nobody chose, and a raw one is never closed but here. Neither keeps the event loop alive.

import fs from 'node:fs';
import { invariant, type KeelsonError } from '../errors.js';
import { poolCall } from './fs-call.js';
import type { StorageFile } from './storage.js';
import { storageError } from './storage-errors.js';
import { readAll, writeAll } from './transfer.js';

export class FsFile implements StorageFile {
  readonly path: string;
  /** For this floor: who calls the system with it counts as under way, or has the file open itself. */
  protected readonly fd: number;
  /**
   * The first flush that failed. The kernel reports a failed writeback once, forgets the pages, and calls the next
   * flush a success; so from then on every flush of this file fails with what the first one said.
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
    const stats = await this.underWay(() =>
      poolCall<fs.Stats>('fstat', this.path, (callback) => fs.fstat(this.fd, callback)),
    );
    return stats.size;
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
   * fdatasync and not fsync: it leaves out timestamps, but never the contents, nor what is needed to read them
   * back (the size and the blocks of a file that grew). Where it does not exist or does less (macOS, Windows),
   * Node calls what does reach the disk there: F_FULLFSYNC, FlushFileBuffers.
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

  /** The first call reports what went wrong; every later one only waits for the same end. */
  close(): Promise<void> {
    if (this.#closing !== null) return this.#closing.catch(() => undefined);
    this.#closing = this.#closeWhenIdle();
    return this.#closing;
  }

  /** write(), for a caller that has counted itself as under way. */
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

  /** Every descriptor that close() gives back. */
  protected descriptors(): number[] {
    return [this.fd];
  }

  protected assertOpen(): void {
    invariant(this.#closing === null, 'a file was used after it was closed', { path: this.path });
  }

  /** Counts one thing under way, on which close() waits: see end(). */
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

  async #closeWhenIdle(): Promise<void> {
    // A descriptor's number is given to the next file that is opened, so a call still queued on the thread pool
    // would hit a file that is not ours. Hence nothing is closed before the last one has returned.
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
