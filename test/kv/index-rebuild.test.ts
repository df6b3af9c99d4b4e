// The property of secondary indexes: after any operations, an index is what a rebuild would make, and its order statistics
// are those of an array. So are the indexes of snapshots and of transactions.

import { expect, test } from 'vitest';
import {
  type Index,
  type IndexDefinition,
  type IndexedReads,
  type IndexesOf,
  msgpack,
  type Namespace,
  type TransactionCollection,
  type TuplePart,
} from '../../src/index.js';
import { Random } from '../../src/testing/random.js';
import { World } from './transaction-tools.js';

const SEEDS = 40;
const STEPS = 60;
const KEYS = 24;

interface Item {
  readonly code?: string;
  readonly rank?: number;
  readonly tags: readonly (string | number)[];
}

interface Definitions {
  readonly byCode: IndexDefinition<true>;
  readonly byRank: IndexDefinition<false>;
  readonly byTag: IndexDefinition<false>;
}

type Items = Namespace<string, Item, Definitions>;
type Reads = IndexedReads<string, Item, Definitions>;

function declared({ db }: World): Items {
  return db.namespace('items', {
    valueEncoding: msgpack<Item>(),
    indexes: (index) => ({
      byCode: index.unique((item) => item.code),
      byRank: index((item, key) => (item.rank === undefined ? undefined : [item.rank, key.length])),
      byTag: index.many((item) => item.tags),
    }),
  });
}

/** Returns what an index would have if it were made of entries now. */
const REBUILT: { readonly [N in keyof Definitions]: (item: Item, key: string) => readonly TuplePart[] } = {
  byCode: ({ code }) => (code === undefined ? [] : [code]),
  byRank: ({ rank }, key) => (rank === undefined ? [] : [[rank, key.length]]),
  byTag: ({ tags }) => [...new Set(tags)],
};

function rebuilt(reads: Reads, name: keyof Definitions): readonly [TuplePart, string, Item][] {
  const rows = [...reads.entries()].flatMap(([key, item]) =>
    REBUILT[name](item, key).map((value): [TuplePart, string, Item] => [value, key, item]),
  );
  return rows.sort(([one, oneKey], [other, otherKey]) => compare(one, other) || (oneKey < otherKey ? -1 : 1));
}

/** Numbers come before strings, and strings before arrays of numbers. */
function compare(one: TuplePart, other: TuplePart): number {
  const [a, b] = [one, other].map((value) =>
    typeof value === 'number' ? 0 : typeof value === 'string' ? 1 : 2,
  );
  if (a !== b) return a! - b!;
  if (Array.isArray(one)) {
    const [x, y] = [one as number[], other as number[]];
    return x[0]! - y[0]! || x[1]! - y[1]!;
  }
  return one! < other! ? -1 : one === other ? 0 : 1;
}

/** Compares all reads of all indexes with rebuilt ones. */
function check(reads: Reads, random: Random): void {
  for (const name of ['byCode', 'byRank', 'byTag'] as const) {
    const index: Index<string, Item> = (reads.indexes as IndexesOf<string, Item, Definitions>)[name];
    const rows = rebuilt(reads, name);
    expect([...index.entries()]).toEqual(rows);
    expect(index.count()).toBe(rows.length);
    const at = random.below(rows.length + 2) - 1;
    expect(index.nth(at)).toEqual(at < 0 ? rows.at(at) : rows[at]);
    const row = rows[random.below(rows.length || 1)];
    if (row === undefined) continue;
    const [value] = row;
    expect(index.rank(value)).toBe(rows.findIndex((other) => compare(other[0], value) === 0));
    const [from, to] = [
      rows.filter((other) => compare(other[0], value) > 0),
      rows.filter((other) => compare(other[0], value) <= 0),
    ];
    expect([...index.keys({ gt: value })]).toEqual(from.map(([, key]) => key));
    expect([...index.values({ lte: value, reverse: true, offset: 1, limit: 3 })]).toEqual(
      to
        .reverse()
        .slice(1, 4)
        .map(([, , item]) => item),
    );
    if (name === 'byCode') expect(reads.indexes.byCode.get(value)).toEqual(row[2]);
  }
}

function key(random: Random): string {
  return `k${'x'.repeat(random.below(3))}${random.below(KEYS)}`;
}

