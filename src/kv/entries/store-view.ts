// Views of a store: all spaces as they were after one write. A StoreView takes constant time, and freezes a space when
// it is asked for it, or right before the first change of the space. A WholeView lists all spaces, for an image.
//
// StoreViews counts views in `epoch`. Space.epoch says up to which view a space is settled: each of these views has
// frozen entries of the space, or does not have the space. A change of the space must first settle the later views, and
// one comparison finds out whether there are any. Only weak references lead to views. So a view that nobody closes
// becomes garbage, and so do the entries that only it holds, and no space is frozen for it any more.

import type { Expiry } from './expiry.js';
import type { FrozenEntries } from './frozen-entries.js';
import type { LinkQueue } from './link-queue.js';
import { type FrozenIndex, NO_POSTINGS, type SecondaryIndex } from './secondary-index.js';
import { ROOT_ID, type Space } from './space.js';

/** The time of a view that has due entries, too, as long as their removal is not in the log. */
export const KEEPS_DUE = -1;

/** A view of a store. It takes memory only for spaces that it was asked for, or that have changed since. */
export class StoreView {
  readonly lsn: number;
  /** The time at which the view was taken. It has no entries that were due then; with KEEPS_DUE, it has them. */
  readonly now: number;
  /** The id of the next space that is created. No id is used twice. */
  readonly nextSpaceId: number;
  /** The number of this view among all views of the store, from 1. */
  readonly epoch: number;
  /** True when the view is surely closed after a short time. */
  readonly isShort: boolean;
  readonly #views: StoreViews;
  /** The frozen root space, and the other spaces that are frozen. Most views have the root space alone. */
  #root: FrozenEntries | null = null;
  #namespaces: Map<Space, FrozenEntries> | null = null;
  /** True after close(). */
  isClosed = false;

  /** Made by StoreViews.take(). */
  constructor(views: StoreViews, lsn: number, now: number, nextSpaceId: number, isShort: boolean) {
    this.isShort = isShort;
    this.#views = views;
    this.lsn = lsn;
    this.now = now;
    this.nextSpaceId = nextSpaceId;
    this.epoch = views.epoch;
  }

  /**
   * Returns the entries of a space as they were, or undefined when the space was not there. After close(), always
   * undefined. Throws KEELSON_INTERRUPTED when a change of entries was stopped half-way.
   */
  in(space: Space): FrozenEntries | undefined {
    const frozen = this.#get(space);
    if (frozen !== undefined || this.isClosed || !this.mayLack(space)) return frozen;
    this.#views.freezeNow(space);
    return this.#get(space);
  }

  /** Returns an index of a space as it was. Throws KEELSON_NOT_READY when it was not ready, and the reason when it is off. */
  index(space: Space, index: SecondaryIndex): FrozenIndex {
    index.assertReady();
    const entries = this.in(space);
    const frozen = entries === undefined ? NO_POSTINGS : entries.indexes?.get(index);
    if (index.readyEpoch >= this.epoch || frozen === undefined)
      throw index.notReady('was not ready when this view was taken');
    return frozen;
  }

