// The ordered index: an ordered map in memory, on the B+ tree of `sorted-btree`. Pure.
//
// New keys that ascend above all others gather in the tail, two arrays beside the tree. A long tail goes into the tree
// as whole nodes, which is faster than key by key. Reads, and changes of keys in the tail, move the tail into the tree
// first.
//
// A clone is O(1) and copy-on-write in both directions. The tree marks the root as shared. Before the tree changes a
// shared node, it copies the node and marks the children as shared. The arrays of a shared node never change, so writes
// to the original do not affect a walk over a clone.

import { ALL_KEYS, isUnbounded, type KeyBounds, LOWEST_KEY, successorOf } from '../encoding/key-bounds.js';
import type { IndexKey } from '../encoding/key-encoding.js';
import { countIn, keysBeside, rankOf } from './order-statistics.js';
import { BTree, bulkLoad, type Tree, union } from './sorted-btree.js';
import { TreeWalk } from './tree-walk.js';
import { UNSORTED_KEYS_MAX, UnsortedKeys } from './unsorted-keys.js';
import type { IndexWalk } from './view.js';

/**
 * The most keys in a node of the ordered index. Smaller nodes make a large index slower, and larger nodes gain nothing.
 */
const NODE_ENTRIES_MAX = 64;

/**
 * Nodes that are made of many keys at once are filled to this part, because the first insertions would split full
 * nodes.
 */
const LOAD_FACTOR = 0.9;

/** A loader gathers this many keys before it makes nodes of them, which bounds the time of a single add(). */
const LOAD_CHUNK_KEYS = 4096;

/**
 * The most keys in the tail of the ordered index. A longer tail gains little, and the next read waits until the whole
 * tail is in the tree.
 */
const TAIL_KEYS_MAX = 1024;
/** The shortest tail of the ordered index that goes into the tree as whole nodes. A shorter tail goes key by key. */
const TAIL_KEYS_MIN = 32;

/** Unsorted keys go one by one into a tree with more than this many times their number of keys. */
const REBUILT_RATIO_MAX = 4;

/** An ordered map from index keys to values, in the order of code units. */
export class OrderedIndex<V extends object | number> {
  readonly #nodeEntriesMax: number;
  readonly #tailKeysMax: number;
  #tree: Tree<V>;
  /** The tail: ascending keys above every key in the tree. */
  #tailKeys: IndexKey[] = [];
  #tailValues: V[] = [];
  /** A key that no key in tree and tail is above, or undefined when none is known. */
  #highest: IndexKey | undefined;
  /** New keys that do not ascend, between gather() and endGathering(). */
  #unsorted: UnsortedKeys<V> | null = null;

  /** Takes over a tree, if one is given. Tests give small sizes, which make deep trees of few keys. */
  constructor(
    nodeEntriesMax = NODE_ENTRIES_MAX,
    tailKeysMax = TAIL_KEYS_MAX,
    tree: Tree<V> = new BTree<V>(undefined, compareCodeUnits, nodeEntriesMax),
  ) {
    this.#tree = tree;
    this.#nodeEntriesMax = nodeEntriesMax;
    this.#tailKeysMax = tailKeysMax;
  }

  /** The number of keys. */
  get size(): number {
    return this.#tree.size + this.#tailKeys.length + (this.#unsorted?.size ?? 0);
  }

  /** Returns the value of a key, or undefined. */
  get(key: IndexKey): V | undefined {
    return this.#wholeTree.get(key);
  }

  /** Returns true when the key is there. */
  has(key: IndexKey): boolean {
    return this.get(key) !== undefined;
  }

  /** Returns the lowest key that is `key` or above it, with its value; undefined when there is none. */
  lowestFrom(key: IndexKey): readonly [key: IndexKey, value: V] | undefined {
    return this.#wholeTree.getPairOrNextHigher(key);
  }

