// The scan for every frame that verifies in bytes that may be damaged. The checksum of a frame covers its LSN,
// and so its place in the commit. So the scan finds the next frame after a damaged one, and takes nothing else
// for a frame.

import { nextTurn } from '../../schedulers.js';
import {
  FRAME_CHECKSUM_AT,
  FRAME_LENGTH_AT,
  FRAME_LSN_LOW_AT,
  FRAME_OVERHEAD_BYTES,
  frameChecksum,
  SearchBudget,
} from '../../storage/index.js';
import { COMMIT_HEADER_BYTES } from '../format/commit-format.js';
import { recordLengthAt } from '../format/frame.js';

/** A record that verifies: `bytes[start, end)` of the scanned bytes. */
export interface FoundRecord {
  readonly startLsn: number;
  readonly lsn: number;
  readonly start: number;
  readonly end: number;
}

/**
 * The bounds of commits whose headers are damaged. A frame holds the low half of its LSN, and `lsnMin` gives
 * the high half.
 */
export interface HeadlessCommits {
  readonly blockBytes: number;
  /** The LSN at which the first commit starts if it continues the log; null if that is unknown. */
  readonly startLsn: number | null;
  /** No commit starts below `lsnMin` or ends above `lsnMax`. */
  readonly lsnMin: number;
  readonly lsnMax: number;
}

/** Bytes of work, a few milliseconds, between two turns of the event loop. */
const TURN_BYTES = 4 * 1024 * 1024;

const LOW_HALF = 0x1_0000_0000;

/** Scans bytes that may be damaged for frames that verify. Call ofCommit() or ofCommits() once. */
export class FrameScan {
  readonly records: FoundRecord[] = [];
  readonly #bytes: Uint8Array;
  readonly #view: DataView;
  readonly #from: number;
  readonly #end: number;
  readonly #seed: number;
  readonly #budget: SearchBudget;
  #at: number;
  /**
   * The start LSN of a frame minus its index in the bytes, which is the same for all frames of a commit. Null
   * until the start of a commit is found.
   */
  #lsnOffset: number | null = null;
  /** True if a frame starts here, whole or damaged, because the commit starts here or a frame ends here. */
  #isFrameStart = false;
  #workBytes = 0;

  /** Scans `bytes[from, end)`. */
  constructor(bytes: Uint8Array, from: number, end: number, seed: number) {
    this.#bytes = bytes;
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    this.#from = from;
    this.#at = from;
    this.#end = end;
    this.#seed = seed;
    this.#budget = new SearchBudget(end - from);
  }

  /** Finds the frames of one commit. Its first frame starts at `from`, and at the LSN `startLsn`. */
  async ofCommit(startLsn: number): Promise<void> {
    this.#enter(this.#from, startLsn);
    while (this.#at + FRAME_OVERHEAD_BYTES <= this.#end) {
      if (!this.#takeFrame()) this.#at++;
      if (this.#isTurnDue()) await nextTurn();
    }
  }

  /** Finds the frames of several commits without headers that verify. The first commit starts at `from`. */
  async ofCommits(commits: HeadlessCommits): Promise<void> {
    const { blockBytes, startLsn } = commits;
    const isFound = this.#takeCommitStart(commits);
    if (!isFound && startLsn !== null) this.#enter(this.#from + COMMIT_HEADER_BYTES, startLsn);
    while (this.#at + FRAME_OVERHEAD_BYTES <= this.#end) {
      if (!this.#takeFrame() && !this.#takeCommitStart(commits)) {
        const inBlock = (this.#at - this.#from) % blockBytes;
        this.#at += this.#lsnOffset === null ? blockBytes - inBlock : 1;
      }
      if (this.#isTurnDue()) await nextTurn();
    }
  }

  #enter(at: number, startLsn: number): void {
    this.#at = at;
    this.#lsnOffset = startLsn - at;
    this.#isFrameStart = true;
  }

  /**
   * Moves behind the frame at the current place. Returns false if there is none. A frame whose record alone is
   * damaged is passed as well, but not listed.
   */
  #takeFrame(): boolean {
    if (this.#lsnOffset === null) return false;
    const startLsn = this.#at + this.#lsnOffset;
    const length = recordLengthAt(this.#view, this.#at, this.#end - this.#at, startLsn);
    const wasFrameStart = this.#isFrameStart;
    this.#isFrameStart = false;
    if (length < 0) return false;
    const lsn = startLsn + FRAME_OVERHEAD_BYTES + length;
    const start = this.#at + FRAME_OVERHEAD_BYTES;
    const holds = this.#holds(this.#at, length, lsn);
    if (holds) this.records.push({ startLsn, lsn, start, end: start + length });
    // Where a frame ends the next one starts, and length and LSN agree here. So only the record is damaged.
    else if (!wasFrameStart) return false;
    this.#at = start + length;
    this.#isFrameStart = true;
    return true;
  }

  /** Moves behind a commit header if the first frame after it verifies. Returns false if not. */
  #takeCommitStart({ blockBytes, lsnMin, lsnMax }: HeadlessCommits): boolean {
    if ((this.#at - this.#from) % blockBytes !== 0) return false;
    const at = this.#at + COMMIT_HEADER_BYTES;
    if (at + FRAME_OVERHEAD_BYTES > this.#end) return false;
    const length = this.#view.getUint32(at + FRAME_LENGTH_AT, true);
    const low = this.#view.getUint32(at + FRAME_LSN_LOW_AT, true) - FRAME_OVERHEAD_BYTES - length;
    const startLsn = lsnMin + modulo(low - lsnMin, LOW_HALF);
    const lsn = startLsn + FRAME_OVERHEAD_BYTES + length;
    const isPossible = lsn <= lsnMax && recordLengthAt(this.#view, at, this.#end - at, startLsn) >= 0;
    if (!isPossible || !this.#holds(at, length, lsn)) return false;
    this.#enter(at, startLsn);
    return true;
  }

  #holds(at: number, length: number, lsn: number): boolean {
    const bytes = FRAME_OVERHEAD_BYTES + length;
    if (!this.#budget.allows(bytes, at - this.#from)) return false;
    this.#workBytes += bytes;
    const holds =
      this.#view.getUint32(at + FRAME_CHECKSUM_AT, true) ===
      frameChecksum(this.#bytes, at, length, lsn, this.#seed);
    if (!holds) this.#budget.waste(bytes);
    return holds;
  }

  #isTurnDue(): boolean {
    this.#workBytes++;
    if (this.#workBytes < TURN_BYTES) return false;
    this.#workBytes = 0;
    return true;
  }
}

function modulo(value: number, by: number): number {
  return ((value % by) + by) % by;
}
