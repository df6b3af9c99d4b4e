// The watches of a store: iterations over the states of a key or a range. A state is taken when the reader waits for it and
// something has changed, and it is told when it is durable. Between two states, changes come together in one.

import type { ClosableIterator } from '../../batch-iterator.js';
import { KeelsonError } from '../../errors.js';
import { FairTurns } from '../../fair-turns.js';
import type { Lsn } from '../../journal/index.js';
import { nextTurn } from '../../schedulers.js';
import type { KeyBounds } from '../encoding/key-bounds.js';
import type { IndexKey } from '../encoding/key-encoding.js';
import { ownCopyOf } from '../entries/key-units.js';
import { NO_ENTRIES } from '../entries/no-entries.js';
import type { Schema } from '../entries/schema.js';
import type { Space } from '../entries/space.js';
import type { StoreView } from '../entries/store-view.js';
import type { View } from '../entries/view.js';
import {
  differenceOf,
  type LastState,
  type RangeDifference,
  type RangeWrites,
} from '../read/range-changes.js';
import { type RangeState, SpaceRangeState } from '../read/range-state.js';
import type { Codecs, VersionedValue } from '../read/reads.js';
import { AbortSignals } from '../write/abort-signals.js';
import { assertNotDropped, versionIn } from '../write/conditions.js';
import type { Durability } from '../write/write-options.js';
import type { Writer } from '../write/writer.js';
import { Wakeable } from './wakeable.js';
import type { ResolvedWatchOptions } from './watch-options.js';
import { WatchedRange, WatchRegistry } from './watch-registry.js';

/** The most time that the comparison of two states takes before the event loop has a turn, in milliseconds. */
const COMPARISON_SLICE_MS = 2;

/**
 * A state of a watched key, which watch() tells.
 *
 * @example
 * for await (const { lsn, entry } of db.watch('config')) console.log(lsn, entry?.value);
 */
export interface KeyState<V> {
  /** The LSN of the last write to the store in this state. */
  readonly lsn: Lsn;
  /** The value of the key and its version, or undefined when the key is absent. */
  readonly entry: VersionedValue<V> | undefined;
}

/** The part of a store that its watches use. */
export interface WatchStore {
  readonly directory: string;
  readonly schema: Schema;
  readonly lastLsn: Lsn;
  /** The error because of which the store takes no more writes, or null. */
  readonly poisoned: KeelsonError | null;
  /** The writer, or null in a store that was opened read-only. */
  readonly writer: Writer | null;
  isOpen(): boolean;
  /** Throws when the store takes no reads. */
  assertOpen(): void;
  /** Returns milliseconds that never go back. */
  nowMs(): number;
}

/** The difference of a first state, whose changes nobody knows. */
const FIRST: RangeDifference = { keys: null };

/** The watches of one store. */
export class Watches {
  readonly registry: WatchRegistry;
  readonly #store: WatchStore;
  readonly #turns = new FairTurns();
  readonly #signals = new AbortSignals<Wakeable>((watch) => watch.end());
  /** The watches that have begun and not ended. */
  readonly #open = new Set<Wakeable>();

  constructor(store: WatchStore) {
    this.#store = store;
    this.registry = new WatchRegistry((observer) => store.writer?.path.observe(observer) ?? (() => {}));
  }

  /** The number of watches that have begun and not ended. For tests. */
  get openCount(): number {
    return this.#open.size;
  }

