// Captures the states of a run at which a crash finds something new, with the facts recorded by then. Keeps all of
// them, or a seeded sample (by reservoir sampling) if there are too many.

import { mixSeeds, Random } from './random.js';
import type { Boundary, DiskState, SimulatedDisk } from './simulated-disk.js';

/** A captured state of a run. */
export interface Captured<Fact> {
  /** Boundary of the capture. At the end of the run it is one past the last boundary. */
  readonly boundary: number;
  /** Description of the event at that boundary. */
  readonly event: string;
  readonly state: DiskState;
  /** Facts recorded before the capture. */
  readonly facts: readonly Fact[];
}

export interface SamplerOptions {
  readonly seed: number;
  /** Limit of captured states. */
  readonly momentsMax: number;
  /** Boundary to capture, and no other; null to sample. */
  readonly only: number | null;
}

/** Chance that the end of the run replaces the single captured state. */
const END_CHANCE = 0.3;
/**
 * Draws in the sample for a boundary right after a rename or a remove, or before a flush of a directory. Other
 * boundaries have one.
 */
const NAME_DRAWS = 4;

interface Moment {
  readonly boundary: number;
  readonly event: string;
  readonly state: DiskState;
  readonly factCount: number;
}

export class CrashSampler<Fact> {
  readonly #disk: SimulatedDisk;
  readonly #log: Fact[];
  readonly #options: SamplerOptions;
  readonly #random: Random;
  readonly #moments: Moment[] = [];
  #candidateCount = 0;
  #lastVersion = -1;
  #lastFactCount = -1;

  /** Starts to watch `disk`. finish() ends it. */
  constructor(disk: SimulatedDisk, facts: readonly Fact[], options: SamplerOptions) {
    this.#disk = disk;
    this.#log = [...facts];
    this.#options = options;
    this.#random = new Random(mixSeeds(options.seed, 0x5a));
    if (options.momentsMax > 0 || options.only !== null) {
      disk.onBoundary = (boundary: Boundary) => this.#look(boundary);
    }
  }

  record(fact: Fact): void {
    this.#log.push(fact);
  }

  facts(): readonly Fact[] {
    return this.#log.slice();
  }

  /** Stops watching. Returns the captured states in the order of the run. The last one may be its end. */
  finish(): readonly Captured<Fact>[] {
    this.#disk.onBoundary = undefined;
    // The end of the run is no boundary of the disk. It is captured because only a crash here checks the facts
    // recorded after the last boundary.
    const { only, momentsMax } = this.#options;
    const end = this.#disk.boundaries;
    const isWanted = only === null ? momentsMax > 0 && this.#isNews() && this.#hasRoomForEnd() : only === end;
    if (isWanted) this.#keep(end, 'at its end', Math.min(this.#moments.length, momentsMax - 1));
    const byBoundary = new Map(this.#moments.map((moment) => [moment.boundary, moment]));
    return [...byBoundary.values()]
      .sort((one, other) => one.boundary - other.boundary)
      .map(({ factCount, ...moment }) => ({ ...moment, facts: this.#log.slice(0, factCount) }));
  }

  /**
   * Returns true if the end of the run gets a place. If only one state is captured, the end takes its place now and
   * then.
   */
  #hasRoomForEnd(): boolean {
    return this.#options.momentsMax > 1 || this.#moments.length === 0 || this.#random.chance(END_CHANCE);
  }

  #look(at: Boundary): void {
    const boundary = at.index;
    const { only, momentsMax } = this.#options;
    if (only !== null) {
      if (boundary === only) this.#keep(boundary, eventOf(at), 0);
      return;
    }
    if (!this.#isNews()) return;
    this.#lastVersion = this.#disk.version;
    this.#lastFactCount = this.#log.length;
    for (let draw = 0; draw < drawsOf(at); draw += 1) {
      this.#candidateCount += 1;
      const isFull = this.#moments.length >= momentsMax;
      const place = isFull ? this.#random.below(this.#candidateCount) : this.#moments.length;
      if (place >= momentsMax) continue;
      this.#keep(boundary, eventOf(at), place);
      return;
    }
  }

  #isNews(): boolean {
    return this.#disk.version !== this.#lastVersion || this.#log.length !== this.#lastFactCount;
  }

  #keep(boundary: number, event: string, place: number): void {
    this.#moments[Math.max(0, place)] = {
      boundary,
      event,
      state: this.#disk.capture(),
      factCount: this.#log.length,
    };
  }
}

/**
 * Returns the number of draws of a boundary in the sample. Boundaries right after a rename or a remove, or before a
 * flush of a directory, have more draws, because most ordering faults show there.
 */
function drawsOf({ phase, operation }: Boundary): number {
  const isNames = operation === 'rename' || operation === 'remove' || operation === 'flushDirectory';
  return isNames && (phase === 'complete') === (operation !== 'flushDirectory') ? NAME_DRAWS : 1;
}

function eventOf({ phase, operation, path }: Boundary): string {
  return phase === 'submit' ? `before ${operation} ${path}` : `after ${operation} ${path}`;
}
