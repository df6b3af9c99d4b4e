// The reads of secondary indexes, over a view of an index and of the entries beneath it. index-interface.ts documents them
// for callers.

import { type InspectOptions, inspect } from 'node:util';
import { misuse } from '../../errors.js';
import type { TuplePart } from '../encoding/encoding-types.js';
import type { KeyBounds } from '../encoding/key-bounds.js';
import type { IndexKey } from '../encoding/key-encoding.js';
import {
  keyOf,
  type Posting,
  readPosting,
  resolveValueRange,
  toValueBytes,
  VALUE_BOUND_NAMES,
  VALUE_RANGE_NAMES,
  type ValueBytes,
} from '../encoding/postings.js';
import type { EntryId } from '../entries/entry-handles.js';
import type { IndexView, SecondaryIndex } from '../entries/secondary-index.js';
import type { IndexWalk, OrderedKeys, View, Walkable } from '../entries/view.js';
import type { Index, IndexesOf, IndexRange, IndexRangeOptions, UniqueIndex } from './index-interface.js';
import { type Codecs, iterateWalk } from './reads.js';
import { shown } from './shown.js';

type Decode<T> = (bytes: Uint8Array, start: number, end: number) => T;

/** An index at one moment, for an iteration. */
export interface IndexedWalkable extends Pick<OrderedKeys, 'walk'> {
  /** Reads the value of the entry of a posting. */
  read<T>(key: IndexKey, id: EntryId, decode: Decode<T>): T;
}

/** A readable index with the entries beneath it. */
export interface IndexedView extends OrderedKeys, IndexedWalkable {
  /** Returns the posting of the entry that has an index value, and its id; undefined when none has it. */
  first(bytes: ValueBytes): readonly [posting: Posting, id: EntryId] | undefined;
  /** Returns the index of this moment. O(1). */
  view(): IndexedWalkable;
}

/** The access of reads to one index. */
export interface IndexAccess {
  /** Called at every read and at every step of an iteration. Throws when reads are not possible any more. */
  assertOpen(): void;
  /** Returns the index for the next read. Throws when it is not ready. */
  view(): IndexedView;
}

/** An index over the entries of the same moment, for an iteration. */
class WalkOverEntries implements IndexedWalkable {
  readonly #index: Pick<OrderedKeys, 'walk'>;
  readonly #entries: Walkable;

  constructor(index: Pick<OrderedKeys, 'walk'>, entries: Walkable) {
    this.#index = index;
    this.#entries = entries;
  }

  walk(bounds: KeyBounds, reverse?: boolean, limit?: number, offset?: number): IndexWalk<EntryId> {
    return this.#index.walk(bounds, reverse, limit, offset);
  }

  read<T>(_key: IndexKey, id: EntryId, decode: Decode<T>): T {
    return this.#entries.read(this.#entries.handleOf(id), decode);
  }
}

/** An index over the entries of the same moment. */
export class IndexOverEntries extends WalkOverEntries implements IndexedView {
  readonly #index: IndexView;
  readonly #entries: View;

  constructor(index: IndexView, entries: View) {
    super(index, entries);
    this.#index = index;
    this.#entries = entries;
  }

  get size(): number {
    return this.#index.size;
  }

  first(bytes: ValueBytes): readonly [posting: Posting, id: EntryId] | undefined {
    return this.#index.first(bytes);
  }

  count(bounds: KeyBounds): number {
    return this.#index.count(bounds);
  }

  rank(posting: Posting): number {
    return this.#index.rank(posting);
  }

  nth(at: number): readonly [posting: Posting, id: EntryId] | undefined {
    return this.#index.nth(at);
  }

  view(): IndexedWalkable {
    return new WalkOverEntries(this.#index.view(), this.#entries.view());
  }
}

/** The reads of an index. */
export class IndexReads<K, V> implements Index<K, V> {
  readonly #codecs: Codecs<K, V>;
  readonly #access: IndexAccess;
  readonly #name: string;

  constructor(name: string, codecs: Codecs<K, V>, access: IndexAccess) {
    this.#name = name;
    this.#codecs = codecs;
    this.#access = access;
  }

  /** A getter, because console.log() of an index shows fields. */
  protected get codecs(): Codecs<K, V> {
    return this.#codecs;
  }

