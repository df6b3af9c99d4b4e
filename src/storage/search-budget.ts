// Limits the checksums that a search among damaged bytes computes. A search computes a checksum wherever the bytes
// look like a checksummed structure, up to the structure's end. A crafted value looks like one at every other byte,
// which would make the work quadratic.

/**
 * Bytes that may be checksummed in vain for each byte searched. This keeps the work proportional to the size of the
 * file.
 */
const WASTED_BYTES_PER_BYTE_MAX = 16;

/** Budget of one search. The caller asks allows() before each checksum and calls waste() after each one that fails. */
export class SearchBudget {
  readonly #startBytes: number;
  #wastedBytes = 0;

  /** `startBytes` may be checksummed in vain before anything was searched. */
  constructor(startBytes: number) {
    this.#startBytes = startBytes;
  }

  /** Returns whether `bytes` more may be checksummed after `searchedBytes` were searched. */
  allows(bytes: number, searchedBytes: number): boolean {
    return this.#wastedBytes + bytes <= this.#startBytes + searchedBytes * WASTED_BYTES_PER_BYTE_MAX;
  }

  /** Charges the budget for `bytes` whose checksum did not match. */
  waste(bytes: number): void {
    this.#wastedBytes += bytes;
  }
}
