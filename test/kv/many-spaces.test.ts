// Many spaces: what each takes in memory, and that empty ones share nothing that changes. The benchmark of namespaces
// (`npm run bench:store -- --only namespaces`) has the times and the memory of whole processes.

import v8 from 'node:v8';
import vm from 'node:vm';
import { describe, expect, test } from 'vitest';
import { ALL_KEYS } from '../../src/kv/encoding/key-bounds.js';
import { Entries } from '../../src/kv/entries/entries.js';
import { LinkQueue } from '../../src/kv/entries/link-queue.js';
import type { Schema } from '../../src/kv/entries/schema.js';
import { setEntry } from './encoded.js';
import { addSpace, contentOf, newSchema, putEntry } from './schema-tools.js';

const KIB = 1024;
const SPACES = 5000;

function usedBytes(): number {
  v8.setFlagsFromString('--expose-gc');
  const gc = vm.runInNewContext('gc') as () => void;
  gc();
  gc();
  const { heapUsed, external } = process.memoryUsage();
  return heapUsed + external;
}

/** Returns the bytes of the heap and outside of it for each of many spaces. */
function bytesOfEach(fill: (schema: Schema, id: number) => void): number {
  const schema = newSchema();
  const before = usedBytes();
  for (let id = 1; id <= SPACES; id++) fill(schema, id);
  const bytes = (usedBytes() - before) / SPACES;
  expect(schema.spaces).toHaveLength(SPACES + 1);
  return bytes;
}

describe('a space among many', () => {
  test('takes at most 2 KiB when it is empty, and 4 KiB with one entry', () => {
    expect(bytesOfEach((schema, id) => addSpace(schema, id, `space ${id}`))).toBeLessThan(2 * KIB);
    const one = bytesOfEach((schema, id) =>
      putEntry(addSpace(schema, id, `space ${id}`), 'key', id, 'value'),
    );
    expect(one).toBeLessThan(4 * KIB);
  });

  test('takes no more when it is looked at without a write', () => {
    const looked = bytesOfEach((schema, id) => {
      const { entries } = addSpace(schema, id, `space ${id}`);
      expect([entries.size, entries.has('key'), entries.count(ALL_KEYS), entries.view().size]).toEqual([
        0,
        false,
        0,
        0,
      ]);
    });
    expect(looked).toBeLessThan(2 * KIB);
  });

  test('has memory of its own from its first entry on, and little of it', () => {
    const schema = newSchema();
    expect(schema.root.entries.memory).toEqual({
      valueBytes: 0,
      slabBytes: 0,
      hashIndexBytes: 0,
      handleBytes: 0,
      deadlineBytes: 0,
    });
    putEntry(schema.root, 'key', 1, 'value');
    expect(schema.root.entries.memory).toEqual({
      valueBytes: 32,
      slabBytes: 512,
      hashIndexBytes: 32,
      handleBytes: 64,
      deadlineBytes: 0,
    });
    expect(schema.root.entries.valueBytes).toBe(32);
  });
});

describe('empty entries', () => {
  const links = new LinkQueue();
  const untouched = () => {
    const entries = new Entries(1, links);
    expect([entries.size, contentOf(entries), entries.has('a')]).toEqual([0, [], false]);
    expect(entries.memory).toEqual({
      valueBytes: 0,
      slabBytes: 0,
      hashIndexBytes: 0,
      handleBytes: 0,
      deadlineBytes: 0,
    });
    entries.checkValid();
  };

  test.each<[string, (entries: Entries) => unknown]>([
    ['delete()', (entries) => entries.delete('a')],
    ['deleteRange() of all', (entries) => entries.deleteRange(ALL_KEYS)],
    ['deleteRange()', (entries) => entries.deleteRange({ ...ALL_KEYS, low: 'a' })],
    ['view()', (entries) => entries.view().view()],
    ['startReplay()', (entries) => entries.startReplay()],
    ['endReplay()', (entries) => [...entries.endReplay()]],
    ['a write', (entries) => setEntry(entries, 'a', 1, Uint8Array.of(1))],
    ['reserve()', (entries) => entries.reserve(100, 10)],
  ])('leave other empty entries as they are: %s', (_, use) => {
    const [entries, other] = [new Entries(1, links), new Entries(1, links)];
    const view = other.view();
    use(entries);
    untouched();
    setEntry(entries, 'b', 2, Uint8Array.of(2));
    expect([other.size, view.size, entries.has('b'), other.has('b')]).toEqual([0, 0, true, false]);
    untouched();
    for (const each of [entries, other]) each.checkValid();
  });

  test('gather the keys of a replay that began before their first entry', () => {
    const entries = new Entries(1, links);
    entries.startReplay();
    for (const key of ['d', 'b', 'c', 'a']) setEntry(entries, key, 1, Uint8Array.of(1));
    expect([...entries.endReplay()].length).toBeGreaterThan(0);
    expect(contentOf(entries).map(([key]) => key)).toEqual(['a', 'b', 'c', 'd']);
    entries.checkValid();
  });
});
