// The log of a backup: its segments hold records that were copied from another log, at the same LSNs. No session has
// appended to it. It grows by whole segments, and each is durable before it has its name. So a crash leaves it as it was
// before a segment or behind it.

import { invariant, KeelsonError } from '../errors.js';
import { FRAME_OVERHEAD_BYTES, type Storage } from '../storage/index.js';
import { COMMIT_HEADER_BYTES, commitBytesOnDisk } from './format/commit-format.js';
import { writeFrameHeader } from './format/frame.js';
import { isTemporarySegment, segmentPath, segmentSequences } from './format/segment-names.js';
import { type LastRecords, LastRecordsReader } from './last-records.js';
import { openReadOnlyJournal } from './open-journal.js';
import { skimSegment } from './recovery/segment-skim.js';
import { LINEAGE_BLOCK_BYTES, writeLineageSegment } from './segments/lineage-segment.js';

/** The size of the frames at which a segment is written, in bytes. It may have one window of records more. */
const PIECE_BYTES = 8 * 1024 * 1024;

/** The log of a backup, locked by the caller. */
export class CopiedLog {
  readonly #storage: Storage;
  readonly #directory: string;
  readonly #journalId: Uint8Array;
  /** The LSN at which the log begins. */
  readonly startLsn: number;
  /** The last records that were in the log when it was opened, or null if it had none. */
  readonly lastRecords: LastRecords | null;
  #sequence: number;
  #durableLsn: number;
  #bytesWritten = 0;
  /** The records that are not durable yet, as a commit without its header and checksums. */
  #piece = new Uint8Array(0);
  #pieceEnd = COMMIT_HEADER_BYTES;
  #pieceCount = 0;

  private constructor(
    storage: Storage,
    directory: string,
    { journalId, startLsn, endLsn, sequence, lastRecords }: OpenedLog,
  ) {
    this.#storage = storage;
    this.#directory = directory;
    this.#journalId = journalId;
    this.startLsn = startLsn;
    this.lastRecords = lastRecords;
    this.#sequence = sequence;
    this.#durableLsn = endLsn;
  }

  /**
   * Opens the log, and verifies it. Removes segments that were never finished.
   *
   * @param startLsn The LSN of the image that everything before the log is in.
   * @throws KEELSON_FOREIGN if a session has appended to the log. KEELSON_CORRUPT if a part of it does not verify.
   */
  static async open(storage: Storage, directory: string, startLsn: number): Promise<CopiedLog> {
    const names = await storage.list(directory);
    for (const name of names) if (isTemporarySegment(name)) await storage.remove(`${directory}/${name}`);
    const sequences = segmentSequences(names);
    for (const sequence of sequences) {
      const { verdict } = await skimSegment(storage, segmentPath(directory, sequence), sequence);
      if (verdict.ok && verdict.header.lineageStart === null) throw appended(directory);
    }
    const anchor = { lsn: startLsn, provenLsn: startLsn, journalId: null };
    const { journalId, recovery, replay } = await openReadOnlyJournal(storage, directory, anchor);
    const { endLsn } = recovery;
    const last = new LastRecordsReader(endLsn);
    await replay(startLsn, (lsn, bytes, start, end) => last.read(lsn, bytes, start, end));
    // Without a segment there is no log.
    if (journalId === null) throw appended(directory);
    const sequence = Math.max(...sequences);
    const lastRecords = last.records;
    return new CopiedLog(storage, directory, { journalId, startLsn, endLsn, sequence, lastRecords });
  }

  /** The LSN of the last record, durable or not. */
  get endLsn(): number {
    return this.#durableLsn + this.#pieceEnd - COMMIT_HEADER_BYTES;
  }

  /** The size of the segments that were written, in bytes. */
  get bytesWritten(): number {
    return this.#bytesWritten;
  }

  /** True if the records that are not durable are enough for a segment. */
  get isFull(): boolean {
    return this.#pieceEnd - COMMIT_HEADER_BYTES >= PIECE_BYTES;
  }

  /** Adds the record that follows the last one, `bytes[start, end)`. Not durable before write(). */
  add(lsn: number, bytes: Uint8Array, start: number, end: number): void {
    const recordBytes = end - start;
    invariant(lsn === this.endLsn + FRAME_OVERHEAD_BYTES + recordBytes, 'a record is copied to another LSN');
    const pieceEnd = this.#pieceEnd + FRAME_OVERHEAD_BYTES + recordBytes;
    if (pieceEnd > this.#piece.length) this.#grow(pieceEnd);
    const piece = this.#piece;
    writeFrameHeader(new DataView(piece.buffer), this.#pieceEnd, recordBytes, lsn);
    piece.set(bytes.subarray(start, end), this.#pieceEnd + FRAME_OVERHEAD_BYTES);
    this.#pieceEnd = pieceEnd;
    this.#pieceCount++;
  }

  /** Writes the records that are not durable as a segment. They are durable when this resolves. */
  async write(): Promise<void> {
    if (this.#pieceCount === 0) return;
    const { endLsn } = this;
    const length = commitBytesOnDisk(this.#pieceEnd - COMMIT_HEADER_BYTES, LINEAGE_BLOCK_BYTES);
    if (length > this.#piece.length) this.#grow(length);
    const bytes = this.#piece.subarray(0, length).fill(0, this.#pieceEnd);
    const commit = { startLsn: this.#durableLsn, endLsn, recordCount: this.#pieceCount, bytes };
    const { header } = await writeLineageSegment(this.#storage, {
      directory: this.#directory,
      sequence: ++this.#sequence,
      journalId: this.#journalId,
      blockBytes: LINEAGE_BLOCK_BYTES,
      lineageStart: this.#durableLsn,
      endLsn,
      heldFromLsn: this.startLsn,
      commits: [commit],
    });
    this.#bytesWritten += header.sizeBytes;
    this.#durableLsn = endLsn;
    this.#pieceEnd = COMMIT_HEADER_BYTES;
    this.#pieceCount = 0;
  }

  #grow(bytesMin: number): void {
    const grown = new Uint8Array(Math.max(bytesMin, 2 * this.#piece.length));
    grown.set(this.#piece);
    this.#piece = grown;
  }
}

interface OpenedLog {
  readonly journalId: Uint8Array;
  readonly startLsn: number;
  readonly endLsn: number;
  readonly sequence: number;
  readonly lastRecords: LastRecords | null;
}

function appended(directory: string): KeelsonError {
  const text = {
    what: `The backup in ${directory} was opened for writing since it was made, so it has a history of its own`,
    next: 'Make a new backup in an empty directory',
  };
  return new KeelsonError('KEELSON_FOREIGN', text, { path: directory });
}
