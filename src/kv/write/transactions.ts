// The transactions of a store: runs their functions, commits them, and tries again after a conflict.
//
// A synchronous function runs over live entries and is committed before transaction() returns: nothing can come between. An
// asynchronous one runs over a view. At its commit the write path checks what it has read against what was written since,
// and nothing comes between that check and the append to the log.

import { types } from 'node:util';
import { KeelsonError, misuse } from '../../errors.js';
import type { Lsn } from '../../journal/index.js';
import { nextTurn } from '../../schedulers.js';
import type { Schema } from '../entries/schema.js';
import type { StoreView } from '../entries/store-view.js';
import { Attempt, type AttemptStore } from './attempt.js';
import type { Place, PlaceOf } from './batch.js';
import { CommitTurns } from './commit-turns.js';
import { Deadlines } from './deadlines.js';
import type { FunctionGuard } from './function-guard.js';
import { isThenable, Transaction } from './transaction.js';
import { type ResolvedTransactionOptions, resolveTransactionOptions } from './transaction-options.js';
import { compareViews } from './view-comparison.js';
import type { WriteSet } from './write-set.js';
import type { Writer } from './writer.js';

/** The attempt from which on a transaction takes a turn: see CommitTurns. */
const ATTEMPT_WITH_TURN_MIN = 4;

/** The most time that a comparison of views takes before the event loop has a turn, in milliseconds. */
const COMPARISON_SLICE_MS = 2;

/** What transactions need of their store. */
export interface TransactionStore {
  readonly schema: Schema;
  readonly guard: FunctionGuard;
  readonly root: Place;
  placeOf: PlaceOf;
  assertOpen(): void;
  /** Throws when the store takes no writes. Does not look at the guard. */
  assertWritable(): { readonly writer: Writer };
  /** The writer, or null in a store that was opened read-only. */
  readonly writer: Writer | null;
  readonly lastLsn: Lsn;
  wallMs(): number;
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
  readonly #open = new Set<OpenTransaction>();
  readonly #placeOf: PlaceOf;
  readonly #turns: CommitTurns;
  readonly #deadlines: Deadlines<OpenTransaction>;

