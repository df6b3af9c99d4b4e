// Views of a store: a space is frozen for the open views at its first change, or when somebody asks for it, and never
// for a view that is closed or garbage. test/kv/write-sets.test.ts compares views with a model.

import { setImmediate } from 'node:timers/promises';
import v8 from 'node:v8';
import vm from 'node:vm';
import { describe, expect, test } from 'vitest';
import { ALL_KEYS } from '../../src/kv/encoding/key-bounds.js';
import type { Schema } from '../../src/kv/entries/schema.js';
import type { Space } from '../../src/kv/entries/space.js';
import type { StoreView } from '../../src/kv/entries/store-view.js';
import { ViewedEntries } from '../../src/kv/transactions/viewed-entries.js';
import { Random } from '../../src/testing/random.js';
import { addSpace, contentOf, newSchema, putEntry } from './schema-tools.js';

const interrupted = expect.objectContaining({ code: 'KEELSON_INTERRUPTED' });
/** The fewest references to views that are worth a search for dead ones. */
const REFERENCES_MIN = 16;

/** Counts the times that a space is frozen from now on. */
function freezesOf(space: Space): { count: number } {
  const freezes = { count: 0 };
  const freeze = space.entries.freeze.bind(space.entries);
  space.entries.freeze = () => {
    freezes.count++;
    return freeze();
  };
  return freezes;
}

function keysIn(view: StoreView, space: Space): string | undefined {
  const entries = view.in(space);
  return entries === undefined
    ? undefined
    : contentOf(entries)
        .map(([key, lsn]) => `${key}=${lsn}`)
        .join(' ');
}

/** Makes a schema with two spaces beside the root space, with the key a in each. */
function newWorld(): { schema: Schema; root: Space; one: Space; two: Space } {
  const schema = newSchema();
  const [one, two] = [addSpace(schema, 1, 'one'), addSpace(schema, 2, 'two')];
  for (const space of schema.spaces) putEntry(space, 'a', 1, 'value');
  return { schema, root: schema.root, one, two };
}

describe('a view of a store', () => {
  test('freezes nothing until a space changes, and then this space alone and once', () => {
    const { schema, root, one, two } = newWorld();
    const freezes = [root, one, two].map(freezesOf);
    const views = [schema.view(1), schema.view(1)];
    expect(freezes.map(({ count }) => count)).toEqual([0, 0, 0]);
    for (let lsn = 2; lsn < 9; lsn++) putEntry(one, 'b', lsn, 'value');
    expect(freezes.map(({ count }) => count)).toEqual([0, 1, 0]);
    for (const view of views)
      expect([root, one, two].map((space) => keysIn(view, space))).toEqual(['a=1', 'a=1', 'a=1']);
    // One look serves all views.
    expect(freezes.map(({ count }) => count)).toEqual([1, 1, 1]);
    expect(views[0]!.in(root)).toBe(views[1]!.in(root));
  });

  test('shows a space as it was, whether it was asked for before the change or after', () => {
    const { schema, one } = newWorld();
    const before = schema.view(1);
    expect(keysIn(before, one)).toBe('a=1');
    putEntry(one, 'a', 2, 'value');
    const between = schema.view(2);
    putEntry(one, 'b', 3, 'value');
    const after = schema.view(3);
    expect([before, between, after].map((view) => keysIn(view, one))).toEqual(['a=1', 'a=2', 'a=2 b=3']);
    expect([before.lsn, between.lsn, after.lsn]).toEqual([1, 2, 3]);
  });

  test('has the spaces that were there: a dropped one, and no later one', () => {
    const { schema, one, two } = newWorld();
    schema.drop(2);
    const view = schema.view(1);
    expect(view.nextSpaceId).toBe(3);
    const three = addSpace(schema, 3, 'three');
    const unadded = schema.newSpace(4, three);
    putEntry(three, 'a', 2, 'value');
    schema.drop(1);
    const later = schema.view(2);
    expect([one, two, three, unadded].map((space) => keysIn(view, space))).toEqual([
      'a=1',
      undefined,
      undefined,
      undefined,
    ]);
    expect([one, two, three, unadded].map((space) => keysIn(later, space))).toEqual([
      undefined,
      undefined,
      'a=2',
      undefined,
    ]);
    // A write to a space that is no longer there brings it back into no view.
    putEntry(one, 'b', 3, 'value');
    putEntry(two, 'b', 3, 'value');
    expect([keysIn(view, one), keysIn(later, one), keysIn(schema.view(3), one)]).toEqual([
      'a=1',
      undefined,
      undefined,
    ]);
  });

  test('has what was put off before it, and not what was put off after it', () => {
    const { schema, root, one } = newWorld();
    const putOff = (key: string, lsn: number) => {
      const staged = one.entries.stage(key, Uint8Array.of(1), 0, 1);
      schema.links.defer(() => {
        one.beforeChange();
        one.entries.link(key, lsn, staged);
      });
    };
    putOff('b', 2);
    const view = schema.view(2);
    expect(schema.links.isDue).toBe(false);
    putOff('c', 3);
    expect(keysIn(view, root)).toBe('a=1');
    expect(schema.links.isDue).toBe(false);
    putOff('d', 4);
    expect(keysIn(view, one)).toBe('a=1 b=2');
    expect(keysIn(schema.view(4), one)).toBe('a=1 b=2 c=3 d=4');
  });

  test('has no space after close(), and costs no freeze any more', () => {
    const { schema, root, one } = newWorld();
    const freezes = [root, one].map(freezesOf);
    const [view, other] = [schema.view(1), schema.view(1)];
    expect(keysIn(view, root)).toBe('a=1');
    view.close();
    expect([view.isClosed, view.in(root), view.in(one)]).toEqual([true, undefined, undefined]);
    other.close();
    putEntry(root, 'b', 2, 'value');
    putEntry(one, 'b', 2, 'value');
    expect(freezes.map(({ count }) => count)).toEqual([1, 0]);
    view.close();
  });

  // It had no entries then, and a read found nothing.
  test('of a transaction refuses a read after close() that the live entries cannot answer', () => {
    const { schema, root } = newWorld();
    const view = schema.view(1);
    const viewed = new ViewedEntries(root, view);
    putEntry(root, 'a', 2, 'new');
    expect(viewed.has('absent')).toBe(false);
    view.close();
    const late = new ViewedEntries(root, view);
    for (const each of [viewed, late])
      for (const read of [() => each.find('a'), () => each.has('absent'), () => each.size, () => each.nth(0)])
        expect(read).toThrow(expect.objectContaining({ code: 'KEELSON_CLOSED' }));
  });

  test('that was closed takes nothing from an older view that is open', () => {
    const { schema, one, two } = newWorld();
    const old = schema.view(1);
    const freezes = [one, two].map(freezesOf);
    for (let lsn = 2; lsn < 200; lsn++) {
      const view = schema.view(lsn);
      if (lsn > 100) putEntry(two, 'b', lsn, 'value');
      view.close();
      putEntry(one, 'b', lsn, 'value');
    }
    // Space one was frozen for `old` alone; space two for `old` and for each view that was open at its change.
    expect(freezes.map(({ count }) => count)).toEqual([1, 99]);
    expect([keysIn(old, one), keysIn(old, two)]).toEqual(['a=1', 'a=1']);
    expect(schema.views.references).toBeLessThanOrEqual(REFERENCES_MIN);
  });

  test('of a change that was stopped half-way is refused, and so is a space of an earlier view', () => {
    const { schema, one, two } = newWorld();
    const view = schema.view(1);
    expect(keysIn(view, two)).toBe('a=1');
    const told: unknown[] = [];
    schema.links.onStopped = (cause) => told.push(cause);
    schema.links.guard.enter();
    expect(() => schema.view(1)).toThrow(interrupted);
    expect(() => view.in(one)).toThrow(interrupted);
    expect(told).toEqual([interrupted, interrupted]);
    // What is frozen already was not touched by the change.
    expect(keysIn(view, two)).toBe('a=1');
  });

  test('that is stopped while it freezes a space poisons', () => {
    const { schema, one } = newWorld();
    const view = schema.view(1);
    const context = vm.createContext({ look: () => view.in(one) });
    one.entries.freeze = () => {
      for (;;);
    };
    expect(() => vm.runInContext('look()', context, { timeout: 20 })).toThrow(/timed out/);
    expect(() => view.in(one)).toThrow(interrupted);
  });
});

