// The transactions of a store: runs their functions, commits them, and tries again after a conflict.
//
// A synchronous function runs over live entries and is committed before transaction() returns: nothing can come between. An
// asynchronous one runs over a view. At its commit the write path checks what it has read against what was written since,
// and nothing comes between that check and the append to the log.

import { types } from 'node:util';
import { KeelsonError, misuse } from '../../errors.js';
import type { Lsn } from '../../journal/index.js';
import { nextTurn } from '../../schedulers.js';
import { NO_TIME } from '../entries/expiry.js';
import type { Schema } from '../entries/schema.js';
import type { StoreView } from '../entries/store-view.js';
import { AbortSignals } from '../write/abort-signals.js';
import type { Place, PlaceOf } from '../write/batch.js';
import type { FunctionGuard } from '../write/function-guard.js';
import type { PostingMaker } from '../write/index-postings.js';
import { ignoreRejection, isThenable } from '../write/promises.js';
import type { WriteSet } from '../write/write-set.js';
import type { Writer } from '../write/writer.js';
import { Attempt, type AttemptStore, ReadsChanged } from './attempt.js';
import { CommitTurns } from './commit-turns.js';
import { Deadlines } from './deadlines.js';
import { Transaction } from './transaction.js';
import { type ResolvedTransactionOptions, resolveTransactionOptions } from './transaction-options.js';
import { compareViews } from './view-comparison.js';

/** The attempt from which on a transaction takes a turn: see CommitTurns. */
const ATTEMPT_WITH_TURN_MIN = 4;

/** The most time that a comparison of views takes before the event loop has a turn, in milliseconds. */
const COMPARISON_SLICE_MS = 2;

/** The part of a store that its transactions use. */
export interface TransactionStore {
  readonly schema: Schema;
  readonly guard: FunctionGuard;
  /** Makes the postings of entries in secondary indexes. */
  readonly postings: PostingMaker;
  readonly root: Place;
  placeOf: PlaceOf;
  assertOpen(): void;
  /** Throws when the store takes no writes. Does not look at the guard. */
  assertWritable(): { readonly writer: Writer };
  /** The writer, or null in a store that was opened read-only. */
  readonly writer: Writer | null;
  readonly lastLsn: Lsn;
  /** Returns the time by which entries expire. Runs foreign code. */
  now(): number;
  /** Returns milliseconds that never go back. */
  nowMs(): number;
  /** Returns the error for a use after close(). */
  closed(): KeelsonError;
}

type Fn<T> = (tx: Transaction<unknown, unknown>) => T;

/** The transactions of one store. */
export class Transactions {
  readonly #store: TransactionStore;
  readonly #attemptStore: AttemptStore;
  readonly #placeOf: PlaceOf;
  readonly #turns: CommitTurns;
  readonly #signals: AbortSignals<OpenTransaction>;
  /** The asynchronous transactions that are open. */
  readonly #deadlines: Deadlines<OpenTransaction>;

