// What a transaction has read, against brute force: when others have changed what a read returned, the read set says so, by
// the write log and by the comparison of two views. And when they have changed what no read has seen, it does not.

import assert from 'node:assert/strict';
import fc from 'fast-check';
import { describe, expect, test, vi } from 'vitest';
import { ALL_KEYS, type KeyBounds } from '../../src/kv/encoding/key-bounds.js';
import type { Space } from '../../src/kv/entries/space.js';
import type { Store } from '../../src/kv/index.js';
import type { KeyInterval } from '../../src/kv/read/key-intervals.js';
import { Overlay } from '../../src/kv/read/overlay.js';
import { RangeRead, ReadSet } from '../../src/kv/transactions/read-set.js';
import { TransactionView } from '../../src/kv/transactions/transaction-view.js';
import { compareViews } from '../../src/kv/transactions/view-comparison.js';
import { ViewedEntries } from '../../src/kv/transactions/viewed-entries.js';
import { addSpace } from './schema-tools.js';
import { World } from './transaction-tools.js';

const KEYS = ['a', 'b', 'bb', 'c', 'd', 'e', 'f'];
const keys = fc.constantFrom(...KEYS, 'aa', 'g');
const VALUE = Uint8Array.of(7);

const boundsOf: fc.Arbitrary<KeyBounds> = fc
  .record({
    low: fc.option(keys, { nil: undefined }),
    high: fc.option(keys, { nil: undefined }),
    lowInclusive: fc.boolean(),
    highInclusive: fc.boolean(),
  })
  .map((bounds) => ({
    ...bounds,
    lowInclusive: bounds.low === undefined || bounds.lowInclusive,
    highInclusive: bounds.high === undefined || bounds.highInclusive,
  }));

/** A read. `steps` is how far an iteration goes, and `seesValues` whether it looks at values. */
type Read =
  | { readonly type: 'find' | 'rank'; readonly key: string }
  | { readonly type: 'size' }
  | { readonly type: 'count'; readonly bounds: KeyBounds }
  | { readonly type: 'nth'; readonly at: number }
  | {
      readonly type: 'walk';
      readonly bounds: KeyBounds;
      readonly reverse: boolean;
      readonly limit: number;
      readonly offset: number;
      readonly steps: number;
      readonly seesValues: boolean;
    };

const reads: fc.Arbitrary<Read> = fc.oneof(
  fc.record({ type: fc.constantFrom('find' as const, 'rank' as const), key: keys }),
  fc.constant({ type: 'size' as const }),
  fc.record({ type: fc.constant('count' as const), bounds: boundsOf }),
  fc.record({ type: fc.constant('nth' as const), at: fc.nat(8) }),
  fc.record({
    type: fc.constant('walk' as const),
    bounds: boundsOf,
    reverse: fc.boolean(),
    limit: fc.oneof(fc.constant(Number.POSITIVE_INFINITY), fc.nat(4)),
    offset: fc.oneof(fc.constant(0), fc.nat(3)),
    steps: fc.nat(9),
    seesValues: fc.boolean(),
  }),
);

type Change =
  | { readonly type: 'put' | 'delete'; readonly key: string }
  | { readonly type: 'clear'; readonly bounds: KeyBounds };

const changes: fc.Arbitrary<Change> = fc.oneof(
  {
    weight: 4,
    arbitrary: fc.record({ type: fc.constantFrom('put' as const, 'delete' as const), key: keys }),
  },
  { weight: 1, arbitrary: fc.record({ type: fc.constant('clear' as const), bounds: boundsOf }) },
);

/** Makes a change as a write of somebody else. */
function change({ db }: World, given: Change): void {
  const memory = { durability: 'memory' } as const;
  if ('bounds' in given) db.clear(rangeOf(given.bounds), memory);
  else if (given.type === 'put') db.put(given.key, 1, memory);
  else db.delete(given.key, memory);
}

