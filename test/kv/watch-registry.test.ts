// The registry of watches, given writes that were not committed here, as a store that follows another process applies them.

import { beforeEach, expect, test } from 'vitest';
import { ALL_KEYS } from '../../src/kv/encoding/key-bounds.js';
import type { Schema } from '../../src/kv/entries/schema.js';
import type { Space } from '../../src/kv/entries/space.js';
import { Wakeable } from '../../src/kv/watch/wakeable.js';
import { WatchedRange, WatchRegistry } from '../../src/kv/watch/watch-registry.js';
import { applyWrites } from '../../src/kv/write/change-entries.js';
import type { WriteObserver } from '../../src/kv/write/write-path.js';
import { WriteSet } from '../../src/kv/write/write-set.js';
import { RECORD_BYTES_MAX } from '../../src/storage/index.js';
import { addSpace, newSchema } from './schema-tools.js';

let schema: Schema;
let space: Space;
let observers: Set<WriteObserver>;
let registry: WatchRegistry;
let lsn: number;

beforeEach(() => {
  schema = newSchema();
  space = addSpace(schema, 1, 'one');
  observers = new Set();
  registry = new WatchRegistry((observer) => {
    observers.add(observer);
    return () => observers.delete(observer);
  });
  lsn = 0;
});

/** Applies what `fill` adds to a write set, and tells the registry. */
function apply(fill: (writes: WriteSet) => void): void {
  const writes = new WriteSet(RECORD_BYTES_MAX, schema);
  writes.beginReading(new Uint8Array(8));
  fill(writes);
  registry.foresee(writes);
  applyWrites(schema, writes, ++lsn);
  registry.committed();
}

const put = (key: string) => (writes: WriteSet) => writes.addPut(space, key, 0, 1);
const remove = (key: string) => (writes: WriteSet) => writes.addDelete(space, key);
const keyBounds = (low: string, high: string) => ({ low, lowInclusive: true, high, highInclusive: false });

function watchKey(key: string): Wakeable {
  const watch = new Wakeable();
  registry.addKey(space, key, watch);
  return watch;
}

function watchRange(bounds = ALL_KEYS): { watch: Wakeable; range: WatchedRange } {
  const watch = new Wakeable();
  const range = new WatchedRange(bounds, watch);
  registry.addRange(space, range);
  return { watch, range };
}

test('the first note of a key says whether it was there before the write', () => {
  apply(put('there'));
  const { range } = watchRange();
  apply((writes) => {
    for (const key of ['there', 'new']) {
      remove(key)(writes);
      put(key)(writes);
    }
  });
  apply(remove('new'));
  expect(range.changes.take()).toEqual({
    keys: new Map([
      ['there', true],
      ['new', false],
    ]),
    areMore: false,
  });
});

test('each clear of a write has its own bounds', () => {
  for (const key of ['a', 'b', 'c']) apply(put(key));
  const watches = ['a', 'b', 'c'].map(watchKey);
  const { range } = watchRange();
  apply((writes) => {
    writes.addClear(space, keyBounds('a', 'b'));
    writes.addClear(schema.root, ALL_KEYS);
    writes.addClear(space, keyBounds('c', 'd'));
  });
  expect(watches.map(({ isWoken }) => isWoken)).toEqual([true, false, true]);
  expect([...range.changes.take().keys.keys()]).toEqual(['a', 'c']);
});

test('a drop wakes the watches of its space, and of no other', () => {
  const [key, { watch, range }] = [watchKey('a'), watchRange()];
  const elsewhere = new Wakeable();
  registry.addKey(schema.root, 'a', elsewhere);
  apply((writes) => writes.addDrop(space));
  expect([key.isWoken, watch.isWoken, range.changes.isEmpty, elsewhere.isWoken]).toEqual([
    true,
    true,
    false,
    false,
  ]);
});

test('a write that fails wakes nobody, and the next one wakes whom it would have woken', () => {
  const watch = watchKey('a');
  const writes = new WriteSet(RECORD_BYTES_MAX, schema);
  writes.beginReading(new Uint8Array(8));
  put('a')(writes);
  registry.foresee(writes);
  expect(watch.isWoken).toBe(false);
  apply(put('b'));
  expect(watch.isWoken).toBe(true);
});

test('all watches are woken when anything may have changed, and then anything may have changed', () => {
  const [key, { watch, range }] = [watchKey('a'), watchRange()];
  registry.wakeAll(false);
  expect([key.isWoken, watch.isWoken, range.changes.isEmpty]).toEqual([true, true, true]);
  registry.wakeAll(true);
  expect(range.changes.take()).toEqual({ keys: new Map(), areMore: true });
});

test('commits are observed while there are watches', () => {
  expect(observers.size).toBe(0);
  const watches = [watchKey('a'), watchKey('a')];
  const { range } = watchRange();
  expect([...observers]).toEqual([registry]);
  for (const watch of watches) registry.deleteKey(space, 'a', watch);
  registry.deleteKey(space, 'b', watches[0]!);
  expect(observers.size).toBe(1);
  registry.deleteRange(space, range);
  expect(observers.size).toBe(0);
});
