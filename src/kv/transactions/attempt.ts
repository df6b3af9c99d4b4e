// One attempt of a transaction: the operations that it wants to write, what it has read, and its parts.
//
// The function of a transaction first runs over live entries, which nobody else can change meanwhile. If it returns a
// promise, a view of the store takes their place at that moment. Parts that run at the commit see live entries again.

import { KeelsonError } from '../../errors.js';
import type { Lsn } from '../../journal/index.js';
import type { KeyBounds } from '../encoding/key-bounds.js';
import type { IndexKey } from '../encoding/key-encoding.js';
import { NO_TIME } from '../entries/expiry.js';
import type { Schema } from '../entries/schema.js';
import type { EntryPostings, IndexView, SecondaryIndex } from '../entries/secondary-index.js';
import { NO_DEADLINE } from '../entries/slab.js';
import { ROOT_ID, type Space } from '../entries/space.js';
import type { StoreView } from '../entries/store-view.js';
import type { LastingView } from '../entries/view.js';
import type { IndexedView } from '../read/index-reads.js';
import { Overlay, type WrittenValues } from '../read/overlay.js';
import type { Codecs } from '../read/reads.js';
import { assertNotDropped } from '../write/conditions.js';
import { deadlineOf, type GivenExpiry, isPast } from '../write/expiry-options.js';
import type { PostingMaker } from '../write/index-postings.js';
import type { WriteCheck } from '../write/write-path.js';
import type { WriteSet } from '../write/write-set.js';
import { Part } from './attempt-part.js';
import { ReadSet } from './read-set.js';
import { type IndexedRecording, SpaceInAttempt } from './space-in-attempt.js';
import type { TransactionView } from './transaction-view.js';
import { ViewedEntries } from './viewed-entries.js';

/** The part of a store that attempts use. */
export interface AttemptStore {
  readonly schema: Schema;
  /** Makes the postings of entries in secondary indexes. */
  readonly postings: PostingMaker;
  /** Throws when the store takes no reads. */
  assertOpen(): void;
  /** Returns a write set to fill. Throws when the store takes no writes. */
  takeWrites(): WriteSet;
  giveBackWrites(writes: WriteSet): void;
  /** The number of commits so far. */
  readonly commits: number;
  /** Returns the time by which entries expire, in milliseconds since 1970. Runs foreign code. */
  now(): number;
}

/** The phase of an attempt. Its function runs in the first two, and its parts at the commit in the third. */
type Phase = 'live' | 'view' | 'commit' | 'ended';

/** One attempt of a transaction. */
export class Attempt implements WrittenValues, IndexedRecording, WriteCheck {
  /** The number of the attempt, from 1. */
  readonly number: number;
  readonly reads = new ReadSet();
  /** The parts that run at the commit, in their order. */
  readonly atCommits: (() => void)[] = [];
  /** The part that may write. */
  part = new Part(null, null);
  phase: Phase = 'live';
  /** True while the function, or a part at the commit, runs. Otherwise its tx cannot be used. */
  isRunning = true;
  /** The number of commits of the store when the attempt began to look at live entries. */
  liveSince = 0;
  /** True while the write path may use the operations. The attempt must not end meanwhile. */
  isCommitting = false;
  /** The error that ends the attempt if nothing of it is written yet, or null. */
  stoppedBy: { readonly error: unknown } | null = null;
  /** The LSN of the commit, or null. */
  lsn: Lsn | null = null;
  /** The operations, or null while there are none. */
  writes: WriteSet | null = null;
  /** The view of an asynchronous attempt. */
  view: StoreView | null = null;
  /** The place in the write log at which the view was taken, or null. */
  place: number | null = null;
  readonly #store: AttemptStore;
  /** The root space, which most attempts use alone, and the others. */
  #root: SpaceInAttempt | null = null;
  #namespaces: Map<Space, SpaceInAttempt> | null = null;
  #now: number | null = null;
  /** True while a value is encoded, which may run foreign code. */
  #isEncoding = false;

  constructor(store: AttemptStore, number: number) {
    this.#store = store;
    this.number = number;
  }

  /** Begins to look at live entries. Nobody else may write until they are left. */
  beginLive(): void {
    this.liveSince = this.#store.commits;
  }

  /** The time of the attempt: that of its first look at it, and at the commit that of the commit. */
  get now(): number {
    this.#now ??= this.#store.now();
    return this.#now;
  }

  /** True when the attempt writes, or may write at the commit. Otherwise it is serial at its view, and nothing is checked. */
  get mustCheck(): boolean {
    return this.atCommits.length > 0 || (this.writes !== null && this.writes.count > 0);
  }

  /** True when reads are recorded: those of live entries at the commit are not. */
  get isRecording(): boolean {
    return this.phase !== 'commit';
  }

