// The clock of a simulated machine: time that never goes back, a wall clock that may be set, and timers.

import type { Timer } from '../storage/storage.js';

/** Wall-clock time at which a simulated machine starts: 2026-01-01, in ms since 1970. */
const WALL_START_MS = 1_767_225_600_000;

/** The milliseconds that pass with each look at the clock, and with each operation on the disk. */
const LOOK_MS = 0.001;
const OPERATION_MS = 0.01;

/** A reading of a clock. The clock of the machine goes on after a crash. */
export interface ClockReading {
  readonly nowMs: number;
  readonly wallShiftMs: number;
}

interface StartedTimer {
  readonly atMs: number;
  readonly callback: () => void;
  readonly lifeId: number;
}

/** The clock of one machine. */
export class SimulatedClock {
  #nowMs: number;
  #wallShiftMs: number;
  #timers: StartedTimer[] = [];

  constructor({ nowMs, wallShiftMs }: ClockReading = { nowMs: 0, wallShiftMs: 0 }) {
    this.#nowMs = nowMs;
    this.#wallShiftMs = wallShiftMs;
  }

  get reading(): ClockReading {
    return { nowMs: this.#nowMs, wallShiftMs: this.#wallShiftMs };
  }

  /** The number of timers that have not fired. */
  get timers(): number {
    return this.#timers.length;
  }

  nowMs(): number {
    this.#nowMs += LOOK_MS;
    return this.#nowMs;
  }

  wallMs(): number {
    this.#nowMs += LOOK_MS;
    return this.lastWallMs;
  }

  /** The time of wallMs() without a look, so that no time passes. */
  get lastWallMs(): number {
    return WALL_START_MS + Math.floor(this.#nowMs + this.#wallShiftMs);
  }

  /** Lets the time of an operation pass. Timers fire only in advance(). */
  tick(): void {
    this.#nowMs += OPERATION_MS;
  }

  shiftWall(ms: number): void {
    this.#wallShiftMs += ms;
  }

  advance(ms: number): void {
    const endMs = this.#nowMs + ms;
    for (let timer = this.#takeDue(endMs); timer !== null; timer = this.#takeDue(endMs)) {
      this.#nowMs = Math.max(this.#nowMs, timer.atMs);
      timer.callback();
    }
    this.#nowMs = Math.max(this.#nowMs, endMs);
  }

  /** Starts a timer of a process. Without a process, the timer never fires. */
  startTimer(ms: number, callback: () => void, lifeId: number | null): Timer {
    if (lifeId === null) return { cancel: () => {} };
    const timer = { atMs: this.#nowMs + ms, callback, lifeId };
    this.#timers.push(timer);
    return {
      cancel: () => {
        this.#timers = this.#timers.filter((other) => other !== timer);
      },
    };
  }

  forgetTimersOf(lifeId: number): void {
    this.#timers = this.#timers.filter((timer) => timer.lifeId !== lifeId);
  }

  forgetTimers(): void {
    this.#timers = [];
  }

  /** Removes and returns the timer that is due first, up to a time; of those at one time, the one that was started first. */
  #takeDue(upToMs: number): StartedTimer | null {
    let due: StartedTimer | null = null;
    for (const timer of this.#timers)
      if (timer.atMs <= upToMs && (due === null || timer.atMs < due.atMs)) due = timer;
    if (due !== null) this.#timers.splice(this.#timers.indexOf(due), 1);
    return due;
  }
}
