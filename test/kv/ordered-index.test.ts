// The ordered index against a sorted array, with clones taken at every moment.

import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { ALL_KEYS, type KeyBounds } from '../../src/kv/encoding/key-bounds.js';
import { OrderedIndex } from '../../src/kv/entries/ordered-index.js';

/** Few entries a node, so that a handful of keys makes a tree of several levels. */
const SMALL_NODE_ENTRIES = 4;
/** And of keys that gather beside it: what ends in time goes in one by one, what does not in one piece. */
const SMALL_TAIL_KEYS = 6;

interface Item {
  readonly number: number;
}

type Pair = readonly [string, Item];

/** The obvious implementation: a Map, sorted when asked. */
class Model {
  readonly map: Map<string, Item>;

  constructor(pairs: Iterable<Pair> = []) {
    this.map = new Map(pairs);
  }

  sorted(): Pair[] {
    return [...this.map].sort(([a], [b]) => (a < b ? -1 : a > b ? 1 : 0));
  }

  within(bounds: KeyBounds): Pair[] {
    return this.sorted().filter(([key]) => isWithin(key, bounds));
  }
}

function isWithin(key: string, { low, lowInclusive, high, highInclusive }: KeyBounds): boolean {
  if (low !== undefined && (lowInclusive ? key < low : key <= low)) return false;
  return high === undefined || (highInclusive ? key <= high : key < high);
}

// Few letters, so that keys meet; among them code units that UTF-8 would order differently, and NUL, which is
// how the index finds the key after a key.
const key = fc
  .array(fc.constantFrom('', '\0', 'a', 'b', 'c', '\ud7ff', '\u{10000}', '\uffff'), { maxLength: 3 })
  .map((letters) => letters.join(''));

const bounds: fc.Arbitrary<KeyBounds> = fc.record({
  low: fc.option(key, { nil: undefined }),
  lowInclusive: fc.boolean(),
  high: fc.option(key, { nil: undefined }),
  highInclusive: fc.boolean(),
});

type Step =
  | { readonly type: 'set'; readonly key: string; readonly number: number }
  | { readonly type: 'append'; readonly count: number }
  | { readonly type: 'highest'; readonly isDeleted: boolean }
  | { readonly type: 'delete'; readonly key: string }
  | { readonly type: 'deleteRange'; readonly bounds: KeyBounds }
  | { readonly type: 'clone' };

const step: fc.Arbitrary<Step> = fc.oneof(
  { weight: 12, arbitrary: fc.record({ type: fc.constant('set' as const), key, number: fc.nat() }) },
  { weight: 4, arbitrary: fc.record({ type: fc.constant('append' as const), count: fc.nat(9) }) },
  {
    weight: 3,
    arbitrary: fc.record({ type: fc.constant('highest' as const), isDeleted: fc.boolean() }),
  },
  { weight: 4, arbitrary: fc.record({ type: fc.constant('delete' as const), key }) },
  { weight: 1, arbitrary: fc.record({ type: fc.constant('deleteRange' as const), bounds }) },
  { weight: 2, arbitrary: fc.record({ type: fc.constant('clone' as const) }) },
);

const steps = fc.array(step, { maxLength: 250, size: 'max' });

let appended = 0;

function applyStep(index: OrderedIndex<Item>, model: Model, action: Exclude<Step, { type: 'clone' }>): void {
  if (action.type === 'set') {
    const item = { number: action.number };
    expect(index.set(action.key, item)).toBe(!model.map.has(action.key));
    model.map.set(action.key, item);
  } else if (action.type === 'append') {
    for (let count = 0; count < action.count; count++) {
      // Above all that key makes, and above each other.
      const above = `\uffff\uffff\uffff${String(appended++).padStart(9, '0')}`;
      expect(index.set(above, { number: appended })).toBe(true);
      model.map.set(above, { number: appended });
      expect(index.size).toBe(model.map.size);
    }
  } else if (action.type === 'highest') {
    const highest = model.sorted().at(-1)?.[0] ?? '';
    const type = action.isDeleted ? 'delete' : 'set';
    applyStep(index, model, { type, key: highest, number: 1 });
  } else if (action.type === 'delete') {
    expect(index.delete(action.key)).toBe(model.map.delete(action.key));
  } else {
    const gone = model.within(action.bounds);
    expect(index.deleteRange(action.bounds)).toBe(gone.length);
    for (const [name] of gone) model.map.delete(name);
  }
}

function expectSame(index: OrderedIndex<Item>, model: Model): void {
  index.checkValid();
  expect(index.size).toBe(model.map.size);
  const expected = model.sorted();
  expect([...index.iterate(ALL_KEYS)]).toEqual(expected);
  expect([...index.iterate(ALL_KEYS, true)]).toEqual(expected.toReversed());
  expect(expected.map((_, at) => index.nth(at))).toEqual(expected);
  expect(expected.map(([name]) => index.rank(name))).toEqual(expected.map((_, at) => at));
}

