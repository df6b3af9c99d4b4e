// Captures the moments of a run at which a crash finds something new, with the facts known at that moment: all of
// them, or a seeded fair sample (a reservoir) when there are more than wanted.

import type { DiskState } from './disk-state.js';
import { mixSeeds, Random } from './random.js';
import type { Boundary, SimulatedDisk } from './simulated-disk.js';

export interface Captured<Fact> {
  /** The boundary at which it was captured; for the end of the run, one past the last. */
  readonly boundary: number;
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

interface Moment {
  readonly boundary: number;
  readonly state: DiskState;
  readonly factCount: number;
}

export class CrashSampler<Fact> {
  private readonly disk: SimulatedDisk;
  private readonly log: Fact[];
  private readonly options: SamplerOptions;
  private readonly random: Random;
  private readonly moments: Moment[] = [];
  private candidateCount = 0;
  private lastVersion = -1;
  private lastFactCount = -1;

  /** Watches `disk` from now on, until `finish`. */
  constructor(disk: SimulatedDisk, facts: readonly Fact[], options: SamplerOptions) {
    this.disk = disk;
    this.log = [...facts];
    this.options = options;
    this.random = new Random(mixSeeds(options.seed, 0x5a));
    if (options.momentsMax > 0 || options.only !== null) {
      disk.onBoundary = (boundary: Boundary) => this.look(boundary.index);
    }
  }

  record(fact: Fact): void {
    this.log.push(fact);
  }

  facts(): readonly Fact[] {
    return this.log.slice();
  }

  /** Stops watching; the moments in the order of the run, its end among them. */
  finish(): readonly Captured<Fact>[] {
    this.disk.onBoundary = undefined;
    // The end is no boundary of the disk, but facts recorded after the last one meet a crash here only.
    const { only, momentsMax } = this.options;
    const end = this.disk.boundaries;
    const isWanted = only === null ? momentsMax > 0 && this.isNews() : only === end;
    if (isWanted) this.keep(end, Math.min(this.moments.length, momentsMax - 1));
    return this.moments
      .sort((one, other) => one.boundary - other.boundary)
      .map(({ boundary, state, factCount }) => ({ boundary, state, facts: this.log.slice(0, factCount) }));
  }

  private look(boundary: number): void {
    const { only, momentsMax } = this.options;
    if (only !== null) {
      if (boundary === only) this.keep(boundary, 0);
      return;
    }
    if (!this.isNews()) return;
    this.lastVersion = this.disk.version;
    this.lastFactCount = this.log.length;
    this.candidateCount += 1;
    if (this.moments.length < momentsMax) {
      this.keep(boundary, this.moments.length);
      return;
    }
    const place = this.random.below(this.candidateCount);
    if (place < momentsMax) this.keep(boundary, place);
  }

  private isNews(): boolean {
    return this.disk.version !== this.lastVersion || this.log.length !== this.lastFactCount;
  }

  private keep(boundary: number, place: number): void {
    this.moments[Math.max(0, place)] = {
      boundary,
      state: this.disk.capture(),
      factCount: this.log.length,
    };
  }
}