  /** Returns the highest key below `key`, and the lowest that is `key` or above it; undefined where there is none. */
  beside(key: IndexKey): readonly [below: IndexKey | undefined, next: IndexKey | undefined] {
    return keysBeside(this.#wholeTree, key);
  }

  /** Sets the value of a key. Returns true when the key was not there. */
  set(key: IndexKey, value: V): boolean {
    this.#highest ??= this.#wholeTree.maxKey() ?? LOWEST_KEY;
    if (key > this.#highest) {
      this.#highest = key;
      if (this.#tailKeys.length === 0) {
        // V8 gives an array that is written in full no room to grow. A small space has few keys.
        this.#tailKeys = [key];
        this.#tailValues = [value];
        return true;
      }
      this.#tailKeys.push(key);
      this.#tailValues.push(value);
      if (this.#tailKeys.length >= this.#tailKeysMax) this.#appendTail();
      return true;
    }
    if (this.#unsorted !== null) {
      this.#unsorted.add(key, value);
      if (this.#unsorted.size === UNSORTED_KEYS_MAX) this.settle();
      return true;
    }
    const [tailKey] = this.#tailKeys;
    const isBelowTail = tailKey === undefined || key < tailKey;
    return (isBelowTail ? this.#tree : this.#wholeTree).set(key, value);
  }

  /** Gathers later keys that do not ascend unsorted, until endGathering(). Until then, set() takes new keys only. */
  gather(): void {
    this.#unsorted ??= new UnsortedKeys<V>();
  }

  /** Ends gather(). Yields between parts of the work, and the index must not be used before the last part is done. */
  *endGathering(): Generator<void, void, void> {
    yield* this.#takeUnsorted();
    this.#unsorted = null;
  }

  /**
   * Deletes a key. Returns false when it was not there. If a clone shares the tree, the path to the place of the key is
   * copied in either case.
   */
  delete(key: IndexKey): boolean {
    return this.#wholeTree.delete(key);
  }

  /** Returns an independent index with the same content. O(1): a node is copied when one of the two changes it. */
  clone(): OrderedIndex<V> {
    return new OrderedIndex(this.#nodeEntriesMax, this.#tailKeysMax, this.#wholeTree.clone());
  }

  /** Returns the number of keys in the range. O(log n). */
  count(bounds: KeyBounds): number {
    if (isUnbounded(bounds)) return this.size;
    return countIn(this.#wholeTree, bounds);
  }

  /** Returns the number of keys below a key, which may be absent. O(log n). */
  rank(key: IndexKey): number {
    return rankOf(this.#wholeTree, { ...ALL_KEYS, low: key }, 'start');
  }

  /** Returns the key with `at` keys below it and its value, or undefined for a place that no key has. O(log n). */
  nth(at: number): readonly [key: IndexKey, value: V] | undefined {
    if (at < 0) return undefined;
    const walk = this.walk(ALL_KEYS, false, 1, at);
    return walk.advance() ? [walk.key, walk.value] : undefined;
  }

  /** Deletes the keys in the range, and returns their number. */
  deleteRange(bounds: KeyBounds): number {
    this.#highest = undefined;
    if (isUnbounded(bounds)) return this.#deleteAll();
    const tree = this.#wholeTree;
    // sorted-btree counts a negative number of keys in an inverted range.
    if (countIn(tree, bounds) === 0) return 0;
    const isToHighest = bounds.high === undefined;
    const high = isToHighest ? tree.maxKey()! : bounds.high;
    return tree.deleteRange(lowestOf(bounds), high, isToHighest || bounds.highInclusive);
  }

  /** Deletes all keys. Needs no memory, because a clear that was accepted must not fail. */
  #deleteAll(): number {
    const { size } = this;
    this.#tree.clear();
    this.#tailKeys = [];
    this.#tailValues = [];
    if (this.#unsorted !== null) this.#unsorted = new UnsortedKeys<V>();
    return size;
  }

  /** True when all keys are in the tree, so that a read does not change the tree. */
  get isSettled(): boolean {
    return this.#tailKeys.length === 0 && (this.#unsorted?.size ?? 0) === 0;
  }

  /** Moves the tail and unsorted keys into the tree. */
  settle(): void {
    if (this.#tailKeys.length > 0) this.#appendTail();
    if (this.#unsorted !== null && this.#unsorted.size > 0) for (const _ of this.#takeUnsorted());
  }

  /** Moves the tail and unsorted keys into the tree. Few unsorted keys go in one by one, and many make a new tree. */
  *#takeUnsorted(): Generator<void, void, void> {
    if (this.#tailKeys.length > 0) this.#appendTail();
    const unsorted = this.#unsorted;
    if (unsorted === null || unsorted.size === 0) return;
    this.#unsorted = new UnsortedKeys<V>();
    const places = yield* unsorted.sorted();
    if (unsorted.size * REBUILT_RATIO_MAX < this.#tree.size) yield* this.#setSorted(unsorted, places);
    else yield* this.#mergeSorted(unsorted, places);
  }

  *#setSorted(unsorted: UnsortedKeys<V>, places: Float64Array): Generator<void, void, void> {
    for (let at = 0; at < places.length; at++) {
      if (at % LOAD_CHUNK_KEYS === 0) yield;
      const place = places[at]!;
      this.#tree.set(unsorted.keyAt(place), unsorted.valueAt(place));
    }
  }

  *#mergeSorted(unsorted: UnsortedKeys<V>, places: Float64Array): Generator<void, void, void> {
    const merged = new OrderedIndexLoader<V>(this.#nodeEntriesMax);
    const old = new TreeWalk(this.#tree, ALL_KEYS, false, Number.POSITIVE_INFINITY, 0);
    let hasOld = old.advance();
    for (let at = 0; hasOld || at < places.length; ) {
      if (merged.size % LOAD_CHUNK_KEYS === 0) yield;
      const place = places[at];
      if (place !== undefined && !(hasOld && old.key < unsorted.keyAt(place))) {
        merged.add(unsorted.keyAt(place), unsorted.valueAt(place));
        at++;
      } else {
        merged.add(old.key, old.value);
        hasOld = old.advance();
      }
    }
    this.#tree = merged.finish().#tree;
  }

  /** The tree with every key in it. */
  get #wholeTree(): Tree<V> {
    this.settle();
    return this.#tree;
  }

  #appendTail(): void {
    const [keys, values] = [this.#tailKeys, this.#tailValues];
    const isShort = keys.length < TAIL_KEYS_MIN && keys.length < this.#tailKeysMax;
    if (isShort) for (const [at, key] of keys.entries()) this.#tree.set(key, values[at]!);
    else this.#tree = withKeysAbove(this.#tree, keys, values, this.#nodeEntriesMax);
    this.#tailKeys = [];
    this.#tailValues = [];
  }

  /** Yields the keys of a walk with their values, each pair in a new array. */
  *iterate(bounds: KeyBounds, reverse?: boolean, limit?: number, offset?: number): IndexIterator<V> {
    const walk = this.walk(bounds, reverse, limit, offset);
    while (walk.advance()) yield [walk.key, walk.value];
  }

  /**
   * Returns a walk over at most `limit` keys in the range, without the first `offset` keys in its direction. It makes no
   * object for each key. The order is undefined when the index changes meanwhile: walk over a clone.
   */
  walk(bounds: KeyBounds, reverse = false, limit = Number.POSITIVE_INFINITY, offset = 0): IndexWalk<V> {
    return new TreeWalk(this.#wholeTree, bounds, reverse, limit, offset);
  }

  /** Throws when the bookkeeping of the tree is damaged. O(n), for tests. */
  checkValid(): void {
    this.#wholeTree.checkValid(true);
  }
}

/** Builds an index of keys in ascending order. It is faster than set(), and no call takes long. */
export class OrderedIndexLoader<V extends object | number> {
  readonly #nodeEntriesMax: number;
  readonly #chunkKeys: number;
  #tree: Tree<V>;
  #keys: IndexKey[] = [];
  #values: V[] = [];
  #lastKey: IndexKey | undefined;

  /** Tests give small sizes. */
  constructor(nodeEntriesMax = NODE_ENTRIES_MAX, chunkKeys = LOAD_CHUNK_KEYS) {
    this.#tree = new BTree<V>(undefined, compareCodeUnits, nodeEntriesMax);
    this.#nodeEntriesMax = nodeEntriesMax;
    this.#chunkKeys = chunkKeys;
  }

  /** The number of keys that have been added. */
  get size(): number {
    return this.#tree.size + this.#keys.length;
  }

  /** Adds a key with its value. Returns false, without adding it, for a key that is not above the last key. */
  add(key: IndexKey, value: V): boolean {
    if (this.#lastKey !== undefined && key <= this.#lastKey) return false;
    this.#lastKey = key;
    this.addNext(key, value);
    return true;
  }

  /** Adds a key that is known to be above the last one. It does not look at the key, which may not be in the cache. */
  addNext(key: IndexKey, value: V): void {
    this.#keys.push(key);
    this.#values.push(value);
    if (this.#keys.length >= this.#chunkKeys) this.#appendChunk();
  }

  /** Returns the index. The loader must not be used any more. */
  finish(): OrderedIndex<V> {
    this.#appendChunk();
    return new OrderedIndex(this.#nodeEntriesMax, undefined, this.#tree);
  }

  #appendChunk(): void {
    if (this.#keys.length === 0) return;
    this.#tree = withKeysAbove(this.#tree, this.#keys, this.#values, this.#nodeEntriesMax);
    this.#keys = [];
    this.#values = [];
  }
}

/** Makes an index of keys in any order. Yields between parts of the work. The keys must not be changed any more. */
export function* treeOf<V extends object | number>(
  unsorted: UnsortedKeys<V>,
): Generator<void, OrderedIndex<V>, void> {
  const loader = new OrderedIndexLoader<V>();
  if (unsorted.size === 0) return loader.finish();
  const places = yield* unsorted.sorted();
  for (let at = 0; at < places.length; at++) {
    if (at % LOAD_CHUNK_KEYS === 0) yield;
    const place = places[at]!;
    loader.addNext(unsorted.keyAt(place), unsorted.valueAt(place));
  }
  return loader.finish();
}

/**
 * Returns a tree with the keys of `tree` and `keys`, which ascend and are above all keys of `tree`. `tree` must not be
 * used any more.
 */
function withKeysAbove<V extends object | number>(
  tree: Tree<V>,
  keys: IndexKey[],
  values: V[],
  nodeEntriesMax: number,
): Tree<V> {
  const above = bulkLoad(keys, values, nodeEntriesMax, compareCodeUnits, LOAD_FACTOR);
  // The two ranges of keys do not overlap, so the union takes whole nodes of both and works only where they meet.
  return tree.size === 0 ? above : union(tree, above, (_, value) => value);
}

export type IndexIterator<V> = Generator<readonly [IndexKey, V], void, undefined>;

function compareCodeUnits(a: IndexKey, b: IndexKey): number {
  // `===` is faster than a second `<` or `>`: it tells strings of unequal length apart without reading their
  // characters.
  return a < b ? -1 : a === b ? 0 : 1;
}

/** Returns the lowest possible key in the range. */
function lowestOf(bounds: KeyBounds): IndexKey {
  if (bounds.low === undefined) return LOWEST_KEY;
  return bounds.lowInclusive ? bounds.low : successorOf(bounds.low);
}
