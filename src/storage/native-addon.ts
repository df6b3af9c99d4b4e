// Finding and loading the addon. It is built in a checkout, or comes with the package; where it is missing, or this
// runtime cannot have it, that is said and nothing else is lost than speed.

// By this name webpack does not take the path for a module that it should have found.
import nodeModule from 'node:module';

/** native/addon.cc. Numbers below zero are negated errnos. */
export interface NativeAddon {
  openRing(onFinished: (slot: number, result: number) => void): number;
  openFile(path: string): NativeFile | number;
  closeFile(fd: number): boolean;
  submit(
    fd: number,
    bytes: Uint8Array,
    position: number,
    bodyOffset: number,
    bodyLength: number,
    startLsn: number,
    seed: number,
  ): number;
  /** Blocks until the write is finished. Calls nobody. */
  drain(slot: number): void;
  /** The result of a drained write that told() was not called for, or undefined. */
  result(slot: number): number | undefined;
  /** Frees the slot of a drained write. Without it the event loop calls `onFinished`. */
  told(slot: number): void;
  alignedOffset(buffer: ArrayBuffer, alignment: number): number;
  /** `operation` is one of FLOCK. Never blocks. */
  flock(fd: number, operation: number): number;
  sealFrames(bytes: Uint8Array, startLsn: number, seed: number): boolean;
  crc32cUpdate(register: number, bytes: Uint8Array): number;
  /** How often this thread's ring was asked again, and for how long. A pause is a millisecond in which the thread waits to ask the kernel again. */
  state(): {
    readonly ringFd: number;
    readonly underWay: number;
    readonly retries: number;
    readonly pauses: number;
  };
  readonly crc32cIsAccelerated: boolean;
}

/** What flock(2) calls its operations. */
export const FLOCK = { shared: 1, exclusive: 2, unlock: 8 } as const;

export interface NativeFile {
  readonly fd: number;
  readonly isDirect: boolean;
  readonly memoryAlignment: number;
  readonly offsetAlignment: number;
}

/** From src/storage and from dist/storage alike. */
const ADDON_PATH = '../../native/build/Release/keelson.node';

/** Of loading an addon, by the code of the error: what it means. No file names; those are in the cause. */
const MEANINGS: Readonly<Record<string, string>> = {
  MODULE_NOT_FOUND:
    'this installation has no native addon; to get the io_uring engine, run npm ci in a checkout of Keelson where python3, make and g++ are, and install that folder',
  ERR_DLOPEN_FAILED:
    'the native addon was built for another system; to get the io_uring engine, run npm ci in a checkout of Keelson on this one, and install that folder',
  ERR_DLOPEN_DISABLED: 'this process may not load native addons; start Node.js without what forbids them',
};

/** These end the process at libuv calls that the addon makes, so it stays out whatever is built. */
const OTHER_RUNTIMES = { bun: 'Bun', deno: 'Deno' };

/** Throws an Error that says why there is no addon here. Loading again, after a failure, tries afresh. */
export function loadNativeAddon(): NativeAddon {
  for (const [key, name] of Object.entries(OTHER_RUNTIMES)) {
    if (process.versions[key] !== undefined) throw new Error(`${name} cannot run the native addon`);
  }
  if (process.platform !== 'linux') throw new Error(`io_uring is Linux's; this is ${process.platform}`);
  try {
    return nodeModule.createRequire(import.meta.url)(ADDON_PATH) as NativeAddon;
  } catch (error) {
    // In a bundle of CommonJS there is no import.meta.url, so nothing that the addon could be beside.
    const isBundled = (import.meta.url as string | undefined) === undefined;
    const code = isBundled ? 'MODULE_NOT_FOUND' : String((error as NodeJS.ErrnoException).code);
    const meaning = MEANINGS[code];
    if (meaning === undefined) throw error;
    throw Object.assign(new Error(meaning, { cause: error }), { code });
  }
}
