// Applying a write set to entries: the only code that changes entries. The write path stages a write before it appends
// the record to the log, and links it afterwards. Replay, salvage and the overlay of a damaged image apply writes that
// the disk holds already.

import type { KeyBounds } from '../encoding/key-bounds.js';
import type { IndexKey } from '../encoding/key-encoding.js';
import { entryBytesMax } from '../entries/entry-slabs.js';
import { ownCopyOf } from '../entries/key-units.js';
import type { Schema } from '../entries/schema.js';
import type { EntryPostings, OnPosting } from '../entries/secondary-index.js';
import { type EntryHandle, NO_DEADLINE, NO_HANDLE } from '../entries/slab.js';
import type { Space } from '../entries/space.js';
import { CLEAR, CREATE, DELETE, DROP, EXPIRE, PUT, TOUCH } from './operation-kinds.js';
import type { WriteSet } from './write-set.js';

/** Limit of the puts in the queue. The next look at entries waits until all of them are linked. */
const QUEUED_PUTS_MAX = 1024;

/** Applies writes that the disk holds already, without checking them. Links single puts later, many at once. */
export class Replay {
  readonly #schema: Schema;
  readonly #puts: QueuedPuts;

  constructor(schema: Schema) {
    this.#schema = schema;
    this.#puts = new QueuedPuts(schema, true);
  }

