// This thread's ring: one per environment, opened by the first store that wants it and shared by all.

import { getSystemErrorName } from 'node:util';
import { loadNativeAddon, type NativeAddon } from './native-addon.js';

type Finished = (result: number) => void;

export class IoUringRing {
  readonly addon: NativeAddon;
  readonly #finished = new Map<number, Finished>();

  constructor(addon: NativeAddon) {
    this.addon = addon;
    const error = addon.openRing((slot, result) => this.#tell(slot, result));
    if (error < 0) throw errnoError(error, 'io_uring_setup');
  }

  /** Starts a durable write; `finished` is called with 0 or a negative errno. Returns the slot, or a negative errno. */
  submit(
    fd: number,
    bytes: Uint8Array,
    position: number,
    seal: { bodyOffset: number; bodyLength: number; startLsn: number; seed: number } | null,
    finished: Finished,
  ): number {
    const { bodyOffset, bodyLength, startLsn, seed } = seal ?? NO_FRAMES;
    const slot = this.addon.submit(fd, bytes, position, bodyOffset, bodyLength, startLsn, seed);
    if (slot >= 0) this.#finished.set(slot, finished);
    return slot;
  }

  /**
   * Blocks until the write in that slot has been told of. Writes of other files that finish meanwhile are told of by the
   * event loop: this call may be stopped (a timeout of node:vm), and must lose no result that is not its caller's.
   */
  drain(slot: number): void {
    this.addon.drain(slot);
    const result = this.addon.result(slot);
    if (result === undefined) return;
    this.#tell(slot, result);
    this.addon.told(slot);
  }

  /** The slot is not used again before this returns. Stopped half-way, a call comes again. */
  #tell(slot: number, result: number): void {
    this.#finished.get(slot)?.(result);
    this.#finished.delete(slot);
  }
}

const NO_FRAMES = { bodyOffset: 0, bodyLength: 0, startLsn: 0, seed: 0 };

/** On the addon's own object, of which there is one per thread: this module may be there more than once. */
const RING = Symbol.for('keelson.ring');

/** This thread's ring. Throws an Error that says why there is none; the next call tries afresh. */
export function ringOfThisThread(): IoUringRing {
  const addon: NativeAddon & { [RING]?: IoUringRing } = loadNativeAddon();
  addon[RING] ??= new IoUringRing(addon);
  return addon[RING];
}

/** An Error as Node would make it, from a negative errno. */
export function errnoError(error: number, syscall: string): NodeJS.ErrnoException {
  const code = getSystemErrorName(error);
  return Object.assign(new Error(`${syscall} failed with ${code}`), { code, errno: error, syscall });
}