  iterationGuard(): () => void {
    const { part } = this;
    const isOfCommit = this.phase === 'commit';
    return () => {
      this.assertReadable(part);
      // What an iteration of the function reads now would not be checked any more.
      if (this.phase === 'commit' && !isOfCommit) throw closed('The commit of the transaction has begun');
    };
  }

  /** Throws KEELSON_CLOSED when a part cannot be used any more. */
  assertReadable(part: Part): void {
    this.#store.assertOpen();
    if (part.isUndone) throw closed('This nested part of a transaction was undone');
    if (!this.isRunning) throw closed('The transaction has ended');
  }

  /** Throws when a part may not write: KEELSON_CLOSED when it has ended, and a TypeError while another part runs. */
  assertWritable(part: Part): void {
    this.assertReadable(part);
    if (!part.isOpen) throw closed('This nested part of a transaction has ended');
    if (part !== this.part) {
      throw new TypeError(
        'A nested part of the transaction runs, and only the tx that it was given may write. Await the nested part, or write with its tx',
      );
    }
    if (this.#isEncoding) {
      throw new TypeError(
        'The value of another put of this transaction is being encoded. Put one after the other',
      );
    }
  }

  /** Returns the view of a space for the reads of a transaction. */
  viewOf(space: Space): TransactionView {
    return this.#in(space).view;
  }

  /** Returns the index of a space with this name for the reads of a transaction. */
  indexOf(space: Space, name: string): IndexedView {
    return this.#in(space).indexOf(space.indexes!.byName.get(name)!);
  }

  indexBeneath(space: Space, index: SecondaryIndex): IndexView {
    if (this.phase === 'view') return this.view!.index(space, index);
    index.assertReady();
    space.current.leaveDue();
    return index;
  }

  postingsOf(operation: number, index: SecondaryIndex): EntryPostings | undefined {
    const writes = this.writes!;
    const put = writes.putOf(operation);
    if (put === -1) return undefined;
    const { indexes } = writes.spaces[put]!;
    if (writes.indexes[put] !== indexes) this.#store.postings.make(writes, put);
    return writes.postings[put]![indexes!.list.indexOf(index)]!;
  }

  put<V>(
    part: Part,
    space: Space,
    codecs: Codecs<unknown, V>,
    key: IndexKey,
    value: V,
    expiry: GivenExpiry | null,
  ): void {
    const deadline = expiry === null ? NO_DEADLINE : deadlineOf(expiry, this.now);
    const inAttempt = this.#in(space);
    const writes = this.#write(part);
    const mark = writes.mark();
    this.#isEncoding = true;
    try {
      writes.put(space, key, codecs.value, value, 'value', deadline);
      if (space.indexes !== null) this.#store.postings.make(writes, writes.count - 1);
    } catch (error) {
      writes.rollback(mark);
      this.#isEncoding = false;
      throw error;
    }
    this.#isEncoding = false;
    inAttempt.put(key, writes.count - 1);
    if (expiry !== null && isPast(expiry, this.now)) this.#expire(inAttempt, key);
  }

  /** Gives an entry another deadline. For an absent key nothing is written. */
  touch(part: Part, space: Space, key: IndexKey, expiry: GivenExpiry): void {
    const deadline = deadlineOf(expiry, this.now);
    const inAttempt = this.#in(space);
    const { overlay } = inAttempt;
    this.assertWritable(part);
    if (!this.#sawPresence(space, key, overlay)) return;
    addWhole(this.#write(part), (writes) => writes.touch(space, key, deadline));
    overlay.set(key, this.writes!.count - 1);
    if (isPast(expiry, this.now)) this.#expire(inAttempt, key);
  }

  /** Removes an entry that this transaction has put or touched, and that is due. */
  #expire(inAttempt: SpaceInAttempt, key: IndexKey): void {
    addWhole(this.writes!, (writes) => writes.expire(inAttempt.space, key));
    inAttempt.delete(key);
  }

  /** Returns true when a key is there, and records that it was looked at. */
  #sawPresence(space: Space, key: IndexKey, overlay: Overlay): boolean {
    const isThere = overlay.has(key);
    if (this.isRecording && !overlay.covers(key)) this.reads.addPresence(space, key, isThere);
    return isThere;
  }

