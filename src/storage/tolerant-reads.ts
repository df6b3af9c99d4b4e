// Reads a disk that cannot return all of a file. Bytes that cannot be read become zeros and are reported. For repair,
// which checks everything that it reads.

import { isKeelsonError, type KeelsonError } from '../errors.js';
import type { Storage, StorageFile } from './storage.js';

/** Bytes given up around an unreadable place: one page, the unit in which the system reads. */
const PIECE_BYTES = 4096;

/** Receives a range `[offset, offsetEnd)` of a file that was read as zeros, and the error. */
export type OnUnreadable = (path: string, offset: number, offsetEnd: number, error: KeelsonError) => void;

/**
 * Returns `storage` with an openFile() whose files read zeros in place of bytes that fail with KEELSON_IO. Calls
 * `onUnreadable` for every unreadable piece of every read.
 */
export function withTolerantReads(storage: Storage, onUnreadable: OnUnreadable): Storage {
  const openFile: Storage['openFile'] = async (path, writable) =>
    tolerant(await storage.openFile(path, writable), onUnreadable);
  return overriding(storage, { openFile });
}

function tolerant(file: StorageFile, onUnreadable: OnUnreadable): StorageFile {
  const read: StorageFile['read'] = async (into, position) => {
    try {
      return await file.read(into, position);
    } catch (error) {
      if (!isKeelsonError(error, 'KEELSON_IO')) throw error;
      return readPieces(file, into, position, onUnreadable);
    }
  };
  return overriding(file, { read });
}

async function readPieces(
  file: StorageFile,
  into: Uint8Array,
  position: number,
  onUnreadable: OnUnreadable,
): Promise<number> {
  const length = Math.max(0, Math.min(into.length, (await file.size()) - position));
  for (let at = 0; at < length; ) {
    const end = Math.min(length, at + PIECE_BYTES - ((position + at) % PIECE_BYTES));
    const piece = into.subarray(at, end);
    try {
      await file.read(piece, position + at);
    } catch (error) {
      if (!isKeelsonError(error, 'KEELSON_IO')) throw error;
      piece.fill(0);
      onUnreadable(file.path, position + at, position + end, error);
    }
    at = end;
  }
  return length;
}

/** Returns `target` with some methods replaced. The other methods are called on `target`. */
function overriding<T extends object>(target: T, methods: Partial<T>): T {
  return new Proxy(target, {
    get: (_, name) => {
      const own = methods[name as keyof T];
      if (own !== undefined) return own;
      const value: unknown = Reflect.get(target, name, target);
      return typeof value === 'function' ? value.bind(target) : value;
    },
  });
}
