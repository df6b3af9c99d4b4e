// The readers of a log in memory: where each began to read, so that the log drops what nobody needs. Pure.

/** The places at which readers have begun. */
export class LogReaders {
  /** The number of readers by place. Places ascend, because a reader begins at the end of the log. */
  readonly #counts = new Map<number, number>();

  get count(): number {
    return this.#counts.size;
  }

  /** The lowest place at which a reader has begun, or undefined without readers. */
  get oldest(): number | undefined {
    const [oldest] = this.#counts.keys();
    return oldest;
  }

  /** Adds a reader that begins at a place. */
  open(place: number): void {
    this.#counts.set(place, (this.#counts.get(place) ?? 0) + 1);
  }

  /** Ends a reader that began at a place. */
  close(place: number): void {
    const left = this.#counts.get(place)! - 1;
    if (left > 0) this.#counts.set(place, left);
    else this.#counts.delete(place);
  }
}
