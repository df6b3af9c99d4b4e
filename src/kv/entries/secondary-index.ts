// A secondary index of one space: its postings in their order, and the postings of each entry. It is in memory only, and is
// derived from the entries, whose ids it holds. write/index-postings.ts makes the postings, with functions of the program.
//
// The table of postings by id makes removals independent of those functions: a delete, a clear or an expiry needs no value.

import { inspect } from 'node:util';
import { type ArgumentName, KeelsonError } from '../../errors.js';
import type { KeyBounds } from '../encoding/key-bounds.js';
import type { IndexKey } from '../encoding/key-encoding.js';
import { type Posting, type ValueBytes, valueBytesOf } from '../encoding/postings.js';
import type { EntryId } from './handles-view.js';
import { IdTable } from './id-table.js';
import type { LinkQueue } from './link-queue.js';
import { OrderedIndex, treeOf } from './ordered-index.js';
import { UNSORTED_KEYS_MAX, UnsortedKeys } from './unsorted-keys.js';
import type { IndexWalk, OrderedKeySet } from './view.js';

/** The postings of one entry in one index: none, one, or several that ascend. */
export type EntryPostings = Posting | readonly Posting[] | null;

/** The declaration of an index by the program. */
export interface IndexSpec {
  readonly isUnique: boolean;
  /** True when the function returns an array of index values. */
  readonly isMany: boolean;
  readonly fn: (value: never, key: never) => unknown;
}

/** Called with each posting that comes or goes. */
export type OnPosting = (index: SecondaryIndex, posting: Posting) => void;

/** The size of a posting beside its characters, in bytes: the string, and its places in the tree and in the table. */
const POSTING_BYTES = 40;

/** The changed postings that a load corrects between two yields. */
const CHANGES_PER_PART = 1024;

/**
 * The load of an index: the postings that its build gathers, which become the tree. The postings that writes change meanwhile,
 * and their ids, are corrected in it afterwards: the table of postings is right at any time.
 */
interface IndexLoad {
  readonly gathered: UnsortedKeys<EntryId>;
  readonly changed: Posting[];
  readonly changedIds: EntryId[];
}

/** The postings of an index, live or as they were at one moment. */
export interface IndexView extends OrderedKeySet {
  /** Returns the postings of an entry; undefined for an entry that was not indexed yet. */
  postingsOf(id: EntryId): EntryPostings | undefined;
  /** Returns the lowest posting of an index value and its id, or undefined. */
  first(bytes: ValueBytes): readonly [posting: Posting, id: EntryId] | undefined;
  /** Returns an index that does not change. O(1). */
  view(): IndexView;
}

/** A secondary index as it was at one moment. */
export class FrozenIndex implements IndexView {
  readonly #tree: OrderedIndex<EntryId>;
  readonly #table: IdTable<EntryPostings>;

  constructor(tree: OrderedIndex<EntryId>, table: IdTable<EntryPostings>) {
    this.#tree = tree;
    this.#table = table;
  }

  get size(): number {
    return this.#tree.size;
  }

  has(posting: Posting): boolean {
    return this.#tree.has(posting);
  }

  first(bytes: ValueBytes): readonly [posting: Posting, id: EntryId] | undefined {
    return firstIn(this.#tree, bytes);
  }

  count(bounds: KeyBounds): number {
    return this.#tree.count(bounds);
  }

  rank(posting: Posting): number {
    return this.#tree.rank(posting);
  }

  nth(at: number): readonly [posting: Posting, id: EntryId] | undefined {
    return this.#tree.nth(at);
  }

  walk(bounds: KeyBounds, reverse?: boolean, limit?: number, offset?: number): IndexWalk<EntryId> {
    return this.#tree.walk(bounds, reverse, limit, offset);
  }

  postingsOf(id: EntryId): EntryPostings | undefined {
    return this.#table.get(id);
  }

  view(): this {
    return this;
  }
}

/** The values that due entries have had in a unique index, until the log removes them. */
class DueValues {
  readonly #keys = new Map<ValueBytes, IndexKey>();
  readonly #values = new Map<IndexKey, ValueBytes>();

