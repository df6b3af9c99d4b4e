// The entries against a Map, in slabs of a few entries, so that compaction is always at work; and their memory.

import fc from 'fast-check';
import { afterEach, describe, expect, test, vi } from 'vitest';
import { ALL_KEYS, type KeyBounds } from '../../src/kv/encoding/key-bounds.js';
import { Entries } from '../../src/kv/entries/entries.js';
import { EntriesLoader } from '../../src/kv/entries/entries-loader.js';
import type { EntriesOptions } from '../../src/kv/entries/entries-parts.js';
import { EntryHandles } from '../../src/kv/entries/entry-handles.js';
import { EntrySlabs } from '../../src/kv/entries/entry-slabs.js';
import type { FrozenEntries } from '../../src/kv/entries/frozen-entries.js';
import { HashIndex } from '../../src/kv/entries/hash-index.js';
import { LinkQueue } from '../../src/kv/entries/link-queue.js';
import { OrderedIndex } from '../../src/kv/entries/ordered-index.js';
import type { EntryHandle } from '../../src/kv/entries/slab.js';
import type { View } from '../../src/kv/entries/view.js';
import { ViewEpoch } from '../../src/kv/entries/view-epoch.js';
import { tries } from '../counts.js';
import { setEntry } from './encoded.js';

const SMALL = { nodeEntriesMax: 4, slabBytesMax: 512, tableSlotsMax: 32 };

const MIB = 1024 * 1024;
/** Enough that what compaction leaves over would be far more than the limit's constant part. */
const KEYS = tries(100_000, 200_000);
const OVERWRITES = tries(250_000, 1_000_000);

type Item = { readonly value: string; readonly version: number };
type Model = Map<string, Item>;

/** Returns the keys of a view and their handles, lazily. */
function* handlesOf(view: View): Generator<[string, EntryHandle]> {
  const walk = view.walk(ALL_KEYS);
  while (walk.advance()) yield [walk.key, view.handleOf(walk.value)];
}

function contentOf(view: View): [string, Item][] {
  return [...handlesOf(view)].map(([key, handle]) => [key, itemOf(view, handle)]);
}

/** Expects that a view shows this content in every way. */
function expectFrozen(view: FrozenEntries, expected: [string, Item][]): void {
  expect(contentOf(view)).toEqual(expected);
  expect([view.size, view.count(ALL_KEYS)]).toEqual([expected.length, expected.length]);
  expectOrder(view, expected);
  expect(view.view()).toBe(view);
  const found = expected.map(([key]): [string, Item] => {
    const handle = view.find(key)!;
    view.slabs.prefetch(handle);
    const isFound = view.has(key) && view.slabs.isKeyOf(handle, key);
    return [isFound ? key : `not ${key}`, itemOf(view, handle)];
  });
  expect(found).toEqual(expected);
  expect(view.find('not there')).toBeUndefined();
}

/** Expects that rank(), nth() and offsets agree with an array. */
function expectOrder(view: View, expected: [string, Item][]): void {
  expect(expected.map(([name]) => view.rank(name))).toEqual(expected.map((_, at) => at));
  const ofNth = expected.map((_, at) => view.nth(at)!);
  expect(ofNth.map(([name, id]) => [name, itemOf(view, view.handleOf(id))])).toEqual(expected);
  expect([view.nth(-1), view.nth(expected.length)]).toEqual([undefined, undefined]);
  const offset = expected.length >> 1;
  const walk = view.walk(ALL_KEYS, true, 1, offset);
  expect(walk.advance() ? walk.key : undefined).toBe(expected.toReversed()[offset]?.[0]);
}

function newEntries(sizes: EntriesOptions = {}): Entries {
  return new Entries(1, new LinkQueue(), sizes);
}

function itemOf(entries: View, handle: EntryHandle): Item {
  const value = entries.read(handle, (bytes, start, end) => Buffer.from(bytes.slice(start, end)).toString());
  return { value, version: entries.versionOf(handle) };
}

function sorted(model: Model): [string, Item][] {
  return [...model].sort(([a], [b]) => (a < b ? -1 : 1));
}

