// The io_uring engine. The ring does the durable writes, on the event loop of the thread; node:fs does everything
// else.

import { invariant } from '../errors.js';
import { createFsStorage, type Decorate } from './fs-storage.js';
import type { Locate } from './held-directory.js';
import { IoUringLogFile, MEMORY_ALIGNMENT_BYTES } from './io-uring-log-file.js';
import { errnoError, ringOfThisThread } from './io-uring-ring.js';
import type { EngineReport, LogFile, Storage } from './storage.js';
import { storageError } from './storage-errors.js';

/** Returns storage on io_uring. Throws an Error that says why io_uring cannot run here now. */
export function createIoUringStorage(): Storage {
  const ring = ringOfThisThread();
  const { addon } = ring;
  let hasOpened = false;
  let refusedBecause: string | null = null;
  /**
   * Reason why a write was not aligned; null if all were. Stays when another file is opened: the blocks of a store have
   * one size, so they are too small for the next file, too.
   */
  let unalignedBecause: string | null = null;

  /**
   * Returns `file` with a second descriptor for direct writes. Closes `file` and throws if that descriptor cannot be
   * opened.
   */
  function logFile(file: LogFile, locate: Locate): LogFile {
    const direct = addon.openFile(locate(file.path));
    if (typeof direct === 'number') {
      file.close().catch(() => {});
      throw storageError(errnoError(direct, 'open'), 'open', file.path);
    }
    const { isDirect, memoryAlignment, offsetAlignment } = direct;
    hasOpened = true;
    refusedBecause = isDirect ? null : 'the file system refuses direct I/O';
    if (memoryAlignment > MEMORY_ALIGNMENT_BYTES) {
      refusedBecause = `direct I/O needs memory aligned to ${memoryAlignment} bytes here`;
    }
    return new IoUringLogFile(file, ring, direct, () => {
      unalignedBecause = `blocks are smaller than the ${offsetAlignment} bytes that direct I/O needs here`;
    });
  }

  const decorate: Decorate = (inner, locate) => ({
    ...inner,
    get report(): EngineReport {
      const indirectBecause = refusedBecause ?? unalignedBecause;
      const { retries, pauses } = addon.state();
      return {
        engine: 'io_uring',
        engineReason:
          indirectBecause === null
            ? `It is the fastest that works here: io_uring${hasOpened ? ' with direct I/O' : ''}.`
            : `It works here, through the page cache: ${indirectBecause}.`,
        // node:fs writes blocks that are too small. Direct I/O is known only when a file has been opened for it.
        nativeIoUringActive: unalignedBecause === null,
        directIoActive: hasOpened && indirectBecause === null,
        retries,
        retryPausesMs: pauses,
      };
    },
    async createLogFile(path) {
      const file = await inner.createLogFile(path);
      try {
        return logFile(file, locate);
      } catch (error) {
        await inner.remove(path).catch(() => {});
        throw error;
      }
    },
    createLogFileSync(path) {
      const file = inner.createLogFileSync(path);
      try {
        return logFile(file, locate);
      } catch (error) {
        try {
          inner.removeSync(path);
        } catch {
          // The caller needs the first error.
        }
        throw error;
      }
    },
    openLogFile: async (path) => logFile(await inner.openLogFile(path), locate),
    openLogFileSync: (path) => logFile(inner.openLogFileSync(path), locate),
    allocate(length) {
      const buffer = new ArrayBuffer(length + MEMORY_ALIGNMENT_BYTES);
      return new Uint8Array(buffer, addon.alignedOffset(buffer, MEMORY_ALIGNMENT_BYTES), length);
    },
    checksumFrames(bytes, { bodyOffset, bodyLength, startLsn, seed }) {
      const frames = bytes.subarray(bodyOffset, bodyOffset + bodyLength);
      invariant(addon.checksumFrames(frames, startLsn, seed), 'the frames of a commit do not fill its body');
    },
    verifyChecksums: addon.checksumsVerify,
    populate: addon.populate,
    crc32cUpdate: addon.crc32cUpdate,
  });
  return createFsStorage('The io_uring engine uses it for all but durable writes.', decorate);
}