function rangeOf({ low, lowInclusive, high, highInclusive }: KeyBounds): object {
  return {
    ...(low === undefined ? {} : lowInclusive ? { gte: low } : { gt: low }),
    ...(high === undefined ? {} : highInclusive ? { lte: high } : { lt: high }),
  };
}

/** Does a read, and returns all that it shows: keys, and versions where values were looked at. */
function perform(view: TransactionView, read: Read): unknown {
  switch (read.type) {
    case 'find': {
      const handle = view.find(read.key);
      return handle === undefined ? null : view.versionOf(handle);
    }
    case 'rank':
      return view.rank(read.key);
    case 'size':
      return view.size;
    case 'count':
      return view.count(read.bounds);
    case 'nth': {
      const found = view.nth(read.at);
      return found === undefined ? null : [found[0], view.versionOf(view.handleOf(found[1]))];
    }
    case 'walk': {
      const { bounds, reverse, limit, offset, steps, seesValues } = read;
      const frozen = view.view();
      const walk = frozen.walk(bounds, reverse, limit, offset);
      const shown: unknown[] = [];
      for (let step = 0; step < steps; step++) {
        if (!walk.advance()) return [...shown, 'end'];
        shown.push(walk.key);
        if (seesValues) shown.push(frozen.versionOf(frozen.handleOf(walk.value)));
      }
      return shown;
    }
  }
}

/** Shows own writes: a put for each key, a delete, or a clear. */
function writeInto(overlay: Overlay, own: readonly Change[]): void {
  for (const [at, each] of own.entries()) {
    if ('bounds' in each) overlay.clear(each.bounds);
    else if (each.type === 'put') overlay.set(each.key, at);
    else overlay.delete(each.key);
  }
}

const noValues = {
  readValue: <T>(_: number, decode: (bytes: Uint8Array, start: number, end: number) => T) =>
    decode(VALUE, 0, 1),
  hasValue: () => true,
  deadlineOf: () => 0,
  keyOf: () => '',
};

/** A view of a space under own writes, that records what is read. */
function viewOf(
  space: Space,
  base: ConstructorParameters<typeof Overlay>[0],
  own: readonly Change[],
  readSet: ReadSet,
): TransactionView {
  const overlay = new Overlay(base, noValues);
  writeInto(overlay, own);
  return new TransactionView(
    { isRecording: true, reads: readSet, iterationGuard: () => () => {} },
    space,
    overlay,
  );
}

