// Every member that a caller can see has a docstring, and every one that can be called has an example: an editor shows them.

import { describe, expect, test } from 'vitest';
import { readText } from './markdown.js';

interface Member {
  readonly name: string;
  readonly isCallable: boolean;
  /** Null: there is none. */
  readonly docs: string | null;
}

/** The members of an interface, or the properties of one of options. */
function membersOf(text: string, name: string): Member[] {
  const body = new RegExp(`^(?:export )?interface ${name}\\b[^{]*\\{\\n([\\s\\S]*?)^\\}`, 'm').exec(
    text,
  )?.[1];
  if (body === undefined) throw new Error(`there is no interface ${name}`);
  const found: Member[] = [];
  let docs: string | null = null;
  for (const [block] of body.matchAll(/^ {2}(?:\/\*\*[\s\S]*?\*\/\n|\S.*\n)/gm)) {
    if (block.startsWith('  /**')) docs = block;
    // A line for the linter stands between a docstring and its member.
    else if (!block.startsWith('  //')) {
      const [, member, next] = /^ {2}(?:readonly )?(\[?[\w.]+\]?)\??(<|\(|:)/.exec(block) ?? [];
      if (member !== undefined) found.push({ name: member, isCallable: next !== ':', docs });
      docs = null;
    }
  }
  return found;
}

const SURFACES: readonly (readonly [file: string, name: string, members: number])[] = [
  ['src/kv/read/reads.ts', 'Reads', 14],
  ['src/kv/read/reads.ts', 'Entry', 1],
  ['src/kv/read/reads.ts', 'VersionedValue', 2],
  ['src/kv/collection-interface.ts', 'Collection', 4],
  ['src/kv/collection-interface.ts', 'NamespaceEncodings', 2],
  ['src/kv/collection-interface.ts', 'NamespaceOptions', 1],
  ['src/kv/collection-interface.ts', 'NamespaceStats', 4],
  ['src/kv/collection-interface.ts', 'IndexStats', 2],
  ['src/kv/collection-interface.ts', 'Namespace', 3],
  ['src/kv/read/index-interface.ts', 'IndexFactory', 2],
  ['src/kv/read/index-interface.ts', 'Index', 6],
  ['src/kv/read/index-interface.ts', 'UniqueIndex', 2],
  ['src/kv/read/index-interface.ts', 'IndexedReads', 1],
  ['src/kv/transaction-interface.ts', 'TransactionCollection', 3],
  ['src/kv/transaction-interface.ts', 'Transaction', 6],
  ['src/kv/transactions/transaction-options.ts', 'TransactionOptions', 3],
  ['src/kv/store-interface.ts', 'StoreStats', 7],
  ['src/kv/store-interface.ts', 'StoreEvents', 3],
  ['src/kv/write/write-options.ts', 'WriteOptions', 1],
  ['src/kv/write/write-options.ts', 'ConditionalOptions', 1],
  ['src/kv/store-interface.ts', 'Store', 21],
  ['src/kv/store-interface.ts', 'Snapshot', 4],
  ['src/kv/encoding/range.ts', 'KeyRange', 5],
  ['src/kv/encoding/range.ts', 'RangeOptions', 3],
  ['src/kv/options.ts', 'ResolvedStoreOptions', 12],
  ['src/session/options.ts', 'SessionStoreOptions', 1],
  ['src/unstorage/keelson-driver.ts', 'KeelsonDriverOptions', 3],
  ['src/langgraph/keelson-saver.ts', 'KeelsonSaverOptions', 2],
  ['src/journal/journal-interface.ts', 'Journal', 21],
  ['src/journal/options.ts', 'ResolvedJournalOptions', 7],
  ['src/journal/journal-interface.ts', 'ReadRange', 2],
  ['src/journal/journal-interface.ts', 'FollowOptions', 2],
];

describe.each(SURFACES)('in %s every member of %s', (file, name, count) => {
  const members = membersOf(readText(file), name);

  test('is looked at here', () => {
    // More is welcome; fewer may mean that nothing is read.
    expect(members.length).toBeGreaterThanOrEqual(count);
  });

  test('says what it is', () => {
    expect(members.filter(({ docs }) => docs === null).map((member) => member.name)).toEqual([]);
  });

  test('has an example when it is called by its name', () => {
    const silent = members.filter(
      (member) => member.isCallable && !member.name.startsWith('[') && !member.docs?.includes('@example'),
    );
    expect(silent.map((member) => member.name)).toEqual([]);
  });

  test('can be understood without the one before it', () => {
    const leaning = members.filter(({ docs }) =>
      /\/\*\*\s*(?:\*\s*)?(?:The same|Likewise|What helps|Of )/.test(docs ?? ''),
    );
    expect(leaning.map((member) => member.name)).toEqual([]);
  });
});

test.each([
  ['src/kv/index.ts', 'open'],
  ['src/kv/encoding/encoding-types.ts', 'tuple'],
  ['src/kv/encoding/encoding-types.ts', 'msgpack'],
  ['src/kv/encoding/encoding-types.ts', 'json'],
  ['src/kv/repair/verify.ts', 'verify'],
  ['src/kv/repair/salvage.ts', 'salvage'],
  ['src/journal/open-journal.ts', 'openJournal'],
  ['src/unstorage/keelson-driver.ts', 'keelsonDriver'],
  ['src/errors.ts', 'isKeelsonError'],
])('in %s the function %s has a docstring with an example', (file, name) => {
  const [before = ''] = readText(file).split(new RegExp(`^export (?:async )?function ${name}\\b`, 'm'));
  const docs = before.slice(before.lastIndexOf('/**'));
  expect(docs).toMatch(/\*\/\s*$/);
  expect(docs).toContain('@example');
});