function isWithin(key: string, { low, lowInclusive, high, highInclusive }: KeyBounds): boolean {
  if (low !== undefined && (lowInclusive ? key < low : key <= low)) return false;
  return high === undefined || (highInclusive ? key <= high : key < high);
}

function set(entries: Entries, key: string, value: string, version: number): void {
  const bytes = Buffer.from(`before${value}after`);
  // A key that was read from a disk is kept as it is, one of a caller is copied.
  if (version % 2 === 0) setEntry(entries, key, version, bytes, 6, bytes.length - 5);
  else entries.link(key, version, entries.stage(key, bytes, 6, bytes.length - 5));
}

/** Short ones; of two bytes and of one byte a unit; and longer ones, which are copied when they are new. */
const key = fc
  .integer({ min: 0, max: 120 })
  .map(
    (number) =>
      `${['key', 'a key of more units', 'schlüssel von einem', 'ключ длиннее'][number % 4]} ${number}`,
  );
const value = fc
  .tuple(fc.nat({ max: 99 }), fc.nat({ max: 60 }))
  .map(([text, length]) => String(text).padEnd(length, '.'));
const bounds: fc.Arbitrary<KeyBounds> = fc.record({
  low: fc.option(key, { nil: undefined }),
  lowInclusive: fc.boolean(),
  high: fc.option(key, { nil: undefined }),
  highInclusive: fc.boolean(),
});

type Step =
  | { readonly type: 'set' | 'stage and discard'; readonly key: string; readonly value: string }
  | { readonly type: 'delete'; readonly key: string }
  | { readonly type: 'deleteRange'; readonly bounds: KeyBounds }
  | { readonly type: 'view' }
  | { readonly type: 'check' };

const step: fc.Arbitrary<Step> = fc.oneof(
  { weight: 60, arbitrary: fc.record({ type: fc.constant('set' as const), key, value }) },
  { weight: 20, arbitrary: fc.record({ type: fc.constant('delete' as const), key }) },
  { weight: 4, arbitrary: fc.record({ type: fc.constant('stage and discard' as const), key, value }) },
  { weight: 1, arbitrary: fc.record({ type: fc.constant('deleteRange' as const), bounds }) },
  { weight: 4, arbitrary: fc.record({ type: fc.constant('view' as const) }) },
  { weight: 2, arbitrary: fc.record({ type: fc.constant('check' as const) }) },
);

function applyStep(entries: Entries, model: Model, action: Step, version: number): void {
  if (action.type === 'set') {
    set(entries, action.key, action.value, version);
    model.set(action.key, { value: action.value, version });
  } else if (action.type === 'delete') {
    expect(entries.delete(action.key)).toBe(model.delete(action.key));
  } else if (action.type === 'deleteRange') {
    const gone = [...model.keys()].filter((name) => isWithin(name, action.bounds));
    expect(entries.count(action.bounds)).toBe(gone.length);
    expect(entries.deleteRange(action.bounds)).toBe(gone.length);
    for (const name of gone) model.delete(name);
  } else if (action.type === 'stage and discard') {
    const bytes = Buffer.from(action.value);
    entries.discard(entries.stage(action.key, bytes, 0, bytes.length));
  }
}

