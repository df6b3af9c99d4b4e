// The write log: each open transaction finds all changes since its view, or is told that the log has lost some.

import assert from 'node:assert/strict';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { ALL_KEYS } from '../../src/kv/encoding/key-bounds.js';
import { WriteLog } from '../../src/kv/entries/write-log.js';
import { addSpace, newSchema } from './schema-tools.js';

const schema = newSchema();
const spaces = [schema.root, addSpace(schema, 1, 'one')];
const CHANGES_MAX = 16_384;
const KEY_CHARACTERS_MAX = 1024 * 1024;

type Step =
  | { readonly type: 'open' }
  | { readonly type: 'close'; readonly which: number }
  | { readonly type: 'key'; readonly key: string; readonly space: number; readonly isOfKeys: boolean }
  | { readonly type: 'range'; readonly space: number };

const steps: fc.Arbitrary<Step> = fc.oneof(
  { weight: 2, arbitrary: fc.constant({ type: 'open' as const }) },
  { weight: 2, arbitrary: fc.record({ type: fc.constant('close' as const), which: fc.nat(9) }) },
  {
    weight: 6,
    arbitrary: fc.record({
      type: fc.constant('key' as const),
      key: fc.constantFrom('a', 'b', 'a long key'),
      space: fc.nat(1),
      isOfKeys: fc.boolean(),
    }),
  },
  { weight: 1, arbitrary: fc.record({ type: fc.constant('range' as const), space: fc.nat(1) }) },
);

describe('the write log', () => {
  test('shows each reader the changes since it began, whoever comes and goes', () => {
    fc.assert(
      fc.property(fc.array(steps, { maxLength: 80, size: 'max' }), (list) => {
        const log = new WriteLog();
        const readers: { place: number; changes: unknown[] }[] = [];
        for (const step of list) {
          if (step.type === 'open') readers.push({ place: log.open(), changes: [] });
          else if (step.type === 'close') {
            const [reader] = readers.splice(step.which % Math.max(readers.length, 1), 1);
            if (reader !== undefined) log.close(reader.place);
          } else if (readers.length > 0) {
            const space = spaces[step.space]!;
            if (step.type === 'key') log.changeKey(space, step.key, step.isOfKeys);
            else log.changeRange(space, ALL_KEYS);
            const [where, isOfKeys] = step.type === 'key' ? [step.key, step.isOfKeys] : [ALL_KEYS, true];
            for (const { changes } of readers)
              changes.push({ space, index: null, where, isOfKeys, deadline: 0 });
          }
          assert.equal(log.isOpen, readers.length > 0);
          for (const { place, changes } of readers) assert.deepEqual(log.since(place), changes);
        }
      }),
      { seed: 20_264, numRuns: 1000 },
    );
  });

  test.each([
    ['changes', CHANGES_MAX, ''],
    ['characters of keys', KEY_CHARACTERS_MAX / 1024, 'k'.repeat(1024)],
  ])('holds so many %s, and then tells those that began before that it has lost some', (_, count, key) => {
    const log = new WriteLog();
    const [space] = spaces;
    const [first, places] = [log.open(), [] as number[]];
    for (let change = 0; change < count; change++) {
      log.changeKey(space!, key, true);
      if (change % 1000 === 0) places.push(log.open());
    }
    expect(log.since(first)).toHaveLength(count);
    log.changeKey(space!, key, true);
    for (const place of [first, ...places]) expect(log.since(place)).toBeNull();
    const next = log.open();
    log.changeKey(space!, 'after', false);
    expect(log.since(next)).toEqual([{ space, index: null, where: 'after', isOfKeys: false, deadline: 0 }]);
    for (const place of [first, ...places]) {
      expect(log.since(place)).toBeNull();
      log.close(place);
    }
    expect([log.since(next)?.length, log.isOpen]).toEqual([1, true]);
    log.close(next);
    expect(log.isOpen).toBe(false);
  });

  test('forgets the keys that no reader needs, so that a reader that comes late has all of the room', () => {
    const log = new WriteLog();
    const [space] = spaces;
    let place = log.open();
    for (let round = 0; round < 10; round++) {
      for (let change = 0; change < CHANGES_MAX - 10; change++) log.changeKey(space!, 'k'.repeat(60), true);
      expect(log.since(place)).toHaveLength(CHANGES_MAX - 10);
      const next = log.open();
      log.close(place);
      place = next;
      expect(log.since(place)).toEqual([]);
    }
    log.close(place);
    // A place of before is none any more.
    expect(log.since(place)).toBeNull();
  });
});
