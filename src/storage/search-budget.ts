// What a search among damaged bytes may spend. Wherever they look like something that has a checksum, it is computed;
// and a value can be made that looks so at every other byte, each time to its very end.

/** Bytes that may be checksummed in vain for every byte that was searched: so the work stays in proportion to the file. */
const WASTED_BYTES_PER_BYTE_MAX = 16;

export class SearchBudget {
  readonly #startBytes: number;
  #wastedBytes = 0;

  /** `startBytes`: what may be spent before anything was searched. */
  constructor(startBytes: number) {
    this.#startBytes = startBytes;
  }

  /** Whether so many more bytes may be checksummed, after so many were searched. */
  allows(bytes: number, searchedBytes: number): boolean {
    return this.#wastedBytes + bytes <= this.#startBytes + searchedBytes * WASTED_BYTES_PER_BYTE_MAX;
  }

  /** So many were, and what they looked like they were not. */
  waste(bytes: number): void {
    this.#wastedBytes += bytes;
  }
}
