// The `open` of `keelson` on a simulated disk, for ordinary tests without files and for simulateCrashes().

import type { open } from '../kv/index.js';
import { absoluteDirectory, openStoreOn, resolveStoreOptions } from '../kv/internal.js';
import { checkNames } from '../options.js';
import type { Storage } from '../storage/storage.js';
import { mixSeeds, Random } from './random.js';
import { SimulatedDisk } from './simulated-disk.js';

/** The `open` of `keelson`, with all its overloads, on a simulated disk. */
export type Open = typeof open;

/**
 * Sizes in bytes that need little memory, and with which even short tests fill segments. A larger record gets a
 * larger segment.
 */
const SMALL_FILES = {
  blockBytes: 512,
  segmentBytesMin: 16_384,
  segmentBytesMax: 131_072,
  commitBytesMax: 65_536,
};

/** Returns an `open` for stores of the process that owns `storage`. The option `engine` has no effect. */
export function openOn(storage: Storage): Open {
  const openSimulated = async (directory: unknown, options?: unknown): Promise<unknown> => {
    const resolved = resolveStoreOptions(options);
    return openStoreOn(storage, absoluteDirectory(directory), resolved, SMALL_FILES);
  };
  return openSimulated as Open;
}

/** Result of inMemory(): a disk in memory, with one process at a time. */
export interface InMemory {
  /**
   * The `open` of `keelson` on this disk. Takes any path, absolute or relative. A store that was closed can be opened
   * again.
   */
  readonly open: Open;
  /** The current disk, for faults and limits. Every crash replaces it. */
  readonly disk: SimulatedDisk;
  /**
   * Kills the process like `kill -9`. The promises of open stores never settle after that. Their writes in flight may
   * be lost or may land.
   *
   * @example
   * memory.kill();
   * const db = await memory.open<number>('/scores');
   */
  kill(): void;
  /**
   * Cuts the power. A seeded part of what is not durable survives. The promises of open stores never settle after that.
   *
   * @example
   * memory.cutPower();
   * const db = await memory.open<number>('/scores');
   */
  cutPower(): void;
}

/**
 * Returns a disk in memory, for tests of code that uses a store. Nothing needs to be set up or cleaned up, and tests
 * share nothing.
 *
 * @param options `seed`, by default 1, decides in which order the disk completes operations, and what crashes leave.
 * @throws A TypeError for an unknown option.
 * @example
 * const { open } = inMemory();
 * const db = await open<number>('/scores');
 * await db.put('ann', 1);
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
