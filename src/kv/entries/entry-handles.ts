// The table of handles: leads from the id of an entry to its handle. An entry keeps its id for as long as its key is
// there, and gets a new handle when it is overwritten or moved. The ordered index holds ids, so an overwrite changes
// neither the index nor the views that share it. Pure, in memory.
//
// Handles stand in pages, pages in groups, and groups in a list. A view shares all of them, so it is O(1). After a
// view, the table copies the list, a group and a page before it first writes to them.

import type { EntryId, HandlesView } from './handles-view.js';
import { ReplacedHandles, type ShortHandlesView } from './replaced-handles.js';
import type { EntryHandle } from './slab.js';
import { ViewEpoch } from './view-epoch.js';

export type { EntryId } from './handles-view.js';

const PAGE_BITS = 6;
const PAGE_HANDLES = 1 << PAGE_BITS;
const PAGE_MASK = PAGE_HANDLES - 1;
/** The number of handles that the first page has at first. It grows with the ids, because a store may have many spaces. */
const FIRST_PAGE_HANDLES = 8;
/** The size of a handle in an array of numbers in V8, at most. */
const HANDLE_BYTES = 8;
const GROUP_BITS = 6;
const GROUP_MASK = (1 << GROUP_BITS) - 1;

/**
 * The handle of a free id is FREE minus the next free id, so the free ids form a list. Other handles are never
 * negative.
 */
const FREE = -2;
/** Ends the list of free ids. */
const NO_ID = -1;

/** A page is a plain array: V8 stores its numbers without pointers, copies it fast, and needs no ArrayBuffer for it. */
type Page = EntryHandle[];
type Group = Page[];

/** Returns true when `handle`, which get() returned, says that its id is free. */
export function isFree(handle: EntryHandle): boolean {
  return handle < 0;
}

/** A lasting view of the table of handles, which shares its pages. */
export class EntryHandlesView implements HandlesView {
  protected groups: Group[];

  constructor(groups: Group[]) {
    this.groups = groups;
  }

  /** Returns the handle of an id in use. EntryHandles also takes a free id below `end`: see isFree(). */
  get(id: EntryId): EntryHandle {
    return this.groups[id >>> (PAGE_BITS + GROUP_BITS)]![(id >>> PAGE_BITS) & GROUP_MASK]![id & PAGE_MASK]!;
  }
}

/** The live table of handles. */
export class EntryHandles extends EntryHandlesView {
  readonly #epoch: ViewEpoch;
  /** The view epochs in which the list of groups, each group and each page were made or last copied. */
  #groupsEpoch = 0;
  #groupEpochs: number[] = [];
  #pageEpochs: number[] = [];
  /** The number of different ids since the last clear(). Ids in use and free ids are all below it. */
  #end = 0;
  #firstFree = NO_ID;
  /** The handles that short views need, or null while there are none. */
  #replaced: ReplacedHandles | null = null;

  constructor(epoch = new ViewEpoch()) {
    super([]);
    this.#epoch = epoch;
  }

  /** An id above all ids in use. Every id below it is in use or free. */
  get end(): EntryId {
    return this.#end;
  }

  /** The bytes of the pages of the table, also of pages that views share, without pages that only views hold. */
  get memoryBytes(): number {
    const pages = this.#pageEpochs.length;
    const handles = pages === 1 ? this.groups[0]![0]!.length : pages * PAGE_HANDLES;
    return handles * HANDLE_BYTES;
  }

  /** Returns a view of the table as it is now. O(1). */
  view(): EntryHandlesView {
    this.#epoch.current++;
    return new EntryHandlesView(this.groups);
  }

  /** Returns a view for a short time, beside which a write copies no page. The caller closes it in any case. O(1). */
  shortView(): ShortHandlesView {
    this.#replaced ??= new ReplacedHandles(this);
    return this.#replaced.view();
  }

  set(id: EntryId, handle: EntryHandle): void {
    if (this.#replaced !== null) this.#noteReplaced(id, this.#replaced);
    this.#write(id, handle);
  }

  #write(id: EntryId, handle: EntryHandle): void {
    if (this.#pageEpochs[id >>> PAGE_BITS] !== this.#epoch.current) this.#ownPage(id);
    this.groups[id >>> (PAGE_BITS + GROUP_BITS)]![(id >>> PAGE_BITS) & GROUP_MASK]![id & PAGE_MASK] = handle;
  }

  /** Returns an id for a new entry with this handle: a free id, or `end`. */
  add(handle: EntryHandle): EntryId {
    let id = this.#firstFree;
    if (id === NO_ID) id = this.#end++;
    else this.#firstFree = FREE - this.get(id);
    this.#write(id, handle);
    return id;
  }

  /** Frees an id, so that another entry may get it. */
  remove(id: EntryId): void {
    this.set(id, FREE - this.#firstFree);
    this.#firstFree = id;
  }

  clear(): void {
    if (this.#replaced !== null) this.#endShortViews(this.#replaced);
    this.groups = [];
    this.#groupsEpoch = this.#epoch.current;
    this.#groupEpochs = [];
    this.#pageEpochs = [];
    this.#end = 0;
    this.#firstFree = NO_ID;
  }

  /** Notes the handle of an id for short views. New ids are not noted, because no view has them. */
  #noteReplaced(id: EntryId, replaced: ReplacedHandles): void {
    if (!replaced.isUsed) this.#replaced = null;
    else if (replaced.isFull) this.#endShortViews(replaced);
    else replaced.note(id, this.get(id));
  }

  /** Has the short views look at a lasting view of this moment from now on. */
  #endShortViews(replaced: ReplacedHandles): void {
    replaced.rest = this.view();
    this.#replaced = null;
  }

  #ownPage(id: EntryId): void {
    if (this.groups.length === 0) {
      this.#addFirstPage();
      return;
    }
    const group = this.#ownGroup(id >>> (PAGE_BITS + GROUP_BITS));
    const place = (id >>> PAGE_BITS) & GROUP_MASK;
    group[place] = group[place]?.slice() ?? new Array<EntryHandle>(PAGE_HANDLES).fill(FREE);
    this.#pageEpochs[id >>> PAGE_BITS] = this.#epoch.current;
  }

  /** Makes the first page and its group. V8 gives an array that is written in full no room to grow. */
  #addFirstPage(): void {
    const epoch = this.#epoch.current;
    this.groups = [[new Array<EntryHandle>(FIRST_PAGE_HANDLES).fill(FREE)]];
    this.#groupsEpoch = epoch;
    this.#groupEpochs = [epoch];
    this.#pageEpochs = [epoch];
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