  /** Deletes a key. For an absent key nothing is written. */
  delete(part: Part, space: Space, key: IndexKey): void {
    const inAttempt = this.#in(space);
    const { overlay } = inAttempt;
    this.assertWritable(part);
    if (!this.#sawPresence(space, key, overlay)) return;
    addWhole(this.#write(part), (writes) => writes.delete(space, key));
    inAttempt.delete(key);
  }

  clear(part: Part, space: Space, bounds: KeyBounds): void {
    const inAttempt = this.#in(space);
    addWhole(this.#write(part), (writes) => writes.clear(space, bounds));
    inAttempt.clear(bounds);
  }

  readValue<T>(operation: number, decode: (bytes: Uint8Array, start: number, end: number) => T): T {
    return this.writes!.readValue(operation, decode);
  }

  hasValue(operation: number): boolean {
    return this.writes!.hasValue(operation);
  }

  deadlineOf(operation: number): number {
    return this.writes!.deadlineOf(operation);
  }

  keyOf(operation: number): IndexKey {
    return this.writes!.keyOf(operation);
  }

  /** Begins a nested part. */
  begin(outer: Part): Part {
    this.assertWritable(outer);
    const overlays = new Map<Overlay, number>();
    for (const { overlay } of this.#spaces) overlays.set(overlay, overlay.savepoint());
    const writes = this.writes?.mark() ?? null;
    this.part = new Part(outer, { writes, overlays, atCommits: this.atCommits.length });
    return this.part;
  }

  /** Ends a nested part and keeps what it wrote. Throws when a part around it has ended before. */
  keep(part: Part): void {
    if (this.phase === 'ended') return;
    if (part.isUndone) throw closed('This nested part of a transaction was undone');
    if (part !== this.part) {
      this.undo(part);
      throw new TypeError(
        'A nested part has ended before one that began in it. Await what tx.nested() returns',
      );
    }
    part.isOpen = false;
    for (const overlay of part.savepoint!.overlays.keys()) overlay.keep();
    this.part = part.outer!;
  }

  /** Ends a nested part and undoes what it wrote, with all parts that began in it. */
  undo(part: Part): void {
    if (this.phase === 'ended' || part.isUndone) return;
    while (this.part !== part) this.#undoLast();
    this.#undoLast();
  }

  /** Puts a view of the store in the place of the live entries, and begins to log the writes of others. */
  lookAtView(lastLsn: number): void {
    // The function may have ended the transaction, by its signal or by closing the store.
    if (this.phase === 'ended') return;
    const { schema } = this.#store;
    // A store without a clock hides nothing by it.
    const now = schema.expiry.clock === null ? NO_TIME : this.now;
    this.view = schema.view(lastLsn, now, true);
    this.place = schema.writeLog.open();
    this.phase = 'view';
    for (const inAttempt of this.#spaces) inAttempt.rebase(this.#baseOf(inAttempt.space));
  }

  /** Puts the live entries beneath the writes again, for the parts that run at the commit. */
  lookAtLive(): void {
    this.phase = 'commit';
    this.beginLive();
    this.#now = null;
    for (const inAttempt of this.#spaces) inAttempt.rebase(this.#baseOf(inAttempt.space));
  }

  /** Removes entries that the attempt has put or touched, and that have come due before the commit. */
  #expireOwn(now: number): void {
    const { writes } = this;
    if (writes === null) return;
    for (const inAttempt of this.#spaces) {
      const { space, overlay } = inAttempt;
      for (const key of writes.dueKeys(space, now)) {
        if (overlay.has(key) && overlay.deadlineOf(overlay.find(key)!) <= now) this.#expire(inAttempt, key);
      }
    }
  }

  /** Notes that the function has ended. Throws when the attempt cannot be committed as it is. */
  seal(): void {
    this.isRunning = false;
    if (this.phase === 'ended') throw closed('The transaction has ended');
    if (this.part.outer !== null) {
      throw new TypeError('The transaction ended before a nested part of it. Await what tx.nested() returns');
    }
    if (this.#isEncoding) throw interruptedAttempt();
  }

  /** Returns what was changed that the attempt has read, in words; null when all that it has read is as it was. */
  conflict(): string | null {
    if (this.phase !== 'view') {
      // Nobody else may write while an attempt looks at live entries.
      return this.#store.commits === this.liveSince ? null : 'something was written meanwhile';
    }
    const { reads } = this;
    const changed = reads.changedPoint();
    if (changed !== null || !reads.hasRanges) return changed;
    return reads.changedRange(this.#store.schema.writeLog, this.place!, this.view!.now);
  }

  /**
   * Looks for entries that are due at the time of the commit: those that the attempt has written, and those in the spaces that
   * it has read, because coming due is a delete. Call it right before check().
   */
  lookAtDeadlines(): void {
    const { expiry } = this.#store.schema;
    const hasOwn = this.writes?.hasDeadlines ?? false;
    if (this.phase !== 'view' || (!expiry.isUsed && !hasOwn)) return;
    const now = this.#store.now();
    if (hasOwn) this.#expireOwn(now);
    for (const space of this.reads.spaces) if (space.isExpiring) expiry.settleAll(space, now);
  }

  /** Throws ReadsChanged when something was changed that the attempt has read, and the error that has ended it. */
  check(): void {
    if (this.stoppedBy !== null) throw this.stoppedBy.error;
    const conflict = this.conflict();
    if (conflict !== null) throw new ReadsChanged(conflict);
  }

  /**
   * Returns true when more was written since the view than the log holds, and the attempt has read ranges. A second view, to
   * compare the first with, is then taken with a place in the log of its own.
   */
  get isBehindLog(): boolean {
    if (!this.reads.hasRanges) return false;
    const { links, writeLog } = this.#store.schema;
    // Puts that were put off are not in the log yet.
    links.run();
    return !writeLog.holds(this.place!);
  }

  /** Begins a new part of the log, for what was not compared. */
  moveInLog(): void {
    const { writeLog } = this.#store.schema;
    writeLog.close(this.place!);
    this.place = writeLog.open();
  }

  /** Ends the attempt. It holds nothing any more. */
  end(): void {
    if (this.phase === 'ended') return;
    this.phase = 'ended';
    this.isRunning = false;
    this.view?.close();
    this.view = null;
    if (this.place !== null) this.#store.schema.writeLog.close(this.place);
    this.place = null;
    this.#root = null;
    this.#namespaces = null;
    // An encoder may have ended the transaction. It goes on to fill the write set, so no other write may have it.
    if (this.writes !== null && !this.#isEncoding) this.#store.giveBackWrites(this.writes);
    this.writes = null;
  }

  #write(part: Part): WriteSet {
    this.assertWritable(part);
    this.writes ??= this.#store.takeWrites();
    return this.writes;
  }

  #undoLast(): void {
    const { part } = this;
    const { writes, overlays, atCommits } = part.savepoint!;
    part.noteUndo();
    // An overlay that is younger than the part holds nothing that is older.
    for (const inAttempt of this.#spaces) {
      const mark = overlays.get(inAttempt.overlay);
      if (mark === undefined) this.#forget(inAttempt.space);
      else inAttempt.undo(mark);
    }
    if (writes !== null) this.writes!.rollback(writes);
    else if (this.writes !== null) {
      this.#store.giveBackWrites(this.writes);
      this.writes = null;
    }
    this.atCommits.length = atCommits;
    this.part = part.outer!;
  }

  get #spaces(): readonly SpaceInAttempt[] {
    const root = this.#root === null ? [] : [this.#root];
    return this.#namespaces === null ? root : [...root, ...this.#namespaces.values()];
  }

  #in(space: Space): SpaceInAttempt {
    if (space.isDropped && !this.#sees(space)) assertNotDropped(space);
    const known = space.id === ROOT_ID ? this.#root : this.#namespaces?.get(space);
    return known ?? this.#add(space);
  }

  #add(space: Space): SpaceInAttempt {
    // A key may be foreign code that has ended the transaction.
    if (this.phase === 'ended') throw closed('The transaction has ended');
    const overlay = new Overlay(this.#baseOf(space), this);
    const made = new SpaceInAttempt(this, space, overlay);
    if (space.id === ROOT_ID) this.#root = made;
    else {
      this.#namespaces ??= new Map();
      this.#namespaces.set(space, made);
    }
    return made;
  }

  #forget(space: Space): void {
    if (space.id === ROOT_ID) this.#root = null;
    else this.#namespaces!.delete(space);
  }

  /** Returns true when the view of the attempt has a space, which may be dropped since. */
  #sees(space: Space): boolean {
    return this.phase === 'view' && this.view!.in(space) !== undefined;
  }

  #baseOf(space: Space): LastingView {
    return this.phase === 'view' ? new ViewedEntries(space, this.view!) : space.current;
  }
}

/** Thrown inside of a commit when something that the transaction has read was changed. Callers do not see it. */
export class ReadsChanged {
  readonly what: string;

  constructor(what: string) {
    this.what = what;
  }
}

/** Adds an operation. When that throws, nothing of it stays, and the transaction may go on. */
function addWhole(writes: WriteSet, add: (writes: WriteSet) => void): void {
  const mark = writes.mark();
  try {
    add(writes);
  } catch (error) {
    writes.rollback(mark);
    throw error;
  }
}

function closed(what: string): KeelsonError {
  return new KeelsonError('KEELSON_CLOSED', {
    what,
    next: 'Use tx only in the function that it was given to',
  });
}

function interruptedAttempt(): KeelsonError {
  const what = 'JavaScript was stopped while a value of the transaction was encoded. Nothing was written';
  return new KeelsonError('KEELSON_INTERRUPTED', { what, next: 'Run the transaction again' });
}