  constructor(store: TransactionStore) {
    this.#store = store;
    this.#placeOf = (argument, namespace) => store.placeOf(argument, namespace);
    this.#turns = new CommitTurns(() => store.nowMs());
    this.#deadlines = new Deadlines(
      () => store.nowMs(),
      (open) => this.#expire(open),
    );
    this.#attemptStore = {
      schema: store.schema,
      assertOpen: () => store.assertOpen(),
      takeWrites: () => store.assertWritable().writer.path.take(),
      giveBackWrites: (writes: WriteSet) => store.writer?.path.giveBack(writes),
      get commits() {
        return store.writer?.path.commits ?? 0;
      },
      nowMs: () => store.wallMs(),
    };
  }

  /** The number of asynchronous transactions that are open. */
  get openCount(): number {
    return this.#open.size;
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
    const begun = this.#begin(1, fn, resolved);
    if (begun.isDone) return begun.promise as Promise<Awaited<T>>;
    return this.#goOn(begun.attempt, begun.promise, fn, resolved) as Promise<Awaited<T>>;
  }

  /** Ends all open transactions. */
  close(): void {
    for (const open of this.#open) this.#end(open, this.#store.closed());
    this.#deadlines.close();
  }

  /**
   * Runs the function over live entries. When it returns no promise, commits the attempt and returns the promise of the
   * result. Otherwise gives the attempt a view and returns the promise of the function.
   */
  #begin<T>(
    number: number,
    fn: Fn<T>,
    options: ResolvedTransactionOptions,
    open: OpenTransaction | null = null,
  ): { readonly attempt: Attempt; readonly isDone: boolean; readonly promise: Promise<unknown> } {
    const { guard } = this.#store;
    let isGoingOn = false;
    // This may run hooks of the program, which may write. The attempt looks at the entries after them.
    guard.enter();
    const attempt = new Attempt(this.#attemptStore, number);
    if (open !== null) open.attempt = attempt;
    try {
      const tx = new Transaction<unknown, unknown>(attempt, attempt.part, this.#store.root, this.#placeOf);
      const result = fn(tx);
      if (types.isPromise(result)) {
        attempt.lookAtView(this.#store.lastLsn);
        isGoingOn = true;
        return { attempt, isDone: false, promise: result };
      }
      if (isThenable(result))
        throw misuse('the result of fn', 'a promise, or a value without then()', result);
      attempt.seal();
      this.#runAtCommits(attempt);
      const promise = this.#commit(attempt, null, options, result);
      return { attempt, isDone: true, promise };
    } catch (error) {
      throw error instanceof ReadsChanged ? outOfAttempts(error.what, attempt.number) : error;
    } finally {
      guard.leave();
      if (!isGoingOn) attempt.end();
    }
  }

  #goOn<T>(
    attempt: Attempt,
    promise: Promise<unknown>,
    fn: Fn<T>,
    options: ResolvedTransactionOptions,
  ): Promise<unknown> {
    return new Promise((resolve, reject) => {
      const open = new OpenTransaction(attempt, resolve, reject);
      this.#open.add(open);
      this.#deadlines.add(open, options.timeoutMs);
      this.#drive(open, promise, fn, options).catch((error) => this.#end(open, error));
      try {
        // The function may have closed the store, or aborted the signal.
        this.#store.assertOpen();
        if (options.signal !== undefined) this.#endWhenAborted(open, options.signal);
      } catch (error) {
        this.#end(open, error);
      }
    });
  }

  #endWhenAborted(open: OpenTransaction, signal: AbortSignal): void {
    const onAbort = () =>
      this.#end(open, aborted('its signal was aborted', open.attempt.number, signal.reason));
    signal.addEventListener('abort', onAbort, { once: true });
    open.onEnd = () => signal.removeEventListener('abort', onAbort);
    if (signal.aborted) onAbort();
  }

  /** Awaits the function, commits, and tries again after conflicts, until the transaction has ended. */
  async #drive<T>(
    open: OpenTransaction,
    promise: Promise<unknown>,
    fn: Fn<T>,
    options: ResolvedTransactionOptions,
  ): Promise<void> {
    for (let running = promise; ; ) {
      const result = await running;
      if (open.hasEnded) return;
      const conflict = await this.#tryCommit(open, options, result);
      if (conflict === null || open.hasEnded) return;
      const { number } = open.attempt;
      if (number >= options.maxAttempts) throw outOfAttempts(conflict, number);
      open.attempt.end();
      if (number + 1 >= ATTEMPT_WITH_TURN_MIN) await this.#turns.take(open);
      if (open.hasEnded) return;
      const next = this.#begin(number + 1, fn, options, open);
      if (next.isDone) {
        this.#settle(open, next.promise);
        return;
      }
      running = next.promise;
    }
  }

  /** Commits an asynchronous attempt. Returns what it conflicts with, in words; null when it is committed. */
  async #tryCommit(
    open: OpenTransaction,
    options: ResolvedTransactionOptions,
    result: unknown,
  ): Promise<string | null> {
    const { attempt } = open;
    attempt.seal();
    if (this.#turns.isTakenByAnother(open)) await this.#turns.free();
    if (open.hasEnded) return null;
    if (!attempt.hasWritten && attempt.atCommits.length === 0) {
      this.#settle(open, this.#whenRead(attempt.view!.lsn as Lsn, options, result));
      return null;
    }
    const stale = await this.#catchUp(open);
    if (stale !== null || open.hasEnded) return stale;
    return this.#commitNow(open, options, result);
  }

  #commitNow(open: OpenTransaction, options: ResolvedTransactionOptions, result: unknown): string | null {
    const { attempt } = open;
    const { guard, schema } = this.#store;
    this.#store.assertWritable();
    guard.enter();
    try {
      if (attempt.atCommits.length > 0) {
        schema.links.run();
        const conflict = this.#conflictOf(open);
        if (conflict !== null) return conflict;
        this.#runAtCommits(attempt);
      }
      this.#settle(open, this.#commit(attempt, open, options, result));
      return null;
    } catch (error) {
      if (error instanceof ReadsChanged) return error.what;
      throw error;
    } finally {
      guard.leave();
    }
  }

  /** Returns what was changed that the attempt has read, in words; null when all that it has read is as it was. */
  #conflictOf({ attempt: { reads, place } }: OpenTransaction): string | null {
    return (
      reads.changedPoint() ??
      (reads.hasRanges ? reads.changedRange(this.#store.schema.writeLog, place!) : null)
    );
  }

  /** Appends what the attempt has written. Throws ReadsChanged when `open` is given and what it has read was changed. */
  #commit(
    attempt: Attempt,
    open: OpenTransaction | null,
    options: ResolvedTransactionOptions,
    result: unknown,
  ): Promise<unknown> {
    const { writes } = attempt;
    if (writes === null || writes.count === 0) return this.#whenRead(this.#store.lastLsn, options, result);
    const { writer } = this.#store.assertWritable();
    const lsn = writer.path.commit(writes, () => {
      // An attempt that looks at live entries was checked before, and nobody else may have written since.
      const isLive = open === null || attempt.phase === 'commit';
      const isChanged = isLive && writer.path.commits !== attempt.liveSince;
      const conflict = isLive ? null : this.#conflictOf(open);
      if (isChanged || conflict !== null)
        throw new ReadsChanged(conflict ?? 'something was written meanwhile');
    });
    attempt.lsn = lsn;
    return writer.whenDurableWith(lsn, options.durability, result, writes.count);
  }

  /** Returns the promise of the result of a transaction without writes: it resolves when what was read is durable. */
  #whenRead(lsn: Lsn, { durability }: ResolvedTransactionOptions, result: unknown): Promise<unknown> {
    const { writer } = this.#store;
    return writer === null ? Promise.resolve(result) : writer.whenDurableWith(lsn, durability, result);
  }

  #runAtCommits(attempt: Attempt): void {
    if (attempt.atCommits.length === 0) return;
    attempt.lookAtLive();
    attempt.isRunning = true;
    for (const part of attempt.atCommits) part();
    attempt.seal();
  }

  /**
   * When more was written than the log holds, compares the view of the attempt with a second view, and begins a new part of
   * the log there. Returns what has changed, in words; null when nothing has.
   */
  async #catchUp(open: OpenTransaction): Promise<string | null> {
    const { schema, lastLsn } = this.#store;
    const { attempt } = open;
    const { reads, view } = attempt;
    if (!reads.hasRanges || schema.writeLog.since(attempt.place!) !== null) return null;
    const second = schema.view(lastLsn);
    schema.writeLog.close(attempt.place!);
    attempt.place = schema.writeLog.open();
    try {
      return await this.#compare(open, view!, second);
    } finally {
      second.close();
    }
  }

  async #compare(open: OpenTransaction, before: StoreView, after: StoreView): Promise<string | null> {
    const comparison = compareViews(open.attempt.reads.ranges, before, after);
    for (let sliceEndMs = this.#store.nowMs() + COMPARISON_SLICE_MS; ; ) {
      const step = comparison.next();
      if (step.done) return step.value;
      if (this.#store.nowMs() < sliceEndMs) continue;
      await nextTurn();
      if (open.hasEnded) return null;
      sliceEndMs = this.#store.nowMs() + COMPARISON_SLICE_MS;
    }
  }

  /** Ends a transaction with the promise of its result. */
  #settle(open: OpenTransaction, promise: Promise<unknown>): void {
    if (open.hasEnded) return;
    this.#forget(open);
    open.resolve(promise);
  }

  /** Ends a transaction with an error. */
  #end(open: OpenTransaction, error: unknown): void {
    if (open.hasEnded) return;
    this.#forget(open);
    open.reject(error);
  }

  #expire(open: OpenTransaction): void {
    this.#end(open, aborted('it took longer than timeoutMs', open.attempt.number));
  }

  #forget(open: OpenTransaction): void {
    open.hasEnded = true;
    this.#open.delete(open);
    this.#deadlines.delete(open);
    open.attempt.end();
    this.#turns.leave(open);
    open.onEnd();
  }
}

/** An asynchronous transaction that has not ended. */
class OpenTransaction {
  attempt: Attempt;
  readonly resolve: (result: unknown) => void;
  readonly reject: (error: unknown) => void;
  hasEnded = false;
  onEnd: () => void = () => {};

  constructor(attempt: Attempt, resolve: (result: unknown) => void, reject: (error: unknown) => void) {
    this.attempt = attempt;
    this.resolve = resolve;
    this.reject = reject;
  }
}

/** Thrown inside of a commit when something that the transaction has read was changed. Nobody else sees it. */
class ReadsChanged extends Error {
  readonly what: string;

  constructor(what: string) {
    super();
    this.what = what;
  }
}

function outOfAttempts(what: string, attempts: number): KeelsonError {
  return new KeelsonError(
    'KEELSON_CONFLICT',
    {
      what: `The transaction gave up after ${attempts} ${attempts === 1 ? 'attempt' : 'attempts'}, and nothing was written: each time, others changed what it had read; the last time ${what}`,
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