  /** Applies the next write. Throws NoSlabMemory, with nothing changed. */
  apply(writes: WriteSet, lsn: number): void {
    const { links, expiry } = this.#schema;
    if (writes.highestNow > 0) {
      links.run();
      expiry.foundInLog(writes.highestNow);
    }
    if (writes.isSinglePut) {
      stage(writes);
      if (!links.hasOnly(this.#puts.link)) links.run();
      links.defer(this.#puts.link);
      this.#puts.add(writes, lsn);
      if (writes.highestId > 0) this.#schema.idRecorded(writes.highestId);
      if (this.#puts.isFull) links.run();
    } else {
      links.run();
      stage(writes);
      link(this.#schema, writes, lsn);
    }
  }
}

/** Applies a write that the disk holds already, without checking it. Throws NoSlabMemory, with nothing changed. */
export function applyWrites(schema: Schema, writes: WriteSet, lsn: number): void {
  if (writes.highestNow > 0) schema.expiry.foundInLog(writes.highestNow);
  stage(writes);
  link(schema, writes, lsn);
}

/**
 * Stages the entries of all puts and touches: copies them into slabs. For touches, nothing must be put off. Throws
 * NoSlabMemory, with none of them staged.
 */
export function stage(writes: WriteSet): void {
  const { count, kinds, spaces, keys, bytes, view, valueStarts, valueEnds, deadlines, handles } = writes;
  let at = 0;
  try {
    for (; at < count; at++) {
      if (kinds[at] !== PUT && kinds[at] !== TOUCH) continue;
      const space = spaces[at]!;
      const { entries } = space;
      const deadline = deadlines[at]!;
      if (deadline !== NO_DEADLINE) space.noteDeadline(deadline);
      handles[at] = writes.hasValue(at)
        ? entries.stage(keys[at]!, bytes, valueStarts[at]!, valueEnds[at]!, view, deadline)
        : entries.stageTouch(keys[at]!, deadline);
    }
  } catch (error) {
    while (--at >= 0) if (isStaged(writes, at)) spaces[at]!.entries.discard(handles[at]!);
    throw error;
  }
  if (count === 1) return;
  for (at = 0; at < count; at++) if (isStaged(writes, at)) spaces[at]!.entries.prefetchLink(handles[at]!);
}

function isStaged({ kinds, handles }: WriteSet, at: number): boolean {
  return kinds[at] === PUT || (kinds[at] === TOUCH && handles[at] !== NO_HANDLE);
}

/**
 * Reserves the memory of stage(), which then cannot fail and may follow the append to the log. Returns false when that
 * cannot be promised: for puts into several spaces, for touches, for long values, and for much data. Throws NoSlabMemory.
 */
export function reserve({
  count,
  kinds,
  spaces,
  keys,
  valueStarts,
  valueEnds,
  deadlines,
}: WriteSet): boolean {
  let bytes = 0;
  let longest = 0;
  for (let at = 0; at < count; at++) {
    if (kinds[at] === TOUCH) return false;
    if (kinds[at] !== PUT) continue;
    if (spaces[at] !== spaces[0]) return false;
    // Only stage() reserves memory for deadlines.
    if (deadlines[at] !== NO_DEADLINE) return false;
    const entryBytes = entryBytesMax(keys[at]!, valueEnds[at]! - valueStarts[at]!);
    bytes += entryBytes;
    if (entryBytes > longest) longest = entryBytes;
  }
  return bytes === 0 || spaces[0]!.entries.reserve(bytes, longest);
}

/** Applies all operations to the entries and the schema, in their order. Call stage() before. */
export function link(schema: Schema, writes: WriteSet, lsn: number): void {
  const { count, kinds, spaces, keys, handles, bounds, hasOwnKeys } = writes;
  const { writeLog } = schema;
  let clears = 0;
  if (writes.highestId > 0) schema.idRecorded(writes.highestId);
  for (let at = 0; at < count; at++) {
    const space = spaces[at]!;
    space.beforeChange();
    // The overlay of a damaged image links its entries in the order of their keys, so the LSNs come in no order.
    if (lsn > space.lastLsn) space.lastLsn = lsn;
    switch (kinds[at]) {
      case PUT:
      case TOUCH: {
        const { entries } = space;
        // The touch of an absent key does nothing.
        if (handles[at] === NO_HANDLE) break;
        // Linking may move the entry.
        const logged = writeLog.isOpen ? entries.ownKeyOf(handles[at]!, keys[at]!) : null;
        const isNew = entries.link(keys[at]!, lsn, handles[at]!, hasOwnKeys);
        if (logged !== null) writeLog.changeKey(space, logged, isNew);
        if (kinds[at] === PUT && space.indexes !== null) putPostings(schema, space, writes.postings[at]!);
        break;
      }
      case DELETE:
      case EXPIRE:
        if (space.entries.delete(keys[at]!)) {
          if (writeLog.isOpen) writeLog.changeKey(space, ownCopyOf(keys[at]!), true);
          space.indexes?.remove(space.entries.changedId, postingLog(schema, space));
        } else space.indexes?.removedDue(keys[at]!);
        break;
      case CLEAR:
        if (clear(schema, space, bounds[clears]!) > 0 && writeLog.isOpen)
          writeLog.changeRange(space, ownBounds(bounds[clears]!));
        clears++;
        break;
      case CREATE:
        schema.add(space);
        break;
      case DROP:
        schema.drop(space.id);
        break;
    }
  }
}

/** Sets the postings of the entry that was linked last. */
function putPostings(schema: Schema, space: Space, postings: readonly EntryPostings[]): void {
  space.indexes!.put(space.entries.changedId, postings, postingLog(schema, space));
}

/** Deletes the entries in a range, and returns their number. */
function clear(schema: Schema, space: Space, bounds: KeyBounds): number {
  const { entries, indexes } = space;
  if (indexes === null) return entries.deleteRange(bounds);
  const { writeLog } = schema;
  const log = postingLog(schema, space);
  const count = entries.deleteRange(bounds, (id) => indexes.remove(id, log));
  // A unique index knows the values of due entries, until the log removes them.
  if (entries.sizeInIndexes === 0 && entries.dueCount === 0)
    indexes.clear(writeLog.isOpen ? (index) => writeLog.changeAllPostings(space, index) : null);
  return count;
}

/** Returns what notes a posting in the write log, or null while there is no log. */
function postingLog({ writeLog }: Schema, space: Space): OnPosting | null {
  return writeLog.isOpen ? (index, posting) => writeLog.changePosting(space, index, posting) : null;
}

/** Returns the same bounds, with keys that keep no longer string in memory. */
function ownBounds({ low, high, ...rest }: KeyBounds): KeyBounds {
  return {
    ...rest,
    low: low === undefined ? low : ownCopyOf(low),
    high: high === undefined ? high : ownCopyOf(high),
  };
}

/**
 * Single puts that are staged and in the log, and not linked yet. A program that writes fast makes many puts and then waits
 * for the disk. It waits less when the puts are linked during that time, and linking many at once waits less for memory.
 */
export class QueuedPuts {
  readonly #schema: Schema;
  readonly #hasOwnKeys: boolean;
  #count = 0;
  readonly #spaces: (Space | null)[] = [];
  readonly #keys: IndexKey[] = [];
  readonly #lsns: number[] = [];
  readonly #handles: EntryHandle[] = [];
  readonly #postings: (readonly EntryPostings[] | null)[] = [];

  /** `hasOwnKeys` is true if no key shares memory with another string: see Entries.link(). */
  constructor(schema: Schema, hasOwnKeys: boolean) {
    this.#schema = schema;
    this.#hasOwnKeys = hasOwnKeys;
  }

  /** True when the queue must be linked before another put. */
  get isFull(): boolean {
    // A put that was stopped right before its queue was linked leaves a full queue.
    return this.#count >= QUEUED_PUTS_MAX;
  }

  /** Adds the only put of `writes`, which is staged and in the log at `lsn`. */
  add({ spaces, keys, handles, postings, hasPostings }: WriteSet, lsn: number): void {
    const at = this.#count++;
    this.#spaces[at] = spaces[0]!;
    this.#keys[at] = keys[0]!;
    this.#lsns[at] = lsn;
    this.#handles[at] = handles[0]!;
    this.#postings[at] = hasPostings ? postings[0]! : null;
  }

  /** Links all puts, in their order. The caller is inside the guard of the link queue. */
  readonly link = (): void => {
    const count = this.#count;
    const { writeLog } = this.#schema;
    for (let at = 0; at < count; at++) this.#spaces[at]!.entries.prefetchLink(this.#handles[at]!);
    for (let at = 0; at < count; at++) {
      const space = this.#spaces[at]!;
      const lsn = this.#lsns[at]!;
      space.beforeChange();
      space.lastLsn = lsn;
      const { entries } = space;
      const logged = writeLog.isOpen ? entries.ownKeyOf(this.#handles[at]!, this.#keys[at]!) : null;
      const isNew = entries.link(this.#keys[at]!, lsn, this.#handles[at]!, this.#hasOwnKeys);
      if (logged !== null) writeLog.changeKey(space, logged, isNew);
      const postings = this.#postings[at]!;
      if (postings !== null) {
        putPostings(this.#schema, space, postings);
        this.#postings[at] = null;
      }
      // A key may be a substring that keeps a longer string in memory, and a space may be dropped later.
      this.#keys[at] = '';
      this.#spaces[at] = null;
    }
    this.#count = 0;
  };
}
