// The iterators of a KeelsonLevel: entries, keys and values, over a cursor of the store.

import { AbstractIterator, AbstractKeyIterator, AbstractValueIterator } from 'abstract-level';
import type { FairTurns } from '../fair-turns.js';
import type { Cursor, KeyBounds, RawReads } from '../kv/internal.js';
import { nextTurn } from '../schedulers.js';
import { formOf, indexKeyOf, type LevelData } from './level-codecs.js';
import { abortError } from './level-errors.js';

/** The options of an iterator as abstract-level passes them on, with encoded bounds. */
export interface LevelRange {
  readonly gt?: LevelData;
  readonly gte?: LevelData;
  readonly lt?: LevelData;
  readonly lte?: LevelData;
  readonly reverse: boolean;
  readonly limit: number;
}

export interface LevelIteratorOptions extends LevelRange {
  readonly keys?: boolean;
  readonly values?: boolean;
  readonly keyEncoding: string;
  readonly valueEncoding: string;
  readonly signal?: AbortSignal | null;
  /** An explicit snapshot, whose reads the iterator is given. */
  readonly snapshot?: object | null;
}

/** The most items that are read in one turn of the event loop. */
const ITEMS_PER_TURN = 1024;

/** Returns the bounds of a range. As in every Level, `gte` goes before `gt`, and `lte` before `lt`. */
export function boundsOf({ gt, gte, lt, lte }: LevelRange): KeyBounds {
  const [low, high] = [gte ?? gt, lte ?? lt];
  return {
    low: low === undefined ? undefined : indexKeyOf(low),
    lowInclusive: gte !== undefined,
    high: high === undefined ? undefined : indexKeyOf(high),
    highInclusive: lte !== undefined,
  };
}

/** Makes an item of the entry at which a cursor stands. */
type Projection = (cursor: Cursor) => unknown;

function entryFrom({ keys, values, keyEncoding, valueEncoding }: LevelIteratorOptions): Projection {
  const [{ key }, { value }] = [formOf(keyEncoding), formOf(valueEncoding)];
  return (cursor) => [
    keys === false ? undefined : key(cursor.key),
    values === false ? undefined : cursor.value(value),
  ];
}

function keyFrom({ keyEncoding }: LevelIteratorOptions): Projection {
  const { key } = formOf(keyEncoding);
  return (cursor) => key(cursor.key);
}

function valueFrom({ valueEncoding }: LevelIteratorOptions): Projection {
  const { value } = formOf(valueEncoding);
  return (cursor) => cursor.value(value);
}

// biome-ignore lint/suspicious/noExplicitAny: TypeScript demands it of a class that another one extends by a variable
type IteratorBase = new (...given: any[]) => { readonly count: number; readonly limit: number };

type IteratorClass = new (
  db: object,
  options: LevelIteratorOptions,
  reads: RawReads,
  turns: FairTurns,
) => object;

/** Returns a class of iterators, of which abstract-level calls the methods that start with `_`. */
function iteratorClass(
  Base: IteratorBase,
  projectionOf: (options: LevelIteratorOptions) => Projection,
): IteratorClass {
  return class extends Base {
    readonly #openCursor: () => Cursor;
    #lazyCursor: Cursor | null = null;
    readonly #project: Projection;
    readonly #turns: FairTurns;
    readonly #signal: AbortSignal | null;

    constructor(db: object, options: LevelIteratorOptions, reads: RawReads, turns: FairTurns) {
      super(db, options);
      const bounds = boundsOf(options);
      this.#openCursor = () => reads.cursor(bounds, options.reverse);
      // An explicit snapshot may be closed, which the first read is to tell.
      if (options.snapshot == null) this.#lazyCursor = this.#openCursor();
      this.#project = projectionOf(options);
      this.#turns = turns;
      this.#signal = options.signal ?? null;
    }

    get #cursor(): Cursor {
      this.#lazyCursor ??= this.#openCursor();
      return this.#lazyCursor;
    }

    _next(): unknown {
      const cursor = this.#cursor;
      const item = cursor.advance() ? this.#project(cursor) : undefined;
      return this.#given(item, 1);
    }

    _nextv(size: number): unknown {
      if (size > ITEMS_PER_TURN) return this.#read(size);
      const items: unknown[] = [];
      this.#take(items, size);
      return this.#given(items, items.length);
    }

    _all(): Promise<unknown[]> {
      return this.#read(this.limit - this.count);
    }

    _seek(target: LevelData): void {
      this.#cursor.seek(indexKeyOf(target));
    }

    _close(): void {
      this.#lazyCursor?.close();
    }

    /** Returns what was read, or a promise of it when the event loop is to have its turn, or a signal may come meanwhile. */
    #given<T>(read: T, work: number): T | Promise<T> {
      const isDue = this.#turns.isDue(work);
      return isDue || this.#signal !== null ? this.#givenLater(read, isDue) : read;
    }

    async #givenLater<T>(read: T, isDue: boolean): Promise<T> {
      await (isDue ? nextTurn() : undefined);
      this.#throwIfAborted();
      return read;
    }

    #throwIfAborted(): void {
      if (this.#signal?.aborted) throw abortError(this.#signal);
    }

    /** Reads at most `count` items, and gives the event loop its turns meanwhile. */
    async #read(count: number): Promise<unknown[]> {
      const items: unknown[] = [];
      let hasMore = true;
      while (hasMore && items.length < count) {
        hasMore = this.#take(items, Math.min(count, items.length + ITEMS_PER_TURN));
        await (this.#turns.isDue(ITEMS_PER_TURN) ? nextTurn() : undefined);
        this.#throwIfAborted();
      }
      return items;
    }

    /** Reads until there are `end` items. Returns false when the entries end before. */
    #take(items: unknown[], end: number): boolean {
      const [cursor, project] = [this.#cursor, this.#project];
      while (items.length < end) {
        if (!cursor.advance()) return false;
        items.push(project(cursor));
      }
      return true;
    }
  };
}

export const EntryIterator = iteratorClass(AbstractIterator, entryFrom);
export const KeyIterator = iteratorClass(AbstractKeyIterator, keyFrom);
export const ValueIterator = iteratorClass(AbstractValueIterator, valueFrom);
