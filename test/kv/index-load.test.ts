// The load of an index: its build gathers postings while writes go on, and sorts them in parts. Whatever comes between two
// parts, the tree agrees with the table of postings afterwards.

import { expect, test } from 'vitest';
import { LinkQueue } from '../../src/kv/entries/link-queue.js';
import { type EntryPostings, listOf, SecondaryIndex } from '../../src/kv/entries/secondary-index.js';
import { Random } from '../../src/testing/random.js';

const SEEDS = 60;
const IDS = 40;
const SPEC = { isUnique: false, isMany: true, fn: () => [] };

const newIndex = () => new SecondaryIndex('items', 'by', SPEC, new LinkQueue());

/** Postings of an entry. Those of different ids differ, as the keys in them do. */
function postingsOf(id: number, random: Random): EntryPostings {
  const values = new Set(Array.from({ length: random.below(4) }, () => random.below(6)));
  const postings = [...values].sort().map((value) => `${value}/${id}`);
  return postings.length > 1 ? postings : (postings[0] ?? null);
}

/** An index beside a map of what it has to hold. */
class Tried {
  readonly index = newIndex();
  readonly entries = new Map<number, EntryPostings>();

  build(id: number, postings: EntryPostings): void {
    if (this.entries.has(id)) return;
    this.index.add(id, postings);
    this.entries.set(id, postings);
  }

  write(random: Random): void {
    const id = random.below(IDS);
    if (random.below(60) === 0) {
      this.index.clear(null);
      this.entries.clear();
    } else if (random.below(3) === 0) {
      this.index.remove(id, null);
      this.entries.delete(id);
    } else {
      const postings = postingsOf(id, random);
      this.index.put(id, postings, null);
      this.entries.set(id, postings);
    }
  }

  check(): void {
    this.index.checkValid(this.entries.keys());
    const postings = [...this.entries.values()].flatMap(listOf).sort();
    const walk = this.index.walk({
      low: undefined,
      lowInclusive: true,
      high: undefined,
      highInclusive: true,
    });
    for (const posting of postings) {
      expect(walk.advance()).toBe(true);
      expect(walk.key).toBe(posting);
    }
    expect(walk.advance()).toBe(false);
    for (let id = 0; id < IDS; id++)
      expect(this.index.postingsOf(id) ?? null).toEqual(this.entries.get(id) ?? null);
  }
}

test.each(Array.from({ length: SEEDS }, (_, seed) => seed))(
  'has what its entries have at the end, with writes between all parts of the work (seed %i)',
  (seed) => {
    const random = new Random(seed);
    const tried = new Tried();
    const writeSome = () => {
      for (let left = random.below(5); left > 0; left--) tried.write(random);
    };
    tried.index.startLoad();
    for (let id = 0; id < IDS; id++) {
      tried.build(id, postingsOf(id, random));
      if (seed % 2 === 1) writeSome();
    }
    for (const _ of tried.index.endLoad()) writeSome();
    writeSome();
    tried.check();
    for (let id = 0; id < IDS; id++) tried.index.remove(id, null);
    expect(tried.index.size).toBe(0);
    const bytes = bytesWithoutPostings(tried.index);
    expect(tried.index.memoryBytes).toBe(bytes);
  },
);

/** Returns the memory that an index takes when it never had a posting. Gives both indexes an entry without postings. */
function bytesWithoutPostings(index: SecondaryIndex): number {
  const other = newIndex();
  for (const each of [index, other]) each.put(0, null, null);
  return other.memoryBytes;
}

test('without a load has nothing to end', () => {
  const index = newIndex();
  index.add(1, 'a/1');
  expect([...index.endLoad()]).toEqual([]);
  index.checkValid([1]);
});
