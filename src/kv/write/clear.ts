// The clear of a range. Without a limit it is recorded as a range. With a limit it is recorded as the deletes of exactly
// the keys that it meets, because another state would give other keys.

import type { ResolvedRange } from '../encoding/range.js';
import type { Space } from '../entries/space.js';
import type { View } from '../entries/view.js';
import type { WriteSet } from './write-set.js';

/** Adds a clear to `writes`, and returns the number of keys that `view` has in it. A clear of no keys adds nothing. */
export function addClear(
  writes: WriteSet,
  space: Space,
  { bounds, reverse, limit }: ResolvedRange,
  view: View,
): number {
  const count = Math.min(limit, view.count(bounds));
  if (count === 0) return 0;
  if (limit === Number.POSITIVE_INFINITY) writes.clear(space, bounds);
  else {
    const walk = view.walk(bounds, reverse, limit);
    while (walk.advance()) writes.delete(space, walk.key);
  }
  return count;
}
