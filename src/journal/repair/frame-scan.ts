// Every frame that verifies in a stretch of bytes that may be damaged. The LSN of a frame is in its checksum, and with
// it its place in the commit: so after a damaged frame the next is found, and nothing else is taken for one.

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

/** A record that verifies: `bytes[start, end)` of what was searched. */
export interface FoundRecord {
  readonly startLsn: number;
  readonly lsn: number;
  readonly start: number;
  readonly end: number;
}

/** Where commits may start whose headers are damaged: their frames say at which LSN, but for its high half. */
export interface HeadlessCommits {
  readonly blockBytes: number;
  /** Where the first one starts, if it goes on where the log stands; null when nobody knows. */
  readonly startLsn: number | null;
  /** None starts below, or ends above. */
  readonly lsnMin: number;
  readonly lsnMax: number;
}

/** After so many bytes, a few milliseconds, the event loop has its turn. */
const TURN_BYTES = 4 * 1024 * 1024;

const LOW_HALF = 0x1_0000_0000;

export class FrameScan {
  readonly records: FoundRecord[] = [];
  /** Where the log stands behind what has been found; null when that is not known. */
  lsn: number | null = null;
  readonly #bytes: Uint8Array;
  readonly #view: DataView;
  readonly #from: number;
  readonly #end: number;
  readonly #seed: number;
  readonly #budget: SearchBudget;
  #at: number;
  /** What the LSN of a frame is more than its place: known in a commit of which something was found. */
  #lsnOffset: number | null = null;
  /** A frame starts here, whole or not: the one before said so. */
  #isFrameStart = false;
  #workBytes = 0;

  /** Searches `bytes[from, end)`. */
  constructor(bytes: Uint8Array, from: number, end: number, seed: number) {
    this.#bytes = bytes;
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    this.#from = from;
    this.#at = from;
    this.#end = end;
    this.#seed = seed;
    this.#budget = new SearchBudget(end - from);
  }

  /** The frames of one commit, whose first starts at `startLsn` where the search does. */
  async ofCommit(startLsn: number): Promise<void> {
    this.#enter(this.#from, startLsn);
    while (this.#at + FRAME_OVERHEAD_BYTES <= this.#end) {
      if (!this.#takeFrame()) this.#at++;
      if (this.#isTurnDue()) await nextTurn();
    }
  }

  /** The frames of all commits of which the first, header and all, starts where the search does. */
  async ofCommits(commits: HeadlessCommits): Promise<void> {
    const { blockBytes, startLsn } = commits;
    this.lsn = startLsn;
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

  /** Moves on when a frame is here: one that verifies, or one of which only the record is damaged. */
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
    // Where one frame ends another starts, and length and LSN agree: what stands in the record is of no interest.
    else if (!wasFrameStart) return false;
    this.#at = start + length;
    this.#isFrameStart = true;
    this.lsn = lsn;
    return true;
  }

  /** Moves on when the first frame of a commit verifies behind what may have been a commit header. */
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
