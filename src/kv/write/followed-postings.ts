// The postings of writes that another process has made. Such a write cannot be refused, so an index is given up when its
// function fails, or when two entries have the same value in it and it is unique.

import type { Schema } from '../entries/schema.js';
import type { EntryPostings, SecondaryIndex } from '../entries/secondary-index.js';
import type { PostingMaker } from './index-postings.js';
import { PUT } from './operation-kinds.js';
import { alreadyDouble, firstDouble } from './uniqueness.js';
import type { WriteSet } from './write-set.js';

/** Makes the postings of all puts of a write that was read. Call it before the write is applied. Runs foreign code. */
export function makeFollowedPostings(maker: PostingMaker, schema: Schema, writes: WriteSet): void {
  for (let at = 0; at < writes.count; at++) {
    const indexes = writes.spaces[at]?.indexes ?? null;
    if (writes.kinds[at] !== PUT || indexes === null) continue;
    const made = indexes.list.map((index) => followedPostings(maker, writes, at, index));
    writes.setPostings(at, indexes, made);
  }
  if (!writes.hasPostings) return;
  leaveDue(schema, writes);
  const next = () => firstDouble(writes, alreadyDouble);
  for (let double = next(); double !== null; double = next()) double.index.turnOff(double.error);
}

/** Has the entries leave that the log has found due: they hold no value of a unique index. */
function leaveDue({ links, expiry }: Schema, { count, spaces, highestNow }: WriteSet): void {
  links.run();
  if (highestNow > 0) expiry.foundInLog(highestNow);
  for (let at = 0; at < count; at++) spaces[at]!.entries.leaveDue();
}

function followedPostings(
  maker: PostingMaker,
  writes: WriteSet,
  at: number,
  index: SecondaryIndex,
): EntryPostings {
  if (index.isOff) return null;
  try {
    const { codecs } = writes.spaces[at]!.indexes!;
    return maker.ofOne(index, codecs, writes.keys[at]!, (decode) => writes.readValue(at, decode));
  } catch (error) {
    index.turnOff(error);
    return null;
  }
}