  /** Lets go of the entries, and has no more spaces frozen for this view. */
  close(): void {
    if (this.isClosed) return;
    this.isClosed = true;
    this.#root?.close();
    this.#root = null;
    if (this.#namespaces !== null) for (const entries of this.#namespaces.values()) entries.close();
    this.#namespaces = null;
  }

  /** Returns the view itself, as a WeakRef would. @internal For StoreViews. */
  deref(): this {
    return this;
  }

  /** Returns true when the view may have the space and no frozen entries of it yet. @internal For StoreViews. */
  mayLack(space: Space): boolean {
    return space.isThere && space.epoch < this.epoch;
  }

  /** Takes the frozen entries of a space, unless it has some already. @internal For StoreViews. */
  keep(space: Space, entries: FrozenEntries): void {
    if (this.isClosed || this.#get(space) !== undefined) return;
    entries.open();
    if (space.id === ROOT_ID) this.#root = entries;
    else {
      this.#namespaces ??= new Map();
      this.#namespaces.set(space, entries);
    }
  }

  #get(space: Space): FrozenEntries | undefined {
    return (space.id === ROOT_ID ? this.#root : this.#namespaces?.get(space)) ?? undefined;
  }
}

/** Fewer references to views than this are not worth a search for dead ones. */
const REFERENCES_MIN = 16;

/** The open views of one store. */
export class StoreViews {
  /** The number of views that were ever taken. */
  epoch = 0;
  readonly #links: LinkQueue;
  readonly #expiry: Expiry;
  /** The views in the order of their epochs. Some are closed, or garbage. */
  #references: { deref(): StoreView | undefined }[] = [];
  /** With so many references, take() searches for dead ones. */
  #sweepAt = REFERENCES_MIN;

  constructor(links: LinkQueue, expiry: Expiry) {
    this.#links = links;
    this.#expiry = expiry;
  }

  /** The number of references to views that are kept: at most twice the open views, and REFERENCES_MIN. For tests. */
  get references(): number {
    return this.#references.length;
  }

  /** The number of views that are open and no garbage yet. For tests. */
  get openCount(): number {
    return this.#references.filter((reference) => reference.deref()?.isClosed === false).length;
  }

  /**
   * Returns a view of the store as it is now. With `isShort`, the caller closes it in any case after a short time. No weak
   * reference is made then, which would take long and keep the view until the end of the turn; and writes beside it copy no
   * pages of handles. Throws KEELSON_INTERRUPTED when a change was stopped half-way.
   */
  take(lsn: number, now: number, nextSpaceId: number, isShort: boolean): StoreView {
    this.#links.guard.assertIdle();
    // What was put off came before this view, and so did what was found due.
    this.#links.run();
    this.#expiry.meet(now);
    if (this.#references.length >= this.#sweepAt) this.#sweep();
    this.epoch++;
    const view = new StoreView(this, lsn, now, nextSpaceId, isShort);
    this.#references.push(isShort ? view : new WeakRef(view));
    return view;
  }

  /** Freezes a space for the views that may lack it. Call it before each change, inside of the guard of the queue. */
  freeze(space: Space): void {
    if (!space.isThere) return;
    const lacking: StoreView[] = [];
    let areShort = true;
    let dead = 0;
    for (let at = this.#references.length - 1; at >= 0; at--) {
      const view = this.#references[at]!.deref();
      if (view === undefined || view.isClosed) dead++;
      else if (!view.mayLack(space)) break;
      else {
        lacking.push(view);
        areShort &&= view.isShort;
      }
    }
    if (lacking.length > 0) {
      if (space.isExpiring) this.#freezeAtTimes(space, lacking);
      else freezeFor(lacking, space, areShort);
    }
    space.epoch = this.epoch;
    if (dead * 2 > this.#references.length) this.#sweep();
  }

  /** Freezes a space for views that differ in what is due at their times. */
  #freezeAtTimes(space: Space, lacking: readonly StoreView[]): void {
    const times = [...new Set(lacking.map(({ now }) => now))].sort((a, b) => a - b);
    for (const now of times) {
      if (now !== KEEPS_DUE) this.#expiry.settle(space, now, Number.POSITIVE_INFINITY);
      const views = lacking.filter((view) => view.now === now);
      freezeFor(
        views,
        space,
        views.every(({ isShort }) => isShort),
      );
    }
  }

  /** Freezes a space for the views that may lack it, outside of a change. */
  freezeNow(space: Space): void {
    this.#links.guard.assertIdle();
    // A change that was put off came after the views, and freezes its space itself.
    this.#links.run();
    this.#links.guard.enter();
    this.freeze(space);
    this.#links.guard.leave();
  }

  #sweep(): void {
    this.#references = this.#references.filter((reference) => reference.deref()?.isClosed === false);
    this.#sweepAt = Math.max(REFERENCES_MIN, this.#references.length * 2);
  }
}

function freezeFor(views: readonly StoreView[], space: Space, areShort: boolean): void {
  // Those with due entries have no indexes, which other views need.
  const keepsDue = views.every(({ now }) => now === KEEPS_DUE);
  const entries = space.freeze(areShort, keepsDue);
  for (const view of views) view.keep(space, entries);
}

/** A space in a whole view. */
export interface SpaceView {
  readonly space: Space;
  /** The number of entries at that moment. */
  readonly size: number;
  /** The bytes of the entries at that moment, with headers and padding. */
  readonly bytes: number;
  /** The LSN of the last write to the space at that moment. */
  readonly lastLsn: number;
  /** The entries, which are frozen when somebody asks for them. */
  readonly entries: FrozenEntries;
}

class LazySpaceView implements SpaceView {
  readonly space: Space;
  readonly size: number;
  readonly bytes: number;
  readonly lastLsn: number;
  readonly #view: StoreView;

  constructor(view: StoreView, space: Space, keepsDue: boolean) {
    this.#view = view;
    this.space = space;
    this.size = keepsDue ? space.entries.sizeWithDue : space.entries.size;
    this.bytes = space.entries.valueBytes;
    this.lastLsn = space.lastLsn;
  }

  get entries(): FrozenEntries {
    return this.#view.in(this.space)!;
  }
}

/** A view of a whole store: all its spaces, and what the table of an image says of them. An image is made of it. */
export class WholeView {
  readonly lsn: number;
  /** The id of the next space that is created. No id is used twice. */
  readonly nextSpaceId: number;
  /** The highest id that was drawn: see Schema.nextId(). */
  readonly highestId: number;
  /** The spaces in the order of their ids. */
  readonly spaces: readonly SpaceView[];
  /** True when the entries have those that are due and whose removal is not in the log. */
  readonly keepsDue: boolean;
  /** The number of entries in all spaces. */
  readonly size: number;
  /** The bytes of the entries in all spaces. */
  readonly bytes: number;
  /** Lets go of the entries. */
  readonly close: () => void;

  /** Returns the whole view of these spaces, which are those of `view`. O(spaces). */
  static of(view: StoreView, highestId: number, spaces: readonly Space[], keepsDue: boolean): WholeView {
    const rows = spaces.map((space) => new LazySpaceView(view, space, keepsDue));
    return new WholeView(view.lsn, view.nextSpaceId, highestId, rows, () => view.close(), keepsDue);
  }

  constructor(
    lsn: number,
    nextSpaceId: number,
    highestId: number,
    spaces: readonly SpaceView[],
    close = () => {},
    keepsDue = false,
  ) {
    this.keepsDue = keepsDue;
    this.lsn = lsn;
    this.nextSpaceId = nextSpaceId;
    this.highestId = highestId;
    this.spaces = spaces;
    this.close = close;
    this.size = spaces.reduce((sum, space) => sum + space.size, 0);
    this.bytes = spaces.reduce((sum, space) => sum + space.bytes, 0);
  }
}
