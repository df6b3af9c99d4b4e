// The sequences of the segments of a session. Segments are used in their order, and none is given out twice. Pure.

/** Gives out sequences. At most one segment gets its name in the background at a time. */
export class SegmentSequences {
  #next: number;
  /** The sequence of the segment that gets its name in the background, or null. */
  #naming: number | null = null;
  /** The lowest sequence before it that is free. */
  #free = 0;
  #isOutrun = false;

  /** @param next One above the highest sequence in the directory. */
  constructor(next: number) {
    this.#next = next;
  }

  /** True if an append has used a later sequence than that of the segment that gets its name. Then it is too late. */
  get isOutrun(): boolean {
    return this.#isOutrun;
  }

  /**
   * Takes a sequence for a segment that gets its name in the background.
   *
   * @param freeCount How many sequences before it stay free for urgent(), so that it is not too late.
   */
  startNaming(freeCount: number): number {
    this.#isOutrun = false;
    this.#free = this.#next;
    this.#naming = this.#next + freeCount;
    this.#next = this.#naming + 1;
    return this.#naming;
  }

  /** Ends what startNaming() started. */
  endNaming(): void {
    this.#naming = null;
  }

  /** Takes a sequence for an append that does not wait. It is before that of the segment that gets its name, if one is free. */
  urgent(): number {
    return this.#naming !== null && this.#free < this.#naming ? this.#free++ : this.#next++;
  }

  /** Notes that an append uses the segment of this sequence. */
  used(sequence: number): void {
    if (this.#naming !== null && this.#naming < sequence) this.#isOutrun = true;
  }
}
