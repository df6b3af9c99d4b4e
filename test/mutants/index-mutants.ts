// Mutants of secondary indexes: their load, their uniqueness, and the comparison of what a put replaces.

import type { Mutant } from './mutants.js';
import { singleMutantsOf } from './mutants-of.js';

const INDEX = 'src/kv/entries/secondary-index.ts';
const LOAD = ['test/kv/index-load.test.ts'];
const UNSORTED = 'src/kv/entries/unsorted-keys.ts';
const SORTED = ['test/kv/unsorted-keys.test.ts'];
const INDEXES = ['test/kv/indexes.test.ts'];

const mutant = singleMutantsOf('index');

export const indexMutants: readonly Mutant[] = [
  mutant(
    'src/kv/encoding/postings.ts',
    'equals of an index is taken beside other bounds',
    INDEXES,
    'if (range.bounds.low !== undefined || range.bounds.high !== undefined)',
    'if (Number.isNaN(range.limit))',
  ),
  mutant(
    'src/kv/write/uniqueness.ts',
    'the error of a double names the key of the write as the holder',
    INDEXES,
    'return uniqueError(space, index, what, one, other);',
    'return uniqueError(space, index, what, other, one);',
  ),
  mutant(
    'src/kv/read/index-overlay.ts',
    'a transaction reads the postings of what it has cleared',
    ['test/kv/index-transactions.test.ts'],
    'for (const key of keys) this.write(key, DELETED_ID);',
    '',
  ),
  mutant(
    INDEX,
    'the load of an index forgets the writes beside it',
    LOAD,
    'this.#correct(changed[at]!, changedIds[at]!);',
    '',
  ),
  mutant(
    UNSORTED,
    'many keys with equal codes are sorted in one slice',
    SORTED,
    'if (tied * TIED_KEYS_COST < this.#sliceKeys) continue;',
    'continue;',
  ),
  mutant(
    UNSORTED,
    'the lowest of few keys with equal codes stays where it is',
    SORTED,
    'at > start && key <',
    'at > start + 1 && key <',
  ),
  mutant(
    UNSORTED,
    'unsorted keys are looked for in chunks of another size',
    SORTED,
    'const CHUNK_KEYS = 2 ** CHUNK_BITS;',
    'const CHUNK_KEYS = 2 ** (CHUNK_BITS - 1);',
  ),
  mutant(
    'src/kv/write/write-path.ts',
    'a unique index judges no write, which simulated scripts see',
    ['test/simulation/script-indexes.test.ts'],
    'if (isUnique) judgeUniqueness(writes);',
    '',
  ),
  mutant(
    INDEX,
    'an index that was cleared gets back what its load had gathered',
    LOAD,
    'if (this.#load !== load) return;',
    '',
  ),
  mutant(
    INDEX,
    'a posting that a load has gathered is not counted in the memory of its index',
    LOAD,
    'load.gathered.add(posting, id);\n        this.#characters += posting.length;',
    'load.gathered.add(posting, id);',
  ),
  {
    ...mutant(
      INDEX,
      'a double above a posting is not seen',
      INDEXES,
      'if (next !== undefined && beginAlike(next, posting, valueLength)) return next;',
      '',
    ),
    filter: 'a unique index',
  },
  {
    ...mutant(
      INDEX,
      'a double below a posting is not seen',
      INDEXES,
      'return below !== undefined && beginAlike(below, posting, valueLength) ? below : undefined;',
      'return undefined;',
    ),
    filter: 'a unique index',
  },
  {
    ...mutant(
      'src/kv/entries/order-statistics.ts',
      'the key below another one is taken for that above it',
      INDEXES,
      'if (at > 0) below = node.keys[at - 1];',
      'if (at > 0) below = node.keys[at];',
    ),
    filter: 'a unique index',
  },
  {
    ...mutant(
      'src/kv/write/index-postings.ts',
      'a replaced entry is not compared with its postings',
      INDEXES,
      'return puts < COMPARED_FIRST || puts % COMPARED_EVERY === 0;',
      'return puts % COMPARED_EVERY === 0;',
    ),
    filter: 'that returns something else',
  },
  {
    ...mutant(
      'src/kv/write/index-postings.ts',
      'a replaced entry is compared with its postings by the first puts only',
      INDEXES,
      'puts < COMPARED_FIRST || puts % COMPARED_EVERY === 0;',
      'puts < COMPARED_FIRST;',
    ),
    filter: 'that returns something else',
  },
  {
    ...mutant(
      'src/kv/entries/entries.ts',
      'a build indexes an entry that is due',
      INDEXES,
      'return hasLeft ? NO_HANDLE : handle;',
      'return handle;',
    ),
    filter: 'a build of many entries',
  },
];
