// The write path: brings a write set into the log and into the entries, both or neither. It is the only code that
// appends writes to the log; open-store.ts appends the birth record.
//
// A write has four phases. First, the caller fills the write set, which may run foreign code. Second, the log makes
// room, which may run hooks of the program. Third, between enter() and leave() of the guard, log and entries change
// together, and no foreign code runs. Single puts are linked later. A large write is linked once it is submitted, and, if
// memory can be reserved for it, also staged only then. Fourth, the observers are told. docs/ARCHITECTURE.md has the
// reasons.

import { isKeelsonError, NoMemory } from '../../errors.js';
import type { Lsn } from '../../journal/index.js';
import type { RecordMemory, StoreLog } from '../../journal/internal.js';
import { RECORD_BYTES_MAX } from '../../storage/index.js';
import type { Schema } from '../entries/schema.js';
import { NoSlabMemory } from '../entries/slab.js';
import { link, QueuedPuts, reserve, stage } from './change-entries.js';
import { judgeRemovals, judgeSpaces, judgeVersions } from './conditions.js';
import { mayLackRemovals, removeDueFirst, removeFoundFirst } from './due-first.js';
import { areComplete, type PostingMaker } from './index-postings.js';
import { judgeUniqueness, mustBeUnique } from './uniqueness.js';
import { WriteSet } from './write-set.js';

/**
 * A record of at least this size is submitted before its entries are staged and linked, so that the disk works meanwhile.
 */
const SUBMIT_FIRST_BYTES = 32 * 1024;

/** The most write sets that are kept for later writes. Each has at least 16 KiB of memory. */
const RESTING_MAX = 128;

/** A condition of a write that the write set does not hold. */
export interface WriteCheck {
  /** Throws when the write must not be made. Runs no foreign code. */
  check(): void;
}

/** An observer of commits. */
export interface WriteObserver {
  /**
   * Called before a commit with its write set, when nothing but a lack of memory can stop the commit any more, and nothing
   * comes between. The entries are those before the commit. Must not throw, and must run no foreign code.
   */
  foresee?(writes: WriteSet): void;

  /**
   * Called after a commit with its write set and the LSN of its record. The write set is valid during the call. Must not
   * throw.
   */
  committed(lsn: Lsn, writes: WriteSet): void;
}

/** The parts of a store on which a write path works. */
export interface WritePathParts {
  readonly log: StoreLog;
  readonly schema: Schema;
  /** Makes the postings of entries in secondary indexes. */
  readonly postings: PostingMaker;
  /** Throws when the store takes no writes. */
  readonly assertWritable: () => void;
  /** Called when the log finds no room for a record. */
  readonly onNoSpace: () => void;
}

/** The write path of one store. */
export class WritePath {
  readonly #parts: WritePathParts;
  /** The observers. Arrays are replaced and never changed, because an observer may end while others are told. */
  #observers: readonly WriteObserver[] = [];
  #foreseers: readonly Required<WriteObserver>[] = [];
  readonly #queuedPuts: QueuedPuts;
  /**
   * Write sets for the next writes. A write takes one away, because encoders and hooks may write during the write. Such a
   * nested write takes another, and each open transaction has one.
   */
  readonly #resting: WriteSet[] = [];
  /** The write set whose links are put off as a whole, or null. */
  #late: WriteSet | null = null;
  #commits = 0;
  /** Called after a commit while entries have deadlines. */
  onExpiring: () => void = () => {};

  constructor(parts: WritePathParts) {
    this.#parts = parts;
    this.#queuedPuts = new QueuedPuts(parts.schema, false);
  }

  /** The number of commits so far. Foreign code that ran between two looks has written when they differ. */
  get commits(): number {
    return this.#commits;
  }

  /** Adds an observer of all later commits. Returns the function that removes it. */
  observe(observer: WriteObserver): () => void {
    this.#observers = [...this.#observers, observer];
    if (canForesee(observer)) this.#foreseers = [...this.#foreseers, observer];
    return () => {
      this.#observers = this.#observers.filter((other) => other !== observer);
      this.#foreseers = this.#foreseers.filter((other) => other !== observer);
    };
  }

  /** Returns a write set to fill. The caller calls giveBack() for it, whether the write succeeds or throws. */
  take(): WriteSet {
    const writes = this.#resting.pop() ?? new WriteSet(RECORD_BYTES_MAX, this.#parts.schema);
    writes.begin();
    return writes;
  }

