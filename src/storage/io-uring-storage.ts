// The io_uring engine: durable writes by the ring, on the event loop of the thread; everything else by node:fs.

import { FsFile } from './fs-file.js';
import { createFsStorage } from './fs-storage.js';
import { IoUringLogFile } from './io-uring-log-file.js';
import { errnoError, ringOfThisThread } from './io-uring-ring.js';
import type { EngineReport, LogFile, Storage } from './storage.js';
import { storageError } from './storage-errors.js';

/** What every direct write on this page size accepts for its memory, and what memory is allocated at. */
const MEMORY_ALIGNMENT_BYTES = 4096;

/** Storage on io_uring. Throws an Error that says why it cannot be had here, now. */
export function createIoUringStorage(): Storage {
  const ring = ringOfThisThread();
  const { addon } = ring;
  const inner = createFsStorage('The io_uring engine uses it for all but durable writes.');
  let indirectBecause: string | null = 'no file has been opened for durable writes yet';

  function logFile(file: LogFile): LogFile {
    const direct = addon.openFile(file.path);
    if (typeof direct === 'number') throw storageError(errnoError(direct, 'open'), 'open', file.path);
    const isDirect = direct.isDirect && direct.memoryAlignment <= MEMORY_ALIGNMENT_BYTES;
    indirectBecause = isDirect ? null : 'the file system refuses direct I/O';
    return new IoUringLogFile(file, ring, direct, () => {
      indirectBecause = `blocks are smaller than the ${direct.offsetAlignment} bytes that direct I/O needs here`;
    });
  }

  return {
    ...inner,
    get report(): EngineReport {
      return {
        engine: 'io_uring',
        engineReason:
          indirectBecause === null
            ? 'io_uring with direct I/O.'
            : `io_uring through the page cache: ${indirectBecause}.`,
        nativeIoUringActive: true,
        directIoActive: indirectBecause === null,
      };
    },
    async createLogFile(path) {
      const file = await inner.createLogFile(path);
      try {
        return logFile(file);
      } catch (error) {
        await file.close().catch(() => {});
        await inner.remove(path).catch(() => {});
        throw error;
      }
    },
    createLogFileSync(path) {
      const file = inner.createLogFileSync(path);
      try {
        return logFile(file);
      } catch (error) {
        file.close().catch(() => {});
        inner.removeSync(path);
        throw error;
      }
    },
    allocate(length) {
      const buffer = new ArrayBuffer(length + MEMORY_ALIGNMENT_BYTES);
      return new Uint8Array(buffer, addon.alignedOffset(buffer, MEMORY_ALIGNMENT_BYTES), length);
    },
    lockFile(file) {
      if (!(file instanceof FsFile)) return 'unknown';
      const result = addon.lockFile(file.fd);
      return result === 0 ? 'locked' : errnoError(result, 'flock').code === 'EAGAIN' ? 'held' : 'unknown';
    },
  };
}