  constructor(store: TransactionStore) {
    this.#store = store;
    this.#placeOf = (argument, namespace) => store.placeOf(argument, namespace);
    this.#turns = new CommitTurns(() => store.nowMs());
    this.#signals = new AbortSignals((open, { reason }) =>
      this.#end(open, aborted('its signal was aborted', open.attempt.number, reason)),
    );
    this.#deadlines = new Deadlines(
      () => store.nowMs(),
      (open) => this.#end(open, aborted('it took longer than timeoutMs', open.attempt.number)),
    );
    this.#attemptStore = {
      schema: store.schema,
      postings: store.postings,
      assertOpen: () => store.assertOpen(),
      takeWrites: () => store.assertWritable().writer.path.take(),
      giveBackWrites: (writes: WriteSet) => store.writer?.path.giveBack(writes),
      get commits() {
        return store.writer?.path.commits ?? 0;
      },
      now: () => store.now(),
    };
  }

  /** The number of asynchronous transactions that are open. */
  get openCount(): number {
    return this.#deadlines.size;
  }

  /**
   * Runs a transaction. Throws what a synchronous function and its commit throw. Rejects with what an asynchronous function
   * rejects with, KEELSON_CONFLICT, KEELSON_ABORTED, and what its commit throws.
   */
  run<T>(fn: Fn<T>, options: unknown): Promise<Awaited<T>> {
    const store = this.#store;
    store.guard.assertOutside();
    store.assertOpen();
    if (typeof fn !== 'function') throw misuse('fn', 'a function', fn);
    const resolved = resolveTransactionOptions(options);
    const attempt = new Attempt(this.#attemptStore, 1);
    const result = this.#begin(attempt, fn, resolved);
    return (attempt.phase === 'view' ? this.#goOn(attempt, result, fn, resolved) : result) as Promise<
      Awaited<T>
    >;
  }

  /** Ends all open transactions. */
  close(): void {
    for (const open of this.#deadlines.items) this.#end(open, this.#store.closed());
    this.#deadlines.close();
  }

  /**
   * Runs the function over live entries. When it returns no promise, commits the attempt, ends it, and returns the promise of
   * the result. Otherwise gives the attempt a view, and returns the promise of the function.
   */
  #begin(attempt: Attempt, fn: Fn<unknown>, options: ResolvedTransactionOptions): Promise<unknown> {
    const { guard, root } = this.#store;
    // This may run hooks of the program, which may write. The attempt looks at the entries after them.
    guard.enter();
    attempt.beginLive();
    try {
      const result = fn(new Transaction<unknown, unknown>(attempt, attempt.part, root, this.#placeOf));
      if (types.isPromise(result)) {
        this.#lookAtView(attempt, result);
        return result;
      }
      if (isThenable(result))
        throw misuse('the result of fn', 'a promise, or a value without then()', result);
      attempt.seal();
      this.#runAtCommits(attempt);
      const lsn = this.#commit(attempt);
      return this.#whenDurable(attempt.lsn === null ? this.#withExpiry(lsn) : lsn, options, result);
    } catch (error) {
      throw error instanceof ReadsChanged ? outOfAttempts(error.what, attempt.number) : error;
    } finally {
      guard.leave();
      if (attempt.phase !== 'view') attempt.end();
    }
  }

  /** Gives the attempt a view. `promise` is that of its function. Throws when a write was stopped half-way. */
  #lookAtView(attempt: Attempt, promise: Promise<unknown>): void {
    try {
      attempt.lookAtView(this.#store.lastLsn);
    } catch (error) {
      ignoreRejection(promise);
      throw error;
    }
  }

  /** Goes on with an asynchronous transaction, whose function has returned `promise`. */
  #goOn(
    attempt: Attempt,
    promise: Promise<unknown>,
    fn: Fn<unknown>,
    options: ResolvedTransactionOptions,
  ): Promise<unknown> {
    const result = new Promise(keepFunctions);
    const open = new OpenTransaction(attempt, options.signal, resolveNewest, rejectNewest);
    this.#deadlines.add(open, options.timeoutMs);
    void this.#drive(open, promise, fn, options);
    try {
      // The function may have closed the store, or aborted the signal.
      this.#store.assertOpen();
      if (options.signal !== undefined) this.#signals.add(options.signal, open);
    } catch (error) {
      this.#end(open, error);
    }
    return result;
  }

  /** Awaits the function, commits, and tries again after conflicts, until the transaction has ended. Never rejects. */
  async #drive(
    open: OpenTransaction,
    promise: Promise<unknown>,
    fn: Fn<unknown>,
    options: ResolvedTransactionOptions,
  ): Promise<void> {
    try {
      for (let running = promise; ; ) {
        const result = await running;
        if (open.hasEnded) return;
        const { attempt } = open;
        attempt.seal();
        const mustWait = attempt.mustCheck && (this.#turns.isTakenByAnother(open) || attempt.isBehindLog);
        const conflict =
          (mustWait ? await this.#catchUp(open) : null) ?? this.#tryCommit(open, options, result);
        if (open.hasEnded) return;
        const { number } = attempt;
        if (number >= options.maxAttempts) throw outOfAttempts(conflict!, number);
        attempt.end();
        if (number + 1 >= ATTEMPT_WITH_TURN_MIN) await this.#turns.take(open);
        if (open.hasEnded) return;
        running = this.#beginAgain(open, number + 1, fn, options);
      }
    } catch (error) {
      this.#end(open, error);
    }
  }

  /** Begins another attempt. When its function returns no promise this time, the transaction has ended. */
  #beginAgain(
    open: OpenTransaction,
    number: number,
    fn: Fn<unknown>,
    options: ResolvedTransactionOptions,
  ): Promise<unknown> {
    open.attempt = new Attempt(this.#attemptStore, number);
    const promise = this.#begin(open.attempt, fn, options);
    if (open.attempt.phase !== 'view' && !open.hasEnded) {
      this.#forget(open);
      open.resolve(promise);
      this.#leaveSignal(open);
    }
    return promise;
  }

  /** Commits an attempt if it can. Returns what it conflicts with, in words; null when the transaction has ended. */
  #tryCommit(open: OpenTransaction, options: ResolvedTransactionOptions, result: unknown): string | null {
    const { attempt } = open;
    const { guard, schema } = this.#store;
    if (open.hasEnded) return null;
    if (!attempt.mustCheck) {
      this.#succeed(open, this.#withExpiry(attempt.view!.lsn as Lsn), options, result);
      return null;
    }
    this.#store.assertWritable();
    let lsn: Lsn;
    guard.enter();
    try {
      attempt.lookAtDeadlines();
      // A hook, or the clock, may have ended it meanwhile.
      if (open.hasEnded) return null;
      if (attempt.atCommits.length > 0) {
        schema.links.run();
        attempt.check();
        this.#runAtCommits(attempt);
      }
      attempt.isCommitting = true;
      lsn = this.#commit(attempt);
    } catch (error) {
      if (attempt.stoppedBy !== null) throw attempt.stoppedBy.error;
      if (error instanceof ReadsChanged) return error.what;
      throw error;
    } finally {
      guard.leave();
      attempt.isCommitting = false;
    }
    this.#succeed(open, lsn, options, result);
    return null;
  }

  /** Appends what the attempt has written, and returns the LSN. Throws ReadsChanged when what it has read was changed. */
  #commit(attempt: Attempt): Lsn {
    const { writes } = attempt;
    if (writes === null || writes.count === 0) return this.#store.lastLsn;
    attempt.lsn = this.#store.assertWritable().writer.path.commit(writes, attempt);
    return attempt.lsn;
  }

  /**
   * Returns the LSN up to which the log must be durable for a transaction that has written nothing, so that nothing that it has
   * read, or found expired, can be otherwise after a crash.
   */
  #withExpiry(lsn: Lsn): Lsn {
    const { schema, writer } = this.#store;
    const { expiry } = schema;
    if (writer === null) return lsn;
    if (expiry.nowToRecord === NO_TIME) return Math.max(lsn, expiry.recordedLsn) as Lsn;
    this.#store.assertWritable();
    return writer.path.recordExpiry();
  }

  #runAtCommits(attempt: Attempt): void {
    if (attempt.atCommits.length === 0) return;
    attempt.lookAtLive();
    attempt.isRunning = true;
    for (const part of attempt.atCommits) part();
    attempt.seal();
  }

  /** Returns the promise of a result that resolves when the log is durable up to `lsn`. */
  #whenDurable(lsn: Lsn, { durability }: ResolvedTransactionOptions, result: unknown): Promise<unknown> {
    const { writer } = this.#store;
    return writer === null ? Promise.resolve(result) : writer.whenDurableWith(lsn, durability, result);
  }

  /** Ends a transaction. Its promise resolves when the log is durable up to `lsn`. */
  #succeed(
    open: OpenTransaction,
    lsn: Lsn,
    { durability }: ResolvedTransactionOptions,
    result: unknown,
  ): void {
    const { writer } = this.#store;
    this.#forget(open);
    if (writer === null) open.resolve(result);
    else if (durability === 'memory') open.resolve(writer.whenDurableWith(lsn, durability, result));
    else writer.log.settleWhenSynced(lsn, result, open.resolve, open.reject);
    this.#leaveSignal(open);
  }

  /**
   * Waits until no other transaction has the turn. When more was written than the log holds, then compares the view of the
   * attempt with a second view, and begins a new part of the log there. Returns what has changed, in words; or null.
   */
  async #catchUp(open: OpenTransaction): Promise<string | null> {
    await this.#turns.free(open);
    const { attempt } = open;
    if (open.hasEnded || !attempt.isBehindLog) return null;
    const { schema, lastLsn } = this.#store;
    const second = schema.view(lastLsn, schema.expiry.now(), true);
    attempt.moveInLog();
    try {
      return await this.#compare(open, attempt.view!, second);
    } finally {
      second.close();
    }
  }

  async #compare(open: OpenTransaction, before: StoreView, after: StoreView): Promise<string | null> {
    const comparison = compareViews(open.attempt.reads.ranges.values(), before, after);
    for (let sliceEndMs = this.#store.nowMs() + COMPARISON_SLICE_MS; ; ) {
      const step = comparison.next();
      if (step.done) return step.value;
      if (this.#store.nowMs() < sliceEndMs) continue;
      await nextTurn();
      if (open.hasEnded) return null;
      sliceEndMs = this.#store.nowMs() + COMPARISON_SLICE_MS;
    }
  }

  /** Ends a transaction with an error. One that is being committed ends only if nothing is written. */
  #end(open: OpenTransaction, error: unknown): void {
    const { attempt } = open;
    if (open.hasEnded) return;
    // A commit that was stopped for ever has left the guard.
    if (attempt.isCommitting && this.#store.guard.isInside) {
      attempt.stoppedBy ??= { error };
      return;
    }
    this.#forget(open);
    open.reject(error);
    this.#leaveSignal(open);
  }

  /** Ends to listen to the signal. The transaction has ended, so an error of the signal must not reach it. */
  #leaveSignal(open: OpenTransaction): void {
    if (open.signal === undefined) return;
    try {
      this.#signals.delete(open.signal, open);
    } catch {
      // A signal may be no AbortSignal, and throw.
    }
  }

  #forget(open: OpenTransaction): void {
    open.hasEnded = true;
    this.#deadlines.delete(open);
    open.attempt.end();
    this.#turns.leave(open);
  }
}

