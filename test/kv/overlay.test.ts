// The overlay of a transaction and its keys in their order, against a plain model: puts, deletes and clears over a view,
// nested savepoints, another view beneath, and every way to read.

import assert from 'node:assert/strict';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { ALL_KEYS, type KeyBounds } from '../../src/kv/encoding/key-bounds.js';
import type { Space } from '../../src/kv/entries/space.js';
import type { View, Walkable } from '../../src/kv/entries/view.js';
import { Overlay, type WrittenValues } from '../../src/kv/read/overlay.js';
import { newSchema, putEntry } from './schema-tools.js';

/** The value of each written key is the number of its operation, as text; that of a key of the view is `view:<key>`. */
type Model = Map<string, string>;

/** The values of operations: their numbers. */
const numbers: WrittenValues = {
  readValue: (operation, decode) => {
    const bytes = Buffer.from(`${operation}`);
    return decode(bytes, 0, bytes.length);
  },
  hasValue: () => true,
  deadlineOf: () => 0,
  keyOf: () => '',
};

const keys = fc.constantFrom('', 'a', 'a\0', 'aa', 'ab', 'b', 'b\0\0', 'c', 'cc', 'd', 'e', '\uFFFF');

const boundsOf: fc.Arbitrary<KeyBounds> = fc
  .record({
    low: fc.option(keys, { nil: undefined }),
    high: fc.option(keys, { nil: undefined }),
    lowInclusive: fc.boolean(),
    highInclusive: fc.boolean(),
  })
  .map(({ low, high, lowInclusive, highInclusive }) => ({
    low,
    high,
    lowInclusive: low === undefined || lowInclusive,
    highInclusive: high === undefined || highInclusive,
  }));

function isWithin({ low, lowInclusive, high, highInclusive }: KeyBounds, key: string): boolean {
  if (low !== undefined && (lowInclusive ? key < low : key <= low)) return false;
  return high === undefined || (highInclusive ? key <= high : key < high);
}

type Step =
  | { readonly type: 'set' | 'delete' | 'find'; readonly key: string }
  | { readonly type: 'clear'; readonly bounds: KeyBounds }
  | { readonly type: 'savepoint' | 'undo' | 'keep' | 'rebase' | 'freeze' }
  | {
      readonly type: 'read';
      readonly bounds: KeyBounds;
      readonly reverse: boolean;
      readonly offset: number;
      readonly limit: number;
    };

const steps: fc.Arbitrary<Step> = fc.oneof(
  { weight: 6, arbitrary: fc.record({ type: fc.constant('set' as const), key: keys }) },
  {
    weight: 3,
    arbitrary: fc.record({ type: fc.constantFrom('delete' as const, 'find' as const), key: keys }),
  },
  { weight: 2, arbitrary: fc.record({ type: fc.constant('clear' as const), bounds: boundsOf }) },
  {
    weight: 4,
    arbitrary: fc.record({
      type: fc.constantFrom(
        'savepoint' as const,
        'undo' as const,
        'keep' as const,
        'rebase' as const,
        'freeze' as const,
      ),
    }),
  },
  {
    weight: 4,
    arbitrary: fc.record({
      type: fc.constant('read' as const),
      bounds: boundsOf,
      reverse: fc.boolean(),
      offset: fc.oneof(fc.constant(0), fc.nat(6)),
      limit: fc.oneof(fc.constant(Number.POSITIVE_INFINITY), fc.nat(6)),
    }),
  },
);

const text = (bytes: Uint8Array, start: number, end: number) =>
  Buffer.from(bytes.subarray(start, end)).toString();

function walked(
  view: Walkable,
  bounds: KeyBounds,
  reverse?: boolean,
  limit?: number,
  offset?: number,
): [string, string][] {
  const found: [string, string][] = [];
  const walk = view.walk(bounds, reverse, limit, offset);
  while (walk.advance()) found.push([walk.key, view.read(view.handleOf(walk.value), text)]);
  assert.equal(walk.advance(), false);
  return found;
}

function sorted(model: Model): [string, string][] {
  return [...model].sort(([a], [b]) => (a < b ? -1 : 1));
}

/** Compares every read of single keys and places with the model. */
function checkAll(view: View, model: Model): void {
  const all = sorted(model);
  assert.equal(view.size, all.length);
  for (let at = -1; at <= all.length; at++) {
    const found = view.nth(at);
    assert.deepEqual(found && [found[0], view.read(view.handleOf(found[1]), text)], all[at]);
  }
  for (const key of ['', 'a', 'a\0', 'aaa', 'b', 'cc', 'd', 'z', '\uFFFF', '\uFFFF\uFFFF']) {
    const handle = view.find(key);
    assert.equal(handle === undefined ? undefined : view.read(handle, text), model.get(key));
    assert.equal(view.has(key), model.has(key));
    assert.equal(view.rank(key), all.filter(([other]) => other < key).length);
  }
}

class World {
  readonly space: Space;
  readonly overlay: Overlay;
  readonly schema = newSchema();
  readonly base: Model = new Map();
  model: Model;
  /** The models and the marks of the open savepoints. */
  readonly savepoints: { mark: number; model: Model }[] = [];
  readonly frozen: { view: Walkable; model: Model }[] = [];
  operations = 0;
  isFrozenBase = false;

  constructor(baseKeys: readonly string[]) {
    this.space = this.schema.root;
    for (const [at, key] of baseKeys.entries()) {
      putEntry(this.space, key, at + 1, `view:${key}`);
      this.base.set(key, `view:${key}`);
    }
    this.overlay = new Overlay(this.space.entries, numbers);
    this.model = new Map(this.base);
  }

