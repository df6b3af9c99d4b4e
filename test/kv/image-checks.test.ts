// Memory is not believed over the disk: an image is what retires the log behind it, so before it gets its name each entry
// is checked against what its slab holds.
//
// Indexes that disagreed after a stopped write went into an image as they were, and the journal that knew better was retired.

import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { openJournalOn } from '../../src/journal/open-journal.js';
import { resolveJournalOptions } from '../../src/journal/options.js';
import { ALL_KEYS } from '../../src/kv/encoding/key-bounds.js';
import type { EntryId } from '../../src/kv/entries/entry-handles.js';
import type { FrozenEntries } from '../../src/kv/entries/frozen-entries.js';
import type { Schema } from '../../src/kv/entries/schema.js';
import { WholeView } from '../../src/kv/entries/store-view.js';
import type { IndexWalk } from '../../src/kv/entries/view.js';
import { writeCheckpoint } from '../../src/kv/image/checkpoint.js';
import { createFsStorage } from '../../src/storage/index.js';
import { addSpace, newSchema, putEntry } from './schema-tools.js';

let here = '';
beforeEach(() => {
  here = fs.mkdtempSync(path.join(os.tmpdir(), 'keelson-checks-'));
});
afterEach(() => fs.rmSync(here, { recursive: true, force: true }));

const KEYS = ['a', 'b', 'c', 'd'];
const OTHER_ID = 3;

/** The same entries in the root space and in another one. */
function makeSchema(): Schema {
  const schema = newSchema();
  for (const space of [schema.root, addSpace(schema, OTHER_ID, 'other')]) {
    for (const key of KEYS) putEntry(space, key, 1, `value of ${key}`);
  }
  return schema;
}

/** The view of an index that has come apart: it leads from these keys to the entries of those. */
function torn(view: FrozenEntries, pairs: readonly (readonly [key: string, of: string])[]): FrozenEntries {
  const ids = new Map<string, EntryId>();
  const whole = view.walk(ALL_KEYS);
  while (whole.advance()) ids.set(whole.key, whole.value);
  let at = -1;
  const walk: IndexWalk<EntryId> = {
    advance: () => ++at < pairs.length,
    get key() {
      return pairs[at]![0];
    },
    get value() {
      return ids.get(pairs[at]![1])!;
    },
  };
  return new Proxy(view, {
    get(target, name) {
      if (name === 'walk') return () => walk;
      const value: unknown = Reflect.get(target, name, target);
      return typeof value === 'function' ? value.bind(target) : value;
    },
  });
}

async function checkpointOf(pairs: readonly (readonly [string, string])[], tornId: number) {
  const storage = createFsStorage();
  const log = await openJournalOn(storage, here, resolveJournalOptions('openJournal', {}));
  await log.commit(new Uint8Array(100));
  const schema = makeSchema();
  const { lsn, nextSpaceId, highestId, spaces } = schema.wholeView(log.nextLsn);
  const tornSpaces = spaces.map((space) =>
    space.space.id === tornId ? { ...space, entries: torn(space.entries, pairs) } : space,
  );
  const failure: unknown = await writeCheckpoint({
    storage,
    directory: here,
    log,
    schema,
    view: new WholeView(lsn, nextSpaceId, highestId, tornSpaces),
    onBlock: () => {},
  }).then(
    () => null,
    (error: unknown) => error,
  );
  const { poisoned } = log;
  await log.close();
  return { failure, poisoned, names: fs.readdirSync(here) };
}

describe.each([
  { space: 'the root space', tornId: 0 },
  { space: 'another space', tornId: OTHER_ID },
])('a checkpoint, by the entries of $space,', ({ tornId }) => {
  it('of indexes that agree has its image', async () => {
    const pairs = KEYS.map((key) => [key, key] as const);
    const { failure, poisoned, names } = await checkpointOf(pairs, tornId);
    expect(failure).toBeNull();
    expect(poisoned).toBeNull();
    expect(names.filter((name) => name.endsWith('.image'))).toHaveLength(1);
  });

  it.each([
    [
      'a key leads to the entry of another',
      [
        ['a', 'a'],
        ['b', 'c'],
        ['c', 'c'],
        ['d', 'd'],
      ],
    ],
    [
      'two keys have changed places',
      [
        ['a', 'a'],
        ['c', 'c'],
        ['b', 'b'],
        ['d', 'd'],
      ],
    ],
    [
      'a key comes twice',
      [
        ['a', 'a'],
        ['b', 'b'],
        ['b', 'b'],
        ['d', 'd'],
      ],
    ],
    [
      'a key is missing',
      [
        ['a', 'a'],
        ['b', 'b'],
        ['d', 'd'],
      ],
    ],
    [
      'there is one too many',
      [
        ['a', 'a'],
        ['b', 'b'],
        ['c', 'c'],
        ['d', 'd'],
        ['e', 'd'],
      ],
    ],
  ] as const)('of an index in which %s fails, poisons, and names and retires nothing', async (_, pairs) => {
    const { failure, poisoned, names } = await checkpointOf(pairs, tornId);
    expect(failure).toMatchObject({ code: 'KEELSON_INVARIANT' });
    expect(poisoned).toMatchObject({ code: 'KEELSON_POISONED', cause: failure });
    expect(names.filter((name) => name.includes('.image'))).toEqual([]);
    expect(names.filter((name) => name.endsWith('.journal'))).toHaveLength(1);
  });
});