describe('entries', () => {
  test('hold what a Map holds, and every view what it held when the view was taken', () => {
    fc.assert(
      fc.property(fc.array(step, { minLength: 200, maxLength: 1500, size: 'max' }), (actions) => {
        const entries = newEntries(SMALL);
        const model: Model = new Map();
        const views: { view: FrozenEntries; expected: [string, Item][] }[] = [];
        actions.forEach((action, number) => {
          applyStep(entries, model, action, 2 ** 33 + number);
          if (action.type === 'view') views.push({ view: entries.view(), expected: sorted(model) });
          if (action.type === 'check') entries.checkValid();
        });
        entries.checkValid();
        expect(contentOf(entries)).toEqual(sorted(model));
        expect(entries.size).toBe(model.size);
        expectOrder(entries, sorted(model));
        for (const { view, expected } of views) expectFrozen(view, expected);
      }),
      { numRuns: 60 },
    );
  });

  test('compact while they are written: the model test does go through passes', () => {
    const entries = newEntries(SMALL);
    const random = seeded(1);
    let handlesMoved = 0;
    for (let number = 0; number < 200; number++) set(entries, `key ${number}`, 'some value', 1);
    for (let round = 0; round < 2000; round++) {
      const before = entries.find('key 0');
      set(entries, `key ${1 + Math.floor(random() * 199)}`, 'some value', 2);
      if (entries.find('key 0') !== before) handlesMoved++;
      expect(itemOf(entries, entries.find('key 0')!)).toEqual({ value: 'some value', version: 1 });
    }
    expect(handlesMoved).toBeGreaterThan(3);
    entries.checkValid();
  });

  test('let an iteration of a view go on while every step of it writes', () => {
    const entries = newEntries(SMALL);
    for (let number = 0; number < 300; number++) set(entries, keyName(number), `value ${number}`, number);
    const expected = contentOf(entries);
    const view = entries.view();
    const seen: [string, Item][] = [];
    for (const [name, handle] of handlesOf(view)) {
      seen.push([name, itemOf(view, handle)]);
      for (let other = 0; other < 10; other++)
        set(entries, keyName((seen.length * 7 + other) % 300), 'changed', 1);
      if (seen.length % 100 === 0) entries.deleteRange(ALL_KEYS);
    }
    expect(seen).toEqual(expected);
    entries.checkValid();
  });

  test('keep what is staged through a clear of everything: a batch may clear and then put', () => {
    const entries = newEntries(SMALL);
    for (let number = 0; number < 100; number++) set(entries, keyName(number), 'old', 1);
    const staged = ['a', 'b'].map((text) => entries.stage(text, Buffer.from(text), 0, 1));
    entries.link('a', 5, staged[0]!);
    entries.deleteRange(ALL_KEYS);
    entries.link('b', 5, staged[1]!);
    expect(contentOf(entries)).toEqual([['b', { value: 'b', version: 5 }]]);
    entries.checkValid();
  });

  test('are seen to be wrong when a value or a key goes without the rest of its entry', () => {
    const three = () => {
      const epoch = new ViewEpoch();
      const parts = {
        orderedIndex: new OrderedIndex<number>(),
        hashIndex: new HashIndex<string>(),
        handles: new EntryHandles(epoch),
        slabs: new EntrySlabs(undefined, undefined, epoch),
        expiring: null,
        isHashIndexPartial: false,
      };
      const entries = new Entries(1, new LinkQueue(), {}, parts);
      for (const key of ['a', 'b', 'c']) set(entries, key, 'value', 1);
      entries.checkValid();
      return { entries, parts };
    };
    const withoutValue = three();
    withoutValue.parts.slabs.release(withoutValue.entries.find('a')!);
    expect(() => withoutValue.entries.checkValid()).toThrow('miscounts its live bytes');
    const withoutKey = three();
    withoutKey.parts.orderedIndex.deleteRange({ ...ALL_KEYS, high: 'a', highInclusive: true });
    expect(() => withoutKey.entries.checkValid()).toThrow('the indexes differ in size');
  });
});

