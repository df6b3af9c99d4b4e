// Finding and loading the addon. It is built in a checkout, or comes with the package; where it is missing, or this
// runtime cannot have it, that is said and nothing else is lost than speed.

import { createRequire } from 'node:module';

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
  drain(slot: number): void;
  alignedOffset(buffer: ArrayBuffer, alignment: number): number;
  /** `operation` is one of FLOCK. Never blocks. */
  flock(fd: number, operation: number): number;
  sealFrames(bytes: Uint8Array, startLsn: number, seed: number): boolean;
  crc32cUpdate(register: number, bytes: Uint8Array): number;
  state(): { readonly ringFd: number; readonly underWay: number };
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

/** Throws an Error that says why there is no addon here. Loading again, after a failure, tries afresh. */
export function loadNativeAddon(): NativeAddon {
  if (process.platform !== 'linux') throw new Error(`io_uring is Linux's; this is ${process.platform}`);
  // Bun answers the libuv calls that the addon makes by ending the process.
  if (process.versions['bun'] !== undefined) throw new Error('the addon is not loaded under Bun');
  // Deno has crashed in the calls that the addon makes of Node's event loop.
  if (process.versions['deno'] !== undefined) throw new Error('the addon is not loaded under Deno');
  return createRequire(import.meta.url)(ADDON_PATH) as NativeAddon;
}
