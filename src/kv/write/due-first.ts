// The removals of entries that have expired, and at whose keys something is written: they come first, in the same record.

import type { IndexKey } from '../encoding/key-encoding.js';
import type { Expiry } from '../entries/expiry.js';
import type { Space } from '../entries/space.js';
import { PUT, TOUCH, type WriteSet } from './write-set.js';

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
    expiry.look(space, now);
    if (!space.entries.isDue(keys[at]!)) continue;
    due ??= { spaces: [], keys: [] };
    if (isListed(due, space, keys[at]!)) continue;
    due.spaces.push(space);
    due.keys.push(keys[at]!);
  }
  if (due !== null) writes.expireFirst(due.spaces, due.keys);
}

function isListed(
  due: { readonly spaces: readonly Space[]; readonly keys: readonly IndexKey[] },
  space: Space,
  key: IndexKey,
): boolean {
  return due.keys.some((other, at) => other === key && due.spaces[at] === space);
}
