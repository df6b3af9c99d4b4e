// The store's open() on a simulated disk: for ordinary tests, which want no files, and for simulateCrashes().

import type { open } from '../kv/index.js';
import { absoluteDirectory, openStoreOn, resolveStoreOptions } from '../kv/internal.js';
import { checkNames } from '../options.js';
import type { Storage } from '../storage/storage.js';
import { mixSeeds, Random } from './random.js';
import { SimulatedDisk } from './simulated-disk.js';

/** The `open` of `keelson`, in all its forms, on another disk. */
export type Open = typeof open;

/** Small files: little memory, and rotations are met by short tests, too. A larger record has a file of its own size. */
const SMALL_FILES = {
  blockBytes: 512,
  segmentBytesMin: 16_384,
  segmentBytesMax: 131_072,
  commitBytesMax: 65_536,
};

/** Stores of the process whose storage this is. The option `engine` has no meaning there. */
export function openOn(storage: Storage): Open {
  const openSimulated = async (directory: unknown, options?: unknown): Promise<unknown> => {
    const resolved = resolveStoreOptions(options);
    return openStoreOn(storage, absoluteDirectory(directory), resolved, SMALL_FILES);
  };
  return openSimulated as Open;
}

/** What inMemory() makes: a disk in memory, with one process on it at a time. */
export interface InMemory {
  /**
   * The `open` of `keelson` with everything it does, on this disk. Any absolute or relative path will do. Close a store
   * and open it again, and it is there.
   */
  readonly open: Open;
  /** The disk of this moment, for faults and limits. After a crash it is another one. */
  readonly disk: SimulatedDisk;
  /** Kills the process, as `kill -9` does: what is open answers nobody any more, and its writes may be lost or land. */
  kill(): void;
  /** Cuts the power: of what is not durable, a seeded part is left. */
  cutPower(): void;
}

/**
 * A disk that is nowhere but in memory. For tests of code that uses a store: nothing to create, nothing to clean up,
 * nothing shared between two tests.
 *
 * ```ts
 * const { open } = inMemory();
 * const db = await open<number>('/scores');
 * await db.put('ann', 1);
 * ```
 *
 * One `seed` gives one history: the order in which the disk completes things, and what crashes leave.
 */
export function inMemory(options: { readonly seed?: number } = {}): InMemory {
  checkNames('inMemory', options, ['seed']);
  const { seed = 1 } = options;
  const random = new Random(mixSeeds(seed, 0x3e3));
  let disk = new SimulatedDisk({ seed });
  let openNow = openOn(disk.life());
  const crashInto = (found: SimulatedDisk): void => {
    found.faults = disk.faults;
    disk.halt();
    disk = found;
    openNow = openOn(disk.life());
  };
  const openAlways = (directory: string, options?: object): Promise<unknown> => openNow(directory, options);
  return {
    open: openAlways as Open,
    get disk() {
      return disk;
    },
    kill: () => crashInto(disk.capture().processKill(random.uint32())),
    cutPower: () => {
      const choice = {
        profile: 'strict',
        grain: 'sector',
        pattern: 'random',
        index: 0,
        seed: random.uint32(),
      } as const;
      crashInto(disk.capture().powerCut(choice));
    },
  };
}