function item(random: Random): Item {
  return {
    ...(random.below(3) > 0 && { code: `c${random.below(KEYS)}` }),
    ...(random.below(3) > 0 && { rank: random.below(5) - 2 }),
    tags: Array.from({ length: random.below(4) }, () =>
      random.below(2) === 0 ? random.below(3) : `t${random.below(3)}`,
    ),
  };
}

/** Tries a write. Two entries with one code are refused, with nothing changed. */
function attempt(write: () => unknown): void {
  try {
    write();
  } catch (error) {
    expect(error).toMatchObject({ code: 'KEELSON_UNIQUE' });
  }
}

function change(target: TransactionCollection<string, Item, Definitions>, random: Random): void {
  const kind = random.below(8);
  if (kind < 5) target.put(key(random), item(random));
  else if (kind < 7) target.delete(key(random));
  else target.clear({ gte: key(random), lt: key(random) });
}

function step(world: World, items: Items, random: Random): void {
  const { db } = world;
  switch (random.below(9)) {
    case 0:
    case 1:
    case 2:
      attempt(() => items.put(key(random), item(random)));
      break;
    case 3:
      items.delete(key(random));
      break;
    case 4:
      items.clear({
        gte: key(random),
        lt: key(random),
        limit: random.below(4),
        reverse: random.below(2) === 0,
      });
      break;
    case 5:
      items.clear(random.below(4) === 0 ? {} : { gte: key(random), lt: key(random) });
      break;
    case 6:
      attempt(() =>
        items.batch(
          Array.from({ length: random.below(6) }, () => {
            const kind = random.below(6);
            if (kind < 4) return { type: 'put' as const, key: key(random), value: item(random) };
            if (kind === 4) return { type: 'delete' as const, key: key(random) };
            return { type: 'clear' as const, gte: key(random), lt: key(random) };
          }),
        ),
      );
      break;
    default:
      attempt(() =>
        db.transaction((tx) => {
          const inTx = tx.in(items);
          for (let n = random.below(6); n >= 0; n--) {
            change(inTx, random);
            if (random.below(3) === 0) checkKeys(inTx);
          }
        }),
      );
  }
}

/** Compares the keys of an index in a transaction, in which two entries may have one code. */
function checkKeys(reads: Reads): void {
  for (const name of ['byCode', 'byRank', 'byTag'] as const) {
    const index: Index<string, Item> = reads.indexes[name];
    const rows = rebuilt(reads, name);
    expect([...index.entries()]).toEqual(rows);
    for (const [at, row] of rows.entries()) expect(index.nth(at)).toEqual(row);
  }
}

test.each(Array.from({ length: SEEDS }, (_, seed) => seed))(
  'holds after the operations of seed %i',
  async (seed) => {
    const random = new Random(seed);
    const world = await World.open();
    const { db, schema } = world;
    let items = declared(world);
    const snapshots: { reads: Reads; rows: unknown }[] = [];
    for (let at = 0; at < STEPS; at++) {
      step(world, items, random);
      if (random.below(4) === 0) check(items, random);
      if (random.below(10) === 0) {
        const reads = db.snapshot().in(items);
        snapshots.push({ reads, rows: rowsOf(reads) });
      }
      if (random.below(30) === 0) {
        db.drop(items);
        items = declared(world);
      }
      if (random.below(10) === 0) await null;
    }
    check(items, random);
    for (const { indexes, entries } of schema.spaces) {
      const handles = [
        ...entries.iterate({ low: undefined, lowInclusive: true, high: undefined, highInclusive: true }),
      ];
      for (const index of indexes?.list ?? [])
        index.checkValid(handles.map(([, handle]) => entries.idOf(handle)));
    }
    for (const { reads, rows } of snapshots) {
      expect(rowsOf(reads)).toEqual(rows);
      check(reads, random);
    }
    await db
      .transaction(async (tx) => {
        await null;
        const inTx = tx.in(items);
        for (let n = 0; n < 10; n++) {
          change(inTx, random);
          attempt(() => items.put(key(random), item(random)));
          checkKeys(inTx);
        }
        throw new Error('enough');
      })
      .catch((error: Error) => expect(error.message).toBe('enough'));
    const next = await world.reopened();
    check(declared(next), random);
  },
);

function rowsOf(reads: Reads): unknown {
  return [
    ...reads.indexes.byTag.entries(),
    ...reads.indexes.byRank.entries(),
    ...reads.indexes.byCode.entries(),
  ];
}
