// Scanning: from the bytes of one segment to what they prove. Pure: bytes in, values out, no judgement.
// Whether a break is a torn tail or damage is decided over all segments, in recovery-decision.ts.
//
// The bytes come in windows, so that memory is bounded whatever the segment: a commit may be longer than a window.

import { invariant } from '../../errors.js';
import {
  COMMIT_FLAGS,
  COMMIT_HEADER_BYTES,
  type CommitHeader,
  commitBytesOnDisk,
  decodeCommitHeader,
  decodeMisplacedHeader,
} from '../format/commit-format.js';
import { FrameCursor } from '../format/frame-cursor.js';
import { type SegmentHeader, segmentSeed } from '../format/segment-format.js';

/** A commit that is whole, at its place in the segment. */
export interface ScannedCommit {
  readonly offset: number;
  readonly startLsn: number;
  readonly endLsn: number;
  readonly recordCount: number;
  readonly flags: number;
  readonly nextSequence: number;
}

/**
 * Why a run of whole commits ends where it does. `full`: no room for another. `header`: no commit header verifies there,
 * be it zeros or anything else. The others have a header that verifies: its commit does not start where the one before
 * ended (`gap`), is longer than what is left of the file (`cut off`), or its records are not all there (`body`).
 */
export type ScanEnd = 'full' | 'header' | 'gap' | 'cut off' | 'body';

export interface SegmentScan {
  /** The whole commits from the first on, each starting where the one before it ended. */
  readonly commits: readonly ScannedCommit[];
  /** Where the run of whole commits ends. */
  readonly endOffset: number;
  readonly endsBecause: ScanEnd;
  /**
   * True when anything but zeros follows `endOffset`: a torn write, or damage. In a recycled segment, where old bytes of
   * the file's earlier uses follow in any case, when a commit header follows that verifies: none of the old ones does.
   */
  readonly hasBytesAfterEnd: boolean;
  /** The highest durable LSN that any valid commit header anywhere in the segment claims; -1 if there is none. */
  readonly durableLsnClaimed: number;
  /** The highest held-from LSN so claimed; -1 if there is none. */
  readonly heldFromLsnClaimed: number;
}

interface Claims {
  durableLsn: number;
  heldFromLsn: number;
}

/** Scans one segment file, header block included: push() window after window, then finish(). */
export class SegmentScanner {
  readonly #lengthBytes: number;
  readonly #blockBytes: number;
  readonly #isRecycled: boolean;
  readonly #seed: number;
  readonly #frames: FrameCursor;
  readonly #commits: ScannedCommit[] = [];
  readonly #claims: Claims = { durableLsn: -1, heldFromLsn: -1 };
  #window: Uint8Array = new Uint8Array(0);
  #windowOffset = 0;
  /** Where the next commit starts, or the one whose frames are being checked. */
  #offset: number;
  /** The header of the commit whose frames are being checked. */
  #commit: CommitHeader | null = null;
  /** What stands on block boundaries inside that commit, in windows that are gone. It counts if the commit does not. */
  #claimsInside: Claims = { durableLsn: -1, heldFromLsn: -1 };
  #endsBecause: ScanEnd | null = null;
  #hasBytesAfterEnd = false;
  #isClosedAtEnd = false;

  /** `lengthBytes` is what the file has of the segment; no commit is taken to be longer than that. */
  constructor(header: SegmentHeader, lengthBytes: number) {
    this.#lengthBytes = lengthBytes;
    this.#blockBytes = header.blockBytes;
    this.#isRecycled = header.isRecycled;
    this.#seed = segmentSeed(header);
    this.#frames = new FrameCursor(this.#seed, false);
    this.#offset = header.blockBytes;
  }

