// Mutants of secondary indexes: their load, their uniqueness, and the comparison of what a put replaces.

import type { Mutant } from './mutants.js';

const INDEX = 'src/kv/entries/secondary-index.ts';
const LOAD = ['test/kv/index-load.test.ts'];
const UNSORTED = 'src/kv/entries/unsorted-keys.ts';
const SORTED = ['test/kv/unsorted-keys.test.ts'];
const INDEXES = ['test/kv/indexes.test.ts'];

function mutant(
  name: string,
  file: string,
  find: string,
  replace: string,
  tests: readonly string[],
  filter?: string,
): Mutant {
  return { name, edits: [{ file, find, replace }], tests, ...(filter !== undefined && { filter }) };
}

export const indexMutants: readonly Mutant[] = [
  mutant(
    'equals of an index has the whole index',
    'src/kv/encoding/postings.ts',
    'if (equals === undefined) return',
    'if (equals !== null) return',
    INDEXES,
  ),
  mutant(
    'equals of an index is taken beside other bounds',
    'src/kv/encoding/postings.ts',
    'if (range.bounds.low !== undefined || range.bounds.high !== undefined)',
    'if (Number.isNaN(range.limit))',
    INDEXES,
  ),
  mutant(
    'the error of a double names the key of the write as the holder',
    'src/kv/write/uniqueness.ts',
    'return uniqueError(space, index, what, one, other);',
    'return uniqueError(space, index, what, other, one);',
    INDEXES,
  ),
  mutant(
    'a transaction reads the postings of what it has cleared',
    'src/kv/read/index-overlay.ts',
    'for (const key of keys) this.write(key, DELETED_ID);',
    '',
    ['test/kv/index-transactions.test.ts'],
  ),
  mutant(
    'the load of an index forgets the writes beside it',
    INDEX,
    'this.#correct(changed[at]!, changedIds[at]!);',
    '',
    LOAD,
  ),
  mutant(
    'many keys with equal codes are sorted in one slice',
    UNSORTED,
    'if (tied * TIED_KEYS_COST < this.#sliceKeys) continue;',
    'continue;',
    SORTED,
  ),
  mutant(
    'the lowest of few keys with equal codes stays where it is',
    UNSORTED,
    'at > start && key <',
    'at > start + 1 && key <',
    SORTED,
  ),
  mutant(
    'unsorted keys are looked for in chunks of another size',
    UNSORTED,
    'const CHUNK_KEYS = 2 ** CHUNK_BITS;',
    'const CHUNK_KEYS = 2 ** (CHUNK_BITS - 1);',
    SORTED,
  ),
  mutant(
    'a unique index judges no write, which simulated scripts see',
    'src/kv/write/write-path.ts',
    'if (isUnique) judgeUniqueness(writes);',
    '',
    ['test/simulation/script-indexes.test.ts'],
  ),
  mutant(
    'an index that was cleared gets back what its load had gathered',
    INDEX,
    'if (this.#load !== load) return;',
    '',
    LOAD,
  ),
  mutant(
    'a posting that a load has gathered is not counted in the memory of its index',
    INDEX,
    'load.gathered.add(posting, id);\n        this.#characters += posting.length;',
    'load.gathered.add(posting, id);',
    LOAD,
  ),
  mutant(
    'a double above a posting is not seen',
    INDEX,
    'if (next !== undefined && beginAlike(next, posting, valueLength)) return next;',
    '',
    INDEXES,
    'a unique index',
  ),
  mutant(
    'a double below a posting is not seen',
    INDEX,
    'return below !== undefined && beginAlike(below, posting, valueLength) ? below : undefined;',
    'return undefined;',
    INDEXES,
    'a unique index',
  ),
  mutant(
    'the key below another one is taken for that above it',
    'src/kv/entries/order-statistics.ts',
    'if (at > 0) below = node.keys[at - 1];',
    'if (at > 0) below = node.keys[at];',
    INDEXES,
    'a unique index',
  ),
  mutant(
    'a replaced entry is not compared with its postings',
    'src/kv/write/index-postings.ts',
    'return puts < COMPARED_FIRST || puts % COMPARED_EVERY === 0;',
    'return puts % COMPARED_EVERY === 0;',
    INDEXES,
    'that returns something else',
  ),
  mutant(
    'a replaced entry is compared with its postings by the first puts only',
    'src/kv/write/index-postings.ts',
    'puts < COMPARED_FIRST || puts % COMPARED_EVERY === 0;',
    'puts < COMPARED_FIRST;',
    INDEXES,
    'that returns something else',
  ),
  mutant(
    'a build indexes an entry that is due',
    'src/kv/entries/entries.ts',
    'return hasLeft ? NO_HANDLE : handle;',
    'return handle;',
    INDEXES,
    'a build of many entries',
  ),
];
