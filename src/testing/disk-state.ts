// A captured state of a simulated disk, from which any number of crashes can be tried. Disks after a crash share
// sectors with the state and with each other; sectors never change, so no disk affects another.

import type { DiskImage } from './disk-image.js';
import { type Intent, landWrite, somePart, type WriteIntent } from './operation.js';
import {
  type CutUnits,
  listUnits,
  type PowerCutChoice,
  type PowerCutSearch,
  powerCutChoices,
} from './power-cut.js';
import { imageAfterPowerCut } from './power-cut-image.js';
import { mixSeeds, Random } from './random.js';
import type { ClockReading } from './simulated-clock.js';

/** Data of a captured state. */
export interface CapturedState {
  readonly image: DiskImage;
  /** Operations in flight that have not reached the view. */
  readonly intents: readonly Intent[];
  readonly seed: number;
  readonly bootCount: number;
  readonly bootId: string;
  readonly lifeCount: number;
  readonly clock: ClockReading;
}

/** State that a disk takes over from the disk before a crash. */
export interface Inheritance {
  readonly image: DiskImage;
  /** Writes of dead processes that may still land. */
  readonly ghosts: readonly WriteIntent[];
  readonly bootCount: number;
  /** Boot id of the machine; null after a power cut, which boots the machine again. */
  readonly bootId: string | null;
  readonly lifeCount: number;
  readonly clock: ClockReading;
}

/**
 * A captured state. `Disk` is the class of the disks that its crashes leave.
 *
 * @example
 * const state = disk.capture();
 * for (const choice of state.powerCuts({ profile: 'strict', budget: 100, seed: 1 })) {
 *   const storage = state.powerCut(choice).life();
 * }
 */
export class CapturedDisk<Disk> {
  readonly #captured: CapturedState;
  readonly #makeDisk: (seed: number, inheritance: Inheritance) => Disk;
  #cut: { readonly image: DiskImage; readonly units: CutUnits } | null = null;

  /** @internal Called by SimulatedDisk.capture(). */
  constructor(captured: CapturedState, makeDisk: (seed: number, inheritance: Inheritance) => Disk) {
    this.#captured = captured;
    this.#makeDisk = makeDisk;
  }

  /**
   * Returns the number of units that a power cut would decide over: versions of sectors, sizes, and changes of names.
   */
  pendingUnits(): number {
    return this.#forCut().units.sector.length;
  }

  /**
   * Yields power cuts worth trying on this state.
   *
   * @param search What names can survive, how many choices at most, and their seed.
   */
  powerCuts(search: PowerCutSearch): Generator<PowerCutChoice> {
    return powerCutChoices(this.#forCut().units, search);
  }

  /**
   * Returns the disk after a power cut. No process on it lives.
   *
   * @param choice A choice of powerCuts(), or one that a failure printed.
   */
  powerCut(choice: PowerCutChoice): Disk {
    const { image, units } = this.#forCut();
    return this.#makeDisk(mixSeeds(this.#captured.seed, choice.seed, 0x9c), {
      image: imageAfterPowerCut(image, units, choice),
      ghosts: [],
      bootCount: this.#captured.bootCount + 1,
      bootId: null,
      lifeCount: this.#captured.lifeCount,
      clock: this.#captured.clock,
    });
  }

  /**
   * Returns the disk after every process was killed without a power cut. What processes saw stays, durable or not.
   * Each operation in flight is lost, has landed, has landed in part, has landed without being durable (as after a
   * write whose flush did not come), or lands in a later life. `seed` decides which.
   */
  processKill(seed: number): Disk {
    const random = new Random(mixSeeds(this.#captured.seed, seed));
    const image = this.#captured.image.clone();
    image.settleAll();
    const ghosts: WriteIntent[] = [];
    for (const intent of this.#captured.intents) {
      const fate = random.below(5);
      if (fate === 0) continue;
      if (intent.kind === 'names') image.attempt(intent.names);
      else if (fate === 1) ghosts.push({ ...intent, isDurable: intent.isDurable && random.chance(0.5) });
      else if (fate === 2) landWrite(image, intent);
      else if (fate === 3) landWrite(image, { ...intent, isDurable: false });
      else landWrite(image, { ...intent, data: somePart(intent.data, random), isDurable: false });
    }
    image.settleAll();
    const { bootCount, bootId, lifeCount, clock } = this.#captured;
    const found = { image, ghosts, bootCount, bootId, lifeCount, clock };
    return this.#makeDisk(mixSeeds(this.#captured.seed, seed, 0x41), found);
  }

  /**
   * Returns the image with every operation in flight applied to the view, and the units of a power cut. Computed
   * once.
   */
  #forCut(): { readonly image: DiskImage; readonly units: CutUnits } {
    if (this.#cut !== null) return this.#cut;
    const image = this.#captured.image.clone();
    for (const intent of this.#captured.intents) {
      if (intent.kind === 'names') {
        image.attempt(intent.names);
        continue;
      }
      const inode = image.inodes.get(intent.inodeId);
      if (inode?.kind === 'file') image.write(inode, intent.position, intent.data);
    }
    this.#cut = { image, units: listUnits(image) };
    return this.#cut;
  }
}
