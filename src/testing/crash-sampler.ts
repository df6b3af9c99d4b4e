// Captures the moments of a run at which a crash finds something new, with the facts known at that moment: all of
// them, or a seeded fair sample (a reservoir) when there are more than wanted.

import { mixSeeds, Random } from './random.js';
import type { Boundary, DiskState, SimulatedDisk } from './simulated-disk.js';

export interface Captured<Fact> {
  /** The boundary at which it was captured; for the end of the run, one past the last. */
  readonly boundary: number;
  /** What happened at it, in words. */
  readonly event: string;
  readonly state: DiskState;
  /** What was recorded before this moment. */
  readonly facts: readonly Fact[];
}

export interface SamplerOptions {
  readonly seed: number;
  readonly momentsMax: number;
  /** Captures at this boundary and nowhere else. */
  readonly only: number | null;
}

/** How often the end of a run is taken where there is a single place. */
const END_CHANCE = 0.3;
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

  /** Watches `disk` from now on, until `finish`. */
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

  /** Stops watching; the moments in the order of the run, its end among them. */
  finish(): readonly Captured<Fact>[] {
    this.#disk.onBoundary = undefined;
    // The end is no boundary of the disk, but facts recorded after the last one meet a crash here only.
    const { only, momentsMax } = this.#options;
    const end = this.#disk.boundaries;
    const isWanted = only === null ? momentsMax > 0 && this.#isNews() && this.#hasRoomForEnd() : only === end;
    if (isWanted) this.#keep(end, 'at its end', Math.min(this.#moments.length, momentsMax - 1));
    const byBoundary = new Map(this.#moments.map((moment) => [moment.boundary, moment]));
    return [...byBoundary.values()]
      .sort((one, other) => one.boundary - other.boundary)
      .map(({ factCount, ...moment }) => ({ ...moment, facts: this.#log.slice(0, factCount) }));
  }

  /** Of a single moment the end takes the place now and then, and no more. */
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

/** Between a change of names and its flush is where order matters most: such moments have better chances. */
function drawsOf({ phase, operation }: Boundary): number {
  const isNames = operation === 'rename' || operation === 'remove' || operation === 'flushDirectory';
  return isNames && (phase === 'complete') === (operation !== 'flushDirectory') ? NAME_DRAWS : 1;
}

function eventOf({ phase, operation, path }: Boundary): string {
  return phase === 'submit' ? `before ${operation} ${path}` : `after ${operation} ${path}`;
}
