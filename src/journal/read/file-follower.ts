// The follower of a log that another process writes: reads on in the files of a journal, without a lock, from segment to
// segment. It yields only records that the files prove durable, and apart from them the one commit behind them.
//
// A commit is submitted when everything before it is durable. So the header of a commit, or a mark, proves what stands
// before it. The last commit of the log is proven when something follows it. Until then a crash may take it back.
//
// The owner retires segments, oldest first, and uses their files again with other checksums. A new owner may replace the
// end of the log by a lineage segment. The follower finds the segment where the log goes on by the LSN with which each
// segment begins. It is left behind when the log no longer holds what follows its place.

import { isKeelsonError } from '../../errors.js';
import type { Storage } from '../../storage/index.js';
import { COMMIT_HEADER_BYTES, decodeCommitHeader } from '../format/commit-format.js';
import {
  decodeSegmentHeader,
  SEGMENT_HEADER_BYTES,
  type SegmentHeader,
  segmentSeed,
} from '../format/segment-format.js';
import { segmentPath } from '../format/segment-names.js';
import { listSegments } from '../segments/segment-files.js';
import { FollowedSegments } from './followed-segments.js';
import {
  type ReaderPlace,
  type RecordVisit,
  type RecordWindow,
  readWindows,
  replayRecords,
} from './journal-reader.js';
import { CommitHeaders, SegmentWalk } from './segment-walk.js';

/** The most looks for another segment in one update. */
const LOOKS_MAX = 64;

/** The bytes of a segment that are read at once. The event loop has a turn between two windows. */
const WINDOW_BYTES = 256 * 1024;

/** The beginning of a segment: its header, and the LSN at which its commits start. */
interface Beginning {
  readonly path: string;
  readonly header: SegmentHeader;
  readonly seed: number;
  readonly lsn: number;
}

/**
 * The state of a follower. `on the way`: there may be more in later segments. `left behind`: the log no longer holds what
 * follows the place of the follower, or another history has replaced it.
 */
export type FollowerState = 'at the end' | 'on the way' | 'left behind';

/** The result of a look for the segment where the log goes on. */
type Look =
  /** Another segment is followed now, or more is proven durable. */
  | 'changed'
  /** The log does not go on yet. */
  | 'nothing'
  /** The owner has retired what follows, or another history has replaced it. */
  | 'gone'
  /** A file was retired during the look. */
  | 'disturbed';

/** The error of windows() when the follower is left behind. */
export class LeftBehind extends Error {}

/** Returns true if the records of the segment define everything that they refer to: no recovery has made it of others. */
function isSelfContained({ header, lsn }: Beginning): boolean {
  return header.lineageStart === null || lsn === 0;
}

/** Follows the files of a journal from one LSN on. One call at a time. */
export class FileFollower {
  readonly #storage: Storage;
  readonly #directory: string;
  readonly #journalId: Uint8Array;
  readonly #segments = new FollowedSegments();
  readonly #isDefined: boolean;
  readonly #durableLsn: number;
  #startLsn: number | null = null;
  #walk: SegmentWalk | null = null;
  #provenLsn: number;

  /**
   * `lsn` is the LSN after which the follower starts. The log up to there must have been durable, unless `isDefined` is true:
   * then the follower starts earlier, at the start of a segment whose records define everything that they refer to.
   * `durableLsn` is an LSN up to which an image proves the log durable. Nothing in the log may say so yet.
   */
  constructor(
    storage: Storage,
    directory: string,
    journalId: Uint8Array,
    lsn: number,
    isDefined = false,
    durableLsn = 0,
  ) {
    this.#storage = storage;
    this.#directory = directory;
    this.#journalId = journalId;
    this.#provenLsn = lsn;
    this.#isDefined = isDefined;
    this.#durableLsn = durableLsn;
  }

  /** The LSN up to which records can be read, all of them durable. update() moves it. */
  get lsn(): number {
    return this.#walk === null ? this.#provenLsn : Math.max(this.#walk.lsn, 0);
  }

  /** The LSN at which the segment begins where the follower has started; null until update() has found it. */
  get startLsn(): number | null {
    return this.#startLsn;
  }