  add(bytes: ValueBytes, key: IndexKey): void {
    this.#keys.set(bytes, key);
    this.#values.set(key, bytes);
  }

  delete(key: IndexKey): void {
    const bytes = this.#values.get(key);
    if (bytes === undefined) return;
    this.#values.delete(key);
    if (this.#keys.get(bytes) === key) this.#keys.delete(bytes);
  }

  keyOf(bytes: ValueBytes): IndexKey | undefined {
    return this.#keys.get(bytes);
  }
}

/** The index of a namespace that was not there. */
export const NO_POSTINGS = new FrozenIndex(new OrderedIndex(), new IdTable());

/** A live secondary index. */
export class SecondaryIndex implements IndexView {
  /** The name of the index, and that of its namespace. */
  readonly name: string;
  readonly namespace: string;
  readonly spec: IndexSpec;
  /** The name of the result of the function in messages. */
  readonly resultName: ArgumentName;
  #state: 'building' | 'ready' | 'off' = 'building';
  /** The reason why the index is off. */
  #error: unknown = null;
  /** The number of views that had been taken when the index became ready. Only later views have it. */
  readyEpoch = Number.POSITIVE_INFINITY;
  readonly #links: LinkQueue;
  #tree = new OrderedIndex<EntryId>();
  readonly #table = new IdTable<EntryPostings>();
  #characters = 0;
  /** The load while the index is built, or null. */
  #load: IndexLoad | null = null;
  /** The values of due entries whose removal is not in the log. */
  #due: DueValues | null = null;

  /** `links` is the link queue of the store. */
  constructor(namespace: string, name: string, spec: IndexSpec, links: LinkQueue) {
    this.namespace = namespace;
    this.name = name;
    this.spec = spec;
    this.#links = links;
    this.resultName = { toString: () => `the index ${this.shown}, result` };
  }