  /** The next bytes of the file, the first from its start on; whole blocks, but for the last. */
  push(window: Uint8Array): void {
    this.#windowOffset += this.#window.length;
    this.#window = window;
    invariant(this.#windowOffset % this.#blockBytes === 0, 'a window of a segment starts inside a block');
    if (this.#endsBecause === null) this.#checkCommits();
    if (this.#endsBecause !== null) this.#lookBehindEnd();
    else if (this.#commit !== null) this.#claimBlocks(this.#claimsInside, this.#offset);
  }

  /** True when the last block of the file is the seal of a life that ended well. Known when all of the file was pushed. */
  get isClosedAtEnd(): boolean {
    return this.#isClosedAtEnd;
  }

  /** Returns what all windows together prove. */
  finish(): SegmentScan {
    const bytesSeen = this.#windowEnd;
    // The file ended earlier than it said.
    if (this.#commit !== null) this.#end('cut off');
    return {
      commits: this.#commits,
      endOffset: Math.min(this.#offset, bytesSeen),
      endsBecause: this.#endsBecause ?? 'full',
      hasBytesAfterEnd: this.#hasBytesAfterEnd,
      durableLsnClaimed: this.#claims.durableLsn,
      heldFromLsnClaimed: this.#claims.heldFromLsn,
    };
  }

  get #windowEnd(): number {
    return this.#windowOffset + this.#window.length;
  }

  #checkCommits(): void {
    let end = this.#commit === null ? null : this.#checkFrames(this.#commit, 0);
    while (end === null && this.#commit === null && this.#offset < this.#windowEnd) {
      end = this.#checkCommit(this.#offset - this.#windowOffset);
    }
    if (end !== null) this.#end(end);
  }

  /** Why the run ends before the commit at `at`. Null when the commit is whole, or as far as the window goes. */
  #checkCommit(at: number): ScanEnd | null {
    const commit = decodeCommitHeader(this.#window, at, this.#offset, this.#seed);
    if (commit === null) return 'header';
    claim(this.#claims, commit);
    const previous = this.#commits.at(-1);
    if (previous !== undefined && commit.startLsn !== previous.endLsn) return 'gap';
    if (this.#offset + COMMIT_HEADER_BYTES + commit.bodyBytes > this.#lengthBytes) return 'cut off';
    this.#commit = commit;
    this.#frames.begin(commit.startLsn, commit.bodyBytes);
    return this.#checkFrames(commit, at + COMMIT_HEADER_BYTES);
  }

  #checkFrames(commit: CommitHeader, at: number): ScanEnd | null {
    const frames = this.#frames;
    frames.feed(this.#window, at);
    while (frames.next());
    if (frames.isBroken) return 'body';
    if (!frames.isDone) return null;
    const { startLsn, bodyBytes, recordCount, flags, nextSequence } = commit;
    if (frames.frameCount !== recordCount) return 'body';
    const endLsn = startLsn + bodyBytes;
    this.#commits.push({ offset: this.#offset, startLsn, endLsn, recordCount, flags, nextSequence });
    this.#lookAtSeal(this.#offset, flags);
    this.#offset += commitBytesOnDisk(bodyBytes, this.#blockBytes);
    this.#commit = null;
    this.#claimsInside = { durableLsn: -1, heldFromLsn: -1 };
    return null;
  }

  #end(because: ScanEnd): void {
    this.#endsBecause = because;
    this.#commit = null;
    // Where a header verifies, that is more than zeros already.
    this.#hasBytesAfterEnd = because !== 'header';
    claim(this.#claims, this.#claimsInside);
  }

  #lookAtSeal(offset: number, flags: number): void {
    const isLastBlock = offset + this.#blockBytes === this.#lengthBytes;
    if (isLastBlock && (flags & COMMIT_FLAGS.closed) !== 0) this.#isClosedAtEnd = true;
  }

  /** Behind the end, only claims count: a header that verifies says what had been durable when it was submitted. */
  #lookBehindEnd(): void {
    const hasCommit = this.#claimBlocks(this.#claims, this.#offset);
    const from = Math.max(0, this.#offset - this.#windowOffset);
    this.#hasBytesAfterEnd ||= hasCommit || (!this.#isRecycled && hasNonZero(this.#window, from));
  }

  /**
   * Returns whether there is any. A block of zeros has no magic, so an untouched end of a segment costs one comparison a
   * block.
   */
  #claimBlocks(claims: Claims, fromOffset: number): boolean {
    let hasCommit = false;
    for (
      let offset = Math.max(fromOffset, this.#windowOffset);
      offset < this.#windowEnd;
      offset += this.#blockBytes
    ) {
      const at = offset - this.#windowOffset;
      const inPlace = decodeCommitHeader(this.#window, at, offset, this.#seed);
      if (inPlace !== null) this.#lookAtSeal(offset, inPlace.flags);
      const commit =
        inPlace ?? decodeMisplacedHeader(this.#window, at, this.#blockBytes, this.#lengthBytes, this.#seed);
      if (commit === null) continue;
      claim(claims, commit);
      hasCommit = true;
    }
    return hasCommit;
  }
}

function claim(claims: Claims, { durableLsn, heldFromLsn }: Claims | CommitHeader): void {
  claims.durableLsn = Math.max(claims.durableLsn, durableLsn);
  claims.heldFromLsn = Math.max(claims.heldFromLsn, heldFromLsn);
}

/** Words where they are whole: a file that was cut short ends anywhere, and a range need not start at a word either. */
function hasNonZero(bytes: Uint8Array, from: number): boolean {
  let at = from;
  for (; at < bytes.length && (bytes.byteOffset + at) % 4 !== 0; at++) if (bytes[at] !== 0) return true;
  if (at === bytes.length) return false;
  const words = new Int32Array(bytes.buffer, bytes.byteOffset + at, (bytes.length - at) >>> 2);
  for (let word = 0; word < words.length; word++) if (words[word] !== 0) return true;
  for (at += words.byteLength; at < bytes.length; at++) if (bytes[at] !== 0) return true;
  return false;
}
