// Which value an entry has: from its id, which is its own for as long as its key is there, to the handle of its value.
// The ordered index knows ids, so a key that is overwritten leaves it, and the views that share it, as it is. Pure, in memory.
//
// Pages of handles in groups of pages: whatever a view shares is copied before it is written to, a page (8 KiB), its
// group and the list of groups. So a view is O(1), and the first write after it costs about a microsecond.

import type { EntryHandle } from './entry-slabs.js';
import { ViewEpoch } from './view-epoch.js';

export type EntryId = number;

const PAGE_BITS = 10;
const PAGE_HANDLES = 1 << PAGE_BITS;
const PAGE_MASK = PAGE_HANDLES - 1;
/** In an array of V8's. */
const HANDLE_BYTES = 8;
const GROUP_BITS = 8;
const GROUP_MASK = (1 << GROUP_BITS) - 1;

/** The place of an id that is free holds this minus the next one that is; a handle is never negative. */
const FREE = -2;
const NO_ID = -1;

/** Arrays of numbers: V8 keeps them without a pointer each, copies them as memory, and grows no buffers for them. */
type Page = EntryHandle[];
type Group = Page[];

/** Of what get() returns for an id below `end`. */
export function isFree(handle: EntryHandle): boolean {
  return handle < 0;
}

/** Reads the handles as they were at one moment. */
export class EntryHandlesView {
  protected groups: Group[];

  constructor(groups: Group[]) {
    this.groups = groups;
  }

  /** The handle of an id that is in use. Of the owner, any id below `end` may be asked for: see isFree(). */
  get(id: EntryId): EntryHandle {
    return this.groups[id >>> (PAGE_BITS + GROUP_BITS)]![(id >>> PAGE_BITS) & GROUP_MASK]![id & PAGE_MASK]!;
  }
}

export class EntryHandles extends EntryHandlesView {
  readonly #epoch: ViewEpoch;
  /** The epochs in which the list of groups, each group and each page were last owned. */
  #groupsEpoch = 0;
  #groupEpochs: number[] = [];
  #pageEpochs: number[] = [];
  /** So many ids have been given out since the last clear(). */
  #end = 0;
  #firstFree = NO_ID;

  constructor(epoch = new ViewEpoch()) {
    super([]);
    this.#epoch = epoch;
  }

  /** Above every id in use. */
  get end(): EntryId {
    return this.#end;
  }

  /** Of the pages that are this owner's own or shared with views. */
  get memoryBytes(): number {
    return this.#pageEpochs.length * PAGE_HANDLES * HANDLE_BYTES;
  }

  /** Reads what is here now, whatever becomes of it. O(1). */
  view(): EntryHandlesView {
    this.#epoch.current++;
    return new EntryHandlesView(this.groups);
  }

  set(id: EntryId, handle: EntryHandle): void {
    if (this.#pageEpochs[id >>> PAGE_BITS] !== this.#epoch.current) this.#ownPage(id);
    this.groups[id >>> (PAGE_BITS + GROUP_BITS)]![(id >>> PAGE_BITS) & GROUP_MASK]![id & PAGE_MASK] = handle;
  }

  /** An id for a new entry. */
  add(handle: EntryHandle): EntryId {
    let id = this.#firstFree;
    if (id === NO_ID) id = this.#end++;
    else this.#firstFree = FREE - this.get(id);
    this.set(id, handle);
    return id;
  }

  /** The id may be given to another entry. */
  remove(id: EntryId): void {
    this.set(id, FREE - this.#firstFree);
    this.#firstFree = id;
  }

  clear(): void {
    this.groups = [];
    this.#groupsEpoch = this.#epoch.current;
    this.#groupEpochs = [];
    this.#pageEpochs = [];
    this.#end = 0;
    this.#firstFree = NO_ID;
  }

  #ownPage(id: EntryId): void {
    const group = this.#ownGroup(id >>> (PAGE_BITS + GROUP_BITS));
    const place = (id >>> PAGE_BITS) & GROUP_MASK;
    group[place] = group[place]?.slice() ?? new Array<EntryHandle>(PAGE_HANDLES).fill(FREE);
    this.#pageEpochs[id >>> PAGE_BITS] = this.#epoch.current;
  }

  #ownGroup(place: number): Group {
    if (this.#groupsEpoch !== this.#epoch.current) {
      this.groups = this.groups.slice();
      this.#groupsEpoch = this.#epoch.current;
    }
    if (this.#groupEpochs[place] !== this.#epoch.current) {
      this.groups[place] = this.groups[place]?.slice() ?? [];
      this.#groupEpochs[place] = this.#epoch.current;
    }
    return this.groups[place]!;
  }
}