  /** Returns the same index, which is not built. */
  renewed(): SecondaryIndex {
    return new SecondaryIndex(this.namespace, this.name, this.spec, this.#links);
  }

  get isUnique(): boolean {
    return this.spec.isUnique;
  }

  get isBuilding(): boolean {
    return this.#state === 'building';
  }

  get isReady(): boolean {
    return this.#state === 'ready';
  }

  /** True when the index was given up. Writes go on without it. */
  get isOff(): boolean {
    return this.#state === 'off';
  }

  /** Notes that all entries are indexed. `epoch` is the number of views that were ever taken. */
  becomeReady(epoch: number): void {
    this.#state = 'ready';
    this.readyEpoch = epoch;
  }

  /** Gives the index up because of an error, which its reads throw from now on. */
  turnOff(error: unknown): void {
    this.#state = 'off';
    this.#error = error;
    this.clear(null);
  }

  /** Throws KEELSON_NOT_READY while the index is built, and the reason when it is off. */
  assertReady(): void {
    if (this.#state === 'building') throw this.notReady('is being built');
    if (this.#state === 'off') throw this.#error;
  }

  /** Returns the error for a read of an index that is not there yet. */
  notReady(why: string): KeelsonError {
    const what = `The index ${this.shown} ${why}`;
    return new KeelsonError('KEELSON_NOT_READY', what, { namespace: this.namespace, index: this.name });
  }

  /** The name as messages show it. */
  get shown(): string {
    return `${inspect(this.name)} of the namespace ${JSON.stringify(this.namespace)}`;
  }

  /** The memory of the index in bytes, estimated. */
  get memoryBytes(): number {
    return this.#table.memoryBytes + this.#tree.size * POSTING_BYTES + this.#characters;
  }

  get size(): number {
    this.#links.runOutsideOfCommits();
    return this.#tree.size;
  }

  has(posting: Posting): boolean {
    return this.#settled.has(posting);
  }

  first(bytes: ValueBytes): readonly [posting: Posting, id: EntryId] | undefined {
    return firstIn(this.#settled, bytes);
  }

  count(bounds: KeyBounds): number {
    return this.#settled.count(bounds);
  }

  rank(posting: Posting): number {
    return this.#settled.rank(posting);
  }

  nth(at: number): readonly [posting: Posting, id: EntryId] | undefined {
    return this.#settled.nth(at);
  }

  walk(bounds: KeyBounds, reverse?: boolean, limit?: number, offset?: number): IndexWalk<EntryId> {
    return this.#settled.walk(bounds, reverse, limit, offset);
  }

  postingsOf(id: EntryId): EntryPostings | undefined {
    return this.#table.get(id);
  }

  view(): FrozenIndex {
    this.#links.guard.assertIdle();
    void this.#settled;
    return this.freeze();
  }

  /** Returns what view() returns, inside of a change. */
  freeze(): FrozenIndex {
    return new FrozenIndex(this.#tree.clone(), this.#table.clone());
  }

  /** Sets the postings of an entry. */
  put(id: EntryId, postings: EntryPostings, onPosting: OnPosting | null): void {
    const previous = this.#table.get(id) ?? null;
    if (previous === postings && postings !== null) return;
    this.#table.set(id, postings);
    if (previous === null && typeof postings === 'string') this.#add(postings, id, onPosting);
    else this.#replace(id, listOf(previous), listOf(postings), onPosting);
  }

  /** Sets the postings of an entry that has none, outside of a change of it. */
  add(id: EntryId, postings: EntryPostings): void {
    const load = this.#load;
    this.#links.guard.enter();
    if (load === null || load.gathered.size + listOf(postings).length > UNSORTED_KEYS_MAX)
      this.put(id, postings, null);
    else {
      this.#table.set(id, postings);
      for (const posting of listOf(postings)) {
        load.gathered.add(posting, id);
        this.#characters += posting.length;
      }
    }
    this.#links.guard.leave();
  }

  /** Gathers the postings of later calls of add(), which endLoad() makes a tree of. Call it while the index is empty. */
  startLoad(): void {
    this.#load = { gathered: new UnsortedKeys(), changed: [], changedIds: [] };
  }

  /** Makes a tree of the postings that were gathered. Yields between parts of the work, and the index may change meanwhile. */
  *endLoad(): Generator<void, void, void> {
    const load = this.#load;
    if (load === null) return;
    const { gathered, changed, changedIds } = load;
    const tree = yield* treeOf(gathered);
    // The index may have been cleared meanwhile.
    if (this.#load !== load) return;
    this.#tree = tree;
    this.#load = null;
    for (let at = 0; at < changed.length; at++) {
      if (at % CHANGES_PER_PART === 0) yield;
      this.#correct(changed[at]!, changedIds[at]!);
    }
  }

  /** Makes the tree agree with the table about a posting. */
  #correct(posting: Posting, id: EntryId): void {
    this.#links.guard.enter();
    if (listOf(this.#table.get(id) ?? null).includes(posting)) this.#tree.set(posting, id);
    else this.#tree.delete(posting);
    this.#links.guard.leave();
  }

  /** Removes an entry. */
  remove(id: EntryId, onPosting: OnPosting | null): void {
    const previous = this.#table.get(id);
    if (previous === undefined) return;
    this.#table.set(id, undefined);
    for (const posting of listOf(previous)) this.#delete(posting, id, onPosting);
  }

  /** Removes an entry that was found due. A unique index knows its value until the log removes it. */
  leave(id: EntryId, key: IndexKey, onPosting: OnPosting | null): void {
    this.addDue(key, this.#table.get(id));
    this.remove(id, onPosting);
  }

  /**
   * Returns a posting of another entry with the value of a posting, whose bytes are its first `valueLength`; undefined when
   * there is none. The index is unique and ready, so at most one entry has the value, and its posting is right beside.
   */
  doubleOf(posting: Posting, valueLength: number): Posting | undefined {
    const [below, next] = this.#settled.beside(posting);
    if (next === posting) return undefined;
    if (next !== undefined && beginAlike(next, posting, valueLength)) return next;
    return below !== undefined && beginAlike(below, posting, valueLength) ? below : undefined;
  }

  /** Notes the postings of a due entry, whose removal is not in the log. Only a unique index needs them. */
  addDue(key: IndexKey, postings: EntryPostings | undefined): void {
    if (!this.isUnique || typeof postings !== 'string') return;
    this.#due ??= new DueValues();
    this.#due.add(valueBytesOf(postings, key), key);
  }

  /** Notes that the log removes a due entry. */
  removedDue(key: IndexKey): void {
    this.#due?.delete(key);
  }

  /** Returns the key of a due entry with a value, whose removal may not be in the log; undefined when there is none. */
  dueKeyOf(bytes: ValueBytes): IndexKey | undefined {
    return this.#due?.keyOf(bytes);
  }

  /** Removes all entries. O(1) without `onAll`, which is called when there was an entry. */
  clear(onAll: ((index: SecondaryIndex) => void) | null): void {
    if (onAll !== null && this.#tree.size > 0) onAll(this);
    this.#tree = new OrderedIndex();
    this.#load = null;
    this.#due = null;
    this.#table.clear();
    this.#characters = 0;
  }

  /** Replaces some postings by others. Both ascend. */
  #replace(
    id: EntryId,
    previous: readonly Posting[],
    next: readonly Posting[],
    onPosting: OnPosting | null,
  ): void {
    let at = 0;
    for (const posting of previous) {
      while (at < next.length && next[at]! < posting) this.#add(next[at++]!, id, onPosting);
      if (next[at] === posting) at++;
      else this.#delete(posting, id, onPosting);
    }
    while (at < next.length) this.#add(next[at++]!, id, onPosting);
  }

  #add(posting: Posting, id: EntryId, onPosting: OnPosting | null): void {
    if (this.#load === null) this.#tree.set(posting, id);
    else noteChange(this.#load, posting, id);
    this.#characters += posting.length;
    onPosting?.(this, posting);
  }

  #delete(posting: Posting, id: EntryId, onPosting: OnPosting | null): void {
    if (this.#load === null) this.#tree.delete(posting);
    else noteChange(this.#load, posting, id);
    this.#characters -= posting.length;
    onPosting?.(this, posting);
  }

  /** The tree with all links that were put off, and all keys in their order. */
  get #settled(): OrderedIndex<EntryId> {
    this.#links.run();
    if (!this.#tree.isSettled) {
      this.#links.guard.enter();
      this.#tree.settle();
      this.#links.guard.leave();
    }
    return this.#tree;
  }

  /** Throws when the table and the tree differ. O(n), for tests. */
  checkValid(ids: Iterable<EntryId>): void {
    let count = 0;
    for (const id of ids) {
      const postings = this.#table.get(id);
      if (postings === undefined) throw new Error(`the entry ${id} is not in the index`);
      for (const posting of listOf(postings)) {
        if (this.#settled.get(posting) !== id)
          throw new Error(`the posting ${inspect(posting)} is not ${id}`);
        count++;
      }
    }
    if (count !== this.size) throw new Error(`the index has ${this.size} postings instead of ${count}`);
    this.#settled.checkValid();
  }
}

function noteChange({ changed, changedIds }: IndexLoad, posting: Posting, id: EntryId): void {
  changed.push(posting);
  changedIds.push(id);
}

/** Returns the lowest posting of an index value and its id, or undefined. */
function firstIn(
  tree: OrderedIndex<EntryId>,
  bytes: ValueBytes,
): readonly [posting: Posting, id: EntryId] | undefined {
  const found = tree.lowestFrom(bytes);
  return found?.[0].startsWith(bytes) ? found : undefined;
}

/** Returns true when the first `length` code units are those of `other`. Makes no string, unlike startsWith(). */
function beginAlike(one: string, other: string, length: number): boolean {
  let at = 0;
  while (at < length && one.charCodeAt(at) === other.charCodeAt(at)) at++;
  return at === length;
}

const NONE: readonly Posting[] = [];

/** Returns the postings of an entry as a list. */
export function listOf(postings: EntryPostings): readonly Posting[] {
  if (postings === null) return NONE;
  return typeof postings === 'string' ? [postings] : postings;
}
