// The last records of a log, by their checksum. Two copies of a store that went on by themselves have one id, and may end at
// one LSN. Their last records tell them apart.

import { CRC32C_START, crc32cFinish, crc32cUpdate } from '../crc32c.js';
import { FRAME_OVERHEAD_BYTES } from '../storage/index.js';

/** The records that end in so many bytes of the log are compared, and of each of them at most its last bytes of that number. */
const COMPARED_BYTES = 4096;

/** The records between two LSNs. */
export interface LastRecords {
  readonly fromLsn: number;
  readonly lsn: number;
  readonly checksum: number;
}

/** Computes the checksum of the records that end behind `aboveLsn`, up to `endLsn`. */
export class LastRecordsReader {
  readonly #aboveLsn: number;
  readonly #endLsn: number;
  #fromLsn: number | null = null;
  #lsn = 0;
  #register = CRC32C_START;

  constructor(endLsn: number, aboveLsn: number = endLsn - COMPARED_BYTES) {
    this.#aboveLsn = aboveLsn;
    this.#endLsn = endLsn;
  }

  /** Reads the next record of the log, `bytes[start, end)`. */
  read(lsn: number, bytes: Uint8Array, start: number, end: number): void {
    if (lsn <= this.#aboveLsn || lsn > this.#endLsn) return;
    this.#fromLsn ??= lsn - FRAME_OVERHEAD_BYTES - (end - start);
    this.#lsn = lsn;
    this.#register = crc32cUpdate(this.#register, bytes, Math.max(start, end - COMPARED_BYTES), end);
  }

  /** The records that were read, or null if there were none. */
  get records(): LastRecords | null {
    if (this.#fromLsn === null) return null;
    return { fromLsn: this.#fromLsn, lsn: this.#lsn, checksum: crc32cFinish(this.#register) };
  }
}