  /** Takes a write set back for the next write. */
  giveBack(writes: WriteSet): void {
    // This commit was stopped before it was linked, and the link still needs the write set.
    if (this.#late === writes) return;
    // Memory is freed now and not by the next write, because that may never come.
    writes.release();
    if (this.#resting.length < RESTING_MAX) this.#resting.push(writes);
  }

  /**
   * Appends a write to the log and applies it to the entries. `check` is called when nothing can come between it and that;
   * nothing is changed when it throws. Returns the LSN of its record, which is not durable yet.
   * A write without operations is judged, and is no record: the LSN is that of the last write. Throws, with nothing
   * changed, KEELSON_RECORD_TOO_LARGE, NoMemory, what judgeSpaces(), judgeVersions(), judgeUniqueness(),
   * PostingMaker.complete(), ensureRoom() and `assertWritable` throw. An error while log and entries change poisons the log:
   * memory may disagree with the log then.
   */
  commit(writes: WriteSet, check: WriteCheck | null = null): Lsn {
    const { schema } = this.#parts;
    if (writes.isInNamespaces) this.#parts.postings.complete(writes);
    if (schema.expiry.isUsed) removeDueFirst(writes, schema.expiry);
    if (writes.count === 0) return this.#commitNothing(writes);
    return this.#commitRecord(writes, check);
  }

  #commitRecord(writes: WriteSet, check: WriteCheck | null = null): Lsn {
    const { log, schema } = this.#parts;
    let record = writes.finish();
    this.#ensureRoom(record.at);
    // Hooks may have written so much that an epoch has started, declared indexes, or found entries at the keys due.
    while (
      this.#addRemovals(writes) ||
      writes.isOfOldEpoch ||
      (writes.isInNamespaces && !areComplete(writes))
    ) {
      if (writes.isInNamespaces) this.#parts.postings.complete(writes);
      record = writes.finish();
      this.#ensureRoom(record.at);
    }
    // Encoders and hooks may have closed the store meanwhile.
    this.#parts.assertWritable();
    const lsn = this.#change(writes, record, check);
    writes.appended(lsn);
    this.#commits++;
    if (this.#late === writes) {
      log.submitAtOnce();
      schema.links.run();
    } else if (this.#queuedPuts.isFull) schema.links.run();
    log.prepareAhead();
    const observers = this.#observers;
    for (let at = 0; at < observers.length; at++) observers[at]!.committed(lsn, writes);
    if (schema.expiry.isUsed) this.onExpiring();
    return lsn;
  }

  /** Adds removals of entries that were found due since the write was built. Returns true when there are any. */
  #addRemovals(writes: WriteSet): boolean {
    const { expiry, links } = this.#parts.schema;
    if (!expiry.isUsed || !mayLackRemovals(writes)) return false;
    // A hook may have written at the keys.
    links.run();
    return removeFoundFirst(writes);
  }

  /**
   * Appends a record that carries the highest time at which entries were found due, and returns its LSN. When it is durable,
   * these entries are gone for good. Throws what commit() throws.
   */
  recordExpiry(): Lsn {
    const writes = this.take();
    try {
      return this.#commitRecord(writes);
    } finally {
      this.giveBack(writes);
    }
  }

  /** Judges a write without operations, and returns the LSN of the last write. */
  #commitNothing(writes: WriteSet): Lsn {
    this.#parts.assertWritable();
    judgeVersions(writes);
    return this.#parts.log.nextLsn;
  }

  #ensureRoom(recordBytes: number): void {
    try {
      this.#parts.log.ensureRoom(recordBytes);
    } catch (error) {
      // Files that are retired give no memory back.
      if (isKeelsonError(error, 'KEELSON_NO_SPACE') && !(error instanceof NoMemory)) this.#parts.onNoSpace();
      throw error;
    }
  }

  /**
   * Changes log and entries together. Throws NoMemory before anything has changed. Any other error, also one of
   * claim(), poisons the log and is thrown as KEELSON_POISONED. The guard stays set then, as it does when JavaScript is
   * stopped in here.
   */
  #change(writes: WriteSet, record: RecordMemory, check: WriteCheck | null): Lsn {
    const { log, schema } = this.#parts;
    const { links } = schema;
    const isSmall = record.at < SUBMIT_FIRST_BYTES;
    const hasConditions = check !== null || writes.checkCount > 0;
    const isUnique = writes.hasPostings && mustBeUnique(writes);
    const isQueued = isSmall && writes.isSinglePut && !hasConditions && !isUnique;
    if (!isQueued || !links.hasOnly(this.#queuedPuts.link)) links.run();
    judgeSpaces(writes);
    judgeRemovals(writes);
    if (hasConditions) {
      judgeVersions(writes);
      check?.check();
    }
    if (isUnique) judgeUniqueness(writes);
    if (this.#foreseers.length > 0) this.#foresee(writes);
    links.guard.enter();
    let lsn: Lsn;
    try {
      const isStagedLater = !isSmall && reserve(writes);
      if (!isStagedLater) stage(writes);
      lsn = log.claim(record);
      if (isQueued) this.#queue(writes, lsn);
      else if (isSmall) link(schema, writes, lsn);
      else this.#linkLate(writes, lsn, isStagedLater);
    } catch (error) {
      if (!(error instanceof NoSlabMemory)) {
        const stopped = links.guard.stopped(error);
        throw log.poisoned ?? stopped;
      }
      links.guard.leave();
      throw new NoMemory(error.message, error.cause);
    }
    links.guard.leave();
    return lsn;
  }

  #foresee(writes: WriteSet): void {
    const foreseers = this.#foreseers;
    for (let at = 0; at < foreseers.length; at++) foreseers[at]!.foresee(writes);
  }

  #queue(writes: WriteSet, lsn: Lsn): void {
    this.#queuedPuts.add(writes, lsn);
    this.#parts.schema.links.defer(this.#queuedPuts.link);
  }

  #linkLate(writes: WriteSet, lsn: Lsn, isStagedLater: boolean): void {
    const { schema } = this.#parts;
    this.#late = writes;
    schema.links.defer(() => {
      if (isStagedLater) stage(writes);
      link(schema, writes, lsn);
      this.#late = null;
    });
  }
}

function canForesee(observer: WriteObserver): observer is Required<WriteObserver> {
  return observer.foresee !== undefined;
}