  /** Returns an iterator over the states of a key. `read` reads the key now, and may throw what its codec throws. */
  key<V>(
    space: Space,
    key: IndexKey,
    read: () => VersionedValue<V> | undefined,
    options: ResolvedWatchOptions,
  ): ClosableIterator<KeyState<V>> {
    const watch = new Wakeable();
    return endable(this.#tellKey(watch, space, ownCopyOf(key), read, options), watch);
  }

  /** Returns an iterator over the states of a range. */
  range<K, V>(
    space: Space,
    bounds: KeyBounds,
    codecs: Codecs<K, V>,
    options: ResolvedWatchOptions,
  ): ClosableIterator<RangeState<K, V>> {
    const watch = new Wakeable();
    return endable(this.#tellRange(watch, space, bounds, codecs, options), watch);
  }

  /** Ends all watches, because the store is closed. */
  close(): void {
    for (const watch of [...this.#open]) watch.end();
  }

  async *#tellKey<V>(
    watch: Wakeable,
    space: Space,
    key: IndexKey,
    read: () => VersionedValue<V> | undefined,
    { durability, signal }: ResolvedWatchOptions,
  ): AsyncGenerator<KeyState<V>, undefined, undefined> {
    /** The version that was told last; 0 for absence. */
    let told: number | null = null;
    try {
      this.#begin(watch, signal, () => this.registry.deleteKey(space, key, watch));
      while (!this.#isOver(watch)) {
        if (space.isDropped) await this.#dropped(watch, space, durability);
        this.#store.assertOpen();
        // The LSN is taken first, because a decoder may be foreign code that writes.
        const { lastLsn: lsn } = this.#store;
        const isSame: boolean = versionIn(space, key) === told;
        const entry: VersionedValue<V> | undefined = isSame ? undefined : read();
        const version: number = entry?.version ?? 0;
        if (isSame || version === told) {
          this.#assertNotPoisoned();
          watch.rest();
          this.registry.addKey(space, key, watch);
          await watch.whenWoken();
          continue;
        }
        told = version;
        if (!this.#isDurable(lsn, durability)) await this.#whenDurable(watch, lsn);
        if (this.#isOver(watch)) return;
        yield { lsn, entry };
        if (this.#turns.isDue()) await nextTurn();
      }
    } finally {
      watch.end();
    }
  }

  async *#tellRange<K, V>(
    watch: Wakeable,
    space: Space,
    bounds: KeyBounds,
    codecs: Codecs<K, V>,
    { durability, signal }: ResolvedWatchOptions,
  ): AsyncGenerator<RangeState<K, V>, undefined, undefined> {
    const range = new WatchedRange(bounds, watch);
    let last: LastState | null = null;
    let view: StoreView | null = null;
    try {
      this.#begin(watch, signal, () => this.registry.deleteRange(space, range));
      this.registry.addRange(space, range);
      while (!this.#isOver(watch)) {
        if (space.isDropped) await this.#dropped(watch, space, durability);
        this.#store.assertOpen();
        watch.rest();
        if (last !== null && range.changes.isEmpty) {
          this.#assertNotPoisoned();
          await watch.whenWoken();
          continue;
        }
        // The clock is foreign code, which may write.
        const now = this.#store.schema.expiry.now();
        view = this.#store.schema.view(this.#store.lastLsn, now);
        const lsn = view.lsn as Lsn;
        const entries = view.in(space) ?? NO_ENTRIES;
        const writes = range.changes.take();
        const difference = last === null ? FIRST : await this.#compare(last, writes, space, entries, bounds);
        last = { lsn, count: entries.count(bounds) };
        if (difference !== null) {
          if (!this.#isDurable(lsn, durability)) await this.#whenDurable(watch, lsn);
          if (this.#isOver(watch)) return;
          const changed = difference.keys?.map((key) => codecs.key.fromIndexKey(key)) ?? null;
          yield new SpaceRangeState({ lsn, changed }, codecs, entries, bounds, this.#assertOpenOf(view));
        }
        view.close();
        if (this.#turns.isDue()) await nextTurn();
      }
    } finally {
      view?.close();
      watch.end();
    }
  }

  /** Compares a range, as it is now, with its last state, with turns of the event loop in between when that takes long. */
  async #compare(
    last: LastState,
    writes: RangeWrites,
    space: Space,
    entries: View,
    bounds: KeyBounds,
  ): Promise<RangeDifference | null> {
    const comparison = differenceOf(last, writes, space.entries, entries, bounds);
    for (let sliceEndMs = this.#store.nowMs() + COMPARISON_SLICE_MS; ; ) {
      const step = comparison.next();
      if (step.done) return step.value;
      if (this.#store.nowMs() < sliceEndMs) continue;
      await nextTurn();
      sliceEndMs = this.#store.nowMs() + COMPARISON_SLICE_MS;
    }
  }

  /** Begins a watch. `forget` removes it from the registry when it ends. Throws what the signal throws. */
  #begin(watch: Wakeable, signal: AbortSignal | undefined, forget: () => void): void {
    this.#open.add(watch);
    watch.onEnd = () => {
      this.#open.delete(watch);
      forget();
      if (signal !== undefined) this.#leaveSignal(watch, signal);
    };
    if (signal !== undefined) this.#signals.add(signal, watch);
  }

  #leaveSignal(watch: Wakeable, signal: AbortSignal): void {
    try {
      this.#signals.delete(signal, watch);
    } catch {
      // A signal may be no AbortSignal, and throw. The watch has ended, so the error must not reach it.
    }
  }

  #isOver(watch: Wakeable): boolean {
    return watch.hasEnded || !this.#store.isOpen();
  }

  /** Throws KEELSON_DROPPED, once the drop is durable. Returns when the watch ends before. */
  async #dropped(watch: Wakeable, space: Space, durability: Durability): Promise<void> {
    const { lastLsn } = this.#store;
    if (!this.#isDurable(lastLsn, durability)) await this.#whenDurable(watch, lastLsn);
    if (!this.#isOver(watch)) assertNotDropped(space);
  }

  /** Returns true when a state as of `lsn` can be told. A store that was opened read-only shows only what it has found. */
  #isDurable(lsn: Lsn, durability: Durability): boolean {
    const { writer } = this.#store;
    return durability === 'memory' || writer === null || lsn <= writer.log.syncedLsn;
  }

  /** Resolves when the log is durable up to `lsn`, or the watch has ended. Rejects with KEELSON_POISONED. */
  #whenDurable(watch: Wakeable, lsn: Lsn): Promise<void> {
    const { log } = this.#store.writer!;
    return watch.unlessEnded((resolve, reject) => log.settleWhenSynced(lsn, undefined, resolve, reject));
  }

  #assertNotPoisoned(): void {
    const { poisoned } = this.#store;
    if (poisoned !== null) throw poisoned;
  }

  /** Returns a function that throws when a state over `view` cannot be read any more. */
  #assertOpenOf(view: StoreView): () => void {
    const { directory } = this.#store;
    return () => {
      if (!this.#store.isOpen()) this.#store.assertOpen();
      if (!view.isClosed) return;
      throw new KeelsonError(
        'KEELSON_CLOSED',
        {
          what: `This state of a range of the store in ${directory} is past: the next one was asked for, or the watch has ended`,
          next: 'Read a state before you ask for the next one',
        },
        { path: directory },
      );
    };
  }
}

/** Returns the generator. It ends at once when its reader leaves, also while it waits for a change. */
function endable<T>(
  generator: AsyncGenerator<T, undefined, undefined>,
  watch: Wakeable,
): ClosableIterator<T> {
  const { return: leave, throw: fail } = generator;
  return Object.assign(generator, {
    return: (value?: undefined) => {
      watch.end();
      return leave.call(generator, value);
    },
    throw: (error: unknown) => {
      watch.end();
      return fail.call(generator, error);
    },
    // Node.js 20 and 22 have none at generators.
    [Symbol.asyncDispose]: async () => {
      await generator.return(undefined);
    },
  });
}
