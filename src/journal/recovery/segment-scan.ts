// The scan of a segment: what its bytes prove. Pure. The recovery decision judges over all segments whether a
// break is a torn tail or damage.
//
// The bytes come in windows, so memory is bounded even if a commit is longer than a window.

import { invariant } from '../../errors.js';
import type { VerifyChecksums } from '../../storage/index.js';
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

/** A whole commit at its place in the segment. */
export interface ScannedCommit {
  readonly offset: number;
  readonly startLsn: number;
  readonly endLsn: number;
  readonly recordCount: number;
  readonly flags: number;
  readonly nextSequence: number;
}

/**
 * Why the run of whole commits ends.
 *
 * - `full`: there is no room for another commit.
 * - `header`: no commit header verifies there. The bytes may be zeros.
 * - `gap`: the next commit does not start where the last one ended.
 * - `cut off`: the next commit is longer than the rest of the file.
 * - `body`: the records of the next commit do not verify.
 */
export type ScanEnd = 'full' | 'header' | 'gap' | 'cut off' | 'body';

/** The result of scanning one segment. */
export interface SegmentScan {
  /** The whole commits, each starting where the one before it ends. */
  readonly commits: readonly ScannedCommit[];
  /** Where the run of whole commits ends. */
  readonly endOffset: number;
  readonly endsBecause: ScanEnd;
  /**
   * True if anything but zeros follows `endOffset`: a torn write, or damage. In a recycled segment old bytes
   * follow anyway. There it is true only if a commit header follows that verifies: no old header does.
   */
  readonly hasBytesAfterEnd: boolean;
  /** The highest durable LSN that a valid commit header anywhere in the segment claims, or -1. */
  readonly durableLsnClaimed: number;
  /** The highest held-from LSN that a valid commit header anywhere in the segment claims, or -1. */
  readonly heldFromLsnClaimed: number;
}

interface Claims {
  durableLsn: number;
  heldFromLsn: number;
}

/** Scans a segment file, header block included. Call push() for each window, then finish(). */
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
  /** The offset of the commit whose frames are being verified, or else of the next commit. */
  #offset: number;
  /** The header of the commit whose frames are being verified. */
  #commit: CommitHeader | null = null;
  /**
   * The claims of headers inside that commit, in earlier windows. They count if the commit turns out not to be
   * whole.
   */
  #claimsInside: Claims = { durableLsn: -1, heldFromLsn: -1 };
  #endsBecause: ScanEnd | null = null;
  #hasBytesAfterEnd = false;
  #isClosedAtEnd = false;

  /**
   * @param lengthBytes Bytes of the segment that the file has. A longer commit is cut off.
   * @param verify Storage.verifyChecksums.
   */
  constructor(header: SegmentHeader, lengthBytes: number, verify: VerifyChecksums | null = null) {
    this.#lengthBytes = lengthBytes;
    this.#blockBytes = header.blockBytes;
    this.#isRecycled = header.isRecycled;
    this.#seed = segmentSeed(header);
    this.#frames = new FrameCursor(this.#seed, false, verify);
    this.#offset = header.blockBytes;
  }

  /** Takes the next bytes of the file: whole blocks, except at the end. */
  push(window: Uint8Array): void {
    this.#windowOffset += this.#window.length;
    this.#window = window;
    invariant(this.#windowOffset % this.#blockBytes === 0, 'a window of a segment starts inside a block');
    if (this.#endsBecause === null) this.#checkCommits();
    if (this.#endsBecause !== null) this.#noteBehindEnd();
    else if (this.#commit !== null) this.#noteClaims(this.#claimsInside, this.#offset);
  }

  /**
   * True if the last block of the file is the seal of a session that ended well. Known when the whole file has
   * been pushed.
   */
  get isClosedAtEnd(): boolean {
    return this.#isClosedAtEnd;
  }

  /** Returns what the windows prove. */
  finish(): SegmentScan {
    const bytesSeen = this.#windowEnd;
    // The file ended before `lengthBytes`.
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

  /**
   * Returns why the run ends before the commit at `at` in the window. Returns null if the commit is whole, or
   * if the window ends before the commit and everything up to there verifies.
   */
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
    this.#noteSeal(this.#offset, flags);
    this.#offset += commitBytesOnDisk(bodyBytes, this.#blockBytes);
    this.#commit = null;
    this.#claimsInside = { durableLsn: -1, heldFromLsn: -1 };
    return null;
  }

  #end(because: ScanEnd): void {
    this.#endsBecause = because;
    this.#commit = null;
    // A header that verifies is more than zeros.
    this.#hasBytesAfterEnd = because !== 'header';
    claim(this.#claims, this.#claimsInside);
  }

  #noteSeal(offset: number, flags: number): void {
    const isLastBlock = offset + this.#blockBytes === this.#lengthBytes;
    if (isLastBlock && (flags & COMMIT_FLAGS.closed) !== 0) this.#isClosedAtEnd = true;
  }

  /**
   * Notes what follows the end of the run. Only the claims of headers count there: they were true when the
   * commit was submitted.
   */
  #noteBehindEnd(): void {
    const hasCommit = this.#noteClaims(this.#claims, this.#offset);
    const from = Math.max(0, this.#offset - this.#windowOffset);
    this.#hasBytesAfterEnd ||= hasCommit || (!this.#isRecycled && hasNonZero(this.#window, from));
  }

  /**
   * Notes the claims of every commit header from `fromOffset` on, and returns whether there is one. A block of
   * zeros costs one comparison.
   */
  #noteClaims(claims: Claims, fromOffset: number): boolean {
    let hasCommit = false;
    for (
      let offset = Math.max(fromOffset, this.#windowOffset);
      offset < this.#windowEnd;
      offset += this.#blockBytes
    ) {
      const at = offset - this.#windowOffset;
      const inPlace = decodeCommitHeader(this.#window, at, offset, this.#seed);
      if (inPlace !== null) this.#noteSeal(offset, inPlace.flags);
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

/**
 * Returns true if a byte from `from` on is not zero. Compares whole words where it can: the file may end
 * anywhere, and the range may start anywhere.
 */
function hasNonZero(bytes: Uint8Array, from: number): boolean {
  let at = from;
  for (; at < bytes.length && (bytes.byteOffset + at) % 4 !== 0; at++) if (bytes[at] !== 0) return true;
  if (at === bytes.length) return false;
  const words = new Int32Array(bytes.buffer, bytes.byteOffset + at, (bytes.length - at) >>> 2);
  for (let word = 0; word < words.length; word++) if (words[word] !== 0) return true;
  for (at += words.byteLength; at < bytes.length; at++) if (bytes[at] !== 0) return true;
  return false;
}
