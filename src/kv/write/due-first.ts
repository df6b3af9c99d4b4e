// The removals of entries that have expired, and at whose keys something is written: they come first, in the same record.

import type { IndexKey } from '../encoding/key-encoding.js';
import { valueBytesOf } from '../encoding/postings.js';
import { NO_FLOOR } from '../entries/expiring-entries.js';
import type { Expiry } from '../entries/expiry.js';
import type { Space } from '../entries/space.js';
import { EXPIRE, PUT, TOUCH } from './operation-kinds.js';
import type { WriteSet } from './write-set.js';

/**
 * Looks for due entries in the spaces of a write, and adds the removal of those at its keys before its operations. So the
 * version of such a key is 0. Reads the clock, unless the write has read it: foreign code.
 */
export function removeDueFirst(writes: WriteSet, expiry: Expiry): void {
  const { checkCount, checkSpaces, kinds, spaces, keys } = writes;
  let { now } = writes;
  for (let at = 0; at < checkCount; at++) {
    const space = checkSpaces[at]!;
    if (!space.isExpiring) continue;
    now ??= expiry.now();
    expiry.look(space, now);
  }
  let due: DueKeys | null = null;
  const { count } = writes;
  for (let at = 0; at < count; at++) {
    const space = spaces[at]!;
    if (!space.isExpiring || (kinds[at] !== PUT && kinds[at] !== TOUCH)) continue;
    now ??= expiry.now();
    // A unique index must not find a due entry.
    if (space.indexes?.hasUnique) expiry.settleAll(space, now);
    else expiry.look(space, now);
    for (const key of [keys[at]!, ...dueHoldersOf(writes, at)]) {
      if (!space.entries.isDue(key)) continue;
      due ??= new DueKeys();
      due.add(space, key);
    }
  }
  if (due !== null) writes.expireFirst(due.spaces, due.keys);
}

/**
 * Adds the removals that a write lacks, because a hook has found entries at its keys due since removeDueFirst(). Returns
 * false when it lacks none. Nothing must be put off.
 */
export function removeFoundFirst(writes: WriteSet): boolean {
  const { count, kinds, spaces, keys } = writes;
  const lacking = new DueKeys();
  let removed: DueKeys | null = null;
  for (let at = 0; at < count; at++) {
    const [space, key] = [spaces[at]!, keys[at]!];
    if ((kinds[at] !== PUT && kinds[at] !== TOUCH) || !space.entries.isDue(key)) continue;
    removed ??= removalsOf(writes);
    if (!removed.has(space, key)) lacking.add(space, key);
  }
  if (lacking.keys.length === 0) return false;
  writes.expireFirst(lacking.spaces, lacking.keys);
  return true;
}

/** Returns the keys that a write removes because their entries are due. */
function removalsOf({ count, kinds, spaces, keys }: WriteSet): DueKeys {
  const removed = new DueKeys();
  for (let at = 0; at < count && kinds[at] === EXPIRE; at++) removed.add(spaces[at]!, keys[at]!);
  return removed;
}

/** Returns true when entries were found due, and their removal is not in the log, in a space of a write. */
export function mayLackRemovals({ count, spaces }: WriteSet): boolean {
  for (let at = 0; at < count; at++) {
    const space = spaces[at]!;
    if (space.isExpiring && (space.entries.dueCount > 0 || space.entries.floor !== NO_FLOOR)) return true;
  }
  return false;
}

const NONE: readonly IndexKey[] = [];

/** Returns the keys of due entries that have the values of a put in unique indexes. */
function dueHoldersOf(
  { hasPostings, kinds, spaces, keys, postings }: WriteSet,
  at: number,
): readonly IndexKey[] {
  const { indexes } = spaces[at]!;
  if (!hasPostings || kinds[at] !== PUT || indexes === null || !indexes.hasUnique) return NONE;
  return indexes.list.flatMap((index, place) => {
    const posting = postings[at]?.[place];
    if (!index.isUnique || typeof posting !== 'string') return NONE;
    return index.dueKeyOf(valueBytesOf(posting, keys[at]!)) ?? NONE;
  });
}

/** The keys of due entries, each once, and their spaces. */
class DueKeys {
  readonly spaces: Space[] = [];
  readonly keys: IndexKey[] = [];
  readonly #bySpace = new Map<Space, Set<IndexKey>>();

  has(space: Space, key: IndexKey): boolean {
    return this.#bySpace.get(space)?.has(key) === true;
  }

  add(space: Space, key: IndexKey): void {
    let listed = this.#bySpace.get(space);
    if (listed === undefined) {
      listed = new Set();
      this.#bySpace.set(space, listed);
    }
    if (listed.has(key)) return;
    listed.add(key);
    this.spaces.push(space);
    this.keys.push(key);
  }
}
