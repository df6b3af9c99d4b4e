// The replay of a log: applies records that are in the log already, in order.

import { isKeelsonError, KeelsonError, nextStepOf, whatHappened } from '../../errors.js';
import { RECORD_BYTES_MAX, type Storage } from '../../storage/index.js';
import type { Schema } from '../entries/schema.js';
import type { Space } from '../entries/space.js';
import type { Codecs } from '../read/reads.js';
import { Replay } from '../write/change-entries.js';
import { CREATE, DROP } from '../write/operation-kinds.js';
import { readWriteSet } from '../write/record-reader.js';
import { WriteSet } from '../write/write-set.js';
import { checkBirth } from './recorded-encodings.js';

/** The store that a log is replayed into. */
export interface ReplayedStore {
  readonly storage: Pick<Storage, 'crc32cUpdate'>;
  readonly directory: string;
  readonly codecs: Codecs<unknown, unknown>;
  readonly schema: Schema;
}

/** Hears of the writes that are applied. */
export interface ReplayListener {
  /** Called with a write before it is applied. The write set is valid during the call. */
  foresee(writes: WriteSet): void;
  /** Called with a space that a write has created. */
  entered(space: Space): void;
  /** Called with a space that a write has dropped. */
  left(space: Space): void;
}

/** Applies the records of a log to a store, and keeps a checksum of those that are not proven durable. */
export class LogReplay {
  /** The LSN of the last record that was applied. */
  lsn: number;
  /** The records above this LSN are in `checksum`. */
  checkedFromLsn: number;
  /** The CRC register after the LSNs and bytes of the records above `checkedFromLsn`. */
  checksum = 0;
  readonly #store: ReplayedStore;
  readonly #writes: WriteSet;
  readonly #replay: Replay;

  /**
   * @param lsn The LSN of the store as it is.
   * @param provenLsn Records above this LSN are not proven durable.
   */
  constructor(store: ReplayedStore, lsn: number, provenLsn: number) {
    this.#store = store;
    this.#writes = new WriteSet(RECORD_BYTES_MAX, store.schema);
    this.#replay = new Replay(store.schema);
    this.lsn = lsn;
    this.checkedFromLsn = Math.max(lsn, provenLsn);
  }

  /**
   * Applies the next record, `bytes[start, end)`.
   *
   * @throws KEELSON_DECODE with its LSN for a record that does not decode. For the first record of a log, what
   * checkBirth() throws.
   */
  apply(lsn: number, bytes: Uint8Array, start: number, end: number, listener?: ReplayListener): void {
    const { schema, codecs, directory } = this.#store;
    const writes = this.#writes;
    try {
      if (this.lsn === 0) checkBirth(bytes.subarray(start, end), codecs, directory);
      else {
        readWriteSet(schema, bytes, start, end, writes);
        listener?.foresee(writes);
        this.#replay.apply(writes, lsn);
        if (writes.isInNamespaces && listener !== undefined) this.#tell(listener);
      }
    } catch (error) {
      if (!isKeelsonError(error, 'KEELSON_DECODE')) throw error;
      throw new KeelsonError(
        'KEELSON_DECODE',
        { what: `${directory}, record at LSN ${lsn}: ${whatHappened(error)}`, next: nextStepOf(error) },
        { lsn },
        error,
      );
    }
    this.lsn = lsn;
    if (lsn > this.checkedFromLsn) this.checksum = this.checksumBehind(this.checksum, lsn, bytes, start, end);
  }

  /** Notes that the log is proven durable up to `lsn`, which is that of the last record or a later one. */
  proven(lsn: number): void {
    this.checkedFromLsn = lsn;
    this.checksum = 0;
  }

  /** Returns the checksum behind one more record. */
  checksumBehind(checksum: number, lsn: number, bytes: Uint8Array, start: number, end: number): number {
    const head = new Uint8Array(Float64Array.of(lsn).buffer);
    const { storage } = this.#store;
    return storage.crc32cUpdate(storage.crc32cUpdate(checksum, head), bytes.subarray(start, end));
  }

  /** Tells of the namespaces that the last record has created or dropped. */
  #tell(listener: ReplayListener): void {
    const { count, kinds, spaces } = this.#writes;
    for (let at = 0; at < count; at++) {
      if (kinds[at] === CREATE) listener.entered(spaces[at]!);
      else if (kinds[at] === DROP) listener.left(spaces[at]!);
    }
  }
}