/** Collects garbage, with turns of the event loop, before which weak references keep their targets. */
async function collectGarbage(): Promise<void> {
  v8.setFlagsFromString('--expose-gc');
  const gc = vm.runInNewContext('gc') as () => void;
  for (let times = 0; times < 3; times++) {
    await setImmediate();
    gc();
  }
}

describe('100,000 views', () => {
  const VIEWS = 100_000;

  test('that were closed leave nothing behind, with writes between them and without', async () => {
    const { schema, one, two } = newWorld();
    const freezes = freezesOf(two);
    for (let number = 1; number <= VIEWS; number++) {
      schema.view(1).close();
      if (number % 3 === 0) putEntry(two, 'b', number, 'value');
    }
    expect([schema.views.references <= REFERENCES_MIN, freezes.count]).toEqual([true, 0]);
    expect(keysIn(schema.view(1), one)).toBe('a=1');
    expect(schema.views.epoch).toBe(VIEWS + 1);
  });

  test('that were dropped without close() leave nothing behind, and are frozen for no more', async () => {
    const { schema, one, two } = newWorld();
    const kept = schema.view(1);
    for (let number = 1; number <= VIEWS; number++) {
      schema.view(1);
      if (number % 1000 !== 0) continue;
      await setImmediate();
      putEntry(two, 'b', number, 'value');
    }
    await collectGarbage();
    kept.close();
    const freezes = [one, two].map(freezesOf);
    putEntry(one, 'b', VIEWS, 'value');
    putEntry(two, 'b', VIEWS, 'value');
    expect(freezes.map(({ count }) => count)).toEqual([0, 0]);
    expect(schema.views.references).toBe(0);
  });
});

test('views that come, are closed and are dropped in any order keep at most twice the open ones', async () => {
  const { schema, one } = newWorld();
  const random = new Random(7);
  const open: { view: StoreView; expected: string }[] = [];
  let openMax = 1;
  for (let lsn = 2; lsn < 20_000; lsn++) {
    const kind = random.below(4);
    if (kind === 0) {
      const keys = contentOf(one.entries).map(([key, version]) => `${key}=${version}`);
      open.push({ view: schema.view(lsn, 0, random.below(2) === 0), expected: keys.join(' ') });
    } else if (kind === 1 && open.length > 0) {
      const [{ view, expected }] = open.splice(random.below(open.length), 1) as [(typeof open)[0]];
      if (random.below(3) === 0) expect(keysIn(view, one)).toBe(expected);
      view.close();
    } else if (kind === 2) putEntry(one, 'abcdef'[random.below(6)]!, lsn, 'value');
    else if (random.below(50) === 0) {
      one.beforeChange();
      one.entries.deleteRange(ALL_KEYS);
    }
    openMax = Math.max(openMax, open.length);
    expect(schema.views.references).toBeLessThanOrEqual(Math.max(REFERENCES_MIN, 2 * openMax));
  }
  for (const { view, expected } of open) expect(keysIn(view, one)).toBe(expected);
});