/** The functions that settle the promise that was made last with keepFunctions(). One function makes less garbage. */
let resolveNewest: (result: unknown) => void;
let rejectNewest: (error: unknown) => void;

const keepFunctions = (resolve: (result: unknown) => void, reject: (error: unknown) => void): void => {
  resolveNewest = resolve;
  rejectNewest = reject;
};

/** An asynchronous transaction that has not ended. */
class OpenTransaction {
  attempt: Attempt;
  readonly signal: AbortSignal | undefined;
  readonly resolve: (result: unknown) => void;
  readonly reject: (error: unknown) => void;
  hasEnded = false;

  constructor(
    attempt: Attempt,
    signal: AbortSignal | undefined,
    resolve: (result: unknown) => void,
    reject: (error: unknown) => void,
  ) {
    this.attempt = attempt;
    this.signal = signal;
    this.resolve = resolve;
    this.reject = reject;
  }
}

function outOfAttempts(what: string, attempts: number): KeelsonError {
  return new KeelsonError(
    'KEELSON_CONFLICT',
    {
      what: `The transaction gave up after ${attempts} ${attempts === 1 ? 'attempt' : 'attempts'}, and nothing was written: each time, others (or this function itself, with db) changed what it had read; the last time ${what}`,
      next: 'Run it again, read less in it, or write counters and totals in tx.atCommit()',
    },
    { attempts },
  );
}

function aborted(why: string, attempts: number, cause?: unknown): KeelsonError {
  return new KeelsonError(
    'KEELSON_ABORTED',
    { what: `The transaction was ended because ${why}. Nothing was written`, next: 'Run it again' },
    { attempts },
    cause,
  );
}
