// Reading from a disk that cannot give all of a file: zeros in place of what it cannot, and word of it. For who looks
// for what is left, and checks everything it reads.

import { isKeelsonError, type KeelsonError } from '../errors.js';
import type { Storage, StorageFile } from './storage.js';

/** What is lost around a place that cannot be read: a page, as the system reads. */
const PIECE_BYTES = 4096;

export type OnUnreadable = (path: string, offset: number, offsetEnd: number, error: KeelsonError) => void;

/** The same storage, whose files are read so. Told once for every piece of every read that fails with KEELSON_IO. */
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

/** An object with some methods replaced; all others are those of `target`, called on `target`. */
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
