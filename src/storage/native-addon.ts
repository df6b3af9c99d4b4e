// Finds and loads the native addon. A checkout builds it; the package has one for each system. Without the addon only speed is
// lost, and the error says why it is missing.

// The call nodeModule.createRequire() keeps webpack from resolving the addon's path as a module of the bundle.
import fs from 'node:fs';
import nodeModule from 'node:module';

/** Functions of native/addon.cc. A negative number is a negated errno. */
export interface NativeAddon {
  /**
   * Opens the ring of this thread. Calls `onFinished` from the event loop for each finished write. Returns 0 or a
   * negative errno; -EALREADY if the ring is open.
   */
  openRing(onFinished: (slot: number, result: number) => void): number;
  /** Opens an existing file for durable writes. Returns a negative errno on failure. */
  openFile(path: string): NativeFile | number;
  /** Closes a descriptor of openFile(). Returns false for any other descriptor. */
  closeFile(fd: number): boolean;
  /**
   * Reserves room on the disk for a file of `sizeBytes`, and gives the file that size. Blocks. Returns 0 or a negative
   * errno.
   */
  reserve(fd: number, sizeBytes: number): number;
  /**
   * Fills in the checksums of the frames in `bytes` and starts a durable write. Returns its slot, or a negative errno if
   * nothing was started. Throws a TypeError if the frames do not fill the body exactly.
   */
  submit(
    fd: number,
    bytes: Uint8Array,
    position: number,
    bodyOffset: number,
    bodyLength: number,
    startLsn: number,
    seed: number,
  ): number;
  /** Blocks until the write is finished. Runs no JavaScript. */
  drain(slot: number): void;
  /**
   * Returns the result of a drained write: 0 or a negative errno. Returns undefined once told() was called for it, or
   * the event loop has reported it.
   */
  result(slot: number): number | undefined;
  /** Frees the slot of a drained write. Without this call the event loop reports the write to `onFinished`. */
  told(slot: number): void;
  /** Returns the offset of the first byte of `buffer` whose address is a multiple of `alignment`, a power of two. */
  alignedOffset(buffer: ArrayBuffer, alignment: number): number;
  /** Calls flock(2) with an operation of FLOCK. Never blocks. */
  flock(fd: number, operation: number): number;
  /** Fills in the checksums of all frames in `bytes`. Returns false if the frames do not fill `bytes` exactly. */
  checksumFrames(bytes: Uint8Array, startLsn: number, seed: number): boolean;
  /** Returns true if frames fill `bytes` exactly and all their checksums verify. The first frame starts at `startLsn`. */
  checksumsVerify(bytes: Uint8Array, startLsn: number, seed: number): boolean;
  /** Has another thread make the pages of this memory, which changes no contents. Best effort. */
  populate(bytes: Uint8Array): void;
  /** Returns the CRC-32C register after `bytes`, signed like that of src/crc32c.ts. */
  crc32cUpdate(register: number, bytes: Uint8Array): number;
  /**
   * Returns the state of this thread's ring. `ringFd` is -1 without a ring. `retries` counts submissions that were
   * repeated after EINTR, EAGAIN or EBUSY. `pauses` counts those repeated after a pause of 1 ms.
   */
  state(): {
    readonly ringFd: number;
    readonly underWay: number;
    readonly retries: number;
    readonly pauses: number;
  };
}

/** Operations of flock(2). */
export const FLOCK = { shared: 1, exclusive: 2, unlock: 8 } as const;

export interface NativeFile {
  readonly fd: number;
  readonly isDirect: boolean;
  readonly memoryAlignment: number;
  readonly offsetAlignment: number;
}

/** Path of the addon that a checkout builds, relative to src/storage and to dist/chunks. */
const BUILT_HERE = '../../native/build/Release/keelson.node';

/** A program for musl names its loader in its first bytes, those for glibc name another. */
const LOADER_OF_MUSL = '/ld-musl-';
const HEADER_BYTES = 4096;

/** The code of the error for an addon that lacks the function that was added last. */
const OTHER_SOURCES = 'OTHER_SOURCES';

/** Meaning of an error of loading, by its code. File names are left to the cause. */
const MEANINGS: Readonly<Record<string, string>> = {
  MODULE_NOT_FOUND:
    'this installation has no native addon; to get the io_uring engine, run npm ci in a checkout of Keelson where python3, make and g++ are, and install that folder',
  ERR_DLOPEN_FAILED:
    'the native addon was built for another system; to get the io_uring engine, run npm ci in a checkout of Keelson on this one, and install that folder',
  [OTHER_SOURCES]:
    'the native addon was built from older sources; to get the io_uring engine, run npm run prepare in the checkout',
  ERR_DLOPEN_DISABLED: 'this process may not load native addons; start Node.js without what forbids them',
};

/** Runtimes that end the process at libuv calls of the addon. The addon is never loaded there. */
const OTHER_RUNTIMES = { bun: 'Bun', deno: 'Deno' };

/** Loads the addon of this thread. Throws an Error that says why there is none; the next call tries again. */
export function loadNativeAddon(): NativeAddon {
  for (const [key, name] of Object.entries(OTHER_RUNTIMES)) {
    if (process.versions[key] !== undefined) throw new Error(`${name} cannot run the native addon`);
  }
  if (process.platform !== 'linux') throw new Error(`io_uring is Linux's; this is ${process.platform}`);
  try {
    const addon = requireAddon(nodeModule.createRequire(import.meta.url));
    if (addon.reserve === undefined)
      throw Object.assign(new Error('The addon lacks a function'), { code: OTHER_SOURCES });
    return addon;
  } catch (error) {
    // A CommonJS bundle has no import.meta.url, so there is no path from which to find the addon.
    const isBundled = (import.meta.url as string | undefined) === undefined;
    const code = isBundled ? 'MODULE_NOT_FOUND' : String((error as NodeJS.ErrnoException).code);
    const meaning = MEANINGS[code];
    if (meaning === undefined) throw error;
    throw Object.assign(new Error(meaning, { cause: error }), { code });
  }
}

function requireAddon(requireFrom: NodeJS.Require): NativeAddon {
  try {
    return requireFrom(BUILT_HERE) as NativeAddon;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'MODULE_NOT_FOUND') throw error;
    const libc = isForMusl(process.execPath) ? '-musl' : '';
    return requireFrom(`../../prebuilds/linux-${process.arch}${libc}/keelson.node`) as NativeAddon;
  }
}

/** Returns true for a program that runs on the C library musl, false where that cannot be read. */
export function isForMusl(program: string): boolean {
  const header = Buffer.alloc(HEADER_BYTES);
  try {
    const fd = fs.openSync(program, 'r');
    try {
      fs.readSync(fd, header);
    } finally {
      fs.closeSync(fd);
    }
  } catch {
    // Node's permission model may forbid it.
    return false;
  }
  return header.includes(LOADER_OF_MUSL);
}