describe('a read set', () => {
  test('tells of each change that another result of a read shows, by the log and by two views', async () => {
    const world = await World.open({ autoCheckpoint: false });
    const { db, schema } = world;
    const { root, writeLog } = schema;
    const counts = { conflicts: 0, unchanged: 0 };
    fc.assert(
      fc.property(
        fc.uniqueArray(fc.constantFrom(...KEYS)),
        fc.array(changes, { maxLength: 4 }),
        fc.array(reads, { minLength: 1, maxLength: 4 }),
        fc.array(changes, { maxLength: 4 }),
        fc.boolean(),
        (base, own, list, others, isInterleaved) => {
          db.clear({}, { durability: 'memory' });
          for (const key of base) db.put(key, 0, { durability: 'memory' });
          const view = schema.view(db.lastLsn);
          const place = writeLog.open();
          const readSet = new ReadSet();
          const reading = viewOf(root, new ViewedEntries(root, view), own, readSet);
          // A view shows the same, whether others write before a read or after it.
          if (isInterleaved) for (const each of others) change(world, each);
          const seen = list.map((read) => perform(reading, read));
          if (!isInterleaved) for (const each of others) change(world, each);
          const after = schema.view(db.lastLsn);
          schema.links.run();
          const again = viewOf(root, root.entries, own, new ReadSet());
          const isChanged = JSON.stringify(seen) !== JSON.stringify(list.map((read) => perform(again, read)));
          const point = readSet.changedPoint();
          const byLog = readSet.changedRange(writeLog, place);
          const byViews = [...stepsOf(compareViews(readSet.ranges.values(), view, after))].at(-1);
          if (isChanged)
            assert(point !== null || byLog !== null, `the log does not tell: ${JSON.stringify(seen)}`);
          if (isChanged)
            assert(point !== null || byViews !== null, `the views do not tell: ${JSON.stringify(seen)}`);
          // The log may tell of a change that was taken back. Two views tell of nothing that the log does not.
          if (byViews !== null) assert(byLog !== null, `only the views tell of ${byViews}`);
          if (others.length === 0) assert.deepEqual([point, byLog, byViews], [null, null, null]);
          if (isChanged) counts.conflicts++;
          else counts.unchanged++;
          writeLog.close(place);
          for (const each of [view, after]) each.close();
        },
      ),
      { seed: 20_263, numRuns: 3000 },
    );
    expect(Math.min(counts.conflicts, counts.unchanged)).toBeGreaterThan(300);
    await db.close();
  });

  /** Everything that the generator gives, the result of the comparison last. */
  function* stepsOf<T>(generator: Generator<void, T, void>): Generator<T | undefined> {
    for (;;) {
      const { done, value } = generator.next();
      yield value as T | undefined;
      if (done) return;
    }
  }

  const put = (key: string): Change => ({ type: 'put', key });
  const walk = (more: Partial<Extract<Read, { type: 'walk' }>>): Read => ({
    type: 'walk',
    bounds: ALL_KEYS,
    reverse: false,
    limit: Number.POSITIVE_INFINITY,
    offset: 0,
    steps: 99,
    seesValues: false,
    ...more,
  });
  const from = (low: string, high: string): KeyBounds => ({
    low,
    lowInclusive: true,
    high,
    highInclusive: false,
  });

  // The store has the keys b, d and f.
  const facts: readonly (readonly [
    fact: string,
    read: Read,
    free: readonly Change[],
    bound: readonly Change[],
  ])[] = [
    [
      'a point read: that key alone',
      { type: 'find', key: 'b' },
      [put('a'), put('c')],
      [put('b'), { type: 'delete', key: 'b' }],
    ],
    [
      'a point read of an absent key: its coming',
      { type: 'find', key: 'c' },
      [put('b'), { type: 'delete', key: 'c' }],
      [put('c')],
    ],
    [
      'an iteration over keys: keys within the bounds that come or go, and no value',
      walk({ bounds: from('b', 'e') }),
      [put('b'), put('d'), put('f'), put('a'), put('e'), { type: 'delete', key: 'f' }],
      [put('c'), { type: 'delete', key: 'd' }, { type: 'clear', bounds: ALL_KEYS }],
    ],
    [
      'an iteration over values: values, too, in the bounds that were asked for',
      walk({ bounds: from('a', 'e'), seesValues: true }),
      [put('f'), put('e')],
      [put('b'), put('d'), put('aa'), put('dd')],
    ],
    [
      'an iteration that stopped: up to the key where it stopped',
      walk({ steps: 2, seesValues: true }),
      [put('e'), put('f'), { type: 'clear', bounds: from('e', 'z') }],
      [put('a'), put('c'), put('d'), { type: 'clear', bounds: from('c', 'z') }],
    ],
    [
      'an iteration that stopped on its way down: from there to the upper bound',
      walk({ reverse: true, steps: 2, seesValues: true }),
      [put('a'), put('b'), put('c')],
      [put('d'), put('e'), put('f'), put('g')],
    ],
    [
      'an iteration that did not begin: nothing',
      walk({ steps: 0 }),
      [put('a'), put('b'), { type: 'clear', bounds: ALL_KEYS }],
      [],
    ],
    [
      'an iteration with a limit of 0: nothing',
      walk({ limit: 0 }),
      [put('a'), { type: 'clear', bounds: ALL_KEYS }],
      [],
    ],
    [
      'an iteration with an offset: the keys that it passed over, too',
      walk({ offset: 1, steps: 1, seesValues: true }),
      [put('e'), put('f')],
      [put('a'), put('c'), put('d'), { type: 'delete', key: 'b' }],
    ],
    [
      'a count: keys of its range that come or go',
      { type: 'count', bounds: from('c', 'e') },
      [put('d'), put('b'), put('e')],
      [put('c'), { type: 'delete', key: 'd' }],
    ],
    [
      'the size: keys that come or go',
      { type: 'size' },
      [put('b'), { type: 'delete', key: 'c' }],
      [put('a'), { type: 'delete', key: 'f' }],
    ],
    [
      'a rank: keys below it that come or go',
      { type: 'rank', key: 'd' },
      [put('b'), put('d'), put('e'), { type: 'delete', key: 'd' }],
      [put('a'), { type: 'delete', key: 'b' }],
    ],
    [
      'a place: keys up to it that come or go, and the value of its key',
      { type: 'nth', at: 1 },
      [put('b'), put('e'), put('f')],
      [put('a'), put('d'), { type: 'delete', key: 'b' }],
    ],
    [
      'a place that no key has: keys that come or go',
      { type: 'nth', at: 3 },
      [put('b'), put('f')],
      [put('g'), { type: 'delete', key: 'b' }],
    ],
  ];

  test.each(facts)('sees of %s', async (_, read, free, bound) => {
    const world = await World.open();
    const { db, schema } = world;
    const { root, writeLog } = schema;
    for (const key of ['b', 'd', 'f']) db.put(key, 0);
    for (const [list, isBound] of [
      [free, false],
      [bound, true],
    ] as const) {
      for (const given of list) {
        db.clear();
        for (const key of ['b', 'd', 'f']) db.put(key, 0);
        const view = schema.view(db.lastLsn);
        const place = writeLog.open();
        const readSet = new ReadSet();
        perform(viewOf(root, new ViewedEntries(root, view), [], readSet), read);
        change(world, given);
        schema.links.run();
        const what = readSet.changedPoint() ?? readSet.changedRange(writeLog, place);
        expect([given, what !== null]).toEqual([given, isBound]);
        if (what !== null) expect(what).toMatch(/^the key "\w+"$|^a range of keys$/);
        const after = schema.view(db.lastLsn);
        const byViews = [...stepsOf(compareViews(readSet.ranges.values(), view, after))].at(-1);
        expect([given, (readSet.changedPoint() ?? byViews) !== null]).toEqual([given, isBound]);
        writeLog.close(place);
        for (const each of [view, after]) each.close();
      }
    }
    await db.close();
  });

  test('names a dropped namespace, and a key of a namespace', async () => {
    const { db, schema } = await World.open();
    const jobs = db.namespace('jobs');
    await jobs.put('a', 1);
    const space = schema.spaces.find(({ name }) => name === 'jobs')!;
    const place = schema.writeLog.open();
    const [points, ranges] = [new ReadSet(), new ReadSet()];
    points.addPoint(space, 'a', 0);
    ranges.addRange(new RangeRead(space, { low: '', end: undefined }, true));
    expect([points.changedPoint(), ranges.changedRange(schema.writeLog, place)]).toEqual([
      'the key "a" of the namespace "jobs"',
      null,
    ]);
    await jobs.put('b', 1);
    expect(ranges.changedRange(schema.writeLog, place)).toBe('the key "b" of the namespace "jobs"');
    await db.drop(jobs);
    expect([points.changedPoint(), ranges.changedRange(schema.writeLog, place)]).toEqual(
      Array(2).fill('the namespace "jobs"'),
    );
    schema.writeLog.close(place);
    await db.close();
  });

  test('knows presence alone where no value was seen', async () => {
    const { db, schema } = await World.open();
    await db.put('a', 1);
    const readSet = new ReadSet();
    readSet.addPresence(schema.root, 'a', true);
    readSet.addPresence(schema.root, 'b', false);
    await db.put('a', 2);
    expect(readSet.changedPoint()).toBeNull();
    await db.put('b', 1);
    expect(readSet.changedPoint()).toBe('the key "b"');
    await db.delete('b');
    await db.delete('a');
    expect(readSet.changedPoint()).toBe('the key "a"');
    await db.close();
  });

  test('keeps one of very many reads of a key, and misses none', async () => {
    const { db, schema } = await World.open();
    const other = addSpace(schema, 9, 'other');
    for (const late of ['a', 'b', 'c']) {
      const version = await db.put('a', 1);
      const readSet = new ReadSet();
      for (let read = 0; read < 50_000; read++) {
        readSet.addPoint(schema.root, 'a', version);
        readSet.addPoint(other, 'a', 0);
        readSet.addPoint(schema.root, `absent ${read % 100}`, 0);
      }
      expect(readSet.changedPoint()).toBeNull();
      readSet.addPoint(schema.root, late, late === 'a' ? version : 0);
      const write = db.put(late, 2);
      expect(readSet.changedPoint()).toBe(`the key "${late}"`);
      await write;
      await db.delete(late);
    }
    await db.close();
  });
});

