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
import { utf8KeyCodec } from '../../src/kv/encoding/key-encoding.js';
import { Entries, type EntriesView, type EntryId } from '../../src/kv/entries/entries.js';
import type { IndexWalk } from '../../src/kv/entries/ordered-index.js';
import { writeCheckpoint } from '../../src/kv/image/checkpoint.js';
import { createFsStorage } from '../../src/storage/index.js';

let here = '';
beforeEach(() => {
  here = fs.mkdtempSync(path.join(os.tmpdir(), 'keelson-checks-'));
});
afterEach(() => fs.rmSync(here, { recursive: true, force: true }));

const KEYS = ['a', 'b', 'c', 'd'];

function makeEntries(): Entries {
  const entries = new Entries(1);
  for (const key of KEYS) entries.set(key, 1, new TextEncoder().encode(`value of ${key}`), 0, 10);
  return entries;
}

/** The view of an index that has come apart: it leads from these keys to the entries of those. */
function torn(view: EntriesView, pairs: readonly (readonly [key: string, of: string])[]): EntriesView {
  const ids = new Map<string, EntryId>();
  const whole = view.walk({ low: undefined, lowInclusive: true, high: undefined, highInclusive: true });
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
  return Object.create(view, { walk: { value: () => walk } });
}

async function checkpointOf(pairs: readonly (readonly [string, string])[]) {
  const storage = createFsStorage();
  const journal = await openJournalOn(storage, here, resolveJournalOptions('openJournal', {}));
  await journal.commit(new Uint8Array(100));
  const entries = torn(makeEntries().clone(), pairs);
  const failure: unknown = await writeCheckpoint({
    storage,
    directory: here,
    journal,
    header: {
      journalId: journal.journalId,
      lsn: journal.nextLsn,
      entryCount: KEYS.length,
      keyEncodingName: 'utf8',
      valueEncodingName: 'bytes',
    },
    entries,
    keyCodec: utf8KeyCodec,
    shapes: null,
    onBlock: () => {},
  }).then(
    () => null,
    (error: unknown) => error,
  );
  const { poisoned } = journal;
  await journal.close();
  return { failure, poisoned, names: fs.readdirSync(here) };
}

describe('a checkpoint', () => {
  it('of indexes that agree has its image', async () => {
    const { failure, poisoned, names } = await checkpointOf(KEYS.map((key) => [key, key]));
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
    const { failure, poisoned, names } = await checkpointOf(pairs);
    expect(failure).toMatchObject({ code: 'KEELSON_INVARIANT' });
    expect(poisoned).toMatchObject({ code: 'KEELSON_POISONED', cause: failure });
    expect(names.filter((name) => name.includes('.image'))).toEqual([]);
    expect(names.filter((name) => name.endsWith('.journal'))).toHaveLength(1);
  });
});