  protected get access(): IndexAccess {
    return this.#access;
  }

  entries(range?: IndexRangeOptions<TuplePart>): IteratorObject<[TuplePart, K, V], undefined> {
    return this.#iterate(range, (view, walk) => this.#entryAt(view, walk.key, walk.value));
  }

  keys(range?: IndexRangeOptions<TuplePart>): IteratorObject<K, undefined> {
    const { key } = this.codecs;
    return this.#iterate(range, (_, walk) => key.fromIndexKey(keyOf(walk.key)));
  }

  values(range?: IndexRangeOptions<TuplePart>): IteratorObject<V, undefined> {
    const { decode } = this.codecs.value;
    return this.#iterate(range, (view, walk) => view.read(keyOf(walk.key), walk.value, decode));
  }

  count(range?: IndexRange<TuplePart>): number {
    this.access.assertOpen();
    const { bounds } = resolveValueRange(VALUE_BOUND_NAMES, range);
    return this.access.view().count(bounds);
  }

  rank(index: TuplePart): number {
    this.access.assertOpen();
    const bytes = toValueBytes('index', index);
    return this.access.view().rank(bytes);
  }

  nth(at: number): [TuplePart, K, V] | undefined {
    this.access.assertOpen();
    if (!Number.isInteger(at)) throw misuse('at', 'an integer', at);
    const view = this.access.view();
    const found = view.nth(at < 0 ? view.size + at : at);
    return found === undefined ? undefined : this.#entryAt(view, ...found);
  }

  [inspect.custom](_depth: number, options: InspectOptions): string {
    const isUnique = this instanceof UniqueIndexReads;
    return shown(isUnique ? 'UniqueIndex' : 'Index', { name: () => this.#name }, options);
  }

  #entryAt(view: IndexedWalkable, posting: Posting, id: EntryId): [TuplePart, K, V] {
    const { key, value } = this.codecs;
    const { value: indexValue, keyAt } = readPosting(posting);
    const indexKey = posting.slice(keyAt);
    return [indexValue, key.fromIndexKey(indexKey), view.read(indexKey, id, value.decode)];
  }

  /** Returns an iterator over a view that is taken now. `project` makes the items. */
  #iterate<T>(
    range: unknown,
    project: (view: IndexedWalkable, walk: IndexWalk<EntryId>) => T,
  ): IteratorObject<T, undefined> {
    this.access.assertOpen();
    const { bounds, reverse, limit, offset } = resolveValueRange(VALUE_RANGE_NAMES, range);
    const view = this.access.view().view();
    return iterateWalk(view, view.walk(bounds, reverse, limit, offset), project, this.access);
  }
}

/** The reads of a unique index. */
export class UniqueIndexReads<K, V> extends IndexReads<K, V> implements UniqueIndex<K, V> {
  get(index: TuplePart): V | undefined {
    this.access.assertOpen();
    const bytes = toValueBytes('index', index);
    const view = this.access.view();
    const found = view.first(bytes);
    if (found === undefined) return undefined;
    const [posting, id] = found;
    return view.read(posting.slice(bytes.length), id, this.codecs.value.decode);
  }

  getKey(index: TuplePart): K | undefined {
    this.access.assertOpen();
    const bytes = toValueBytes('index', index);
    const posting = this.access.view().first(bytes)?.[0];
    return posting === undefined ? undefined : this.codecs.key.fromIndexKey(posting.slice(bytes.length));
  }
}

/** Returns the reads of indexes by their names. `I` must be their definitions. `accessOf` makes the access to each. */
export function readsByName<K, V, I>(
  indexes: readonly SecondaryIndex[],
  codecs: Codecs<K, V>,
  accessOf: (index: SecondaryIndex) => IndexAccess,
): IndexesOf<K, V, I> {
  // A name may be that of a property of all objects, such as __proto__.
  const byName: { [name: string]: IndexReads<K, V> } = Object.create(null);
  for (const index of indexes) {
    const Reads = index.isUnique ? UniqueIndexReads : IndexReads;
    byName[index.name] = new Reads<K, V>(index.name, codecs, accessOf(index));
  }
  return Object.freeze(byName) as unknown as IndexesOf<K, V, I>;
}