  /**
   * Looks how far the log goes on, through a bounded number of segments.
   *
   * @param isQuick True to look for another segment only when this one has ended. A follower that asks often spares the
   * disk so. It notices a new owner, and that it is left behind, only without this.
   */
  async update(isQuick = false): Promise<FollowerState> {
    let wasGone = false;
    for (let looks = 0; looks < LOOKS_MAX; looks++) {
      const hasMoved = await this.#walkOn();
      if (isQuick && this.#walk !== null && !this.#walk.isEnded) return 'at the end';
      if (hasMoved) wasGone = false;
      const look = await this.#look();
      if (look === 'nothing') return 'at the end';
      // The owner may have gone on in this segment before it began the one that was found.
      if (look === 'gone' && wasGone) return 'left behind';
      wasGone = look === 'gone';
    }
    return 'on the way';
  }

  /**
   * Calls `visit` with every record above `fromLsn` and up to `lsn`. Resolves with false when the follower is left
   * behind meanwhile; the records that were visited are right nevertheless.
   *
   * @param fromLsn The LSN of a record, at or above the LSN of the constructor.
   * @throws Rejects with KEELSON_CORRUPT if a record does not verify, and with what `visit` throws.
   */
  async replay(fromLsn: number, visit: RecordVisit): Promise<boolean> {
    const place = { lsn: fromLsn, sequence: 0, offset: 0 };
    try {
      await replayRecords(this.#storage, this.#segments, place, this.lsn, visit, WINDOW_BYTES);
      this.#segments.forget(this.lsn);
      return true;
    } catch (error) {
      if (await this.#isBecauseRetired(error, place)) return false;
      throw error;
    }
  }

  /**
   * Iterates over windows of the records above `place.lsn` and up to `lsn`. Moves `place` along.
   *
   * @throws LeftBehind, a RangeError if `place.lsn` is inside a record, and KEELSON_CORRUPT if a record does not verify.
   */
  async *windows(place: ReaderPlace): AsyncGenerator<RecordWindow, void, undefined> {
    try {
      yield* readWindows(this.#storage, this.#segments, place, this.lsn, WINDOW_BYTES);
      this.#segments.forget(place.lsn);
    } catch (error) {
      throw (await this.#isBecauseRetired(error, place)) ? new LeftBehind() : error;
    }
  }

  /** Resolves with true if reading at `place` has failed because the owner has retired the segment. */
  async #isBecauseRetired(error: unknown, { sequence }: ReaderPlace): Promise<boolean> {
    const mayBe = isKeelsonError(error, 'KEELSON_CORRUPT') || isKeelsonError(error, 'KEELSON_NOT_FOUND');
    return mayBe && !(await this.#isThere(sequence));
  }

  /**
   * Calls `visit` with the records of the commit behind `lsn` if the commit is whole. It is not proven durable, so a crash
   * may take it back. Visits nothing if there is no such commit.
   */
  async replayTail(visit: RecordVisit): Promise<void> {
    const [walk, tail] = [this.#walk, this.#walk?.tail ?? null];
    if (walk === null || tail === null) return;
    const { startLsn, endLsn, offset, endOffset } = tail;
    const { sequence } = walk.segment;
    const commit = new FollowedSegments({ ...walk.segment, startLsn, endLsn, endOffset });
    const read = (each: RecordVisit): Promise<void> =>
      replayRecords(this.#storage, commit, { lsn: startLsn, sequence, offset }, endLsn, each, WINDOW_BYTES);
    try {
      // A commit counts as a whole, so it is verified before its first record is used.
      await read(() => {});
      await read(visit);
    } catch (error) {
      // The owner may be writing the commit, or may have retired the segment.
      if (!isKeelsonError(error, 'KEELSON_CORRUPT') && !isKeelsonError(error, 'KEELSON_NOT_FOUND'))
        throw error;
    }
  }

  /**
   * Resolves with the lowest LSN from which a follower can start with `isDefined`. If it can start nowhere before the owner
   * begins another segment, resolves with the lowest LSN behind which records are held; with null if there are none.
   */
  async oldestLsn(): Promise<number | null> {
    let heldLsn: number | null = null;
    for (const sequence of await listSegments(this.#storage, this.#directory)) {
      const beginning = await this.#beginningOf(sequence);
      if (beginning === null || beginning === 'retired') continue;
      if (isSelfContained(beginning)) return beginning.lsn;
      heldLsn ??= beginning.lsn;
    }
    return heldLsn;
  }

  /** Walks on in the current segment. Resolves with true if that has come further. */
  async #walkOn(): Promise<boolean> {
    const walk = this.#walk;
    if (walk === null || walk.isEnded) return false;
    const { endOffset } = walk.segment;
    await this.#open(walk.segment.path, async (file) => {
      this.#provenLsn = await walk.walk(new CommitHeaders(file, walk.segment), this.#provenLsn);
    });
    return walk.segment.endOffset !== endOffset;
  }

  /** Looks for the segment where the log goes on, and follows it. */
  async #look(): Promise<Look> {
    const sequences = await listSegments(this.#storage, this.#directory);
    if (this.#walk === null) return this.#lookForStart(sequences);
    const current = this.#walk.segment.sequence;
    for (const sequence of sequences) {
      if (sequence <= current) continue;
      const beginning = await this.#beginningOf(sequence);
      if (beginning === 'retired') return 'disturbed';
      if (beginning === null) continue;
      return beginning.lsn <= this.lsn ? this.#enter(beginning) : this.#prove(beginning);
    }
    // The newest segment is never retired.
    if (!sequences.includes(current)) return 'gone';
    return this.#proveByImage() ? 'changed' : 'nothing';
  }

  /**
   * Proves the last commit of the log if it is durable by an image. Call it only when no later segment goes on: one may hold
   * another commit of this LSN.
   */
  #proveByImage(): boolean {
    const { tail } = this.#walk!;
    if (tail === null || tail.endLsn > this.#durableLsn) return false;
    this.#provenLsn = Math.max(this.#provenLsn, tail.endLsn);
    return true;
  }

  /** Looks for the segment that holds the place at which the follower starts: the newest that begins there or before. */
  async #lookForStart(sequences: readonly number[]): Promise<Look> {
    let isBegun = false;
    for (const sequence of sequences.toReversed()) {
      const beginning = await this.#beginningOf(sequence);
      if (beginning === 'retired') return 'disturbed';
      if (beginning === null) continue;
      isBegun = true;
      if (beginning.lsn > this.lsn || (this.#isDefined && !isSelfContained(beginning))) continue;
      this.#startLsn = beginning.lsn;
      // What an older segment holds may have been replaced since.
      if (this.#isDefined) this.#provenLsn = beginning.lsn;
      return this.#enter(beginning);
    }
    return isBegun || this.lsn > 0 ? 'gone' : 'nothing';
  }

  /** Follows a segment that begins at or below the place of the follower. */
  #enter({ path, header, seed, lsn: startLsn }: Beginning): Look {
    const { sequence, blockBytes, sizeBytes, lineageStart, durableLsn } = header;
    // Only a lineage segment repeats what another segment holds, and never less than what is durable.
    const contradicts =
      lineageStart === null ? this.#walk !== null && startLsn < this.lsn : durableLsn < this.lsn;
    if (contradicts) return 'gone';
    const place = { startLsn, endLsn: startLsn, endOffset: blockBytes, isLineage: lineageStart !== null };
    const file = {
      path,
      sequence,
      seed,
      blockBytes,
      sizeBytes,
      isSkimmed: false,
      endedMs: 0,
      writtenAs: null,
    };
    this.#walk = new SegmentWalk({ ...file, ...place });
    this.#segments.add(this.#walk.segment);
    this.#provenLsn = Math.max(this.#provenLsn, durableLsn);
    return 'changed';
  }

  /**
   * A new owner repeats the log in a lineage segment from a place that is durable. If that place is behind the commit at
   * which the walk stands, the commit is durable, too.
   *
   * This holds only if no segment in between was overlooked. A list may lack names that were removed while it was made.
   * Segments are retired in order, so nothing is lacking if the current one still has its name.
   */
  async #prove({ header, lsn }: Beginning): Promise<Look> {
    const { tail, segment } = this.#walk!;
    const proves =
      header.lineageStart !== null && tail !== null && tail.endLsn <= lsn && lsn > this.#provenLsn;
    if (!proves || !(await this.#isThere(segment.sequence))) return 'gone';
    this.#provenLsn = lsn;
    return 'changed';
  }

  /** Resolves with null for a segment without commits, and for a file that is not a segment of this journal. */
  async #beginningOf(sequence: number): Promise<Beginning | 'retired' | null> {
    const path = segmentPath(this.#directory, sequence);
    let beginning: Beginning | null = null;
    const isThere = await this.#open(path, async (file) => {
      const head = new Uint8Array(SEGMENT_HEADER_BYTES);
      const verdict = decodeSegmentHeader(head.subarray(0, await file.read(head, 0)));
      if (!verdict.ok) return;
      const { header } = verdict;
      if (header.sequence !== sequence || Buffer.compare(header.journalId, this.#journalId) !== 0) return;
      const seed = segmentSeed(header);
      const first = new Uint8Array(COMMIT_HEADER_BYTES);
      await file.read(first, header.blockBytes);
      const commit = decodeCommitHeader(first, 0, header.blockBytes, seed);
      const lsn = header.lineageStart ?? commit?.startLsn;
      if (lsn !== undefined) beginning = { path, header, seed, lsn };
    });
    return isThere ? beginning : 'retired';
  }

  /** Resolves with true if the segment still has its name and its contents. */
  async #isThere(sequence: number): Promise<boolean> {
    const beginning = await this.#beginningOf(sequence);
    if (beginning === 'retired' || beginning === null) return false;
    return this.#segments.has(sequence, beginning.seed);
  }

  /** Calls `use` with an open file. Resolves with false if there is no file of this name. */
  async #open(
    path: string,
    use: (file: Awaited<ReturnType<Storage['openFile']>>) => Promise<void>,
  ): Promise<boolean> {
    let file: Awaited<ReturnType<Storage['openFile']>>;
    try {
      file = await this.#storage.openFile(path, false);
    } catch (error) {
      if (isKeelsonError(error, 'KEELSON_NOT_FOUND')) return false;
      throw error;
    }
    try {
      await use(file);
      return true;
    } finally {
      await file.close();
    }
  }
}
