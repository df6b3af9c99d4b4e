// Applying a write set to entries: the only code that changes entries. The write path stages a write before it appends
// the record to the log, and links it afterwards. Replay, salvage and the overlay of a damaged image apply writes that
// the disk holds already.

import type { Schema } from '../entries/schema.js';
import { CLEAR, CREATE, DELETE, DROP, PUT, type WriteSet } from './write-set.js';

/** Applies a write that the disk holds already, without checking it. Throws NoSlabMemory, with nothing changed. */
export function applyWrites(schema: Schema, writes: WriteSet, lsn: number): void {
  stage(writes);
  link(schema, writes, lsn);
}

/** Stages the entries of all puts: copies them into slabs. Throws NoSlabMemory, with none of them staged. */
export function stage(writes: WriteSet): void {
  const { count, kinds, spaces, keys, bytes, valueStarts, valueEnds, handles } = writes;
  let at = 0;
  try {
    for (; at < count; at++) {
      if (kinds[at] !== PUT) continue;
      handles[at] = spaces[at]!.entries.stage(keys[at]!, bytes, valueStarts[at]!, valueEnds[at]!);
    }
  } catch (error) {
    while (--at >= 0) if (kinds[at] === PUT) spaces[at]!.entries.discard(handles[at]!);
    throw error;
  }
  if (count === 1) return;
  for (at = 0; at < count; at++) if (kinds[at] === PUT) spaces[at]!.entries.prefetchLink(handles[at]!);
}

/** Applies all operations to the entries and the schema, in their order. Call stage() before. */
export function link(schema: Schema, writes: WriteSet, lsn: number): void {
  const { count, kinds, spaces, keys, handles, bounds, hasOwnKeys } = writes;
  let clears = 0;
  for (let at = 0; at < count; at++) {
    const space = spaces[at]!;
    // The overlay of a damaged image links its entries in the order of their keys, so the LSNs come in no order.
    if (lsn > space.lastLsn) space.lastLsn = lsn;
    switch (kinds[at]) {
      case PUT:
        space.entries.link(keys[at]!, lsn, handles[at]!, hasOwnKeys);
        break;
      case DELETE:
        space.entries.delete(keys[at]!);
        break;
      case CLEAR:
        space.entries.deleteRange(bounds[clears++]!);
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