describe('the memory of entries', () => {
  afterEach(() => {
    vi.restoreAllMocks();
  });

  const VALUE = Buffer.alloc(100, 'v');
  /** What docs/ARCHITECTURE.md says of it. */
  const limit = (valueBytes: number) => 1.6 * valueBytes + 8 * MIB;

  function fill(entries: Entries, count: number): void {
    for (let number = 0; number < count; number++)
      setEntry(entries, keyName(number), 1, VALUE, 0, VALUE.length);
  }

  /** Runs `write` so often, and gives the most memory there was above the limit; 0 for none. */
  function excess(entries: Entries, writes: number, write: (number: number) => void): number {
    let most = 0;
    for (let number = 0; number < writes; number++) {
      write(number);
      const { valueBytes, slabBytes } = entries.memory;
      most = Math.max(most, slabBytes - limit(valueBytes));
    }
    entries.checkValid();
    return most;
  }

  test('of one key that is overwritten again and again is that of a few slabs', () => {
    const entries = newEntries();
    let most = 0;
    for (let number = 0; number < OVERWRITES; number++) {
      setEntry(entries, 'key', number, VALUE, 0, VALUE.length);
      most = Math.max(most, entries.memory.slabBytes);
    }
    expect(most).toBeLessThanOrEqual(MIB);
    expect(entries.memory.valueBytes).toBe(128);
  });

  const overwrites: { name: string; pick: (random: () => number, number: number) => number }[] = [
    { name: 'at random', pick: (random) => Math.floor(random() * KEYS) },
    {
      name: 'mostly a tenth of them',
      pick: (random) => Math.floor(random() * (random() < 0.9 ? KEYS / 10 : KEYS)),
    },
    { name: 'in order', pick: (_, number) => number % KEYS },
    { name: 'every tenth', pick: (_, number) => (number * 10) % KEYS },
  ];

  test.each(overwrites)('stays within its limit when keys are overwritten for long: $name', ({ pick }) => {
    const entries = newEntries();
    const random = seeded(2);
    fill(entries, KEYS);
    const length = () => Math.floor(random() * 200);
    const value = Buffer.alloc(200, 'w');
    expect(
      excess(entries, 2 * KEYS, (number) =>
        setEntry(entries, keyName(pick(random, number)), 2, value, 0, length()),
      ),
    ).toBe(0);
  });

  test.each(['ascending', 'at random'])(
    'falls with the keys when they are deleted one by one, %s',
    (order) => {
      const entries = newEntries();
      const count = 1.5 * KEYS;
      fill(entries, count);
      const keys = Array.from({ length: count }, (_, number) => number);
      if (order === 'at random') shuffle(keys, seeded(3));
      expect(excess(entries, count, (number) => entries.delete(keyName(keys[number]!)))).toBe(0);
      expect(entries.memory.valueBytes).toBe(0);
      expect(entries.memory.slabBytes).toBeLessThanOrEqual(3 * MIB);
    },
  );

  test('falls when all but every tenth key go in one range after the other', () => {
    const entries = newEntries();
    fill(entries, 200_000);
    expect(
      excess(entries, 20_000, (number) =>
        entries.deleteRange({
          low: keyName(number * 10),
          lowInclusive: false,
          high: keyName(number * 10 + 9),
          highInclusive: true,
        }),
      ),
    ).toBe(0);
    expect(entries.size).toBe(20_000);
  });

  test('of a queue that is written at one end and read at the other does not grow', () => {
    const entries = newEntries();
    let most = 0;
    for (let number = 0; number < OVERWRITES / 2; number++) {
      setEntry(entries, keyName(number), 1, VALUE, 0, VALUE.length);
      if (number >= 1000) entries.delete(keyName(number - 1000));
      most = Math.max(most, entries.memory.slabBytes);
    }
    expect(most).toBeLessThanOrEqual(MIB);
  });

  test('stays bounded when large values are overwritten among very many tiny ones', () => {
    const entries = newEntries();
    const random = seeded(4);
    const large = Buffer.alloc(100_000, 'l');
    for (let number = 0; number < 300_000; number++) setEntry(entries, keyName(number), 1, VALUE, 0, 8);
    for (let number = 0; number < 100; number++)
      setEntry(entries, `large ${number}`, 1, large, 0, large.length);
    const most = excess(entries, 3000, () => {
      setEntry(entries, `large ${Math.floor(random() * 100)}`, 2, large, 0, large.length);
      for (let tiny = 0; tiny < 3; tiny++)
        setEntry(entries, keyName(Math.floor(random() * 300_000)), 2, VALUE, 0, 8);
    });
    expect(most).toBe(0);
  });

  test('stays bounded when there are few keys with middling values', () => {
    const entries = newEntries();
    const random = seeded(6);
    const value = Buffer.alloc(60_000, 'm');
    const write = () =>
      setEntry(entries, keyName(Math.floor(random() * 400)), 1, value, 0, 1 + Math.floor(random() * 60_000));
    expect(excess(entries, 20_000, write)).toBe(0);
  });

  // A value that lies alone in its slab leaves nothing to reclaim, and was chosen as a victim all the same: sixty-four
  // megabytes were copied within some small write, and once more for every view that was held.
  test('of a large value is never moved by the waste around it', () => {
    const entries = newEntries();
    const large = new Uint8Array(8 * 1024 * 1024);
    const small = new Uint8Array(1000);
    setEntry(entries, '!large', 1, large, 0, large.length);
    const handle = entries.find('!large');
    for (let turn = 0; turn < 60_000; turn++) {
      setEntry(entries, turn % 900 === 0 ? `p${turn}` : `k${turn % 2000}`, turn, small, 0, small.length);
    }
    expect(entries.find('!large')).toBe(handle);
    const { slabBytes, valueBytes } = entries.memory;
    expect(slabBytes).toBeLessThan(1.6 * valueBytes + 8 * 1024 * 1024);
  });

  // Compaction walks ids, and paced itself by the highest that had ever been given: a store that was large once, and was
  // emptied but for a few keys, walked millions of free ids for every pass, and held twenty times its live bytes meanwhile.
  test.each([0, 500_000])('is that of the keys there are, and not of %i that there were once', (peak) => {
    const entries = newEntries();
    for (let number = 0; number < 400; number++)
      setEntry(entries, `small ${number}`, 1, VALUE, 0, VALUE.length);
    for (let number = 0; number < peak; number++) setEntry(entries, keyName(number), 1, VALUE, 0, 10);
    entries.deleteRange({ low: 'key:', lowInclusive: true, high: 'key;', highInclusive: true });
    const large = Buffer.alloc(50_000, 'l');
    let most = 0;
    for (let number = 0; number < 3000; number++) {
      setEntry(entries, `large ${number % 40}`, 2, large, 0, large.length);
      if (number > 100) most = Math.max(most, entries.memory.slabBytes);
    }
    expect(most).toBeLessThanOrEqual(limit(entries.memory.valueBytes));
    entries.checkValid();
  });

  test.each(['one by one', 'in a range'])(
    'of what leads to keys goes when the last of them does, %s',
    (way) => {
      const entries = newEntries();
      fill(entries, 100_000);
      const view = entries.view();
      if (way === 'one by one')
        for (let number = 0; number < 100_000; number++) entries.delete(keyName(number));
      else entries.deleteRange({ low: 'a', lowInclusive: true, high: 'z', highInclusive: true });
      const { valueBytes, hashIndexBytes, handleBytes } = entries.memory;
      expect({ valueBytes, hashIndexBytes, handleBytes }).toEqual({
        valueBytes: 0,
        hashIndexBytes: 0,
        handleBytes: 0,
      });
      expect(contentOf(view).length).toBe(100_000);
      fill(entries, 10);
      entries.checkValid();
    },
  );

  test('of everything that is cleared is free at once', () => {
    const entries = newEntries();
    fill(entries, 50_000);
    entries.discard(entries.stage('key', VALUE, 0, 50));
    expect(entries.deleteRange(ALL_KEYS)).toBe(50_000);
    expect(entries.memory).toEqual({ ...newEntries().memory, valueBytes: 0, slabBytes: 0 });
    fill(entries, 10);
    entries.checkValid();
  });

  test('does not depend on views, whatever they still show', () => {
    const entries = newEntries();
    fill(entries, 100_000);
    const views: FrozenEntries[] = [];
    const random = seeded(5);
    expect(
      excess(entries, 250_000, (number) => {
        if (number % 25_000 === 0) views.push(entries.view());
        setEntry(entries, keyName(Math.floor(random() * 100_000)), number, VALUE, 0, VALUE.length);
      }),
    ).toBe(0);
    for (const view of views) expect(view.size).toBe(100_000);
    expect(contentOf(views[0]!).every(([, { version }]) => version === 1)).toBe(true);
  });

  test('that is not there fails a write before it, and a compaction without a word', () => {
    const entries = newEntries({ slabBytesMax: 4096 });
    for (let number = 0; number < 2000; number++) set(entries, keyName(number), 'value', 1);
    const before = contentOf(entries);
    const allocate = vi.spyOn(Buffer, 'allocUnsafeSlow').mockImplementation(() => {
      throw new RangeError('Array buffer allocation failed');
    });
    let failure: unknown = null;
    let sets = 0;
    try {
      for (; sets < 10_000; sets++) set(entries, 'new', 'value', sets);
    } catch (error) {
      failure = error;
    }
    expect(failure).toBeInstanceOf(RangeError);
    // Deleting still works, and needs no memory, however much there is to compact.
    const kept = (number: number) => number % 10 === 0;
    for (let number = 0; number < 2000; number++) if (!kept(number)) entries.delete(keyName(number));
    expect(allocate.mock.calls.length).toBeGreaterThan(2);
    entries.checkValid();
    allocate.mockRestore();
    expect(contentOf(entries).filter(([name]) => name !== 'new')).toEqual(before.filter((_, at) => kept(at)));
    for (let number = 0; number < 1000; number++) set(entries, 'new', 'value', 3);
    entries.checkValid();
    expect(entries.memory.slabBytes).toBeLessThan(40 * 1024);
  });
});

