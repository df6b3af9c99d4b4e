// The removals of entries that have expired, and at whose keys something is written: they come first, in the same record.

import type { IndexKey } from '../encoding/key-encoding.js';
import { valueBytesOf } from '../encoding/postings.js';
import { NO_FLOOR } from '../entries/expiring-entries.js';
import type { Expiry } from '../entries/expiry.js';
import type { Space } from '../entries/space.js';
import { EXPIRE, PUT, TOUCH, type WriteSet } from './write-set.js';

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
  let due: { readonly spaces: Space[]; readonly keys: IndexKey[] } | null = null;
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
      due ??= { spaces: [], keys: [] };
      if (isListed(due, space, key)) continue;
      due.spaces.push(space);
      due.keys.push(key);
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
  const removed = new Map<Space, Set<IndexKey>>();
  const lacking: { readonly spaces: Space[]; readonly keys: IndexKey[] } = { spaces: [], keys: [] };
  for (let at = 0; at < count; at++) {
    const [kind, space, key] = [kinds[at], spaces[at]!, keys[at]!];
    const isRemoval = kind === EXPIRE;
    if (!isRemoval && (!(kind === PUT || kind === TOUCH) || !space.entries.isDue(key))) continue;
    const ofSpace = removed.get(space) ?? new Set();
    removed.set(space, ofSpace);
    if (!isRemoval && !ofSpace.has(key)) {
      lacking.spaces.push(space);
      lacking.keys.push(key);
    }
    ofSpace.add(key);
  }
  if (lacking.keys.length === 0) return false;
  writes.expireFirst(lacking.spaces, lacking.keys);
  return true;
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

function isListed(
  due: { readonly spaces: readonly Space[]; readonly keys: readonly IndexKey[] },
  space: Space,
  key: IndexKey,
): boolean {
  return due.keys.some((other, at) => other === key && due.spaces[at] === space);
}
