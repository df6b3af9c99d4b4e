// A captured moment of a simulated disk, from which any number of crashes can be tried. Nothing done to one of the
// disks found after a crash changes the state or another disk: they share sectors, and sectors never change.

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

export interface CapturedState {
  readonly image: DiskImage;
  /** What is in flight and has not reached the view. */
  readonly intents: readonly Intent[];
  readonly seed: number;
  readonly bootCount: number;
  readonly bootId: string;
  readonly lifeCount: number;
}

/** What a disk takes over from the one it was before a crash. */
export interface Inheritance {
  readonly image: DiskImage;
  /** Writes of dead processes that may still land. */
  readonly ghosts: readonly WriteIntent[];
  readonly bootCount: number;
  /** Null after a power cut: the machine has booted anew. */
  readonly bootId: string | null;
  readonly lifeCount: number;
}

/** `Disk` is the class that captured it, and that the disks found after a crash are of. */
export class CapturedDisk<Disk> {
  readonly #captured: CapturedState;
  readonly #makeDisk: (seed: number, inheritance: Inheritance) => Disk;
  #cut: { readonly image: DiskImage; readonly units: CutUnits } | null = null;

  /** @internal Made by SimulatedDisk.capture(). */
  constructor(captured: CapturedState, makeDisk: (seed: number, inheritance: Inheritance) => Disk) {
    this.#captured = captured;
    this.#makeDisk = makeDisk;
  }

  /** How many things a power cut now would decide over: versions of sectors, sizes, changes of names. */
  pendingUnits(): number {
    return this.#forCut().units.sector.length;
  }

  /** Power cuts worth trying on this state: see powerCutChoices. */
  powerCuts(search: PowerCutSearch): Generator<PowerCutChoice> {
    return powerCutChoices(this.#forCut().units, search);
  }

  /** The disk as it is found when power is back. No process lives; those that did are dead. */
  powerCut(choice: PowerCutChoice): Disk {
    const { image, units } = this.#forCut();
    return this.#makeDisk(mixSeeds(this.#captured.seed, choice.seed, 0x9c), {
      image: imageAfterPowerCut(image, units, choice),
      ghosts: [],
      bootCount: this.#captured.bootCount + 1,
      bootId: null,
      lifeCount: this.#captured.lifeCount,
    });
  }

  /**
   * The disk after every process on it was killed, without a power cut: the view is kept, durable or not. What was in
   * flight is lost, has landed, has landed in part, has landed without being durable (written, and its flush not come to
   * be), or lands in the next life.
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
    const { bootCount, bootId, lifeCount } = this.#captured;
    const found = { image, ghosts, bootCount, bootId, lifeCount };
    return this.#makeDisk(mixSeeds(this.#captured.seed, seed, 0x41), found);
  }

  /** The image with everything in flight on its way to the medium, and what a power cut decides over. Made once. */
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