// Each was kept by itself. 50,000 counts of one range were compared with each change of a full write log, and stopped the event
// loop for many seconds at the commit.
describe('a read set of very many range reads', () => {
  const READS = 50_000;
  /** The most range reads that are held, whatever they are of. */
  const HELD_MAX = 256;

  /** Returns the number of range reads that a read set holds: those that it looks at for what they have seen. */
  function heldBy(readSet: ReadSet): number {
    const looks = vi.spyOn(RangeRead.prototype, 'seen', 'get');
    void readSet.ranges;
    const read = new Set(looks.mock.contexts).size;
    looks.mockRestore();
    return read;
  }

  /** A store with keys a0 to a9 in the root space and in another one, and what was written to them after the view. */
  async function newWorld() {
    const world = await World.open({ autoCheckpoint: false });
    const { db, schema } = world;
    const jobs = db.namespace('jobs');
    for (const into of [db, jobs]) for (let at = 0; at < 10; at++) into.put(`a${at}`, at);
    await db.flush();
    const spaces = [schema.root, schema.spaces.find(({ name }) => name === 'jobs')!];
    const place = schema.writeLog.open();
    const readSet = new ReadSet();
    const changed = (): string | null => {
      schema.links.run();
      return readSet.changedRange(schema.writeLog, place);
    };
    /** Reads something else, so often that all reads before are merged. */
    const readOn = (): void => {
      for (let read = 0; read < 5000; read++)
        readSet.addRange(new RangeRead(schema.root, within('x', 'y'), true));
    };
    return { db, jobs, spaces, readSet, changed, readOn };
  }

  const within = (low: string, end: string): KeyInterval => ({ low, end });

  test.each<[what: string, write: (db: Store<string, unknown>) => unknown, changed: string | null]>([
    ['a new key', (db) => db.put('a55', 1), 'the key "a55"'],
    ['a key that has gone', (db) => db.delete('a5'), 'the key "a5"'],
    ['a clear', (db) => db.clear({ gte: 'a7' }), 'a range of keys'],
    ['a new value', (db) => db.put('a5', 1), null],
    ['a new key outside', (db) => db.put('b', 1), null],
  ])('counts of one range are one, and it tells of %s', async (_, write, what) => {
    const { db, spaces, readSet, changed, readOn } = await newWorld();
    for (let read = 0; read < READS; read++)
      readSet.addRange(new RangeRead(spaces[0]!, within('a', 'b'), true));
    expect(heldBy(readSet)).toBeLessThanOrEqual(HELD_MAX);
    readOn();
    expect(changed()).toBeNull();
    write(db);
    expect(changed()).toBe(what);
    await db.close();
  });

  test('reads of keys, of values and of two spaces are not mixed up', async () => {
    const { db, jobs, spaces, readSet, changed, readOn } = await newWorld();
    const [root, other] = spaces as [Space, Space];
    for (let read = 0; read < READS; read += 4) {
      readSet.addRange(new RangeRead(root, within('a0', 'a3'), true));
      readSet.addRange(RangeRead.ofValues(root, within('a5', 'a7')));
      readSet.addRange(RangeRead.ofValues(other, within('a0', 'a3')));
      readSet.addRange(new RangeRead(other, within('a5', 'a7'), true));
    }
    expect(heldBy(readSet)).toBeLessThanOrEqual(HELD_MAX);
    readOn();
    for (const key of ['a1', 'a3', 'a4', 'a8']) db.put(key, 'new');
    for (const key of ['a3', 'a4', 'a5', 'a6', 'a7']) jobs.put(key, 'new');
    expect(changed()).toBeNull();
    db.put('a6', 'new');
    expect(changed()).toBe('the key "a6"');
    await db.close();
  });

  test('reads of many ranges are held once each', async () => {
    const { db, spaces, readSet, changed, readOn } = await newWorld();
    const RANGES = 1000;
    for (let read = 0; read < READS; read++) {
      const low = `k${(read * 7) % RANGES}`;
      readSet.addRange(new RangeRead(spaces[0]!, within(`${low}.`, `${low}.5`), true));
    }
    expect(heldBy(readSet)).toBeLessThanOrEqual(2 * RANGES);
    readOn();
    for (let at = 0; at < RANGES; at++) db.put(`k${at}.5`, 1, { durability: 'memory' });
    expect(changed()).toBeNull();
    await db.put('k77.4', 1);
    expect(changed()).toBe('the key "k77.4"');
    await db.close();
  });

  test.each<[way: string, reverse: boolean, free: string, bound: string]>([
    ['up', false, 'a6', 'a4'],
    ['down', true, 'a2', 'a4'],
  ])('have seen what an iteration on its way %s has come to since', async (_, reverse, free, bound) => {
    const { db, spaces, readSet, changed, readOn } = await newWorld();
    const [root] = spaces as [Space];
    const iteration = new RangeRead(root, within('a', 'b'), false, reverse);
    readSet.addRange(iteration);
    readOn();
    db.put(bound, 'new');
    expect(changed()).toBeNull();
    iteration.last = reverse ? 'a3' : 'a5';
    iteration.seesValues = true;
    readOn();
    expect(changed()).toBe(`the key "${bound}"`);
    iteration.seesValues = false;
    db.delete(free);
    expect(changed()).toBeNull();
    iteration.isWhole = true;
    readOn();
    expect(changed()).toBe(`the key "${free}"`);
    await db.close();
  });

  test('of a transaction are merged, too', async () => {
    const { db } = await World.open();
    await db.put('a', 1);
    let held: number[] = [];
    const attempts: number[] = [];
    await db.transaction(async (tx) => {
      const { addRange } = ReadSet.prototype;
      const readSets = new Set<ReadSet>();
      ReadSet.prototype.addRange = function (range) {
        readSets.add(this);
        addRange.call(this, range);
      };
      try {
        for (let read = 0; read < READS / 2; read++) tx.count({ prefix: 'a' });
        for (let read = 0; read < READS / 2; read++) tx.size;
      } finally {
        ReadSet.prototype.addRange = addRange;
      }
      held = [...readSets].map(heldBy);
      attempts.push(tx.attempt);
      await null;
      if (tx.attempt === 1) db.put('b', 1);
      tx.put('c', 1);
    });
    expect([held.length, attempts]).toEqual([1, [1, 2]]);
    expect(held[0]).toBeLessThanOrEqual(HELD_MAX);
    await db.close();
  });
});