describe('entries without memory for their hash index', () => {
  afterEach(() => {
    vi.unstubAllGlobals();
  });

  const LETTERS = Buffer.from('abcdefghij');

  test.each(['writes', 'loader'])('find every key all the same, by the ordered one: made by %s', (way) => {
    const loader = new EntriesLoader(1, new LinkQueue(), SMALL);
    const made = newEntries(SMALL);
    const add = (number: number) =>
      way === 'loader'
        ? loader.add(keyName(number), number, LETTERS, 0, 10)
        : setEntry(made, keyName(number), number, LETTERS, 0, 10);
    for (let number = 0; number < 300; number++) add(number);
    // Slabs have the views of their memory that they need.
    const real = globalThis.Uint32Array;
    vi.stubGlobal(
      'Uint32Array',
      class extends real {
        constructor(of: number | ArrayBuffer) {
          if (typeof of === 'number') throw new RangeError('Array buffer allocation failed');
          super(of);
        }
      },
    );
    for (let number = 300; number < 3000; number++) add(number);
    const entries = way === 'loader' ? loader.finish() : made;
    entries.checkValid();
    expect(entries.size).toBe(3000);
    expect(entries.find('key:x')).toBeUndefined();
    for (let number = 0; number < 3000; number += 2) expect(entries.delete(keyName(number))).toBe(true);
    for (let number = 1; number < 3000; number += 2) set(entries, keyName(number), 'other', 5);
    expect(entries.size).toBe(1500);
    for (let number = 0; number < 3000; number++) expect(entries.has(keyName(number))).toBe(number % 2 === 1);
    entries.deleteRange(ALL_KEYS);
    vi.unstubAllGlobals();
    for (let number = 0; number < 3000; number++) set(entries, keyName(number), 'again', 6);
    entries.checkValid();
  });
});