describe('the ordered index', () => {
  test('holds what a sorted array holds, and says what a write replaced', () => {
    fc.assert(
      fc.property(steps, key, (actions, probe) => {
        const index = new OrderedIndex<Item>(SMALL_NODE_ENTRIES, SMALL_TAIL_KEYS);
        const model = new Model();
        for (const action of actions) if (action.type !== 'clone') applyStep(index, model, action);
        expectSame(index, model);
        expect(index.get(probe)).toBe(model.map.get(probe));
        expect(index.rank(probe)).toBe(model.sorted().filter(([name]) => name < probe).length);
      }),
    );
  });

  test('is never disturbed by its clones, nor they by it', () => {
    fc.assert(
      fc.property(fc.array(fc.tuple(fc.nat(), step), { maxLength: 250, size: 'max' }), (actions) => {
        const all = [
          { index: new OrderedIndex<Item>(SMALL_NODE_ENTRIES, SMALL_TAIL_KEYS), model: new Model() },
        ];
        for (const [which, action] of actions) {
          const { index, model } = all[which % all.length]!;
          if (action.type === 'clone') all.push({ index: index.clone(), model: new Model(model.map) });
          else applyStep(index, model, action);
        }
        for (const { index, model } of all) expectSame(index, model);
      }),
    );
  });

  test('lets an iteration of a clone go on unmoved while the original changes at every step', () => {
    fc.assert(
      fc.property(
        fc.array(key, { size: 'max', maxLength: 100 }),
        steps,
        fc.boolean(),
        (keys, actions, reverse) => {
          const index = new OrderedIndex<Item>(SMALL_NODE_ENTRIES, SMALL_TAIL_KEYS);
          const model = new Model();
          keys.forEach((name, number) => {
            applyStep(index, model, { type: 'set', key: name, number });
          });
          const expected = reverse ? model.sorted().reverse() : model.sorted();
          const seen: Pair[] = [];
          const rest = actions[Symbol.iterator]();
          for (const pair of index.clone().iterate(ALL_KEYS, reverse)) {
            seen.push(pair);
            for (const action of [rest.next().value, rest.next().value]) {
              if (action !== undefined && action.type !== 'clone') applyStep(index, model, action);
            }
          }
          expect(seen).toEqual(expected);
          expectSame(index, model);
        },
      ),
    );
  });

  test('iterates and counts any range, in both orders, from any offset to any limit', () => {
    fc.assert(
      fc.property(
        fc.array(key, { size: 'max', maxLength: 60 }),
        bounds,
        fc.boolean(),
        fc.oneof(fc.nat({ max: 8 }), fc.constant(Number.POSITIVE_INFINITY)),
        fc.oneof(fc.nat({ max: 60 }), fc.constant(0), fc.constant(Number.MAX_SAFE_INTEGER)),
        (keys, range, reverse, limit, offset) => {
          const index = new OrderedIndex<Item>(SMALL_NODE_ENTRIES, SMALL_TAIL_KEYS);
          const model = new Model(keys.map((name, number) => [name, { number }]));
          for (const [name, item] of model.map) index.set(name, item);
          const expected = model.within(range);
          expect(index.count(range)).toBe(expected.length);
          if (reverse) expected.reverse();
          expect([...index.iterate(range, reverse, limit, offset)]).toEqual(
            expected.slice(offset, offset + limit),
          );
        },
      ),
      { numRuns: 500 },
    );
  });

  test('has no key at a place below 0 or above the last', () => {
    const index = new OrderedIndex<Item>();
    expect([index.nth(-1), index.nth(0)]).toEqual([undefined, undefined]);
    index.set('a', { number: 1 });
    expect([index.nth(-1), index.nth(1), index.nth(2)]).toEqual([undefined, undefined, undefined]);
  });

  test('counts all keys without moving the tail into the tree', () => {
    const index = new OrderedIndex<Item>();
    index.set('a', { number: 1 });
    expect([index.count(ALL_KEYS), index.isSettled]).toEqual([1, false]);
  });

  test('counts nothing, and deletes nothing, in a range that is upside down', () => {
    const index = new OrderedIndex<Item>();
    for (const name of ['a', 'b', 'c', 'd']) index.set(name, { number: 1 });
    const upsideDown = { low: 'd', lowInclusive: true, high: 'a', highInclusive: true };
    expect(index.count(upsideDown)).toBe(0);
    expect(index.deleteRange(upsideDown)).toBe(0);
    for (const reverse of [false, true]) expect([...index.iterate(upsideDown, reverse)]).toEqual([]);
    expect(index.size).toBe(4);
  });

  test('keeps a clone whole when the original is cleared and filled again', () => {
    const index = new OrderedIndex<Item>(SMALL_NODE_ENTRIES, SMALL_TAIL_KEYS);
    const names = Array.from({ length: 500 }, (_, number) => `key ${String(number).padStart(4, '0')}`);
    names.forEach((name, number) => {
      index.set(name, { number });
    });
    const before = index.clone();
    expect(index.deleteRange(ALL_KEYS)).toBe(500);
    expect(index.size).toBe(0);
    for (const name of names) index.set(name, { number: -1 });
    expect([...before.iterate(ALL_KEYS)]).toEqual(names.map((name, number) => [name, { number }]));
    expect([...index.iterate(ALL_KEYS)].every(([, item]) => item.number === -1)).toBe(true);
  });

  test('orders keys by code unit, so that an emoji stands before U+FFFF', () => {
    const index = new OrderedIndex<Item>();
    for (const name of ['\uffff', '😀', 'z', 'a']) index.set(name, { number: 0 });
    expect([...index.iterate(ALL_KEYS)].map(([name]) => name)).toEqual(['a', 'z', '😀', '\uffff']);
  });
});
