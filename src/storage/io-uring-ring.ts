// The ring of this thread. The first store that wants a ring opens it, and all stores of the thread share it.

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

  /**
   * Starts a durable write. Calls `finished` with 0 or a negative errno. Returns the slot, or a negative errno if
   * nothing was started.
   */
  submit(
    fd: number,
    bytes: Uint8Array,
    position: number,
    checksums: { bodyOffset: number; bodyLength: number; startLsn: number; seed: number } | null,
    finished: Finished,
  ): number {
    const { bodyOffset, bodyLength, startLsn, seed } = checksums ?? NO_FRAMES;
    const slot = this.addon.submit(fd, bytes, position, bodyOffset, bodyLength, startLsn, seed);
    if (slot >= 0) this.#finished.set(slot, finished);
    return slot;
  }

  /**
   * Blocks until the write in `slot` is finished, and reports its result. The event loop reports writes of other
   * files that finish meanwhile: this call may be stopped (a timeout of node:vm) and must not lose the result of
   * another write.
   */
  drain(slot: number): void {
    this.addon.drain(slot);
    const result = this.addon.result(slot);
    if (result === undefined) return;
    this.#tell(slot, result);
    this.addon.told(slot);
  }

  /** Reports a result. The slot is not reused before this call returns. A call that is stopped half-way is repeated. */
  #tell(slot: number, result: number): void {
    this.#finished.get(slot)?.(result);
    this.#finished.delete(slot);
  }
}

const NO_FRAMES = { bodyOffset: 0, bodyLength: 0, startLsn: 0, seed: 0 };

/** Key of the ring on the addon's object. A thread has one addon object, but may load this module several times. */
const RING = Symbol.for('keelson.ring');

/** Returns the ring of this thread. Throws an Error that says why there is none; the next call tries again. */
export function ringOfThisThread(): IoUringRing {
  const addon: NativeAddon & { [RING]?: IoUringRing } = loadNativeAddon();
  addon[RING] ??= new IoUringRing(addon);
  return addon[RING];
}

/** Returns an Error like those of node:fs, for a negative errno. */
export function errnoError(error: number, syscall: string): NodeJS.ErrnoException {
  const code = getSystemErrorName(error);
  return Object.assign(new Error(`${syscall} failed with ${code}`), { code, errno: error, syscall });
}