describe('a loader', () => {
  test('makes the entries that writes make, at every size', () => {
    fc.assert(
      fc.property(fc.nat({ max: 400 }), fc.array(step, { maxLength: 200, size: 'max' }), (count, actions) => {
        const loader = new EntriesLoader(1, new LinkQueue(), { ...SMALL, chunkKeys: 16 });
        const model: Model = new Map();
        for (let number = 0; number < count; number++) {
          const text = `value ${number}`;
          expect(loader.add(keyName(number), number, Buffer.from(text), 0, text.length)).toBe(true);
          model.set(keyName(number), { value: text, version: number });
        }
        const entries = loader.finish();
        entries.checkValid();
        expect(contentOf(entries)).toEqual(sorted(model));
        const view = entries.view();
        const expected = sorted(model);
        actions.forEach((action, number) => {
          applyStep(entries, model, action, number);
        });
        entries.checkValid();
        expect(contentOf(entries)).toEqual(sorted(model));
        expect(contentOf(view)).toEqual(expected);
      }),
    );
  });

  test.each(['b', 'a', ''])('refuses the key %j after "b"', (name) => {
    const loader = new EntriesLoader(1, new LinkQueue());
    expect(loader.add('b', 1, VALUE_BYTES, 0, 1)).toBe(true);
    expect(loader.add(name, 1, VALUE_BYTES, 0, 1)).toBe(false);
  });
});

const VALUE_BYTES = Uint8Array.of(1);

function keyName(number: number): string {
  return `key:${String(number).padStart(8, '0')}`;
}

/** mulberry32. */
function seeded(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

function shuffle(items: number[], random: () => number): void {
  for (let at = items.length - 1; at > 0; at--) {
    const other = Math.floor(random() * (at + 1));
    [items[at], items[other]] = [items[other]!, items[at]!];
  }
}