  run(step: Step): void {
    const { overlay, model } = this;
    switch (step.type) {
      case 'set':
        overlay.set(step.key, this.operations);
        model.set(step.key, `${this.operations++}`);
        assert(overlay.covers(step.key));
        break;
      case 'delete':
        overlay.delete(step.key);
        model.delete(step.key);
        assert(overlay.covers(step.key));
        break;
      case 'clear':
        overlay.clear(step.bounds);
        for (const key of [...model.keys()]) if (isWithin(step.bounds, key)) model.delete(key);
        break;
      case 'find':
        assert.equal(overlay.has(step.key), model.has(step.key));
        break;
      case 'savepoint':
        this.savepoints.push({ mark: overlay.savepoint(), model: new Map(model) });
        break;
      case 'undo': {
        const savepoint = this.savepoints.pop();
        if (savepoint === undefined) return;
        overlay.undo(savepoint.mark);
        this.model = savepoint.model;
        break;
      }
      case 'keep':
        if (this.savepoints.pop() !== undefined) overlay.keep();
        break;
      case 'rebase':
        // From live entries to frozen ones and back, as at the first await and at the commit.
        this.isFrozenBase = !this.isFrozenBase;
        overlay.rebase(this.isFrozenBase ? this.schema.view(1).in(this.space)! : this.space.entries);
        break;
      case 'freeze':
        this.frozen.push({ view: overlay.view(), model: new Map(model) });
        break;
      case 'read': {
        const { bounds, reverse, offset, limit } = step;
        const within = sorted(model).filter(([key]) => isWithin(bounds, key));
        assert.equal(overlay.count(bounds), within.length);
        if (reverse) within.reverse();
        const expected = within.slice(offset, offset + limit);
        assert.deepEqual(walked(overlay, bounds, reverse, limit, offset), expected);
        assert.deepEqual(walked(overlay.view(), bounds, reverse, limit, offset), expected);
      }
    }
  }
}

const RUNS = { seed: 20_261, numRuns: 1500 };

describe('an overlay', () => {
  test('reads as a map of what was put, deleted and cleared over its view, with nested savepoints', () => {
    fc.assert(
      fc.property(fc.uniqueArray(keys), fc.array(steps, { maxLength: 40, size: 'max' }), (baseKeys, list) => {
        const world = new World(baseKeys);
        for (const step of list) world.run(step);
        checkAll(world.overlay, world.model);
        assert.deepEqual(walked(world.overlay, ALL_KEYS), sorted(world.model));
        // Later operations change no view that was taken before.
        for (const { view, model } of world.frozen) {
          assert.deepEqual(walked(view, ALL_KEYS), sorted(model));
          assert.deepEqual(walked(view, ALL_KEYS, true), sorted(model).reverse());
        }
      }),
      RUNS,
    );
  });

  test('tells the versions of its view, and none for what is not committed', () => {
    const world = new World(['a', 'b']);
    world.run({ type: 'set', key: 'b' });
    const { overlay } = world;
    const versions = (view: Walkable): number[] => {
      const found: number[] = [];
      const walk = view.walk(ALL_KEYS);
      while (walk.advance()) found.push(view.versionOf(view.handleOf(walk.value)));
      return found;
    };
    expect(['a', 'b'].map((key) => overlay.versionOf(overlay.find(key)!))).toEqual([1, 0]);
    expect([versions(overlay), versions(overlay.view())]).toEqual([
      [1, 0],
      [1, 0],
    ]);
  });

  test('covers the keys that it has written, deleted or cleared, and no other', () => {
    const { overlay } = new World(['a', 'b', 'c', 'd']);
    overlay.set('a', 0);
    overlay.delete('b');
    overlay.clear({ low: 'c', lowInclusive: true, high: 'd', highInclusive: false });
    expect(['a', 'b', 'c', 'cc', 'd', 'e'].map((key) => overlay.covers(key))).toEqual([
      true,
      true,
      true,
      true,
      false,
      false,
    ]);
    const mark = overlay.savepoint();
    overlay.set('e', 1);
    overlay.clear(ALL_KEYS);
    expect(overlay.covers('zzz')).toBe(true);
    overlay.undo(mark);
    expect(['a', 'e', 'zzz'].map((key) => overlay.covers(key))).toEqual([true, false, false]);
  });

  test('finds places among very many keys without visiting them', () => {
    const count = 2000;
    const name = (at: number) => `${at}`.padStart(5, '0');
    const world = new World(Array.from({ length: count }, (_, at) => name(at * 2)));
    const { overlay } = world;
    for (let at = 0; at < count; at += 3) world.run({ type: 'set', key: name(at * 2 + 1) });
    for (let at = 0; at < count; at += 5) world.run({ type: 'delete', key: name(at * 2) });
    world.run({
      type: 'clear',
      bounds: { low: name(1000), lowInclusive: true, high: name(2000), highInclusive: true },
    });
    world.run({ type: 'set', key: name(1500) });
    const all = sorted(world.model);
    expect(overlay.size).toBe(all.length);
    for (let at = 0; at < all.length; at += 7) {
      const [key] = overlay.nth(at)!;
      expect([key, overlay.rank(key)]).toEqual([all[at]![0], at]);
    }
    const middle = walked(overlay, ALL_KEYS, true, 3, 700);
    expect(middle).toEqual(all.toReversed().slice(700, 703));
  });
});
